/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Rows that become one vector, and its gradient. */
#include "guarded.h"

enum { B = 2, T = 5, C = 7 };
static const uint8_t hidden[B * T] = { 1, 0, 0, 1, 0, 1, 1, 0, 0, 255 };

START_TEST(replace_rows_some)
{
    struct guarded x = make(B, T, C, 1), was = make(B, T, C, 1);
    struct guarded v = make(C, 0, 0, 2);

    ck_assert(!be->ops->replace_rows(be, &x.t, hidden, &v.t, NULL));
    for (int r = 0; r < B * T; r++)
        ck_assert_mem_eq(x.t.data + r * C,
                         hidden[r] ? v.t.data : was.t.data + r * C, C * 4);
    drop(&x);
    drop(&was);
    drop(&v);
}
END_TEST

/* dv is added to: six f32 values below 1. */
START_TEST(replace_rows_backward)
{
    struct guarded dx = make(B, T, C, 1), was = make(B, T, C, 1);
    struct guarded dv = make(C, 0, 0, 2), old = make(C, 0, 0, 2);

    ck_assert(!be->ops->replace_rows_backward(be, &dx.t, &dv.t, hidden, NULL));
    for (int i = 0; i < C; i++) {
        double want = old.t.data[i];

        for (int r = 0; r < B * T; r++) {
            want += hidden[r] ? was.t.data[r * C + i] : 0;
            ck_assert(dx.t.data[r * C + i] ==
                      (hidden[r] ? 0 : was.t.data[r * C + i]));
        }
        ck_assert_double_eq_tol(dv.t.data[i], want, 1e-6);
    }
    drop(&dx);
    drop(&was);
    drop(&dv);
    drop(&old);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("tensor_rows");
    TCase *t = tcase_create("cpu");
    struct err err = {0};
    int rc;

    if (backend_open(&be, "cpu", 0, &err)) {
        printf("%s\n", err.msg);
        return 1;
    }
    tcase_add_test(t, replace_rows_some);
    tcase_add_test(t, replace_rows_backward);
    suite_add_tcase(s, t);
    rc = unit_run(s);
    backend_close(be);
    return rc;
}
