/* reliability.h - whether confidences are probabilities: how often items of a
 * confidence are right (M. DeGroot, S. Fienberg, "The Comparison and Evaluation
 * of Forecasters", 1983; C. Guo et al., "On Calibration of Modern Neural
 * Networks", ICML 2017, equation 3 for the error). */
#ifndef EVAL_RELIABILITY_H
#define EVAL_RELIABILITY_H

#include "annot/annotation.h"
#include "base/err.h"

enum { RELIABILITY_BINS = 10, RELIABILITY_STEPS = 256 };

/* {0} is empty. Bin i has confidences from i / 10 on; 1 is in the last. Weight
 * is items, or for spans seconds. step: the same by the logit of the
 * confidence, finer, for the fit; its confidence is the logit. */
struct reliability {
    struct reliability_bin {
        double weight, confidence, right; /* sums; the last two weighted */
    } bin[RELIABILITY_BINS], step[RELIABILITY_STEPS];
};

/* right is 0..1. Confidences that are not known are left out. */
void reliability_add(struct reliability *r, double confidence, double right,
                     double weight);
void reliability_merge(struct reliability *r, const struct reliability *other);

/* Adds the items of an estimate:
 *   beats      right if a reference beat is within 70 ms
 *   chords     the share of their time in which they agree in the majmin rule
 *              (chord.h), of what that judges
 *   structure  the share of their time with the same function (section.h)
 *   key        right if it is the reference's; without one in the reference
 *              nothing is added
 *   tags       right if the reference has the tag with a score from 0.5 on
 * ERR_UNSUPPORTED for the tempo, which has no items; ERR_FORMAT for a chord
 * outside the grammar. No span is open (score_close). */
int reliability_take(struct reliability *r, enum annot_task task,
                     const struct annotation *ref,
                     const struct annotation *est, struct err *err);

/* The expected calibration error, the mean of |confidence - right| over bins by
 * weight; NaN without items. */
double reliability_error(const struct reliability *r);

/* The most likely slope (above 0) and offset of a logistic regression: right
 * with probability sigmoid(slope * logit(confidence) + offset). Both are taken
 * to lie around 1 and 0 with a deviation of 1, which decides where there are
 * few items; 1 and 0 without items. */
void reliability_fit(const struct reliability *r, double *slope,
                     double *offset);

/* The same items with the confidences that such a regression makes of theirs;
 * within a step all are as its mean. out is empty before. */
void reliability_refit(struct reliability *out, const struct reliability *r,
                       double slope, double offset);

#endif
