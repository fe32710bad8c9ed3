/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tensor/tensor.h"

#include <assert.h>
#include <string.h>

#include "tensor/backend.h"

static void set_shape(struct tensor *t, struct backend *be, int ndim,
                      const int64_t *dim)
{
    assert(ndim >= 0 && ndim <= TENSOR_MAX_DIMS);
    memset(t, 0, sizeof(*t));
    t->be = be;
    t->ndim = ndim;
    for (int i = 0; i < ndim; i++) {
        assert(dim[i] >= 0);
        t->dim[i] = dim[i];
    }
}

static int reserve(struct tensor *t, struct backend *be, int ndim,
                   const int64_t *dim, int64_t size, struct err *err)
{
    float *data = t->data;
    int64_t cap = t->cap;

    if (cap < size) {
        tensor_release(t);
        TRY(be->ops->alloc(be, &data, size, err));
        cap = size;
    }
    set_shape(t, be, ndim, dim);
    t->data = data;
    t->cap = cap;
    return 0;
}

static int64_t count(int ndim, const int64_t *dim)
{
    int64_t n = 1;

    for (int i = 0; i < ndim; i++)
        n *= dim[i];
    return n;
}

int tensor_reserve(struct tensor *t, struct backend *be, int ndim,
                   const int64_t *dim, struct err *err)
{
    int64_t n = count(ndim, dim);

    return reserve(t, be, ndim, dim, n ? n : 1, err);
}

int tensor_reserve_narrow(struct tensor *t, struct backend *be, int ndim,
                          const int64_t *dim, struct err *err)
{
    int64_t n = count(ndim, dim);

    if (!be->narrow)
        return tensor_reserve(t, be, ndim, dim, err);
    TRY(reserve(t, be, ndim, dim, n / 2 + 1, err));
    t->narrow = 1;
    return 0;
}

int tensor_reserve_image(struct tensor *t, struct backend *be, int64_t h,
                         int64_t w, int64_t c, struct err *err)
{
    return reserve(t, be, 3, (int64_t[]){ h, w, c },
                   be->ops->image_size(be, h, w, c), err);
}

int tensor_reserve_batch(struct tensor *t, struct backend *be, int64_t b,
                         int64_t h, int64_t w, int64_t c, struct err *err)
{
    return reserve(t, be, 4, (int64_t[]){ b, h, w, c },
                   b * be->ops->image_size(be, h, w, c), err);
}

int tensor_import(struct tensor *t, struct backend *be, const float *host,
                  int ndim, const int64_t *dim, struct err *err)
{
    set_shape(t, be, ndim, dim);
    return be->ops->import(be, t, host, err);
}

struct tensor tensor_view(const struct tensor *base, int64_t offset, int ndim,
                          const int64_t *dim)
{
    struct tensor t;

    set_shape(&t, base->be, ndim, dim);
    t.narrow = base->narrow;
    t.data = t.narrow ? (float *)((uint16_t *)base->data + offset)
                      : base->data + offset;
    return t;
}

void tensor_release(struct tensor *t)
{
    if (t->cap)
        t->be->ops->free(t->be, t->data);
    memset(t, 0, sizeof(*t));
}

int64_t tensor_count(const struct tensor *t)
{
    return count(t->ndim, t->dim);
}

int64_t tensor_rows(const struct tensor *t)
{
    return count(t->ndim - 1, t->dim);
}

int64_t tensor_cols(const struct tensor *t)
{
    return t->ndim ? t->dim[t->ndim - 1] : 1;
}

int tensor_upload(struct tensor *t, const float *host, struct err *err)
{
    assert(!t->narrow);
    return t->be->ops->upload(t->be, t->data, host, tensor_count(t), err);
}

int tensor_download(float *host, const struct tensor *t, struct err *err)
{
    assert(!t->narrow);
    return t->be->ops->download(t->be, host, t->data, tensor_count(t), err);
}
