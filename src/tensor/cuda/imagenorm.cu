/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tensor/cuda/columns.cuh"
#include "tensor/cuda/image.cuh"

/* A row is a pixel. */
static struct columns columns_of(const struct cuda_image *m)
{
    struct columns s = {};

    s.windows = 1;
    s.rows = m->b * m->h * m->w;
    s.c = m->c;
    s.each = 1;
    s.is_16 = m->is_16;
    s.across = 1;
    return s;
}

/* With y of x, and the statistics at mean and inv_std. */
static struct columns_forward forward_of(const struct cuda_image *m,
                                         const struct tensor *y,
                                         const struct tensor *mean,
                                         const struct tensor *inv_std,
                                         const struct tensor *gamma,
                                         const struct tensor *beta, int relu)
{
    struct columns_forward f = {};

    assert(tensor_count(gamma) == m->c && tensor_count(beta) == m->c);
    assert(tensor_count(mean) == m->c && tensor_count(inv_std) == m->c);
    f.y = y->data;
    f.x = m->data;
    f.mean = mean->data;
    f.inv_std = inv_std->data;
    f.gamma = gamma->data;
    f.beta = beta->data;
    f.relu = relu;
    return f;
}

int cuda_image_batch_norm(struct backend *be, struct tensor *y,
                          struct tensor *mean, struct tensor *inv_std,
                          struct tensor *running_mean,
                          struct tensor *running_var, const struct tensor *x,
                          const struct tensor *gamma, const struct tensor *beta,
                          float eps, float momentum, int relu, struct err *err)
{
    struct cuda_image m = cuda_image_of(cuda_of(be), x);
    struct columns s = columns_of(&m);
    struct columns_forward f = forward_of(&m, y, mean, inv_std, gamma, beta,
                                          relu);

    assert(tensor_count(y) == tensor_count(x));
    f.running_mean = running_mean ? running_mean->data : NULL;
    f.running_var = running_var ? running_var->data : NULL;
    f.eps = eps;
    f.momentum = momentum;
    return cuda_columns(cuda_of(be), &s, &f, err);
}

int cuda_image_normalise(struct backend *be, struct tensor *y,
                         const struct tensor *x, const struct tensor *mean,
                         const struct tensor *inv_std,
                         const struct tensor *gamma, const struct tensor *beta,
                         int relu, struct err *err)
{
    struct cuda_image m = cuda_image_of(cuda_of(be), x);
    struct columns s = columns_of(&m);
    struct columns_forward f = forward_of(&m, y, mean, inv_std, gamma, beta,
                                          relu);

    assert(tensor_count(y) == tensor_count(x));
    return cuda_columns_apply(cuda_of(be), &s, &f, err);
}

int cuda_image_batch_norm_backward(struct backend *be, struct tensor *dx,
                                   struct tensor *dgamma, struct tensor *dbeta,
                                   const struct tensor *dy,
                                   const struct tensor *y,
                                   const struct tensor *x,
                                   const struct tensor *mean,
                                   const struct tensor *inv_std,
                                   const struct tensor *gamma, int relu,
                                   struct err *err)
{
    struct cuda_image m = cuda_image_of(cuda_of(be), x);
    struct columns s = columns_of(&m);
    struct columns_backward b = {};

    assert(tensor_count(dx) == tensor_count(x));
    assert(tensor_count(dy) == tensor_count(x));
    assert(!relu || tensor_count(y) == tensor_count(x));
    assert(tensor_count(dgamma) == m.c && tensor_count(dbeta) == m.c);
    assert(tensor_count(mean) == m.c && tensor_count(inv_std) == m.c);
    assert(tensor_count(gamma) == m.c);
    b.dx = dx->data;
    b.dgamma = dgamma->data;
    b.dbeta = dbeta->data;
    b.dy = dy->data;
    b.y = relu ? y->data : NULL;
    b.x = m.data;
    b.mean = mean->data;
    b.inv_std = inv_std->data;
    b.gamma = gamma->data;
    return cuda_columns_backward(cuda_of(be), &s, &b, err);
}
