/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Matrix products. Relative L2 error: f32 1e-6, some roundings; bf16 (8 bits of
 * mantissa) 5e-3, tf32 and fp16 (11 bits) 1e-3, of operands rounded once. */
#include "parity.h"

#include <stdlib.h>

static double tolerance;

static void f32(void) { open_f32(); tolerance = 1e-6; }
static void bf16(void) { open_bf16(); tolerance = 5e-3; }
static void fp16(void) { open_fp16(); tolerance = 1e-3; }
static void tf32(void) { open_tf32(); tolerance = 1e-3; }

START_TEST(matmul_options)
{
    struct matmul_opts o = { .act = (enum act)(_i % 4),
                             .scale = _i & 4 ? 0.5f : 0,
                             .accumulate = _i & 8 };
    struct twin x = TWIN(1, 3, 11, 72), w = TWIN(2, 40, 72), b = TWIN(3, 40);
    struct twin y = TWIN(4, 3, 11, 40);

    BOTH(matmul, T(y), T(x), T(w), _i & 16 ? NULL : T(b), o);
    SAME(y, tolerance);
    twin_drop(&x);
    twin_drop(&w);
    twin_drop(&b);
}
END_TEST

/* y narrow: rounded before the activation and behind it. x narrow: not rounded
 * once more. Rows of 40 are read 8 values at a time, those of 37 are not. */
START_TEST(matmul_narrow)
{
    struct matmul_opts o = { .act = (enum act)(_i % 4) };
    int64_t n = _i & 8 ? 37 : 40;
    struct twin x = NARROW(1, 3, 11, 72), w = TWIN(2, n, 72), b = TWIN(3, n);
    struct twin y = NARROW(4, 3, 11, n), z = TWIN(5, 3, 11, n);
    struct twin f = TWIN(6, 3, 11, 72), u = NARROW(7, 3, 11, n);

    BOTH(matmul, T(y), T(x), T(w), _i & 4 ? NULL : T(b), o);
    BOTH(matmul, T(z), T(x), T(w), _i & 4 ? NULL : T(b), o);
    BOTH(matmul, T(u), T(f), T(w), _i & 4 ? NULL : T(b), o);
    SAME(y, tolerance + 2 * narrow_error());
    SAME(z, tolerance);
    SAME(u, tolerance + 2 * narrow_error());
    SAME(x, 0);
    twin_drop(&w);
    twin_drop(&b);
    twin_drop(&f);
}
END_TEST

/* What is ready of an f32 operand is not when a narrow product is written where
 * it lies. */
START_TEST(matmul_narrow_over_ready)
{
    struct matmul_opts o = {0};
    struct twin x = TWIN(1, 8, 16), w = TWIN(2, 16, 16), y = TWIN(3, 8, 16);
    struct twin z = TWIN(4, 8, 16);

    for (int on = CPU; on <= CUDA; on++) {
        struct tensor over = x.t[on];

        OK(two[on]->ops->matmul(two[on], T(y), T(x), T(w), NULL, o, &err));
        over.narrow = two[on]->narrow;
        OK(two[on]->ops->matmul(two[on], &over, T(y), T(w), NULL, o, &err));
        OK(two[on]->ops->matmul(two[on], T(z), &over, T(w), NULL, o, &err));
    }
    SAME(y, tolerance);
    SAME(z, 2 * tolerance + 2 * narrow_error());
    twin_drop(&x);
    twin_drop(&w);
}
END_TEST

START_TEST(matmul_gradients)
{
    struct matmul_opts o = { .scale = _i & 1 ? 0.5f : 0, .accumulate = _i & 2 };
    struct twin x = TWIN(1, 301, 24), w = TWIN(2, 40, 24);
    struct twin dy = TWIN(3, 301, 40), dx = TWIN(4, 301, 24);
    struct twin dw = TWIN(5, 40, 24), db = TWIN(6, 40), dx2 = TWIN(4, 301, 24);

    BOTH(matmul_dx, T(dx), T(dy), T(w), o);
    BOTH(matmul_dw, T(dw), _i & 4 ? T(db) : NULL, T(dy), T(x), o.scale);
    BOTH(matmul_backward, T(dx2), T(dw), T(db), T(dy), T(x), T(w), o);
    SAME(dx, tolerance);
    SAME(dx2, tolerance);
    SAME(dw, tolerance);
    SAME(db, 1e-6);
    twin_drop(&x);
    twin_drop(&w);
    twin_drop(&dy);
}
END_TEST

