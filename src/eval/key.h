/* key.h - the score of one key against another. */
#ifndef EVAL_KEY_H
#define EVAL_KEY_H

#include "base/err.h"

/* mir_eval 0.8 key.weighted_score, the rule of MIREX: 1 for the same key, 0.5
 * for the fifth above the reference in its mode, 0.3 for the relative key, 0.2
 * for the same tonic in another mode, else 0. As in mir_eval the fifth below
 * scores 0, "other" is a mode like any, and its relative keys are those of the
 * reference's mode. X agrees with X alone.
 *
 * Returns 0, or ERR_FORMAT for a name that keyname_parse refuses. */
int eval_key(double *score, const char *ref, const char *est, struct err *err);

#endif
