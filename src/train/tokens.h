/* tokens.h - from model files to tokenizers, and tokens that were made
 * elsewhere. */
#ifndef TRAIN_TOKENS_H
#define TRAIN_TOKENS_H

#include <stdint.h>
#include "base/err.h"
#include "model/config.h"
#include "model/model.h"
#include "token/tokenizer.h"

/* Finds a tensor of that name and shape, as model_tensor does; *out is borrowed
 * until tokens_build returns. */
typedef int tokens_lookup(void *ctx, const char *name, const int64_t *shape,
                          int ndim, const float **out, struct err *err);

/* The tokenizer of c->tokens with the tensors that get finds
 * (config_token_tensors). ERR_FORMAT if c has no tokens; errors of get. */
int tokens_build(struct tokenizer **out, const struct model_config *c,
                 tokens_lookup *get, void *ctx, struct err *err);

/* The same with the tensors of an open model. The only quantizer of a file may
 * lack its number, as in some copies of the published model. */
int tokens_from_model(struct tokenizer **out, struct model *m,
                      struct err *err);

/* The tokens of a recording that another program made: an array of integers
 * (T, streams), or (T,) for one stream, with the streams and codes of
 * c->tokens. *token (*count, streams) is freed by the caller. ERR_FORMAT names
 * the file and what is wrong: type, shape, or the first value out of range and
 * its place. */
int tokens_read_npy(int32_t **token, int64_t *count, const char *path,
                    const struct model_config *c, struct err *err);

/* Where they lie: NAME.npy in folder dir, or with dir NULL beside the audio
 * file NAME.EXT. The caller frees it. */
char *tokens_npy_path(const char *audio, const char *dir);

#endif
