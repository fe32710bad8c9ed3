/* SPDX-License-Identifier: GPL-3.0-or-later */
/* 3 x 3 convolutions. Relative L2 error: f32 2e-6, sums of up to 1224 products
 * in other orders (the CPU's by Winograd's formulas); 16 bit and tf32: operands
 * and what is stored rounded once, each by at most 2^-9 (bf16), 2^-12 (fp16) or
 * 2^-11 of itself. With cuDNN and without, where that makes a difference. */
#include "parity.h"
#include <stdlib.h>

static double tolerance, exact;

static void f32(void) { open_f32(); tolerance = 2e-6; exact = 0; }
static void bf16(void)
{
    setenv("EMU_SHARED", "101376", 1); /* sm_80 and newer: four stages, not 2 */
    open_bf16();
    tolerance = 5e-3;
    exact = 5e-3;
}
static void own_bf16(void) { setenv("MFM_CUDNN", "0", 1); bf16(); }
static void fp16(void) { open_fp16(); tolerance = 6e-4; exact = 6e-4; }
static void tf32(void) { open_tf32(); tolerance = 3.5e-4; exact = 0; }
static void own_fp16(void) { setenv("MFM_CUDNN", "0", 1); fp16(); }
static void own_tf32(void) { setenv("MFM_CUDNN", "0", 1); tf32(); }
static void close_all(void)
{
    unsetenv("MFM_CUDNN"); /* where tests share a process */
    close_both();
}

/* Images (b, h, w, c_in) to c_out channels, strides. More than one tile of
 * pixels, channels and depth; channels that are whole chunks and not; images
 * smaller than a window. */
static const struct size {
    int64_t b, h, w, c_in, c_out;
    int sh, sw;
} sizes[] = {
    { 1, 13, 11, 72, 136, 1, 1 }, { 3, 7, 9, 8, 40, 1, 1 },
    { 2, 9, 15, 20, 3, 1, 1 },    { 1, 5, 3, 3, 20, 1, 1 },
    { 2, 17, 13, 40, 72, 2, 2 },  { 1, 9, 14, 3, 8, 2, 2 },
    { 2, 8, 21, 64, 8, 1, 2 },    { 1, 1, 2, 20, 8, 2, 2 },
    { 2, 10, 1, 8, 8, 2, 1 },     { 1, 1, 1, 8, 136, 1, 1 },
    { 2, 11, 37, 1, 136, 1, 1 },  { 3, 9, 7, 1, 20, 2, 2 },
    { 1, 8, 10, 1, 3, 1, 2 },     { 1, 3, 1, 1, 8, 2, 2 },
};
enum { SIZES = sizeof(sizes) / sizeof(sizes[0]) };

static int64_t out(int64_t n, int stride)
{
    return (n - 1) / stride + 1;
}

static struct twin output_of(const struct size *s, uint32_t seed)
{
    return image_new(seed, s->b, out(s->h, s->sh), out(s->w, s->sw), s->c_out);
}

static struct twin weights_of(const struct size *s, uint32_t seed)
{
    return TWIN(seed, s->c_out, s->c_in, 3, 3);
}

START_TEST(image_conv)
{
    const struct size *s = &sizes[_i / 2];
    struct twin x = image_new(1, s->b, s->h, s->w, s->c_in);
    struct twin w = weights_of(s, 2), bias = TWIN(3, s->c_out);
    struct twin y = output_of(s, 4);

    BOTH(image_conv, T(y), T(x), T(w), _i % 2 ? T(bias) : NULL, s->sh, s->sw);
    SAME_IMAGE(y, tolerance);
    SAME_IMAGE(x, s->c_in > 1 ? exact : 0);
    twin_drop(&w);
    twin_drop(&bias);
}
END_TEST

START_TEST(image_conv_dx)
{
    const struct size *s = &sizes[_i / 2];
    struct twin dy, w, dx;

    if (s->c_in == 1)
        return;
    dy = output_of(s, 1);
    w = weights_of(s, 2);
    dx = image_new(3, s->b, s->h, s->w, s->c_in);
    BOTH(image_conv_dx, T(dx), T(dy), T(w), s->sh, s->sw, _i % 2);
    SAME_IMAGE(dx, tolerance);
    SAME_IMAGE(dy, exact);
    twin_drop(&w);
}
END_TEST

START_TEST(image_conv_dw)
{
    const struct size *s = &sizes[_i / 2];
    struct twin x = image_new(1, s->b, s->h, s->w, s->c_in);
    struct twin dy = output_of(s, 2);
    struct twin dw = weights_of(s, 3), dbias = TWIN(4, s->c_out);

    BOTH(image_conv_dw, T(dw), _i % 2 ? T(dbias) : NULL, T(dy), T(x), s->sh,
         s->sw);
    SAME(dw, tolerance);
    SAME(dbias, tolerance);
    SAME_IMAGE(x, s->c_in > 1 ? exact : 0);
    SAME_IMAGE(dy, exact);
}
END_TEST

/* So many pixels that each part sums up more tiles than at once, and dbias more
 * rows than a block; there it is the CPU's sum, one by one, that is 3e-6
 * off. */
