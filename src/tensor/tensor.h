/* tensor.h - shape and memory of float32 arrays on a device.
 *
 * A bare float pointer in mfm is host memory; device memory is only reached
 * through a struct tensor and the operations of its backend. Tensors are dense
 * and row-major, the last dimension fastest. One exception are images, made
 * by tensor_alloc_image: shape (H, W, C), with the memory order left to the
 * backend (oneDNN wants channels in blocks); only conv2d and image_flatten read
 * them. A (H, W, 1) image is plain row-major on every backend.
 *
 * Narrow tensors, made by tensor_reserve_narrow, are for what is rounded to
 * operands of a product in any case: where the backend computes in 16 bit on
 * memory of its own (struct backend, narrow) they hold 16-bit values, else f32.
 * Only operations that say so (backend.h) take them; nothing moves them to the
 * host or back. */
#ifndef TENSOR_TENSOR_H
#define TENSOR_TENSOR_H

#include <stdint.h>
#include "base/err.h"

struct backend;

enum { TENSOR_MAX_DIMS = 4 };

/* A zeroed tensor can be released. */
struct tensor {
    struct backend *be; /* borrowed; outlives the tensor */
    int ndim;
    int64_t dim[TENSOR_MAX_DIMS];
    float *data; /* device memory */
    int64_t cap; /* floats that data owns; 0: borrowed or a view */
    int narrow;  /* 16-bit values lie at data */
};

/* Gives t this shape; memory is only allocated (and not cleared) if t owns too
 * little, so that a work space serves windows of several lengths. t is zeroed
 * or from an earlier call. ERR_NOMEM or ERR_DEVICE. */
int tensor_reserve(struct tensor *t, struct backend *be, int ndim,
                   const int64_t *dim, struct err *err);
int tensor_reserve_narrow(struct tensor *t, struct backend *be, int ndim,
                          const int64_t *dim, struct err *err);
int tensor_reserve_image(struct tensor *t, struct backend *be, int64_t h,
                         int64_t w, int64_t c, struct err *err);
/* A batch of images (B, H, W, C), for training. */
int tensor_reserve_batch(struct tensor *t, struct backend *be, int64_t b,
                         int64_t h, int64_t w, int64_t c, struct err *err);

/* Weights: the CPU borrows the host array (which must outlive the tensor), a
 * device with memory of its own copies it. */
int tensor_import(struct tensor *t, struct backend *be, const float *host,
                  int ndim, const int64_t *dim, struct err *err);

/* The memory of base from element offset on, under another shape; valid as long
 * as base is. */
struct tensor tensor_view(const struct tensor *base, int64_t offset, int ndim,
                          const int64_t *dim);

void tensor_release(struct tensor *t);

int64_t tensor_count(const struct tensor *t); /* elements */
/* Product of all dimensions but the last: rows of the matrix that matmul and
 * layer_norm see. */
int64_t tensor_rows(const struct tensor *t);
int64_t tensor_cols(const struct tensor *t); /* the last dimension */

/* All elements, host to device and back. */
int tensor_upload(struct tensor *t, const float *host, struct err *err);
int tensor_download(float *host, const struct tensor *t, struct err *err);

#endif
