/* parity.h - one operation on two backends: the CPU's and the CUDA module's,
 * which is the emulation of tests/emu in `make check` and the real one on a
 * machine with a GPU (tests/gpu). Include it in one file of a program.
 *
 * A twin is a tensor on each of the two, with the same random values, between
 * guard values that must survive. That of a narrow tensor (tensor/tensor.h) has
 * values that 16 bit hold exactly. */
#ifndef TESTS_PARITY_H
#define TESTS_PARITY_H

#include <math.h>
#include <stdint.h>
#include <string.h>
#include "../unit/unit.h"
#include "base/half.h"
#include "tensor/backend.h"

enum { GUARD = 64, CPU = 0, CUDA = 1 };

static struct backend *two[2];
static struct err err;

#define OK(call)                                             \
    do {                                                     \
        int ok_rc_ = (call);                                 \
        ck_assert_msg(!ok_rc_, "%s: %s", #call, err.msg);    \
    } while (0)

/* op(be, ...) on both: BOTH(layer_norm, T(y), T(x), T(g), T(b), 1e-5f). Within
 * the arguments `on` is the backend's number, T(x) the tensor of twin x. */
#define BOTH(op, ...)                                                   \
    do {                                                                \
        for (int on = CPU; on <= CUDA; on++)                            \
            OK(two[on]->ops->op(two[on], __VA_ARGS__, &err));           \
    } while (0)
#define T(twin) (&(twin).t[on])

struct twin {
    struct tensor whole[2], t[2];
    int64_t n;
    int image;
    float guard;
};

static inline float noise(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return (float)(*state >> 8) / (1 << 23) - 1;
}

static inline void open_both(enum precision p)
{
    OK(backend_open(&two[CPU], "cpu", 0, &err));
    OK(backend_open(&two[CUDA], "cuda", 0, &err));
    OK(backend_set_precision(two[CUDA], p, &err));
}

static inline void close_both(void)
{
    backend_close(two[CPU]);
    backend_close(two[CUDA]);
}

/* Fixtures: the CPU computes in f32 and is the reference for all. */
static inline void open_f32(void) { open_both(PRECISION_F32); }
static inline void open_bf16(void) { open_both(PRECISION_BF16); }
static inline void open_fp16(void) { open_both(PRECISION_FP16); }
static inline void open_tf32(void) { open_both(PRECISION_TF32); }

/* A twin without values: its size, and memory for them between guards, all of
 * which become guard; the caller fills GUARD .. and frees it. */
static inline float *twin_begin(struct twin *w, int ndim, const int64_t *dim,
                                float guard)
{
    int64_t all;
    float *v;

    memset(w, 0, sizeof(*w));
    w->n = 1;
    w->guard = guard;
    for (int i = 0; i < ndim; i++)
        w->n *= dim[i];
    all = w->n + 2 * GUARD;
    v = malloc((size_t)all * sizeof(*v));
    for (int64_t i = 0; i < all; i++)
        v[i] = guard;
    return v;
}

/* A twin whose values are those of host (n), or noise in -1..1 where host is
 * NULL. */
static inline struct twin twin_of(const float *host, int ndim,
                                  const int64_t *dim, uint32_t seed)
{
    struct twin w;
    float *v = twin_begin(&w, ndim, dim, 1e9f);
    int64_t all = w.n + 2 * GUARD;

    for (int64_t i = 0; i < w.n; i++)
        v[GUARD + i] = host ? host[i] : noise(&seed);
    for (int on = CPU; on <= CUDA; on++) {
        OK(tensor_reserve(&w.whole[on], two[on], 1, &all, &err));
        OK(tensor_upload(&w.whole[on], v, &err));
        w.t[on] = tensor_view(&w.whole[on], GUARD, ndim, dim);
    }
    free(v);
    return w;
}
#define DIMS(...) \
    (int)(sizeof((int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t)), \
    (int64_t[]){ __VA_ARGS__ }
/* TWIN(seed, 3, 17, 64): noise of that shape. */
#define TWIN(seed, ...) twin_of(NULL, DIMS(__VA_ARGS__), seed)

/* ---- values of narrow tensors ---- */

/* Of a v that 16 bit hold. */
static inline uint16_t short_of(float v)
{
    uint32_t u;

    memcpy(&u, &v, 4);
    if (two[CUDA]->precision == PRECISION_BF16)
        return (uint16_t)(u >> 16);
    return (uint16_t)((u >> 16 & 0x8000) |
                      (v != 0 ? ((u >> 13) - (112 << 10)) & 0x7fff : 0));
}

static inline float of_short(uint16_t s)
{
    return two[CUDA]->precision == PRECISION_BF16 ? bf16_to_float(s)
                                                  : half_to_float(s);
}

/* All of t, which may be narrow. */
static inline void put_values(struct tensor *t, const float *v)
{
    size_t n = (size_t)tensor_count(t), floats = n / 2 + 1;
    float *raw = calloc(floats, sizeof(*raw));

    for (size_t i = 0; i < n && t->narrow; i++)
        memcpy((char *)raw + 2 * i, &(uint16_t){ short_of(v[i]) }, 2);
    if (t->narrow)
        OK(t->be->ops->upload(t->be, t->data, raw, (int64_t)floats, &err));
    else
        OK(tensor_upload(t, v, &err));
    free(raw);
}

static inline void get_values(float *v, const struct tensor *t)
{
    size_t n = (size_t)tensor_count(t), floats = n / 2 + 1;
    float *raw = calloc(floats, sizeof(*raw));
    uint16_t s;

    if (t->narrow)
        OK(t->be->ops->download(t->be, raw, t->data, (int64_t)floats, &err));
    else
        OK(tensor_download(v, t, &err));
    for (size_t i = 0; i < n && t->narrow; i++) {
        memcpy(&s, (char *)raw + 2 * i, 2);
        v[i] = of_short(s);
    }
    free(raw);
}

/* Noise in 64ths, between guards that 16 bit hold too. */
static inline struct twin narrow_of(int ndim, const int64_t *dim, uint32_t seed)
{
    struct twin w;
    float *v = twin_begin(&w, ndim, dim, 12288);
    int64_t all = w.n + 2 * GUARD;

    for (int64_t i = 0; i < w.n; i++)
        v[GUARD + i] = rintf(noise(&seed) * 64) / 64;
    for (int on = CPU; on <= CUDA; on++) {
        OK(tensor_reserve_narrow(&w.whole[on], two[on], 1, &all, &err));
        ck_assert_int_eq(w.whole[on].narrow,
                         two[on]->precision == PRECISION_BF16 ||
                         two[on]->precision == PRECISION_FP16);
        put_values(&w.whole[on], v);
        w.t[on] = tensor_view(&w.whole[on], GUARD, ndim, dim);
    }
    free(v);
    return w;
}
#define NARROW(seed, ...) narrow_of(DIMS(__VA_ARGS__), seed)

/* What one rounding to such a value is off, relative to many of them. */
static inline double narrow_error(void)
{
    return !two[CUDA]->narrow ? 1e-6
         : two[CUDA]->precision == PRECISION_BF16 ? 2.5e-3 : 3e-4;
}

/* Relative L2 error of the CUDA values at most tolerance; guards whole.
 * Releases both. */
static inline void twin_same_at(struct twin *w, double tolerance,
                                const char *name, int line)
{
    size_t all = (size_t)(w->n + 2 * GUARD);
    float *v[2];
    double diff = 0, norm = 0;

    for (int on = CPU; on <= CUDA; on++) {
        v[on] = malloc(all * sizeof(float));
        get_values(v[on], &w->whole[on]);
        for (int i = 0; i < GUARD; i++)
            ck_assert_msg(v[on][i] == w->guard &&
                          v[on][all - 1 - i] == w->guard,
                          "line %d: %s: a value beside it was overwritten (%s)",
                          line, name, on ? "CUDA" : "CPU");
        tensor_release(&w->whole[on]);
    }
    for (size_t i = GUARD; i < all - GUARD; i++) {
        double d = (double)v[CUDA][i] - v[CPU][i];

        diff += d * d;
        norm += (double)v[CPU][i] * v[CPU][i];
    }
    ck_assert_msg(diff <= tolerance * tolerance * norm,
                  "line %d: %s: relative error %g over %g", line, name,
                  sqrt(diff / (norm > 0 ? norm : 1)), tolerance);
    free(v[CPU]);
    free(v[CUDA]);
}
#define SAME(twin, tolerance) \
    twin_same_at(&(twin), tolerance, #twin, __LINE__)

/* Releases a twin that was read only. */
static inline void twin_drop(struct twin *w)
{
    for (int on = CPU; on <= CUDA; on++)
        tensor_release(&w->whole[on]);
}

/* ---- images: (B, H, W, C) in each backend's own order, from and to rows
 * (B, H, C * W) ---- */

static inline struct twin image_of(const struct twin *rows, int64_t b,
                                   int64_t h, int64_t w, int64_t c)
{
    struct twin m;

    memset(&m, 0, sizeof(m));
    m.image = 1;
    m.n = b * h * w * c;
    for (int on = CPU; on <= CUDA; on++) {
        OK(tensor_reserve_batch(&m.t[on], two[on], b, h, w, c, &err));
        if (rows)
            OK(two[on]->ops->image_rows_backward(two[on], &m.t[on],
                                                 &rows->t[on], &err));
    }
    return m;
}

/* Noise. */
static inline struct twin image_new(uint32_t seed, int64_t b, int64_t h,
                                    int64_t w, int64_t c)
{
    struct twin rows = TWIN(seed, b, h, c * w);
    struct twin m = image_of(&rows, b, h, w, c);

    twin_drop(&rows);
    return m;
}

/* Compares through image_rows and releases. */
static inline void image_same_at(struct twin *m, double tolerance,
                                 const char *name, int line)
{
    const int64_t *d = m->t[CPU].dim;
    struct twin rows = TWIN(1, d[0], d[1], d[2] * d[3]);

    BOTH(image_rows, T(rows), &m->t[on]);
    twin_same_at(&rows, tolerance, name, line);
    tensor_release(&m->t[CPU]);
    tensor_release(&m->t[CUDA]);
}
#define SAME_IMAGE(image, tolerance) \
    image_same_at(&(image), tolerance, #image, __LINE__)

/* Whether there is a CUDA module and a device for it; what a main returns
 * otherwise. */
static inline int no_device(void)
{
    struct backend *be = NULL;

    /* for the other tests the emulation has none, so that auto is the CPU */
    setenv("EMU_DEVICES", "1", 1);
    if (!backend_open(&be, "cuda", 0, &err)) {
        backend_close(be);
        return 0;
    }
    printf("skipped: %s\n", err.msg);
    return 77;
}

#endif
