/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "token/kmeans.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    LANES = 16,  /* centres compared at once */
    ROWS = 6,    /* rows at once: with the lanes, what AVX2 has registers for */
    CHUNK = 48,  /* rows that stay in the cache while the centres pass */
    SMALL = 1 << 17 /* products that one thread does faster than several */
};

/* Compiled for several processors, chosen when the program starts (not with
 * sanitizers: their code does not run yet at that time). */
#if defined(__x86_64__) && defined(__gnu_linux__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__)
#define FOR_CPU \
    __attribute__((target_clones("arch=skylake-avx512", "arch=haswell", \
                                 "default")))
#else
#define FOR_CPU
#endif

typedef float lanes __attribute__((vector_size(LANES * sizeof(float))));

/* Centres in tiles of LANES, (tiles, dim, LANES); those that fill the last
 * tile are infinitely far. */
struct kmeans {
    int codes, dim, tiles;
    float *half;  /* (tiles * LANES): |c|^2 / 2 */
    lanes *pack;  /* (tiles, dim) */
};

int kmeans_new(struct kmeans **out, const float *centers, int codes, int dim,
               struct err *err)
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
        k->half = malloc(tiles * LANES * sizeof(*k->half));
        k->pack = aligned_alloc(sizeof(lanes),
                                tiles * (size_t)dim * sizeof(lanes));
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

void kmeans_free(struct kmeans *k)
{
    if (!k)
        return;
    free(k->half);
    free(k->pack);
    free(k);
}

int kmeans_codes(const struct kmeans *k)
{
    return k->codes;
}

void kmeans_set(struct kmeans *k, const float *centers)
{
    size_t dim = (size_t)k->dim;

    memset(k->pack, 0, (size_t)k->tiles * dim * sizeof(lanes));
    for (int c = 0; c < k->tiles * LANES; c++) {
        lanes *tile = k->pack + (size_t)(c / LANES) * dim;
        double sq = 0;

        for (size_t j = 0; j < dim && c < k->codes; j++) {
            float v = centers[(size_t)c * dim + j];

            tile[j][c % LANES] = v;
            sq += (double)v * v;
        }
        k->half[c] = c < k->codes ? (float)(sq / 2) : INFINITY;
    }
}

/* dot (ROWS, LANES) of the rows with one tile. */
FOR_CPU
static void multiply(lanes *dot, const float *const *row, const lanes *tile,
                     int dim)
{
    lanes a = {0}, b = {0}, c = {0}, d = {0}, e = {0}, f = {0};

    for (int j = 0; j < dim; j++) {
        lanes t = tile[j];

        a += t * row[0][j];
        b += t * row[1][j];
        c += t * row[2][j];
        d += t * row[3][j];
        e += t * row[4][j];
        f += t * row[5][j];
    }
    dot[0] = a;
    dot[1] = b;
    dot[2] = c;
    dot[3] = d;
    dot[4] = e;
    dot[5] = f;
}

/* Rows at..at + n - 1 (at most ROWS) of x against one tile. */
static void compare(const struct kmeans *k, int tile, const float *x, int n,
                    float *best, int32_t *token)
{
    const float *row[ROWS];
    lanes dot[ROWS];

    for (int r = 0; r < ROWS; r++)
        row[r] = x + (size_t)(r < n ? r : n - 1) * (size_t)k->dim;
    multiply(dot, row, k->pack + (size_t)tile * (size_t)k->dim, k->dim);
    for (int r = 0; r < n; r++)
        for (int c = 0; c < LANES; c++) {
            float d = k->half[tile * LANES + c] - dot[r][c];

            if (d < best[r]) {
                best[r] = d;
                token[r] = tile * LANES + c;
            }
        }
}

static void nearest(const struct kmeans *k, int32_t *token, const float *x,
                    int n)
{
    float best[CHUNK];

    for (int i = 0; i < n; i++) {
        best[i] = INFINITY;
        token[i] = 0;
    }
    for (int t = 0; t < k->tiles; t++)
        for (int i = 0; i < n; i += ROWS)
            compare(k, t, x + (size_t)i * (size_t)k->dim,
                    n - i < ROWS ? n - i : ROWS, best + i, token + i);
}

void kmeans_tokens(const struct kmeans *k, int32_t *token, const float *x,
                   int64_t n)
{
#pragma omp parallel for schedule(static) if (n * k->codes * k->dim > SMALL)
    for (int64_t i = 0; i < n; i += CHUNK)
        nearest(k, token + i, x + i * k->dim,
                (int)(n - i < CHUNK ? n - i : CHUNK));
}
