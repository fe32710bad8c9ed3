/* grad.h - gradients of layers and nets against differences of their loss.
 *
 * The nets compute in f32 over the backend, so the differences do too. Each
 * tensor is moved along directions drawn for it, and the loss taken at four
 * points: the rule's error is of the order of the step's fourth power. With
 * steps of 5e-3, that and the rounding of the loss, which the step divides,
 * stay below 2e-4 of a tensor's gradient and 2e-5 of the whole one; a single
 * wrong element moves it by more. What has kinks (ReLU) is checked against a
 * second implementation in double instead (check_grad_netfront.c). */
#ifndef TESTS_GRAD_H
#define TESTS_GRAD_H

#include <math.h>
#include <string.h>
#include "base/rng.h"
#include "base/xalloc.h"
#include "model/params.h"
#include "unit.h"

/* A loss, and where the gradients of the tensors of p are. */
struct grad {
    double (*loss)(void *ctx);
    void *ctx;
    const char *prefix; /* of the names that are looked at; NULL: all */
};

static inline float grad_noise(uint64_t stream, int64_t i)
{
    uint32_t r[4];

    rng_block(r, 99, stream, (uint64_t)i);
    return (float)(r[0] * 0x1p-31 - 1);
}

/* n numbers in -1..1; free them. */
static inline float *grad_noises(uint64_t stream, int64_t n)
{
    float *x = xcalloc((size_t)n + 1, sizeof(*x));

    for (int64_t i = 0; i < n; i++)
        x[i] = grad_noise(stream, i);
    return x;
}

static inline double grad_norm(const float *x, int64_t n)
{
    double s = 0;

    for (int64_t i = 0; i < n; i++)
        s += (double)x[i] * x[i];
    return sqrt(s);
}

/* The loss's derivative when the n values at v move along way. */
static inline double grad_along(const struct grad *g, float *v,
                                const float *way, int64_t n)
{
    static const double at[4] = { 1, -1, 2, -2 };
    float *was = xcalloc((size_t)n, sizeof(*was));
    double loss[4], h = 5e-3;

    memcpy(was, v, (size_t)n * sizeof(*was));
    for (int k = 0; k < 4; k++) {
        for (int64_t j = 0; j < n; j++)
            v[j] = was[j] + (float)(at[k] * h * way[j]);
        loss[k] = g->loss(g->ctx);
    }
    memcpy(v, was, (size_t)n * sizeof(*was));
    free(was);
    return (8 * (loss[0] - loss[1]) - (loss[2] - loss[3])) / (12 * h);
}

/* have (n) is the gradient by v. Two directions drawn and the gradient's own,
 * which shows a factor best. all: of the rounding, in the size of the whole
 * gradient, for tensors without one (biases of keys). */
static inline void grad_assert(const struct grad *g, const char *name, float *v,
                               const float *have, int64_t n, double all)
{
    double length = grad_norm(have, n);

    for (uint64_t k = 0; k < 3; k++) {
        float *way = grad_noises(1000 + k, n);
        double want, got = 0, size;

        for (int64_t j = 0; k == 2 && length > 0 && j < n; j++)
            way[j] = (float)(have[j] / length);
        want = grad_along(g, v, way, n);
        for (int64_t j = 0; j < n; j++)
            got += (double)have[j] * way[j];
        /* what a direction drawn sees of a vector, on average */
        size = grad_norm(way, n) / sqrt((double)n) * (k == 2 ? sqrt((double)n)
                                                             : 1);
        ck_assert_msg(fabs(got - want) <= size * (5e-4 * length + 5e-5 * all),
                      "%s: %g along direction %d, but the loss moves by %g "
                      "(gradient %g of %g)", name, got, (int)k, want, length,
                      all);
        free(way);
    }
}

/* All trained tensors of p: their gradients are in p->grad. */
static inline void grad_assert_params(const struct grad *g, struct params *p)
{
    double all = grad_norm(p->grad.data, p->trained);
    float *have = xcalloc((size_t)p->trained, sizeof(*have));

    memcpy(have, p->grad.data, (size_t)p->trained * sizeof(*have));
    for (size_t i = 0; i < p->n; i++) {
        const struct param *q = &p->item[i];

        if (q->kind == PARAM_TRAINED &&
            (!g->prefix || !strncmp(q->name, g->prefix, strlen(g->prefix))))
            grad_assert(g, q->name, p->value.data + q->offset,
                        have + q->offset, q->count, all);
    }
    free(have);
}

/* ---- one layer: y of x, the loss is the sum of r * y ---- */

struct grad_layer {
    struct backend *be;
    struct params *p;
    void *ctx;
    /* dx is written of dy, which may be overwritten; x is the forward's */
    int (*forward)(void *ctx, struct tensor *y, const struct tensor *x);
    int (*backward)(void *ctx, struct tensor *dx, struct tensor *dy,
                    const struct tensor *x);
    struct tensor x, y, dx, dy;
    float *r;
    const char *prefix; /* as struct grad's */
};

static inline double grad_layer_loss(void *ctx)
{
    struct grad_layer *l = ctx;
    double sum = 0;

    l->be->ops->weights_changed(l->be);
    ck_assert(!l->forward(l->ctx, &l->y, &l->x));
    for (int64_t i = 0; i < tensor_count(&l->y); i++)
        sum += (double)l->y.data[i] * l->r[i];
    return sum;
}

/* x (dim), noise; the gradients by all parameters and by x must be those of the
 * loss. */
static inline void grad_layer_check(struct grad_layer *l, const int64_t dim[3])
{
    struct grad g = { .loss = grad_layer_loss, .ctx = l,
                      .prefix = l->prefix };
    int64_t n = dim[0] * dim[1] * dim[2];
    float *x = grad_noises(2, n), *have;

    ck_assert(!tensor_reserve(&l->x, l->be, 3, dim, NULL));
    ck_assert(!tensor_upload(&l->x, x, NULL));
    ck_assert(!l->forward(l->ctx, &l->y, &l->x));
    l->r = grad_noises(3, tensor_count(&l->y));
    ck_assert(!tensor_reserve(&l->dy, l->be, 3, l->y.dim, NULL));
    ck_assert(!tensor_upload(&l->dy, l->r, NULL));
    ck_assert(!tensor_reserve(&l->dx, l->be, 3, dim, NULL));
    ck_assert(!params_zero_grad(l->p, NULL));
    ck_assert(!l->backward(l->ctx, &l->dx, &l->dy, &l->x));
    have = xcalloc((size_t)n, sizeof(*have));
    memcpy(have, l->dx.data, (size_t)n * sizeof(*have));
    ck_assert_mem_eq(l->x.data, x, (size_t)n * sizeof(*x));
    grad_assert(&g, "input", l->x.data, have, n, grad_norm(have, n));
    grad_assert_params(&g, l->p);
    free(have);
    free(x);
}

static inline void grad_layer_release(struct grad_layer *l)
{
    tensor_release(&l->x);
    tensor_release(&l->y);
    tensor_release(&l->dx);
    tensor_release(&l->dy);
    free(l->r);
}

#endif
