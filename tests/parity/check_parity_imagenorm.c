/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Batch normalisation of images. The values are multiples of 1/128 below 1,
 * which bf16 and fp16 hold: statistics and gradients of parameters agree as in
 * f32, images to one rounding of their own (bf16 2^-9, fp16 2^-12 relative). */
#include "parity.h"

static double rounding;

static void f32(void) { open_f32(); rounding = 1e-6; }
static void bf16(void) { open_bf16(); rounding = 2.5e-3; }
static void fp16(void) { open_fp16(); rounding = 4e-4; }

/* B, H, W, C: one channel, some that no pack fits, packs fewer and more than a
 * block is wide, and so many pixels that blocks share them. */
static const int64_t sizes[][4] = {
    { 2, 6, 9, 1 }, { 1, 5, 7, 3 }, { 2, 3, 33, 40 }, { 3, 4, 16, 264 },
    { 2, 37, 41, 8 }, { 1, 1, 2, 130 }, { 3, 40, 50, 1 },
};
enum { SIZES = sizeof(sizes) / sizeof(*sizes) };

static struct twin exact(uint32_t seed, const int64_t *d)
{
    int64_t n = d[0] * d[1] * d[2] * d[3];
    float *v = malloc((size_t)n * sizeof(*v));
    struct twin rows, m;

    for (int64_t i = 0; i < n; i++)
        v[i] = floorf(128 * noise(&seed)) / 128;
    rows = twin_of(v, DIMS(d[0], d[1], d[2] * d[3]), 0);
    m = image_of(&rows, d[0], d[1], d[2], d[3]);
    twin_drop(&rows);
    free(v);
    return m;
}

START_TEST(forward)
{
    const int64_t *d = sizes[_i / 2], c = d[3];
    struct twin x = exact(1, d), y = image_of(NULL, d[0], d[1], d[2], c);
    struct twin gamma = TWIN(3, c), beta = TWIN(4, c), mean = TWIN(5, c);
    struct twin inv = TWIN(6, c), rm = TWIN(7, c), rv = TWIN(8, c);

    BOTH(image_batch_norm, T(y), T(mean), T(inv), T(rm), T(rv), T(x), T(gamma),
         T(beta), 1e-5f, 0.1f, _i % 2);
    BOTH(image_batch_norm, T(x), T(mean), T(inv), NULL, NULL, T(x), T(gamma),
         T(beta), 1e-5f, 0.1f, _i % 2); /* in place */
    SAME_IMAGE(y, rounding);
    SAME_IMAGE(x, rounding);
    SAME(mean, 1e-6);
    SAME(inv, 1e-6);
    SAME(rm, 1e-6);
    SAME(rv, 1e-6);
    SAME(gamma, 0);
    SAME(beta, 0);
}
END_TEST

/* Of statistics that are there: here random factors, of either sign. */
START_TEST(normalise)
{
    const int64_t *d = sizes[_i / 2], c = d[3];
    struct twin x = exact(1, d), y = image_of(NULL, d[0], d[1], d[2], c);
    struct twin gamma = TWIN(3, c), beta = TWIN(4, c), mean = TWIN(5, c);
    struct twin inv = TWIN(6, c);

    BOTH(image_normalise, T(y), T(x), T(mean), T(inv), T(gamma), T(beta),
         _i % 2);
    BOTH(image_normalise, T(x), T(x), T(mean), T(inv), T(gamma), T(beta),
         _i % 2); /* in place */
    SAME_IMAGE(y, rounding);
    SAME_IMAGE(x, rounding);
    SAME(mean, 0);
    SAME(inv, 0);
    SAME(gamma, 0);
    SAME(beta, 0);
}
END_TEST

/* The second pass gives what the first one did, on either. */
START_TEST(normalise_again)
{
    const int64_t *d = sizes[_i / 2], c = d[3], n = d[0] * d[1] * d[2] * c;
    struct twin x = exact(1, d), gamma = TWIN(3, c), beta = TWIN(4, c);
    struct twin mean = TWIN(5, c), inv = TWIN(6, c);
    struct twin y = image_of(NULL, d[0], d[1], d[2], c);
    struct twin z = image_of(NULL, d[0], d[1], d[2], c);
    float *v[2];

    BOTH(image_batch_norm, T(y), T(mean), T(inv), NULL, NULL, T(x), T(gamma),
         T(beta), 1e-5f, 0.1f, _i % 2);
    BOTH(image_normalise, T(z), T(x), T(mean), T(inv), T(gamma), T(beta),
         _i % 2);
    for (int on = CPU; on <= CUDA; on++) {
        struct twin rows[2] = { TWIN(7, d[0], d[1], d[2] * c),
                                TWIN(7, d[0], d[1], d[2] * c) };

        OK(two[on]->ops->image_rows(two[on], &rows[0].t[on], &y.t[on], &err));
        OK(two[on]->ops->image_rows(two[on], &rows[1].t[on], &z.t[on], &err));
        for (int i = 0; i < 2; i++) {
            v[i] = malloc((size_t)n * sizeof(float));
            OK(tensor_download(v[i], &rows[i].t[on], &err));
        }
        ck_assert_mem_eq(v[0], v[1], (size_t)n * sizeof(float));
        for (int i = 0; i < 2; i++) {
            free(v[i]);
            twin_drop(&rows[i]);
        }
    }
    SAME_IMAGE(x, 0);
    SAME_IMAGE(y, rounding);
    SAME_IMAGE(z, rounding);
    twin_drop(&gamma);
    twin_drop(&beta);
    twin_drop(&mean);
    twin_drop(&inv);
}
END_TEST

