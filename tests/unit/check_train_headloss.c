/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Losses against the formulas of target.h written out, gradients against
 * central differences of the loss in double (step 1e-3 on logits of about 1:
 * what is left of the third derivative is below 1e-5). */
#include "unit.h"

#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "train/headloss.h"

enum { ROWS = 7, CLASSES = 5, WIDTH = CLASSES + 1 };

static float logits[ROWS * WIDTH], yes[ROWS * WIDTH], no[ROWS * WIDTH];

static double uniform(uint64_t i)
{
    uint32_t r[4];

    rng_block(r, 7, 0, i);
    return r[0] / 4294967296.;
}

static void setup(void)
{
    for (uint64_t i = 0; i < ROWS * WIDTH; i++) {
        logits[i] = (float)(6 * uniform(i) - 3);
        yes[i] = (float)(uniform(1000 + i) * (i % 3));
        no[i] = (float)(uniform(2000 + i) * (i % 2));
    }
    memset(yes + 2 * WIDTH, 0, WIDTH * sizeof(*yes)); /* does not count */
    memset(no + 2 * WIDTH, 0, WIDTH * sizeof(*no));
}

static struct target target_of(int width)
{
    return (struct target){ .n = ROWS, .width = width, .yes = yes, .no = no };
}

/* The loss by definition: classes in out[0], boundary in out[1]. */
static void expected(double out[2], const struct head_config *h,
                     const double *z)
{
    int width = h->n_classes + h->boundary;

    out[0] = out[1] = 0;
    for (int i = 0; i < ROWS; i++) {
        double sum = 0;

        for (int c = 0; c < h->n_classes; c++)
            sum += exp(z[i * width + c]);
        for (int c = 0; c < width; c++) {
            int at = i * width + c;
            double s = 1 / (1 + exp(-z[at]));

            if (c >= h->n_classes || h->activation == HEAD_SIGMOID)
                out[c >= h->n_classes] -= yes[at] * log(s) +
                                          no[at] * log(1 - s);
            else
                out[0] -= yes[at] * log(exp(z[at]) / sum);
        }
    }
}

static void check_head(const struct head_config *h)
{
    const struct headloss_scale scale = { 0.7, 1.3 };
    struct target t = target_of(h->n_classes + h->boundary);
    int n = ROWS * t.width;
    struct headloss sum = { 0 };
    double z[ROWS * WIDTH], want[2], up[2], down[2];
    float grad[ROWS * WIDTH];

    for (int i = 0; i < n; i++)
        z[i] = logits[i];
    headloss_rows(&sum, grad, logits, h, &t, scale);
    expected(want, h, z);
    ck_assert_double_eq_tol(sum.classes, want[0], 1e-5);
    ck_assert_double_eq_tol(sum.boundary, want[1], 1e-5);
    for (int i = 0; i < n; i++) {
        double diff;

        z[i] += 1e-3;
        expected(up, h, z);
        z[i] -= 2e-3;
        expected(down, h, z);
        z[i] += 1e-3;
        diff = (scale.classes * (up[0] - down[0]) +
                scale.boundary * (up[1] - down[1])) / 2e-3;
        ck_assert_msg(fabs(grad[i] - diff) < 1e-5, "%d: %g, not %g", i,
                      grad[i], diff);
    }
    memcpy(grad, logits, sizeof(grad));
    headloss_rows(&sum, grad, grad, h, &t, scale); /* in place, adds up */
    ck_assert_double_eq_tol(sum.classes, 2 * want[0], 1e-5);
}

START_TEST(headloss_rows_softmax)
{
    struct head_config h = { .task = "structure", .n_classes = CLASSES,
                             .boundary = 1 };

    check_head(&h);
    h.boundary = 0;
    check_head(&h);
}
END_TEST

START_TEST(headloss_rows_sigmoid)
{
    struct head_config h = { .task = "tag", .n_classes = WIDTH,
                             .activation = HEAD_SIGMOID };

    check_head(&h);
}
END_TEST

START_TEST(headloss_rows_counts)
{
    struct head_config h = { .task = "chords", .n_classes = 3 };
    float z[] = { 1, 2, 3, 3, 2, 1, 0, 5, 0 };
    float y[] = { 0, 0, 1, 0, 1, 0, 0, 0, 0 };
    float zero[9] = { 0 };
    struct target t = { .n = 3, .width = 3, .yes = y, .no = zero };
    struct headloss sum = { 0 };

    headloss_rows(&sum, NULL, z, &h, &t, (struct headloss_scale){ 1, 1 });
    ck_assert_int_eq(sum.rows, 2);
    ck_assert_int_eq(sum.decided, 2);
    ck_assert_int_eq(sum.correct, 1);
    ck_assert_double_eq(sum.classes_weight, 2);
    /* -log softmax of (1, 2, 3): 0.4076 at 3, 1.4076 at 2 */
    ck_assert_double_eq_tol(headloss_value(&sum, headloss_task("chords")),
                            (0.4076059644 + 1.4076059644) / 2, 1e-9);
}
END_TEST

START_TEST(headloss_rows_extreme)
{
    struct head_config h = { .task = "structure", .n_classes = 2,
                             .boundary = 1 };
    float z[] = { 1000, -1000, -1000, -1000, 1000, 1000 }, grad[6];
    float y[] = { 0, 1, 1, 0, 1, 1 }, n[] = { 0, 0, 0, 0, 0, 0 };
    struct target t = { .n = 2, .width = 3, .yes = y, .no = n };
    struct headloss sum = { 0 };

    headloss_rows(&sum, grad, z, &h, &t, (struct headloss_scale){ 1, 1 });
    ck_assert_double_eq_tol(sum.classes, 2000, 1e-6);
    ck_assert_double_eq_tol(sum.boundary, 1000, 1e-6);
    ck_assert_float_eq(grad[0], 1);
    ck_assert_float_eq(grad[1], -1);
    ck_assert_float_eq(grad[2], -1);
    ck_assert_float_eq(grad[5], 0);
}
END_TEST

START_TEST(headloss_mean_scales)
{
    struct headloss_scale s = headloss_task("structure");

    ck_assert_double_eq(s.classes, 0.3);
    ck_assert_double_eq(s.boundary, 0.5);
    ck_assert_double_eq(headloss_task("beats").classes, 2);
    ck_assert_double_eq(headloss_task("tag").classes, 0.5);
    s = headloss_mean(s, 3, 0);
    ck_assert_double_eq_tol(s.classes, 0.1, 1e-15);
    ck_assert_double_eq(s.boundary, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("train_headloss");
    TCase *c = tcase_create("losses");

    tcase_add_checked_fixture(c, setup, NULL);
    tcase_add_test(c, headloss_rows_softmax);
    tcase_add_test(c, headloss_rows_sigmoid);
    tcase_add_test(c, headloss_rows_counts);
    tcase_add_test(c, headloss_rows_extreme);
    tcase_add_test(c, headloss_mean_scales);
    suite_add_tcase(s, c);
    return unit_run(s);
}
