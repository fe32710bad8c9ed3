/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tensor/cuda/columns.cuh"

static struct columns columns_of(const struct tensor *x)
{
    struct columns s = {};

    s.windows = 1;
    s.rows = tensor_rows(x);
    s.c = tensor_cols(x);
    s.each = 1;
    s.across = 1;
    return s;
}

int cuda_batch_norm(struct backend *be, struct tensor *y, struct tensor *mean,
                    struct tensor *inv_std, struct tensor *running_mean,
                    struct tensor *running_var, const struct tensor *x,
                    const struct tensor *gamma, const struct tensor *beta,
                    float eps, float momentum, struct err *err)
{
    struct columns s = columns_of(x);
    struct columns_forward f = {};

    assert(tensor_count(y) == s.rows * s.c && tensor_count(mean) == s.c);
    assert(tensor_count(inv_std) == s.c && tensor_count(gamma) == s.c);
    assert(tensor_count(beta) == s.c && s.rows > 0);
    f.y = y->data;
    f.x = x->data;
    f.mean = mean->data;
    f.inv_std = inv_std->data;
    f.running_mean = running_mean ? running_mean->data : NULL;
    f.running_var = running_var ? running_var->data : NULL;
    f.gamma = gamma->data;
    f.beta = beta->data;
    f.eps = eps;
    f.momentum = momentum;
    return cuda_columns(cuda_of(be), &s, &f, err);
}

int cuda_batch_norm_backward(struct backend *be, struct tensor *dx,
                             struct tensor *dgamma, struct tensor *dbeta,
                             const struct tensor *dy, const struct tensor *x,
                             const struct tensor *mean,
                             const struct tensor *inv_std,
                             const struct tensor *gamma, struct err *err)
{
    struct columns s = columns_of(x);
    struct columns_backward b = {};

    assert(tensor_count(dx) == s.rows * s.c);
    assert(tensor_count(dy) == s.rows * s.c);
    assert(tensor_count(dgamma) == s.c && tensor_count(dbeta) == s.c);
    assert(tensor_count(mean) == s.c && tensor_count(inv_std) == s.c);
    assert(tensor_count(gamma) == s.c);
    b.dx = dx->data;
    b.dgamma = dgamma->data;
    b.dbeta = dbeta->data;
    b.dy = dy->data;
    b.x = x->data;
    b.mean = mean->data;
    b.inv_std = inv_std->data;
    b.gamma = gamma->data;
    b.dots_first = 1;
    return cuda_columns_backward(cuda_of(be), &s, &b, err);
}
