/* guarded.h - tensors between guard values, and numeric gradients, for the
 * tests of backend operations. Include it in one file of a program. */
#ifndef TESTS_GUARDED_H
#define TESTS_GUARDED_H

#include <math.h>
#include <string.h>
#include "tensor/backend.h"
#include "unit.h"

enum { GUARD = 64, MAX_INPUTS = 4 };

static struct backend *be;

/* A tensor with guards around it, filled with fixed pseudo-random values in
 * -1..1. */
struct guarded {
    struct tensor whole, t;
    int64_t n;
};

static inline float noise(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return (float)(*state >> 8) / (1 << 23) - 1;
}

/* a x b x c, or less where c, b are 0. */
static inline struct guarded make(int64_t a, int64_t b, int64_t c,
                                  uint32_t seed)
{
    int64_t dim[3] = { a, b, c }, all;
    struct guarded g;
    struct err err = {0};

    memset(&g, 0, sizeof(g));
    g.n = a * (b ? b : 1) * (c ? c : 1);
    all = g.n + 2 * GUARD;
    ck_assert_msg(!tensor_reserve(&g.whole, be, 1, &all, &err), "%s", err.msg);
    for (int64_t i = 0; i < all; i++)
        g.whole.data[i] = 1e9f;
    g.t = tensor_view(&g.whole, GUARD, c ? 3 : b ? 2 : 1, dim);
    for (int64_t i = 0; i < g.n; i++)
        g.t.data[i] = noise(&seed);
    return g;
}

static inline void drop(struct guarded *g)
{
    for (int64_t i = 0; i < GUARD; i++) {
        ck_assert(g->whole.data[i] == 1e9f);
        ck_assert(g->whole.data[GUARD + g->n + i] == 1e9f);
    }
    tensor_release(&g->whole);
}

/* Relative L2 error at most tolerance. */
static inline void assert_near(const float *got, const double *want, int64_t n,
                               double tolerance)
{
    double diff = 0, norm = 0;

    for (int64_t i = 0; i < n; i++) {
        diff += (got[i] - want[i]) * (got[i] - want[i]);
        norm += want[i] * want[i];
    }
    ck_assert_msg(diff <= tolerance * tolerance * norm,
                  "relative error %g over %g", sqrt(diff / norm), tolerance);
}

/* A function in double: y = forward(in), and the loss is sum of dy * y. */
struct problem {
    void (*forward)(const struct problem *p, double *y);
    int dim[6];
    double eps;
    enum act act;
    int64_t size[MAX_INPUTS], out; /* elements */
    double *in[MAX_INPUTS], *dy, *y;
};

static inline double *doubles(const struct guarded *g)
{
    double *d = malloc((size_t)g->n * sizeof(*d));

    for (int64_t i = 0; i < g->n; i++)
        d[i] = g->t.data[i];
    return d;
}

/* Inputs and dy of p from tensors; the last inputs may be NULL. */
static inline void problem_set(struct problem *p, const struct guarded *dy,
                               const struct guarded *a, const struct guarded *b,
                               const struct guarded *c)
{
    const struct guarded *in[] = { a, b, c };

    p->out = dy->n;
    p->dy = doubles(dy);
    p->y = malloc((size_t)dy->n * sizeof(*p->y));
    for (int i = 0; i < 3 && in[i]; i++) {
        p->size[i] = in[i]->n;
        p->in[i] = doubles(in[i]);
    }
}

static inline void problem_release(struct problem *p)
{
    for (int i = 0; i < MAX_INPUTS; i++)
        free(p->in[i]);
    free(p->dy);
    free(p->y);
}

static inline double problem_loss(const struct problem *p)
{
    double sum = 0;

    p->forward(p, p->y);
    for (int64_t i = 0; i < p->out; i++)
        sum += p->dy[i] * p->y[i];
    return sum;
}

/* got must be before (NULL: 0) plus the gradient of input k, by central
 * differences at every step-th element: relative L2 error 2e-6, some hundred
 * roundings of f32. */
static inline void assert_gradient(struct problem *p, int k, const float *got,
                                   const float *before, int64_t step)
{
    int64_t n = (p->size[k] + step - 1) / step;
    double *want = malloc((size_t)n * sizeof(*want));
    float *some = malloc((size_t)n * sizeof(*some));
    const double h = 1e-4;

    for (int64_t i = 0; i < n; i++) {
        double *x = &p->in[k][i * step], old = *x, up;

        *x = old + h;
        up = problem_loss(p);
        *x = old - h;
        want[i] = (up - problem_loss(p)) / (2 * h);
        want[i] += before ? before[i * step] : 0;
        *x = old;
        some[i] = got[i * step];
    }
    assert_near(some, want, n, 2e-6);
    free(want);
    free(some);
}

#endif
