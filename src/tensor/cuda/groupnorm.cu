/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tensor/cuda/columns.cuh"

/* A row is a frame. */
static struct columns columns_of(const struct tensor *x, int groups)
{
    struct columns s = {};

    assert(x->ndim == 3 && groups > 0 && x->dim[2] % groups == 0);
    s.windows = x->dim[0];
    s.rows = x->dim[1];
    s.c = x->dim[2];
    s.each = s.c / groups;
    return s;
}

int cuda_group_norm(struct backend *be, struct tensor *y, struct tensor *mean,
                    struct tensor *inv_std, const struct tensor *x,
                    const struct tensor *gamma, const struct tensor *beta,
                    int groups, float eps, struct err *err)
{
    struct columns s = columns_of(x, groups);
    struct columns_forward f = {};

    assert(tensor_count(y) == tensor_count(x));
    assert(tensor_count(mean) == s.windows * groups);
    assert(tensor_count(inv_std) == s.windows * groups);
    assert(tensor_count(gamma) == s.c && tensor_count(beta) == s.c);
    f.y = y->data;
    f.x = x->data;
    f.mean = mean->data;
    f.inv_std = inv_std->data;
    f.gamma = gamma->data;
    f.beta = beta->data;
    f.eps = eps;
    return cuda_columns(cuda_of(be), &s, &f, err);
}

int cuda_group_norm_backward(struct backend *be, struct tensor *dx,
                             struct tensor *dgamma, struct tensor *dbeta,
                             const struct tensor *dy, const struct tensor *x,
                             const struct tensor *mean,
                             const struct tensor *inv_std,
                             const struct tensor *gamma, int groups,
                             struct err *err)
{
    struct columns s = columns_of(x, groups);
    struct columns_backward b = {};

    assert(tensor_count(dx) == tensor_count(x));
    assert(tensor_count(dy) == tensor_count(x));
    assert(tensor_count(dgamma) == s.c && tensor_count(dbeta) == s.c);
    assert(tensor_count(mean) == s.windows * groups);
    assert(tensor_count(inv_std) == s.windows * groups);
    assert(tensor_count(gamma) == s.c);
    b.dx = dx->data;
    b.dgamma = dgamma->data;
    b.dbeta = dbeta->data;
    b.dy = dy->data;
    b.x = x->data;
    b.mean = mean->data;
    b.inv_std = inv_std->data;
    b.gamma = gamma->data;
    return cuda_columns_backward(cuda_of(be), &s, &b, err);
}
