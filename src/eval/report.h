/* report.h - scores of many pairs of files: statistics, JSON, text.
 *
 *     struct report r;
 *     report_init(&r, eval_beat_names, EVAL_BEAT_COUNT);
 *     report_add(&r, "song", scores);            -- for each pair
 *     report_table(&out, &r);
 *     report_release(&r);
 */
#ifndef EVAL_REPORT_H
#define EVAL_REPORT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/json.h"
#include "base/strbuf.h"

struct report_row {
    char *file;    /* owned */
    double *score; /* (K), owned; NaN is undefined */
};

struct report {
    const char *const *names; /* (K), borrowed until release */
    size_t k;
    struct report_row *row;
    size_t n, cap;
};

void report_init(struct report *r, const char *const *names, size_t k);
void report_release(struct report *r);

/* Copies both. */
void report_add(struct report *r, const char *file, const double *score);

/* Of the files where a score is defined. */
struct report_stats {
    size_t n;            /* such files */
    double mean, median; /* NaN if n is 0 */
    double std;          /* with n - 1 in the denominator; NaN below n 2 */
};
struct report_stats report_stats(const struct report *r, size_t score);

/* {"files": N, "mean": {NAME: x, ...}, "median": {...}, "std": {...},
 * "defined": {NAME: files}}, and with per_file "scores": [{"file": ...,
 * NAME: x, ...}, ...] in the order they were added. Undefined is null. File
 * names should be UTF-8. The caller deletes it. */
cJSON *report_json(const struct report *r, bool per_file);

/* A line for each score: name, mean, median, deviation, files. 4 decimals. */
void report_table(struct strbuf *out, const struct report *r);

/* A header, with per_file a line for each file, then lines "mean", "median" and
 * "std"; a column for each score, 6 decimals, "nan" where undefined. Control
 * characters in file names become "?". */
void report_tsv(struct strbuf *out, const struct report *r, bool per_file);

#endif
