/* layout.h - the names, types and shapes of the tensors of a checkpoint. */
#ifndef MODEL_LAYOUT_H
#define MODEL_LAYOUT_H

#include <stddef.h>
#include "base/err.h"
#include "model/config.h"
#include "model/stored.h"

struct layout_tensor {
    struct stored t; /* name, type (I64 for counters, else F32), shape */
    int needed;      /* 0: in published files, but not used to run a model */
};

/* A zeroed struct can be added to and freed. */
struct layout {
    struct layout_tensor *tensor;
    size_t n, cap;
};

/* Appends one; name is taken, the ndim sizes follow as int. */
void layout_add(struct layout *l, char *name, int needed, int ndim, ...);
/* "PREFIX.weight" and "PREFIX.bias". */
void layout_linear(struct layout *l, const char *prefix, int out, int in,
                   int needed);
void layout_norm(struct layout *l, const char *prefix, int n);
/* What tokens are made with, and the layer "linear" that predicts those of all
 * streams, one behind another. */
void layout_tokens(struct layout *l, const struct model_config *c);
void layout_predict(struct layout *l, const struct model_config *c);
void layout_free(struct layout *l);

/* The tensor of that name in a list of n sorted by name; NULL if there is
 * none. */
const struct stored *layout_find(const struct stored *list, size_t n,
                                 const char *name);

/* Whether every needed tensor is in such a list with its shape; ERR_FORMAT
 * names the first that is not. */
int layout_check(const struct layout *l, const struct stored *list, size_t n,
                 struct err *err);

#endif
