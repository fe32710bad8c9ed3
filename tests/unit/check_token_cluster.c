/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Against scikit-learn: tests/golden_check on golden/pieces, kmeans.*. */
#include "unit.h"

#include <math.h>
#include <omp.h>
#include <string.h>

#include "token/cluster.h"

enum { N = 1200, CODES = 12, DIM = 3 };

/* N points about the CODES corners (1000 k, 1000 (k % 3), 0), at most 1 off:
 * that seeding misses one is a matter of 1 in 10^4. */
static void blobs(float *x)
{
    unsigned v = 5;

    for (int i = 0; i < N; i++)
        for (int j = 0; j < DIM; j++) {
            int k = i % CODES;

            v = v * 1664525u + 1013904223u;
            x[i * DIM + j] = (float)(v >> 8) / (1 << 23) - 1 +
                             (j == 0 ? 1000.0f * (float)k
                              : j == 1 ? 1000.0f * (float)(k % 3) : 0);
        }
}

/* Each corner has a centre, which is the mean of its points (as a float of some
 * thousands). */
static void check_blobs(const float *centers, const float *x, double tolerance)
{
    int taken[CODES] = {0};

    for (int c = 0; c < CODES; c++) {
        int k = (int)lround(centers[c * DIM] / 1000);
        double mean[DIM] = {0};

        ck_assert(k >= 0 && k < CODES && !taken[k]);
        taken[k] = 1;
        for (int i = k; i < N; i += CODES)
            for (int j = 0; j < DIM; j++)
                mean[j] += (double)x[i * DIM + j] * CODES / N;
        for (int j = 0; j < DIM; j++)
            ck_assert_double_eq_tol(centers[c * DIM + j], mean[j], tolerance);
    }
}

START_TEST(cluster_fit_blobs)
{
    static float x[N * DIM], centers[CODES * DIM];
    struct cluster_config c = { CODES, DIM, 50, 0, 0, 11, 0 };

    blobs(x);
    for (c.seed = 1; c.seed < 20; c.seed++) {
        ck_assert(!cluster_fit(centers, x, N, &c, NULL));
        check_blobs(centers, x, 2e-3);
    }
    c.seeding = 97; /* every 12.4th: of all corners */
    ck_assert(!cluster_fit(centers, x, N, &c, NULL));
    check_blobs(centers, x, 2e-3);
}
END_TEST

/* The last rounds over all vectors make the means exact. */
START_TEST(cluster_fit_mini_batches)
{
    static float x[N * DIM], centers[CODES * DIM];
    struct cluster_config c = { CODES, DIM, 20, 100, 0, 3, 0 };

    blobs(x);
    ck_assert(!cluster_fit(centers, x, N, &c, NULL));
    check_blobs(centers, x, 2e-3);
}
END_TEST

/* The same to the bit for any number of threads; another seed is another
 * result. */
START_TEST(cluster_fit_threads)
{
    enum { MANY = 3000, WIDTH = 40 }; /* enough that threads share the work */
    static float x[MANY * WIDTH], a[CODES * WIDTH], b[CODES * WIDTH];
    struct cluster_config c = { CODES, WIDTH, 7, 0, 0, 9, 4 };
    unsigned v = 8;

    for (int i = 0; i < MANY * WIDTH; i++) {
        v = v * 1664525u + 1013904223u;
        x[i] = (float)(v >> 8) / (1 << 23) - 1;
    }
    for (c.batch = 0; c.batch <= 2000; c.batch += 2000) {
        omp_set_num_threads(1);
        ck_assert(!cluster_fit(a, x, MANY, &c, NULL));
        omp_set_num_threads(3);
        ck_assert(!cluster_fit(b, x, MANY, &c, NULL));
        ck_assert(!memcmp(a, b, sizeof(a)));
        c.seed++;
        ck_assert(!cluster_fit(b, x, MANY, &c, NULL));
        ck_assert(memcmp(a, b, sizeof(a)));
    }
}
END_TEST

/* Two centres start on the same point, and one far from all: both are put where
 * they are needed. */
START_TEST(cluster_lloyd_empty)
{
    const float x[] = { 0, 0.1f, 10, 10.1f, 20, 20.1f };
    float centers[] = { 0, 0, 1000 };
    double inertia = 0;

    ck_assert(!cluster_lloyd(centers, x, 6, 3, 1, 100, &inertia, NULL));
    ck_assert_double_eq_tol(inertia, 3 * 0.005, 1e-5);
}
END_TEST

START_TEST(cluster_lloyd_all_equal)
{
    const float x[] = { 2, 2, 2, 2 };
    float centers[] = { 1, 3 };
    double inertia = 5;

    ck_assert(!cluster_lloyd(centers, x, 4, 2, 1, 100, &inertia, NULL));
    ck_assert_double_eq(inertia, 0);
}
END_TEST

START_TEST(cluster_fit_refuses)
{
    const float x[4] = { 1, 2, 3, 4 };
    float centers[8];
    struct cluster_config c = { 5, 1, 5, 0, 0, 1, 0 };
    struct err err = {0};

    ck_assert_int_eq(cluster_fit(centers, x, 4, &c, &err), ERR_ARG);
    c.codes = 0;
    ck_assert_int_eq(cluster_fit(centers, x, 4, &c, &err), ERR_ARG);
    c.codes = 1;
    c.dim = 0;
    ck_assert_int_eq(cluster_fit(centers, x, 4, &c, &err), ERR_ARG);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("token_cluster");
    TCase *t = tcase_create("cluster");

    tcase_add_test(t, cluster_fit_blobs);
    tcase_add_test(t, cluster_fit_mini_batches);
    tcase_add_test(t, cluster_fit_threads);
    tcase_add_test(t, cluster_lloyd_empty);
    tcase_add_test(t, cluster_lloyd_all_equal);
    tcase_add_test(t, cluster_fit_refuses);
    suite_add_tcase(s, t);
    return unit_run(s);
}
