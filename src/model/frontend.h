/* frontend.h - from mel to the first vectors: two residual convolution modules
 * and a linear layer (MODEL.md 3.1, 3.2 of the design; class Conv2dSubsampling
 * of the published code). */
#ifndef MODEL_FRONTEND_H
#define MODEL_FRONTEND_H

#include "base/err.h"
#include "model/model.h"
#include "tensor/backend.h"

enum { FRONTEND_MODULES = 2, FRONTEND_LEAST = 16 };

struct frontend {
    struct backend *be;
    struct conv2d *conv[FRONTEND_MODULES][3]; /* batch norm folded in */
    int stride[FRONTEND_MODULES];             /* over time */
    int channels, bands;                      /* bands of the mel: 128 */
    struct tensor weight, bias;               /* (D, channels * bands/4), (D) */
    int64_t piece; /* output frames computed at a time, down to FRONTEND_LEAST;
                      init chooses */
    /* work space */
    struct tensor image[2][2], flat;
};

/* Takes the weights from m; f is zeroed. */
int frontend_init(struct frontend *f, struct model *m, struct backend *be,
                  struct err *err);
void frontend_release(struct frontend *f);

/* Vectors that time mel frames give: ceil(time / stride), module by module. */
int64_t frontend_frames(const struct frontend *f, int64_t time);

/* x (frontend_frames(T), D) from mel (T, bands). Works through the time in
 * pieces, so that memory stays bounded; the pieces overlap by what the kernels
 * reach, so that the result is the same. Where memory for a piece is not to be
 * had, this one and those that follow are halved, before ERR_NOMEM. */
int frontend_forward(struct frontend *f, struct tensor *x,
                     const struct tensor *mel, struct err *err);

#endif