/* y is another image than x made: its signs are the same on both. Where dx is
 * dy, dx is x. */
START_TEST(backward)
{
    const int64_t *d = sizes[_i / 2], c = d[3];
    int relu = _i % 2;
    struct twin x = exact(1, d), y = exact(2, d), dy = exact(3, d);
    struct twin dx = image_of(NULL, d[0], d[1], d[2], c);
    struct twin gamma = TWIN(4, c), beta = TWIN(5, c), mean = TWIN(6, c);
    struct twin inv = TWIN(7, c), dgamma = TWIN(8, c), dbeta = TWIN(9, c);
    struct twin same = exact(3, d);

    BOTH(image_batch_norm, T(dx), T(mean), T(inv), NULL, NULL, T(x), T(gamma),
         T(beta), 1e-5f, 0.1f, 0);
    BOTH(image_batch_norm_backward, T(dx), T(dgamma), T(dbeta), T(dy),
         relu ? T(y) : NULL, T(x), T(mean), T(inv), T(gamma), relu);
    BOTH(image_batch_norm_backward, T(same), T(dgamma), T(dbeta), T(same),
         relu ? T(y) : NULL, T(x), T(mean), T(inv), T(gamma), relu);
    BOTH(image_batch_norm_backward, T(x), T(dgamma), T(dbeta), T(dy),
         relu ? T(y) : NULL, T(x), T(mean), T(inv), T(gamma), relu);
    SAME_IMAGE(dx, 2 * rounding);
    SAME_IMAGE(same, 2 * rounding);
    SAME_IMAGE(x, 2 * rounding);
    SAME_IMAGE(dy, 0);
    SAME(dgamma, 4e-6); /* one channel: one sum, near 0 */
    SAME(dbeta, 2e-6);
    twin_drop(&gamma);
    twin_drop(&beta);
    twin_drop(&mean);
    twin_drop(&inv);
    tensor_release(&y.t[CPU]);
    tensor_release(&y.t[CUDA]);
}
END_TEST

/* Other processes' sums: each number has its place. */
static int increased(void *ctx, double *v, int64_t n, struct err *e)
{
    (void)ctx;
    (void)e;
    for (int64_t i = 0; i < n; i++)
        v[i] = 2 * v[i] + 7 + 3 * (double)(i % 5);
    return 0;
}

START_TEST(across)
{
    const int64_t d[] = { 2, 5, 6, 24 }, c = d[3];
    struct twin x = exact(1, d), y = exact(2, d), dy = exact(3, d);
    struct twin gamma = TWIN(4, c), beta = TWIN(5, c), mean = TWIN(6, c);
    struct twin inv = TWIN(7, c), dgamma = TWIN(8, c), dbeta = TWIN(9, c);
    struct twin rm = TWIN(10, c), rv = TWIN(11, c);

    for (int on = CPU; on <= CUDA; on++)
        two[on]->across = increased;
    BOTH(image_batch_norm_backward, T(dy), T(dgamma), T(dbeta), T(dy), T(y),
         T(x), T(gamma), T(beta), T(gamma), 1);
    BOTH(image_batch_norm, T(x), T(mean), T(inv), T(rm), T(rv), T(x), T(gamma),
         T(beta), 1e-5f, 0.3f, 1);
    SAME_IMAGE(dy, 2 * rounding);
    SAME_IMAGE(x, rounding);
    SAME(mean, 1e-6);
    SAME(inv, 1e-6);
    SAME(rm, 1e-6);
    SAME(rv, 1e-6);
    SAME(dgamma, 2e-6);
    SAME(dbeta, 2e-6);
    twin_drop(&gamma);
    twin_drop(&beta);
    tensor_release(&y.t[CPU]);
    tensor_release(&y.t[CUDA]);
}
END_TEST

static void add(Suite *s, const char *name, void (*open)(void))
{
    TCase *tc = tcase_create(name);

    tcase_add_checked_fixture(tc, open, close_both);
    tcase_add_loop_test(tc, forward, 0, 2 * SIZES);
    tcase_add_loop_test(tc, normalise, 0, 2 * SIZES);
    tcase_add_loop_test(tc, normalise_again, 0, 2 * SIZES);
    tcase_add_loop_test(tc, backward, 0, 2 * SIZES);
    tcase_add_test(tc, across);
    suite_add_tcase(s, tc);
}

int main(void)
{
    Suite *s = suite_create("parity_imagenorm");

    if (no_device())
        return 77;
    add(s, "f32", f32);
    add(s, "bf16", bf16);
    add(s, "fp16", fp16);
    return unit_run(s);
}
