/* tag.h - scores of tag predictions over a collection. */
#ifndef EVAL_TAG_H
#define EVAL_TAG_H

#include <stddef.h>

#include "base/err.h"

/* Means over the tags where a score is defined (macro averages); NaN if there
 * is no such tag. */
struct eval_tag {
    double average_precision, roc_auc;
    size_t without_ap, without_roc; /* tags left out of the means */
};

/* Scores of K tags on N clips: truth (N, K) is 0 or 1, score (N, K) any finite
 * number. ap (K) and roc (K) get those of each tag, or are NULL:
 *
 * average precision: the sum over distinct scores, from the top, of precision
 * times the gain in recall (scikit-learn's average_precision_score); NaN
 * without a positive clip; area under the ROC curve: the chance that a positive
 * clip scores above a negative one, a tie counting a half; NaN unless there are
 * both.
 *
 * Returns 0, or ERR_ARG naming tag and clip by number (from 1). */
int eval_tag(struct eval_tag *out, double *ap, double *roc, const int *truth,
             const double *score, size_t n, size_t k, struct err *err);

#endif