/* Copies of the weights in 16 bit: stale after weights_changed, dropped by an
 * upload. */
START_TEST(matmul_new_weights)
{
    struct matmul_opts o = {0};
    struct twin x = TWIN(1, 5, 24), w = TWIN(2, 8, 24), y = TWIN(3, 5, 8);
    struct twin z = TWIN(3, 5, 8), u = TWIN(3, 5, 8);
    float other[8 * 24];

    BOTH(matmul, T(y), T(x), T(w), NULL, o);
    BOTH(axpby, T(w), 0, NULL, -3);
    for (int on = CPU; on <= CUDA; on++)
        two[on]->ops->weights_changed(two[on]);
    BOTH(matmul, T(z), T(x), T(w), NULL, o);
    for (int i = 0; i < 8 * 24; i++)
        other[i] = (float)(i % 5);
    for (int on = CPU; on <= CUDA; on++)
        OK(tensor_upload(&w.t[on], other, &err));
    BOTH(matmul, T(u), T(x), T(w), NULL, o);
    SAME(y, tolerance);
    SAME(z, tolerance);
    SAME(u, tolerance);
    twin_drop(&x);
    twin_drop(&w);
}
END_TEST

/* An operand's 16-bit copy goes when a larger one finds no memory. The
 * emulation alone can be made short of it. */
START_TEST(matmul_without_memory)
{
    const char *module = getenv("MFM_CUDA_MODULE");
    struct matmul_opts o = {0};
    struct twin x = TWIN(1, 5, 24), big = TWIN(2, 4000, 24), w = TWIN(3, 8, 24);
    struct twin y = TWIN(4, 5, 8), z = TWIN(4, 4000, 8);
    struct backend *be = two[CUDA];

    if (!module || !strstr(module, "tests/emu"))
        return;
    for (int i = 0; i < 2; i++) /* the weights' copy is made before */
        BOTH(matmul, T(y), T(x), T(w), NULL, o);
    setenv("EMU_MEMORY", "1", 1);
    if (_i)
        ck_assert_int_eq(be->ops->matmul(be, &z.t[CUDA], &big.t[CUDA],
                                         &w.t[CUDA], NULL, o, &err),
                         ERR_NOMEM);
    unsetenv("EMU_MEMORY");
    BOTH(matmul, T(y), T(x), T(w), NULL, o);
    SAME(y, tolerance);
    twin_drop(&x);
    twin_drop(&big);
    twin_drop(&w);
    twin_drop(&z);
}
END_TEST

static void add(Suite *s, const char *name, void (*open)(void))
{
    TCase *tc = tcase_create(name);

    tcase_add_checked_fixture(tc, open, close_both);
    tcase_add_loop_test(tc, matmul_options, 0, 32);
    tcase_add_loop_test(tc, matmul_narrow, 0, 16);
    tcase_add_test(tc, matmul_narrow_over_ready);
    tcase_add_loop_test(tc, matmul_gradients, 0, 8);
    tcase_add_test(tc, matmul_new_weights);
    if (open == bf16 || open == fp16)
        tcase_add_loop_test(tc, matmul_without_memory, 0, 2);
    suite_add_tcase(s, tc);
}

int main(void)
{
    Suite *s = suite_create("parity_gemm");

    if (no_device())
        return 77;
    add(s, "f32", f32);
    add(s, "bf16", bf16);
    add(s, "fp16", fp16);
    add(s, "tf32", tf32);
    return unit_run(s);
}
