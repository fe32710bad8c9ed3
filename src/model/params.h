/* params.h - the named tensors of a model in training: one block of floats for
 * the values, and one for the gradients of those that are trained.
 *
 *     params_add(&p, ...);                    -- by net_describe, head_describe
 *     TRY(params_alloc(&p, be, err));
 *     TRY(params_init(&p, seed, err));        -- or params_load
 *     w = params_value(&p, params_index(&p, "linear.weight"));
 *
 * Trained tensors come first in the block, in the order of params_add, then
 * buffers (running statistics, codebooks, counters). */
#ifndef MODEL_PARAMS_H
#define MODEL_PARAMS_H

#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "model/model.h"
#include "model/safetensors.h"
#include "tensor/backend.h"

enum param_kind {
    PARAM_TRAINED,
    PARAM_BUFFER, /* floats that training does not change by gradients */
    PARAM_COUNTER /* a buffer of one float that files hold as I64 */
};

/* First value of each element. */
enum param_init {
    INIT_CONST,   /* value */
    INIT_NORMAL,  /* N(0, value^2) */
    INIT_UNIFORM, /* U(-value, value) */
    INIT_POWERS   /* value^(-j / count): rotary frequencies */
};

enum { PARAM_GROUP_ENCODER, PARAM_GROUP_HEAD, PARAM_GROUPS };

struct param {
    char *name;
    enum param_kind kind;
    int ndim;
    int64_t dim[STORED_MAX_DIMS];
    enum param_init init;
    float value;   /* of init */
    int decay;     /* weight decay applies: two and more dimensions */
    int group;     /* PARAM_GROUP_*: has a learning rate of its own */
    int frozen;    /* trained kind, but left alone: no step is taken */
    int64_t offset, count; /* in floats, set by params_alloc, params_add */
};

/* A zeroed struct can be released and added to. */
struct params {
    struct param *item;
    size_t n, cap;
    struct backend *be;
    int64_t trained, all;       /* floats */
    struct tensor value;        /* (all) */
    struct tensor grad;         /* (trained) */
};

/* Appends a tensor and returns it, borrowed until the next call, to be adjusted
 * (value, group...). decay is set if kind is PARAM_TRAINED and ndim >= 2. */
struct param *params_add(struct params *p, const char *name,
                         enum param_kind kind, enum param_init init,
                         float value, int ndim, const int64_t *dim);

/* Places all tensors and makes both blocks; gradients are zero. be is borrowed.
 * ERR_NOMEM, ERR_DEVICE. */
int params_alloc(struct params *p, struct backend *be, struct err *err);
void params_release(struct params *p);

/* Number of the tensor of that name, -1 if there is none. */
int params_index(const struct params *p, const char *name);

/* Views of the blocks, in the tensor's shape (of more than TENSOR_MAX_DIMS
 * dimensions: flat); valid as long as p is. i is of a trained tensor for
 * params_grad. */
struct tensor params_value(const struct params *p, int i);
struct tensor params_grad(const struct params *p, int i);

int params_zero_grad(struct params *p, struct err *err);

/* Draws the first values: element j of tensor i depends on (seed, name of i, j)
 * alone. */
int params_init(struct params *p, uint64_t seed, struct err *err);

/* Takes each tensor that m has; those that it lacks keep their values.
 * ERR_FORMAT where a shape differs. *taken (or NULL) counts. */
int params_load(struct params *p, struct model *m, size_t *taken,
                struct err *err);

/* The same of the tensors that filter accepts. */
int params_load_some(struct params *p, struct model *m,
                     int (*filter)(const struct param *, void *), void *ctx,
                     size_t *taken, struct err *err);

/* Writes a safetensors file: each tensor that filter (or NULL: all) accepts
 * under its name, taken from block (all floats laid out as p->value, host
 * memory; NULL: the values themselves), as F32, or BF16 where bf16 is set and
 * it has two and more dimensions; counters as I64. The file appears when it is
 * whole. */
int params_write(const struct params *p, const float *block, int bf16,
                 int (*filter)(const struct param *, void *), void *ctx,
                 const char *path, const struct safetensors_meta *meta,
                 size_t n_meta, struct err *err);

#endif
