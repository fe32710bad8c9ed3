/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "eval/tag.h"

#include "golden.h"

static double *matrix(const cJSON *rows, size_t *n, size_t *k)
{
    double *v;
    const cJSON *row, *x;
    size_t i = 0;

    *n = (size_t)cJSON_GetArraySize(rows);
    *k = (size_t)cJSON_GetArraySize(cJSON_GetArrayItem(rows, 0));
    v = xcalloc(*n * *k, sizeof(*v));
    cJSON_ArrayForEach(row, rows)
        cJSON_ArrayForEach(x, row)
            v[i++] = x->valuedouble;
    return v;
}

/* Mean of the numbers of an array, nulls left out. */
static double macro(const cJSON *array)
{
    double sum = 0;
    int n = 0;
    const cJSON *x;

    cJSON_ArrayForEach(x, array)
        if (!cJSON_IsNull(x)) {
            sum += x->valuedouble;
            n++;
        }
    return sum / n;
}

static void compare_case(const cJSON *x, int index)
{
    const cJSON *want_ap = GOLDEN_ITEM(x, "average_precision");
    const cJSON *want_roc = GOLDEN_ITEM(x, "roc_auc");
    size_t n, k;
    double *labels = matrix(GOLDEN_ITEM(x, "labels"), &n, &k);
    double *score = matrix(GOLDEN_ITEM(x, "scores"), &n, &k);
    double *ap = xcalloc(k, sizeof(*ap)), *roc = xcalloc(k, sizeof(*roc));
    int *truth = xcalloc(n * k, sizeof(*truth));
    struct eval_tag got;
    struct err err = { 0 };

    for (size_t i = 0; i < n * k; i++)
        truth[i] = (int)labels[i];
    ck_assert_msg(!eval_tag(&got, ap, roc, truth, score, n, k, &err), "%s",
                  err.msg);
    for (size_t t = 0; t < k; t++) {
        golden_compare(cJSON_GetArrayItem(want_ap, (int)t), ap[t], index, "AP");
        golden_compare(cJSON_GetArrayItem(want_roc, (int)t), roc[t], index,
                       "ROC");
    }
    ck_assert_double_eq_tol(got.average_precision, macro(want_ap), 1e-9);
    ck_assert_double_eq_tol(got.roc_auc, macro(want_roc), 1e-9);
    free(labels);
    free(score);
    free(ap);
    free(roc);
    free(truth);
}

START_TEST(eval_tag_golden)
{
    cJSON *all = golden_read("golden/metrics/tag.json");
    const cJSON *x;
    int i = 0;

    cJSON_ArrayForEach(x, all)
        compare_case(x, i++);
    ck_assert_int_eq(i, 12);
    cJSON_Delete(all);
}
END_TEST

START_TEST(eval_tag_undefined)
{
    /* tag 1 has positives only, tag 2 none */
    static const int truth[] = { 1, 0, 1, 0 };
    static const double score[] = { 0.1, 0.2, 0.3, 0.4 };
    double ap[2], roc[2];
    struct eval_tag got;

    ck_assert(!eval_tag(&got, ap, roc, truth, score, 2, 2, NULL));
    ck_assert(ap[0] == 1 && isnan(ap[1]) && isnan(roc[0]) && isnan(roc[1]));
    ck_assert(got.average_precision == 1 && isnan(got.roc_auc));
    ck_assert(got.without_ap == 1 && got.without_roc == 2);
    ck_assert(!eval_tag(&got, NULL, NULL, truth, score, 0, 2, NULL));
    ck_assert(isnan(got.average_precision) && got.without_ap == 2);
}
END_TEST

START_TEST(eval_tag_refuses)
{
    static const int truth[] = { 1, 0, 1, 2 };
    double score[] = { 0.1, 0.2, 0.3, 0.4 };
    struct eval_tag got;
    struct err err = { 0 };

    ck_assert_int_eq(eval_tag(&got, NULL, NULL, truth, score, 2, 2, &err),
                     ERR_ARG);
    ck_assert(strstr(err.msg, "tag 2: clip 2"));
    score[0] = NAN;
    ck_assert_int_eq(eval_tag(&got, NULL, NULL, truth, score, 2, 1, &err),
                     ERR_ARG);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("eval_tag");
    TCase *t = tcase_create("tag");

    tcase_add_test(t, eval_tag_golden);
    tcase_add_test(t, eval_tag_undefined);
    tcase_add_test(t, eval_tag_refuses);
    suite_add_tcase(s, t);
    return unit_run(s);
}
