/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "unit.h"

#include <math.h>
#include <omp.h>
#include <string.h>

#include "token/kmeans.h"

static void fill(float *x, int64_t n, unsigned v)
{
    for (int64_t i = 0; i < n; i++) {
        v = v * 1664525u + 1013904223u;
        x[i] = (float)(v >> 8) / (1 << 23) - 1;
    }
}

static double squared(const float *a, const float *b, int dim)
{
    double sum = 0;

    for (int j = 0; j < dim; j++)
        sum += ((double)a[j] - b[j]) * ((double)a[j] - b[j]);
    return sum;
}

/* Sizes that are no multiple of anything; distances of the chosen centre and
 * of the nearest agree to the rounding of float. */
START_TEST(kmeans_tokens_nearest)
{
    static const int sizes[][3] = { /* n, codes, dim */
        { 1, 1, 1 }, { 7, 3, 5 }, { 101, 17, 229 }, { 300, 64, 33 },
        { 49, 100, 2 }
    };
    const int *s = sizes[_i];
    float *x = malloc(sizeof(float) * (size_t)(s[0] * s[2]));
    float *c = malloc(sizeof(float) * (size_t)(s[1] * s[2]));
    int32_t *token = malloc(sizeof(*token) * (size_t)s[0]);
    struct kmeans *k = NULL;

    fill(x, s[0] * s[2], 1);
    fill(c, s[1] * s[2], 2);
    ck_assert(!kmeans_new(&k, c, s[1], s[2], NULL));
    kmeans_tokens(k, token, x, s[0]);
    for (int i = 0; i < s[0]; i++) {
        double least = INFINITY;

        for (int j = 0; j < s[1]; j++)
            least = fmin(least, squared(x + i * s[2], c + j * s[2], s[2]));
        ck_assert(token[i] >= 0 && token[i] < s[1]);
        ck_assert_double_le(squared(x + i * s[2], c + token[i] * s[2], s[2]),
                            least + 1e-5 * s[2]);
    }
    kmeans_free(k);
    free(x);
    free(c);
    free(token);
}
END_TEST

START_TEST(kmeans_tokens_tie_goes_low)
{
    const float c[] = { 1, -1, 1, 5, -1 }, x[] = { 1, -1, 0, 4.9f };
    int32_t token[4];
    struct kmeans *k = NULL;

    ck_assert(!kmeans_new(&k, c, 5, 1, NULL));
    kmeans_tokens(k, token, x, 4);
    ck_assert_int_eq(token[0], 0);
    ck_assert_int_eq(token[1], 1);
    ck_assert_int_eq(token[2], 0);
    ck_assert_int_eq(token[3], 3);
    kmeans_free(k);
}
END_TEST

/* One at a time or all, with one thread or three. */
START_TEST(kmeans_tokens_independent)
{
    enum { N = 211, CODES = 37, DIM = 19 };
    float x[N * DIM], c[CODES * DIM];
    int32_t a[N], b[N];
    struct kmeans *k = NULL;

    fill(x, N * DIM, 3);
    fill(c, CODES * DIM, 4);
    ck_assert(!kmeans_new(&k, c, CODES, DIM, NULL));
    omp_set_num_threads(1);
    kmeans_tokens(k, a, x, N);
    omp_set_num_threads(3);
    kmeans_tokens(k, b, x, N);
    ck_assert(!memcmp(a, b, sizeof(a)));
    for (int i = 0; i < N; i++)
        kmeans_tokens(k, b + i, x + i * DIM, 1);
    ck_assert(!memcmp(a, b, sizeof(a)));
    kmeans_free(k);
}
END_TEST

START_TEST(kmeans_new_refuses)
{
    const float v[1] = { 1 };
    struct kmeans *k = NULL;
    struct err err = {0};

    ck_assert_int_eq(kmeans_new(&k, v, 0, 1, &err), ERR_ARG);
    ck_assert_int_eq(kmeans_new(&k, v, 1, 0, &err), ERR_ARG);
    ck_assert_ptr_null(k);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("token_kmeans");
    TCase *t = tcase_create("kmeans");

    tcase_add_loop_test(t, kmeans_tokens_nearest, 0, 5);
    tcase_add_test(t, kmeans_tokens_tie_goes_low);
    tcase_add_test(t, kmeans_tokens_independent);
    tcase_add_test(t, kmeans_new_refuses);
    suite_add_tcase(s, t);
    return unit_run(s);
}
