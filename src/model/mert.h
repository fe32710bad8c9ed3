/* mert.h - the names, shapes and configuration of MERT checkpoints (Li et al.
 * 2023, arXiv 2306.00107; huggingface.co/m-a-p). A model file of mfm keeps the
 * published names, weight norm as weight_g and weight_v. */
#ifndef MODEL_MERT_H
#define MODEL_MERT_H

#include <stddef.h>
#include "base/err.h"
#include "base/json.h"
#include "model/config.h"
#include "model/layout.h"
#include "model/stored.h"

/* All tensors of a checkpoint of this configuration, 403 for the 330M model,
 * then those of tokens, if the configuration has any. The caller releases with
 * layout_free. */
void mert_layout(struct layout *l, const struct model_config *c);

/* Whether the list, sorted by name, is such a checkpoint's. */
int mert_is(const struct stored *list, size_t n);

/* The configuration of a checkpoint: n tensors with the names of musicfm_name,
 * sorted by name. json is the config.json published beside it, with the
 * defaults of Hugging Face's MERTConfig; it may also have window (5 s, what the
 * published models saw) and name (else the given one). The mel settings are
 * those of tokens at 75 Hz and not used by the encoder; heads are empty.
 * ERR_ARG without json; ERR_UNSUPPORTED names the field for an architecture
 * that bert.h is not; ERR_FORMAT where tensors are missing or do not fit. */
int mert_config(struct model_config *c, const struct stored *list, size_t n,
                const cJSON *json, const char *name, struct err *err);

/* Whether every needed tensor of c is in the list with its shape. */
int mert_check(const struct model_config *c, const struct stored *list,
               size_t n, struct err *err);

#endif
