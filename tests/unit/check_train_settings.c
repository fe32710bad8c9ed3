/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "unit.h"

#include <string.h>

#include "train/settings.h"

static struct err err;

static int parse(struct settings *s, const char *text)
{
    cJSON *v = NULL;
    int rc;

    ck_assert_msg(!json_parse(&v, text, strlen(text), &err), "%s", err.msg);
    rc = settings_parse(s, v, "train", &err);
    cJSON_Delete(v);
    return rc;
}

START_TEST(settings_parse_defaults)
{
    struct settings s;

    ck_assert(!settings_parse(&s, NULL, "train", &err));
    ck_assert_mem_eq(&s, &settings_default, sizeof(s));
    ck_assert(!parse(&s, "{}"));
    ck_assert_double_eq(s.lr, 1e-4);
}
END_TEST

START_TEST(settings_parse_reads)
{
    struct settings s;
    struct sched sched;
    struct optim_options o;

    ck_assert_msg(!parse(&s, "{\"crop\": 5, \"schedule\": \"cosine\", \"lr\":"
                         " 0.002, \"lr_floor\": 0.25, \"warmup\": 7, \"steps\":"
                         " 99, \"mask\": \"embedding\", \"checkpoint\": true,"
                         " \"precision\": \"bf16\", \"clip\": 3, \"ema\": 0.5,"
                         " \"decay\": 0.01}"), "%s", err.msg);
    ck_assert_double_eq(s.crop, 5);
    ck_assert_int_eq(s.mask, MASK_EMBEDDING);
    ck_assert_int_eq(s.checkpoint, 1);
    ck_assert_str_eq(settings_precision(&s), "bf16");
    sched = settings_sched(&s);
    ck_assert(sched.kind == SCHED_COSINE && sched.warmup == 7 &&
              sched.steps == 99 && sched.floor == 0.25);
    o = settings_optim(&s);
    ck_assert(o.lr[0] == 0.002f && o.lr[PARAM_GROUP_HEAD] == 0.002f &&
              o.clip == 3 && o.ema == 0.5f && o.decay == 0.01f &&
              o.beta1 == 0.9f && o.beta2 == 0.999f && o.eps == 1e-8f);
}
END_TEST

/* Fields of the struct inside have names of their own. */
START_TEST(settings_parse_target)
{
    struct settings s;

    ck_assert_msg(!parse(&s, "{\"weight_beat\": 2, \"weight_downbeat\": 3,"
                         " \"weight_none\": 0.5, \"widen_beat\": 0,"
                         " \"weight_boundary\": 7, \"reach_boundary\": 1}"),
                  "%s", err.msg);
    ck_assert(s.target.beat == 2 && s.target.downbeat == 3 &&
              s.target.none == 0.5 && s.target.widen == 0 &&
              s.target.boundary == 7 && s.target.reach == 1);
    ck_assert(!parse(&s, "{}"));
    ck_assert(s.target.beat == 4 && s.target.reach == 0.5);
    ck_assert_int_eq(parse(&s, "{\"weight_none\": 0}"), ERR_FORMAT);
    ck_assert_ptr_nonnull(strstr(err.msg, "train.weight_none"));
}
END_TEST

START_TEST(settings_json_reads_back)
{
    struct settings s, back;
    cJSON *v;

    ck_assert(!parse(&s, "{\"lr\": 0.1, \"checkpoint\": true, \"mask\": "
                         "\"embedding\", \"batch\": 3}"));
    v = settings_json(&s);
    ck_assert(!settings_parse(&back, v, "train", &err));
    ck_assert_mem_eq(&s, &back, sizeof(s));
    cJSON_Delete(v);
}
END_TEST

static void refuse(const char *text, const char *why)
{
    struct settings s;

    ck_assert_int_eq(parse(&s, text), ERR_FORMAT);
    ck_assert_str_eq(err.msg, why);
}

START_TEST(settings_parse_refuses)
{
    refuse("[]", "train: not an object");
    refuse("{\"bacth\": 3}",
           "train.bacth: no such setting (did you mean train.batch?)");
    refuse("{\"batch\": 0}", "train.batch: not an integer in 1..65536");
    refuse("{\"batch\": 1.5}", "train.batch: not an integer in 1..65536");
    refuse("{\"lr\": \"x\"}", "train.lr: not a number in 0..10");
    refuse("{\"checkpoint\": 1}", "train.checkpoint: neither true nor false");
    refuse("{\"schedule\": \"linear\"}", "train.schedule: \"linear\" is not "
           "one of constant, cosine, inverse");
    refuse("{\"crop\": 1, \"mask_block\": 2}", "train.mask_block: 2 s, but a "
           "clip (train.crop) has 1 s");
    refuse("{\"batch\": 1, \"accumulate\": 2}", "train.accumulate: 2 parts of "
           "a batch (train.batch) of 1");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("train/settings");
    TCase *t = tcase_create("settings");

    tcase_add_test(t, settings_parse_defaults);
    tcase_add_test(t, settings_parse_reads);
    tcase_add_test(t, settings_parse_target);
    tcase_add_test(t, settings_json_reads_back);
    tcase_add_test(t, settings_parse_refuses);
    suite_add_tcase(s, t);
    return unit_run(s);
}
