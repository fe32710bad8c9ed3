/* compare.h - two sets of estimates of the same songs: is one better, and where
 * do they differ most. */
#ifndef EVAL_COMPARE_H
#define EVAL_COMPARE_H

#include "base/json.h"
#include "base/strbuf.h"
#include "eval/report.h"
#include "eval/wilcoxon.h"

struct compare_score {
    size_t n;                   /* rows where both are defined */
    double mean_a, mean_b;      /* of those; NaN if n is 0 */
    double difference;          /* mean of b - a */
    double low, high;           /* its 95 % interval, boot.h; NaN below n 2 */
    size_t better, worse;       /* rows with b > a, b < a */
    struct wilcoxon test;       /* of the differences b - a */
};

struct compare_row {
    const char *name; /* of the row, borrowed from the reports */
    double a, b;
};

struct compare {
    const struct report *a, *b;
    struct compare_score *score; /* (K), owned */
    struct compare_row *most;    /* (n_most), owned: the largest |b - a| of the
                                  * lead score, then by name; none that is 0 */
    size_t n, n_most;
    size_t lead;
};

/* Compares the rows of the same name; both reports have the same scores, are
 * sorted by name, and outlive *out. At most `most` rows are listed. */
void compare_init(struct compare *out, const struct report *a,
                  const struct report *b, size_t lead, size_t most);
void compare_release(struct compare *c);

/* Adds "files", "comparison": {NAME: {"n", "mean_a", "mean_b", "difference",
 * "interval", "better", "worse", "statistic", "p", "exact"}}, and "largest":
 * [{"file", "a", "b", "difference"}] with "largest_by": NAME. */
void compare_json(cJSON *top, const struct compare *c);
void compare_table(struct strbuf *out, const struct compare *c);
void compare_tsv(struct strbuf *out, const struct compare *c);

#endif
