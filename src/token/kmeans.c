/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "token/kmeans.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    HALF = 8,    /* centres in a vector, of which */
    LANES = 16,  /* centres compared at once take two */
    ROWS = 6,    /* rows at once: with the lanes, what AVX has registers for */
    CHUNK = 48,  /* rows that stay in the cache while the centres pass */
    SMALL = 1 << 17 /* products that one thread does faster than several */
};

/* Compiled for several processors, chosen when the program starts (not with
 * sanitizers: their code does not run yet at that time). */
#if defined(__x86_64__) && defined(__gnu_linux__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__)
#define FOR_CPU __attribute__((target_clones("fma", "default")))
#else
#define FOR_CPU
#endif

typedef float half_lanes __attribute__((vector_size(HALF * sizeof(float))));
typedef int32_t half_ids __attribute__((vector_size(HALF * sizeof(int32_t))));

struct lanes {
    half_lanes v[LANES / HALF];
};

/* Centres in tiles of LANES, (tiles, dim, LANES); those that fill the last
 * tile are infinitely far. */
struct kmeans {
    int codes, dim, tiles;
    int by_dot;
    struct lanes *half;  /* (tiles): |c|^2 / 2, by_dot 0 */
    struct lanes *pack;  /* (tiles, dim) */
};

/* The best of a row so far in each lane, and in which tile it was. */
struct best {
    struct lanes value;
    half_ids tile[LANES / HALF];
};

static int make(struct kmeans **out, const float *centers, int codes, int dim,
                int by_dot, struct err *err)
{
    struct kmeans *k;
    size_t tiles;

    if (codes < 1 || dim < 1)
        return err_set(err, ERR_ARG, "%d centres of %d values", codes, dim);
    k = calloc(1, sizeof(*k));
    tiles = ((size_t)codes + LANES - 1) / LANES;
    if (k) {
        k->codes = codes;
        k->dim = dim;
        k->tiles = (int)tiles;
        k->by_dot = by_dot;
        k->half = aligned_alloc(sizeof(struct lanes),
                                tiles * sizeof(*k->half));
        k->pack = aligned_alloc(sizeof(struct lanes),
                                tiles * (size_t)dim * sizeof(*k->pack));
    }
    if (!k || !k->half || !k->pack) {
        kmeans_free(k);
        return err_set(err, ERR_NOMEM, "no memory for %d centres of %d values",
                       codes, dim);
    }
    kmeans_set(k, centers);
    *out = k;
    return 0;
}

int kmeans_new(struct kmeans **out, const float *centers, int codes, int dim,
               struct err *err)
{
    return make(out, centers, codes, dim, 0, err);
}

int kmeans_new_dot(struct kmeans **out, const float *centers, int codes,
                   int dim, struct err *err)
{
    return make(out, centers, codes, dim, 1, err);
}

void kmeans_free(struct kmeans *k)
{
    if (!k)
        return;
    free(k->half);
    free(k->pack);
    free(k);
}

void kmeans_set(struct kmeans *k, const float *centers)
{
    size_t dim = (size_t)k->dim;

    memset(k->pack, 0, (size_t)k->tiles * dim * sizeof(*k->pack));
    for (int c = 0; c < k->tiles * LANES; c++) {
        struct lanes *tile = k->pack + (size_t)(c / LANES) * dim;
        int part = c % LANES / HALF, lane = c % HALF;
        double sq = 0;

        for (size_t j = 0; j < dim && c < k->codes; j++) {
            float v = centers[(size_t)c * dim + j];

            tile[j].v[part][lane] = v;
            sq += (double)v * v;
        }
        k->half[c / LANES].v[part][lane] =
            c >= k->codes ? INFINITY : k->by_dot ? 0 : (float)(sq / 2);
    }
}

static inline __attribute__((always_inline)) void
keep_better(struct best *b, int part, half_lanes value, int tile)
{
    half_ids won = value < b->value.v[part];

    b->value.v[part] = (half_lanes)((won & (half_ids)value) |
                                    (~won & (half_ids)b->value.v[part]));
    b->tile[part] = (won & tile) | (~won & b->tile[part]);
}

/* ROWS rows against tile number t. The sums are variables, not an array, so
 * that they stay in registers. */
FOR_CPU
static void compare(const struct kmeans *k, int t, const float *const *row,
                    struct best *const *best)
{
    const struct lanes *tile = k->pack + (size_t)t * (size_t)k->dim;
    const half_lanes *half = k->half[t].v, zero = {0};
    half_lanes a = zero, b = zero, c = zero, d = zero, e = zero, f = zero;
    half_lanes g = zero, h = zero, i = zero, l = zero, m = zero, n = zero;

    for (int j = 0; j < k->dim; j++) {
        half_lanes u = tile[j].v[0], v = tile[j].v[1];

        a += u * row[0][j];
        b += v * row[0][j];
        c += u * row[1][j];
        d += v * row[1][j];
        e += u * row[2][j];
        f += v * row[2][j];
        g += u * row[3][j];
        h += v * row[3][j];
        i += u * row[4][j];
        l += v * row[4][j];
        m += u * row[5][j];
        n += v * row[5][j];
    }
    keep_better(best[0], 0, half[0] - a, t);
    keep_better(best[0], 1, half[1] - b, t);
    keep_better(best[1], 0, half[0] - c, t);
    keep_better(best[1], 1, half[1] - d, t);
    keep_better(best[2], 0, half[0] - e, t);
    keep_better(best[2], 1, half[1] - f, t);
    keep_better(best[3], 0, half[0] - g, t);
    keep_better(best[3], 1, half[1] - h, t);
    keep_better(best[4], 0, half[0] - i, t);
    keep_better(best[4], 1, half[1] - l, t);
    keep_better(best[5], 0, half[0] - m, t);
    keep_better(best[5], 1, half[1] - n, t);
}

/* The best lane, the lower id on a tie. */
static int32_t winner(const struct best *b)
{
    int32_t won = 0;
    float least = INFINITY; /* a row with NaN has no winner */

    for (int c = 0; c < LANES; c++) {
        float value = b->value.v[c / HALF][c % HALF];
        int32_t id = b->tile[c / HALF][c % HALF] * LANES + c;

        if (value < least || (value == least && id < won)) {
            least = value;
            won = id;
        }
    }
    return won;
}

/* Up to CHUNK rows; the last one fills the last group up. */
static void nearest(const struct kmeans *k, int32_t *token, const float *x,
                    int n)
{
    struct best best[CHUNK];

    for (int i = 0; i < n; i++) {
        memset(&best[i], 0, sizeof(best[i]));
        for (int c = 0; c < LANES; c++)
            best[i].value.v[c / HALF][c % HALF] = INFINITY;
    }
    for (int t = 0; t < k->tiles; t++)
        for (int i = 0; i < n; i += ROWS) {
            const float *row[ROWS];
            struct best *to[ROWS];

            for (int r = 0; r < ROWS; r++) {
                int at = i + r < n ? i + r : n - 1;

                row[r] = x + (size_t)at * (size_t)k->dim;
                to[r] = &best[at];
            }
            compare(k, t, row, to);
        }
    for (int i = 0; i < n; i++)
        token[i] = winner(&best[i]);
}

void kmeans_tokens(const struct kmeans *k, int32_t *token, const float *x,
                   int64_t n)
{
#pragma omp parallel for schedule(static) if (n * k->codes * k->dim > SMALL)
    for (int64_t i = 0; i < n; i += CHUNK)
        nearest(k, token + i, x + i * k->dim,
                (int)(n - i < CHUNK ? n - i : CHUNK));
}
