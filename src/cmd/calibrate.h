/* calibrate.h - mfm eval --calibrate: confidences of a model that are as often
 * right as they say. */
#ifndef CMD_CALIBRATE_H
#define CMD_CALIBRATE_H

#include "cmd/eval_show.h"

/* Fits what the model of o's -m says of its estimates, which r is of, to how
 * often they are right (reliability_fit), on top of what was fitted before, and
 * writes the model with that to o->calibrate. Returns the exit code, with the
 * fault said. */
int eval_calibrate(const struct eval_options *o, const struct reliability *r);

#endif