START_TEST(image_conv_dw_long)
{
    struct size s = { 2, 131, 143, _i ? 3 : 8, 8, 1, 1 };
    struct twin x = image_new(1, s.b, s.h, s.w, s.c_in);
    struct twin dy = output_of(&s, 2);
    struct twin dw = weights_of(&s, 3), dbias = TWIN(4, s.c_out);

    BOTH(image_conv_dw, T(dw), T(dbias), T(dy), T(x), s.sh, s.sw);
    SAME(dw, tolerance);
    SAME(dbias, 5e-6);
    SAME_IMAGE(x, 0);
    SAME_IMAGE(dy, 0);
}
END_TEST

static struct tensor one_of(const struct twin *m, int on)
{
    return tensor_view(&m->t[on], 0, 3, m->t[on].dim + 1);
}

/* y = act(conv(x) + bias + y) on both, with weights kept in k. */
static void run_conv2d(const struct twin *y, const struct twin *x,
                       struct conv2d *k[2], enum act act, int accumulate)
{
    for (int on = CPU; on <= CUDA; on++) {
        struct tensor to = one_of(y, on), from = one_of(x, on);

        OK(two[on]->ops->conv2d(two[on], &to, &from, k[on], act, accumulate,
                                &err));
    }
}

static void new_conv2d(struct conv2d *k[2], const struct size *s)
{
    size_t n = (size_t)(s->c_out * s->c_in * 9), all = n + (size_t)s->c_out;
    float *w = malloc(all * sizeof(*w));
    uint32_t seed = 5;

    for (size_t i = 0; i < all; i++)
        w[i] = noise(&seed);
    for (int on = CPU; on <= CUDA; on++)
        OK(two[on]->ops->conv2d_new(two[on], &k[on], w, w + n, (int)s->c_out,
                                    (int)s->c_in, s->sh, s->sw, &err));
    free(w);
}

static void free_conv2d(struct conv2d *k[2])
{
    for (int on = CPU; on <= CUDA; on++) {
        two[on]->ops->conv2d_free(two[on], k[on]);
        two[on]->ops->conv2d_free(two[on], NULL);
    }
}

START_TEST(conv2d)
{
    struct size s = sizes[_i / 4];
    struct twin x, y;
    struct conv2d *k[2];

    s.b = 1;
    x = image_new(1, 1, s.h, s.w, s.c_in);
    y = output_of(&s, 2);
    new_conv2d(k, &s);
    run_conv2d(&y, &x, k, _i % 2 ? ACT_RELU : ACT_NONE, _i / 2 % 2);
    free_conv2d(k);
    SAME_IMAGE(y, 1.5 * tolerance); /* few values: further from the mean */
    SAME_IMAGE(x, s.c_in > 1 ? exact : 0);
}
END_TEST

/* The weights follow the precision. */
START_TEST(conv2d_in_turn)
{
    static const enum precision turn[] = {
        PRECISION_F32, PRECISION_BF16, PRECISION_FP16, PRECISION_BF16,
        PRECISION_TF32, PRECISION_F32
    };
    static const double limit[] = { 2e-6, 5e-3, 6e-4, 5e-3, 6e-4, 2e-6 };
    struct size s = { 1, 5, 7, 8, 16, 1, 1 };
    struct conv2d *k[2];

    open_f32();
    new_conv2d(k, &s);
    for (int i = 0; i < 6; i++) {
        struct twin x, y;

        OK(backend_set_precision(two[CUDA], turn[i], &err));
        x = image_new(1, 1, s.h, s.w, s.c_in);
        y = output_of(&s, 2);
        run_conv2d(&y, &x, k, ACT_NONE, 1);
        SAME_IMAGE(y, limit[i]);
        SAME_IMAGE(x, limit[i]);
    }
    free_conv2d(k);
    close_both();
}
END_TEST

static void add(Suite *s, const char *name, void (*open)(void))
{
    TCase *tc = tcase_create(name);

    tcase_add_checked_fixture(tc, open, close_all);
    tcase_add_loop_test(tc, image_conv, 0, 2 * SIZES);
    tcase_add_loop_test(tc, image_conv_dx, 0, 2 * SIZES);
    tcase_add_loop_test(tc, image_conv_dw, 0, 2 * SIZES);
    if (open == f32) /* slow in the emulation */
        tcase_add_loop_test(tc, image_conv_dw_long, 0, 2);
    tcase_add_loop_test(tc, conv2d, 0, 4 * SIZES);
    suite_add_tcase(s, tc);
}

int main(void)
{
    Suite *s = suite_create("parity_conv");
    TCase *tc;

    if (no_device())
        return 77;
    add(s, "f32", f32);
    add(s, "bf16", bf16);
    add(s, "fp16", fp16);
    add(s, "tf32", tf32);
    add(s, "bf16, own", own_bf16);
    add(s, "fp16, own", own_fp16);
    add(s, "tf32, own", own_tf32);
    tc = tcase_create("precisions");
    tcase_add_test(tc, conv2d_in_turn);
    suite_add_tcase(s, tc);
    return unit_run(s);
}
