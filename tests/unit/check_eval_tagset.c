/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "eval/tagset.h"

#include <math.h>

#include "base/json.h"
#include "eval/score.h"
#include "unit.h"

static void start(struct report *r)
{
    report_init(r, score_names[ANNOT_TAGS].names, score_names[ANNOT_TAGS].k);
}

START_TEST(score_small)
{
    struct tags ref[3] = { { 0 } }, est[3] = { { 0 } };
    struct report r;
    struct err err = { 0 };

    /* rock: clips 0 and 1 of scores .9 .2 .5; jazz only estimated; slow in
     * all references; pop scored below a half counts as absent */
    tags_append(&ref[0], "rock", 1);
    tags_append(&ref[1], "rock", 0.5);
    tags_append(&ref[2], "pop", 0.4);
    for (int i = 0; i < 3; i++)
        tags_append(&ref[i], "slow", 1);
    tags_append(&est[0], "rock", 0.9);
    tags_append(&est[1], "rock", 0.1);
    tags_append(&est[1], "rock", 0.2);
    tags_append(&est[2], "rock", 0.5);
    tags_append(&est[2], "jazz", 0.5);
    start(&r);
    ck_assert(!tagset_score(&r, ref, est, 3, &err));
    ck_assert_uint_eq(r.n, 4);
    ck_assert_str_eq(r.row[0].file, "jazz");
    ck_assert(isnan(r.row[0].score[0]) && isnan(r.row[0].score[1]));
    ck_assert(isnan(r.row[1].score[0])); /* pop */
    ck_assert_str_eq(r.row[2].file, "rock");
    ck_assert_double_eq_tol(r.row[2].score[0], 0.5 * (1 + 2 / 3.), 1e-15);
    ck_assert_double_eq(r.row[2].score[1], 0.5);
    ck_assert_str_eq(r.row[3].file, "slow");
    ck_assert(r.row[3].score[0] == 1 && isnan(r.row[3].score[1]));
    report_release(&r);
    start(&r);
    ck_assert_int_eq(tagset_score(&r, ref, est, 0, &err), ERR_ARG);
    report_release(&r);
    for (int i = 0; i < 3; i++) {
        tags_release(&ref[i]);
        tags_release(&est[i]);
    }
}
END_TEST

static void check_tag(const struct report *r, size_t k, const cJSON *set,
                      const char *name, int column)
{
    const cJSON *want = cJSON_GetArrayItem(cJSON_GetObjectItem(set, name),
                                           (int)k);
    double got = r->row[k].score[column];

    if (cJSON_IsNull(want))
        ck_assert(isnan(got));
    else
        ck_assert_double_eq_tol(got, want->valuedouble, 1e-9);
}

/* scikit-learn's numbers for a collection, through lists of names. 1e-9 is
 * what the reference promises. */
START_TEST(score_golden)
{
    cJSON *all = NULL;
    struct err err = { 0 };
    const cJSON *set;
    int sets = 0;

    ck_assert_msg(!json_read(&all, unit_data("golden/metrics/tag.json"), &err),
                  "%s", err.msg);
    cJSON_ArrayForEach(set, all) {
        const cJSON *labels = cJSON_GetObjectItem(set, "labels");
        const cJSON *scores = cJSON_GetObjectItem(set, "scores");
        int n = cJSON_GetArraySize(labels), k = 0;
        struct tags ref[256] = { { 0 } }, est[256] = { { 0 } };
        struct report r;

        ck_assert_int_le(n, 256);
        for (int i = 0; i < n; i++) {
            const cJSON *l = cJSON_GetArrayItem(labels, i)->child;
            const cJSON *s = cJSON_GetArrayItem(scores, i)->child;

            for (k = 0; l; l = l->next, s = s->next, k++) {
                char name[16];

                snprintf(name, sizeof(name), "t%03d", k);
                tags_append(&ref[i], name, l->valuedouble);
                tags_append(&est[i], name, s->valuedouble);
            }
        }
        start(&r);
        ck_assert(!tagset_score(&r, ref, est, (size_t)n, &err));
        ck_assert_uint_eq(r.n, (size_t)k);
        for (size_t j = 0; j < r.n; j++) {
            check_tag(&r, j, set, "average_precision", 0);
            check_tag(&r, j, set, "roc_auc", 1);
        }
        report_release(&r);
        for (int i = 0; i < n; i++) {
            tags_release(&ref[i]);
            tags_release(&est[i]);
        }
        sets++;
    }
    ck_assert_int_gt(sets, 5);
    cJSON_Delete(all);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("eval_tagset");
    TCase *t = tcase_create("tagset");

    tcase_add_test(t, score_small);
    tcase_add_test(t, score_golden);
    suite_add_tcase(s, t);
    return unit_run(s);
}
