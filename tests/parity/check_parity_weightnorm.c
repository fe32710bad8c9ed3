/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Weight normalisation: sums in double on both, then some roundings (1e-6). */
#include "parity.h"

/* Cout, C, K: one tile of 32 channels and taps, several, with a rest; more
 * tiles than partial sums. */
static const int64_t sizes[][3] = {
    { 3, 5, 4 }, { 2, 32, 32 }, { 5, 33, 70 }, { 300, 3, 2 }, { 1, 1, 1 },
    { 7, 64, 128 }
};
enum { SIZES = (int)(sizeof(sizes) / sizeof(*sizes)) };

/* Tap 0 of v is 0 where the test's number is odd. */
static struct twin direction(const int64_t *d, int with_zero)
{
    int64_t n = d[0] * d[1] * d[2];
    float *v = malloc((size_t)n * sizeof(*v));
    uint32_t seed = 1;
    struct twin w;

    for (int64_t i = 0; i < n; i++)
        v[i] = with_zero && i % d[2] == 0 ? 0 : noise(&seed);
    w = twin_of(v, 3, d, 0);
    free(v);
    return w;
}

START_TEST(weight_norm_sizes)
{
    const int64_t *d = sizes[_i / 2];
    struct twin v = direction(d, _i % 2), g = TWIN(2, d[2]);
    struct twin w = TWIN(3, d[0], d[2], d[1]), norm = TWIN(4, d[2]);

    BOTH(weight_norm, T(w), T(norm), T(v), T(g));
    SAME(w, 1e-6);
    SAME(norm, 1e-6);
    SAME(v, 0);
    SAME(g, 0);
}
END_TEST

START_TEST(weight_norm_gradients)
{
    const int64_t *d = sizes[_i / 2];
    struct twin v = direction(d, _i % 2), g = TWIN(2, d[2]);
    struct twin w = TWIN(3, d[0], d[2], d[1]), norm = TWIN(4, d[2]);
    struct twin dw = TWIN(5, d[0], d[2], d[1]), dg = TWIN(6, d[2]);
    struct twin dv = TWIN(7, d[0], d[1], d[2]);

    BOTH(weight_norm, T(w), T(norm), T(v), T(g));
    BOTH(weight_norm_backward, T(dv), T(dg), T(dw), T(v), T(g), T(norm));
    SAME(dv, 1e-6);
    SAME(dg, 1e-6);
    SAME(dw, 0);
    SAME(norm, 1e-6);
    twin_drop(&v);
    twin_drop(&g);
    twin_drop(&w);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("parity_weightnorm");
    TCase *tc = tcase_create("f32");

    if (no_device())
        return 77;
    tcase_add_checked_fixture(tc, open_f32, close_both);
    tcase_add_loop_test(tc, weight_norm_sizes, 0, 2 * SIZES);
    tcase_add_loop_test(tc, weight_norm_gradients, 0, 2 * SIZES);
    suite_add_tcase(s, tc);
    return unit_run(s);
}
