/* headconfig.h - what a model file says of one head (config.h). */
#ifndef MODEL_HEADCONFIG_H
#define MODEL_HEADCONFIG_H

#include "model/config.h"

/* o is the member of "heads" that is named by the task; layers: of the encoder.
 * ERR_FORMAT names the field and its limits. h may be released in any case. */
int head_config_parse(struct head_config *h, const cJSON *o, int layers,
                      struct err *err);
/* Adds the member to heads; head_config_parse reads it back equal. */
void head_config_print(cJSON *heads, const struct head_config *h);
void head_config_release(struct head_config *h);

/* h becomes one that says what the model of this sha256 says; of many the
 * first is forgotten. */
void head_config_add_as_in(struct head_config *h, const char *sha256);
/* h says something of its own. */
void head_config_clear_as_in(struct head_config *h);

/* The probability that something is right of which the head says p (0..1), as
 * mfm eval --calibrate has fitted it: sigmoid(slope * logit(p) + offset), p
 * kept 1e-6 from 0 and 1 (J. Platt, "Probabilistic Outputs for Support Vector
 * Machines", 1999). p itself where nothing was fitted; NaN for NaN. */
double head_confidence(const struct head_config *h, double p);

#endif
