/* musicfm.h - the names, shapes and configuration of MusicFM checkpoints
 * (github.com/minzwon/musicfm; Won, Hung, Le 2023, arXiv 2311.03318). A model
 * file of mfm keeps the published names without "model.". */
#ifndef MODEL_MUSICFM_H
#define MODEL_MUSICFM_H

#include <stddef.h>
#include "base/err.h"
#include "base/json.h"
#include "model/config.h"
#include "model/layout.h"
#include "model/stored.h"

/* All tensors that a checkpoint of this configuration has: 465 for the
 * published one. The caller releases with layout_free. */
void musicfm_layout(struct layout *l, const struct model_config *c);

/* The name that mfm's files use: without "model.", quantizers numbered, weight
 * norm as weight_g and weight_v. The caller frees. */
char *musicfm_name(const char *name);

/* Works the configuration out from the shapes of a checkpoint: n tensors with
 * the names of musicfm_name, sorted by name. What shapes do not tell comes from
 * the objects options (may be NULL; keys hop, time_strides, stack, heads,
 * sample_rate, window, name; keys that shapes do tell must agree) and stats
 * (may be NULL; melspec_2048_mean and melspec_2048_std, which options may hold
 * too). Heads are empty; name is used unless options has one. Every tensor that
 * is needed is there with its shape when this returns 0. ERR_FORMAT says what
 * is missing or does not fit; ERR_ARG if the statistics are not given. */
int musicfm_config(struct model_config *c, const struct stored *list, size_t n,
                   const cJSON *options, const cJSON *stats, const char *name,
                   struct err *err);

/* Whether every needed tensor of c is in the list with its shape. */
int musicfm_check(const struct model_config *c, const struct stored *list,
                  size_t n, struct err *err);

#endif
