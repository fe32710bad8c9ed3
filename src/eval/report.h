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
    const char *unit; /* what a row is: "files", or "tags"; borrowed */
    struct report_row *row;
    size_t n, cap;
};

void report_init(struct report *r, const char *const *names, size_t k);
void report_release(struct report *r);

/* Copies both. */
void report_add(struct report *r, const char *file, const double *score);

/* Of the rows where a score is defined. */
struct report_stats {
    size_t n;            /* such rows */
    double mean, median; /* NaN if n is 0 */
    double std;          /* with n - 1 in the denominator; NaN below n 2 */
    double low, high;    /* 95 % interval of the mean, boot.h; NaN below n 2 */
};

/* Of all scores, (K); the caller frees. */
struct report_stats *report_stats(const struct report *r);

/* Adds to an object: {"files": N, "mean": {NAME: x, ...}, "median": {...},
 * "std": {...}, "interval": {NAME: [low, high], ...}, "defined": {NAME: rows},
 * "undefined": {NAME: rows}}, and with per_file "scores": [{"file": ..., NAME:
 * x, ...}, ...] in the order they were added. Undefined is null. The first key
 * is the unit, the key of a row the unit without its s. File names should be
 * UTF-8. */
void report_json(cJSON *top, const struct report *r, bool per_file);

/* A line for each score: name, mean, interval, median, deviation, rows where it
 * is defined and where it is not. 4 decimals, "-" where undefined. */
void report_table(struct strbuf *out, const struct report *r);

/* A header, with per_file a line for each row, then lines "mean", "median",
 * "std", "low", "high" and "undefined"; a column for each score, 6 decimals,
 * "-" where undefined. Control characters in file names become "?". */
void report_tsv(struct strbuf *out, const struct report *r, bool per_file);

/* name, with control characters as "?". */
void report_add_name(struct strbuf *out, const char *name);

#endif
