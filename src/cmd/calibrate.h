/* calibrate.h - mfm eval --calibrate: confidences of a model that are as often
 * right as they say. */
#ifndef CMD_CALIBRATE_H
#define CMD_CALIBRATE_H

#include "cmd/eval_show.h"

/* Fits what the model of o's -m says of its estimates, those of s, to how often
 * they are right (reliability_fit), on top of what was fitted before, and
 * writes the model with that to o->calibrate, and says it on stderr. Nothing is
 * written where no confidence can be judged, nor where the estimates are known
 * to be of another model. With o->reliability, shows it before and after.
 * Returns the exit code, with the fault said: CMD_FAILED also where pairs
 * failed. */
int eval_calibrate(const struct eval_options *o, const struct scoring *s);

#endif
