/* model.h - an open model file: its configuration and its weights.
 *
 * A model file is one safetensors file with the configuration as JSON in
 * __metadata__.mfm (config.h). It is mapped, not read. */
#ifndef MODEL_MODEL_H
#define MODEL_MODEL_H

#include <pthread.h>
#include <stdint.h>
#include "base/err.h"
#include "model/config.h"
#include "model/safetensors.h"
#include "model/stored.h"

/* Several threads may share one. config and weights are to be read only. */
struct model {
    char *path;
    struct model_config config;
    struct safetensors weights;
    float **converted; /* by index into weights.tensor; NULL: not asked for */
    char sha256[65];   /* "" until asked for */
    pthread_mutex_t lock; /* of these two */
};

/* ERR_FORMAT for files without a configuration (the message names mfm convert)
 * and for bad ones; else as safetensors_open and config_parse. */
int model_open(struct model **out, const char *path, struct err *err);
void model_free(struct model *m); /* NULL is allowed */

/* Whether the model has a tensor of that name. */
int model_has(const struct model *m, const char *name);

/* The tensor's values in row-major order, borrowed until model_free: in the map
 * if they are F32, else converted once and kept. shape has ndim sizes that must
 * be equal (-1: any). ERR_FORMAT if the tensor is missing or has another shape;
 * ERR_UNSUPPORTED if it does not hold floats; ERR_NOMEM. */
int model_tensor(struct model *m, const char *name, const int64_t *shape,
                 int ndim, const float **out, struct err *err);

/* The tensor as it lies in the file, for callers that take BF16 as it is. Same
 * checks of presence and shape; borrowed. */
int model_stored(const struct model *m, const char *name, const int64_t *shape,
                 int ndim, const struct stored **out, struct err *err);

/* Writes the model to path with another configuration, and all else as it is,
 * the tensors byte for byte; path may be the model's own file. The file appears
 * when it is whole. ERR_IO. */
int model_rewrite(const struct model *m, const struct model_config *c,
                  const char *path, struct err *err);

/* SHA-256 of the whole file in hex, computed at the first call. */
const char *model_sha256(struct model *m);

/* n values from model_tensor have been copied: what of them is mapped need not
 * stay in memory, and is read again if it is looked at again. */
void model_forget(struct model *m, const float *data, int64_t n);

/* Gives the memory of the mapped pages and of the conversions back, for callers
 * that have copied the weights, and have the model for themselves: pointers
 * from model_tensor are no longer valid. */
void model_release_pages(struct model *m);

#endif
