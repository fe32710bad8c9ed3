/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <math.h>

#include "tensor/cuda/common.cuh"

/* ---- y = a x + b y ---- */

__global__ void axpby_all(float *y, float a, const float *x, float b, int64_t n)
{
    FOR_EACH(i, n)
        y[i] = (x ? a * x[i] : 0) + (b != 0 ? b * y[i] : 0);
}

int cuda_axpby(struct backend *be, struct tensor *y, float a,
               const struct tensor *x, float b, struct err *err)
{
    struct cuda *c = cuda_of(be);
    int64_t n = tensor_count(y);

    assert(!x || tensor_count(x) == n);
    c->launched++;
    if (!x && b == 0)
        return cuda_check(cudaMemsetAsync(y->data, 0, (size_t)n * sizeof(float),
                                          c->stream), "memory", err);
    return LAUNCH(axpby_all, cuda_grid(c, n), BLOCK, 0, y->data, a,
                  x ? x->data : NULL, b, n);
}

/* ---- sum of products: one double for each block, added in order ---- */

enum { DOT_BLOCKS = 256 };

__global__ void dot_parts(double *part, const float *a, const float *b,
                          int64_t n)
{
    double sum = 0;

    FOR_EACH(i, n)
        sum += (double)a[i] * b[i];
    sum = block_sum(sum);
    if (threadIdx.x == 0)
        part[blockIdx.x] = sum;
}

int cuda_dot(struct backend *be, double *out, const struct tensor *a,
             const struct tensor *b, struct err *err)
{
    struct cuda *c = cuda_of(be);
    double part[DOT_BLOCKS];
    void *dev;

    assert(tensor_count(a) == tensor_count(b));
    TRY(cuda_buf(c, CUDA_BUF_SUMS, sizeof(part), &dev, err));
    TRY(LAUNCH(dot_parts, DOT_BLOCKS, BLOCK, 0, (double *)dev, a->data, b->data,
               tensor_count(a)));
    TRY(cuda_download(c, part, dev, sizeof(part), err));
    *out = 0;
    for (int i = 0; i < DOT_BLOCKS; i++)
        *out += part[i];
    return 0;
}

/* ---- Adam ---- */

/* The numbers of a step as the loop wants them. */
struct adam_scalars {
    float grad, beta2, one_beta1, one_beta2;
    float shrink;     /* 1 - lr * decay */
    float rate;       /* lr / bias1 */
    float root_bias2; /* 1 / sqrt(bias2) */
    float eps;
};

__global__ void adam_all(float *w, float *m, float *v, const float *g,
                         int64_t n, struct adam_scalars s)
{
    FOR_EACH(i, n) {
        float d = g[i] * s.grad;
        float m1 = m[i] + s.one_beta1 * (d - m[i]);
        float v1 = s.beta2 * v[i] + s.one_beta2 * d * d;

        m[i] = m1;
        v[i] = v1;
        w[i] = w[i] * s.shrink -
               s.rate * m1 / (sqrtf(v1) * s.root_bias2 + s.eps);
    }
}

int cuda_adam(struct backend *be, struct tensor *w, struct tensor *m,
              struct tensor *v, const struct tensor *g, struct adam_step step,
              struct err *err)
{
    struct cuda *c = cuda_of(be);
    int64_t n = tensor_count(w);
    struct adam_scalars s = {
        .grad = step.grad_scale,
        .beta2 = step.beta2,
        .one_beta1 = (float)(1.0 - step.beta1),
        .one_beta2 = (float)(1.0 - step.beta2),
        .shrink = (float)(1.0 - (double)step.lr * step.decay),
        .rate = (float)((double)step.lr / step.bias1),
        .root_bias2 = (float)(1.0 / sqrt((double)step.bias2)),
        .eps = step.eps,
    };

    assert(tensor_count(m) == n && tensor_count(v) == n);
    assert(tensor_count(g) == n);
    return LAUNCH(adam_all, cuda_grid(c, n), BLOCK, 0, w->data, m->data,
                  v->data, g->data, n, s);
}
