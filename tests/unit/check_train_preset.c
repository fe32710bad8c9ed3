/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The presets of data/presets, and settings put into them. */
#include "unit.h"

#include <string.h>

#include "train/preset.h"
#include "tree.h"

static struct err err;

static void setup(void)
{
    setenv("MFM_PRESETS", unit_path("data/presets", ""), 1);
}

static struct preset open_with(const char *name, const char *const *set, int n)
{
    struct preset p;

    ck_assert_msg(!preset_open(&p, name, set, n, &err), "%s", err.msg);
    return p;
}

/* The rows of the paper's Table 1. */
START_TEST(preset_open_published)
{
    static const struct {
        const char *name;
        int type, rate, layers, crop, hop, stack;
    } rows[] = {
        { "fm1", ENCODER_BERT, 75, 24, 5, 160, 1 },
        { "fm2", ENCODER_BERT, 75, 24, 5, 160, 2 },
        { "fm3", ENCODER_BERT, 75, 24, 30, 160, 2 },
        { "fm4", ENCODER_CONFORMER, 75, 12, 5, 160, 2 },
        { "fm5", ENCODER_CONFORMER, 75, 12, 30, 160, 2 },
        { "fm6", ENCODER_CONFORMER, 50, 12, 30, 240, 2 },
        { "fm7", ENCODER_CONFORMER, 25, 12, 30, 240, 4 },
        { "fm8", ENCODER_CONFORMER, 25, 24, 30, 240, 4 },
        { "fm9", ENCODER_CONFORMER, 25, 12, 30, 240, 4 },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct preset p = open_with(rows[i].name, NULL, 0);
        const struct encoder_config *e = &p.model.encoder;

        ck_assert_str_eq(p.model.name, rows[i].name);
        ck_assert_int_eq((int)e->type, rows[i].type);
        ck_assert(e->rate == rows[i].rate && e->layers == rows[i].layers &&
                  e->dim == 1024 && e->heads == 16 && e->ffn == 4096);
        ck_assert(p.train.crop == rows[i].crop &&
                  p.model.window == rows[i].crop);
        ck_assert_int_eq(p.model.mel.hop, rows[i].hop);
        ck_assert_int_eq(p.model.tokens[0].stack, rows[i].stack);
        ck_assert(p.train.lr == 1e-4 && p.train.warmup == 30000 &&
                  p.train.schedule == SCHED_CONSTANT);
        if (i == 0) {
            ck_assert(p.model.n_tokens == 2 && p.model.tokens[0].codes == 300 &&
                      p.model.tokens[1].codes == 200 &&
                      p.train.mask == MASK_EMBEDDING);
        } else {
            ck_assert(p.model.tokens[0].codes == 8192 &&
                      p.model.tokens[0].dim == 16 &&
                      p.train.mask == MASK_NOISE && p.train.noise_std == 0.1 &&
                      p.train.mask_block == 0.4 &&
                      p.train.mask_probability == 0.6);
        }
        preset_release(&p);
    }
}
END_TEST

/* Each of them scaled down: what the paper compares stays. */
START_TEST(preset_open_scaled)
{
    static const char *const set[] = { "scale=tiny", "train.steps=7" };
    static const char *const wrong[] = { "scale=huge" };
    struct preset t;

    for (int i = 1; i <= 9; i++) {
        char name[8];
        struct preset p, q;

        snprintf(name, sizeof(name), "fm%d", i);
        p = open_with(name, NULL, 0);
        q = open_with(name, set, 2);
        ck_assert(!strncmp(q.model.name, name, 3) &&
                  !strcmp(q.model.name + 3, "-tiny"));
        ck_assert(q.model.encoder.type == p.model.encoder.type &&
                  q.model.encoder.rate == p.model.encoder.rate &&
                  q.model.encoder.dim == 64 &&
                  q.model.encoder.layers == p.model.encoder.layers / 4);
        ck_assert(q.train.crop == p.train.crop &&
                  q.model.window == p.model.window &&
                  q.train.mask == p.train.mask &&
                  q.train.mixture == p.train.mixture &&
                  q.train.cqt_weight == p.train.cqt_weight);
        ck_assert(q.train.batch * q.train.crop == 60 && q.train.steps == 7);
        ck_assert_int_eq(q.model.n_tokens, p.model.n_tokens);
        ck_assert_mem_eq(q.model.tokens, p.model.tokens,
                         (size_t)p.model.n_tokens * sizeof(*p.model.tokens));
        preset_release(&p);
        preset_release(&q);
    }
    ck_assert_int_eq(preset_open(&t, "fm7", wrong, 1, &err), ERR_ARG);
    ck_assert_ptr_nonnull(strstr(err.msg, "tiny"));
}
END_TEST

START_TEST(preset_open_small)
{
    struct preset p = open_with("small", NULL, 0);

    ck_assert_int_eq(p.model.encoder.dim, 192);
    ck_assert_int_eq(p.model.encoder.layers, 6);
    ck_assert_int_eq(p.train.batch, 16);
    ck_assert(*p.about);
    preset_release(&p);
    p = open_with("tiny", NULL, 0);
    ck_assert_int_eq(p.model.encoder.dim, 64);
    ck_assert_int_eq(p.model.encoder.layers, 3);
    preset_release(&p);
    preset_release(&p);
}
END_TEST

START_TEST(preset_open_sets)
{
    static const char *const set[] = {
        "train.lr=3e-4", "encoder.layers=2", "tokens.0.codes=512",
        "encoder.time_strides=[2, 2]", "encoder.rate=25", "tokens.0.stack=4",
        "train.checkpoint=true", "train.schedule=inverse", "name=a=b",
        "train.dropout=0.25", /* not in the file */
    };
    struct preset p = open_with("tiny", set, 10), back;
    struct strbuf text = STRBUF_INIT, again = STRBUF_INIT;

    ck_assert_double_eq(p.train.lr, 3e-4);
    ck_assert_double_eq(p.train.dropout, 0.25);
    ck_assert_int_eq(p.model.encoder.layers, 2);
    ck_assert_int_eq(p.model.tokens[0].codes, 512);
    ck_assert_int_eq(p.model.encoder.time_strides[1], 2);
    ck_assert_int_eq(p.train.checkpoint, 1);
    ck_assert_int_eq(p.train.schedule, SCHED_INVERSE);
    ck_assert_str_eq(p.model.name, "a=b");
    preset_print(&p, &text);
    ck_assert_msg(!preset_parse(&back, text.s, "config.json", NULL, 0, &err),
                  "%s", err.msg);
    ck_assert_mem_eq(&p.train, &back.train, sizeof(p.train));
    preset_print(&back, &again);
    ck_assert_str_eq(text.s, again.s);
    strbuf_release(&text);
    strbuf_release(&again);
    preset_release(&p);
    preset_release(&back);
}
END_TEST

/* RUN/config.json is a preset. */
START_TEST(preset_write_reads_back)
{
    static const char *const set[] = { "train.lr=3e-4", "train.seed=77" };
    struct preset p = open_with("tiny", set, 2), back;
    struct tree tree;
    char path[128];

    tree_make(&tree);
    strcpy(path, tree_path(&tree, "config.json"));
    ck_assert(!preset_write(&p, path, &err));
    back = open_with(path, NULL, 0);
    ck_assert_mem_eq(&p.train, &back.train, sizeof(p.train));
    ck_assert_int_eq(preset_write(&p, "/no/such/folder/x", &err), ERR_IO);
    tree_remove(&tree);
    preset_release(&p);
    preset_release(&back);
}
END_TEST

static void refuse(const char *set, int code, const char *why)
{
    struct preset p;

    ck_assert_int_eq(preset_open(&p, "tiny", &set, 1, &err), code);
    ck_assert_msg(strstr(err.msg, why) != NULL, "%s", err.msg);
    ck_assert_ptr_null(p.json);
}

START_TEST(preset_open_refuses_settings)
{
    refuse("lr=1", ERR_ARG, "lr: no such setting (did you mean train.lr?)");
    refuse("train.wramup=1", ERR_ARG, "did you mean train.warmup?");
    refuse("tokens.1.codes=1", ERR_ARG, "did you mean tokens.0.codes?");
    refuse("tokens.x.codes=1", ERR_ARG, "tokens.x.codes: no such setting");
    refuse("train..lr=1", ERR_ARG, "no such setting");
    refuse("train.lr=fast", ERR_ARG, "train.lr: \"fast\" is not a number");
    refuse("train.lr=", ERR_ARG, "is not a number");
    refuse("train.lr=1e-4x", ERR_ARG, "is not a number");
    refuse("train.lr=nan", ERR_ARG, "is not a number");
    refuse("train.checkpoint=yes", ERR_ARG, "neither true nor false");
    refuse("encoder.time_strides=2", ERR_ARG, "is not an array like the one");
    refuse("encoder.time_strides=[\"a\", 2]", ERR_ARG, "is not an array like");
    refuse("train=1", ERR_ARG, "train: not one value but a group");
    refuse("=1", ERR_ARG, "\"=1\": not KEY=VALUE");
    refuse("train.lr", ERR_ARG, "not KEY=VALUE");
    refuse("", ERR_ARG, "not KEY=VALUE");
    refuse("train.lr=11", ERR_FORMAT, "tiny.json with what was set: train.lr: "
                                      "not a number in 0..10");
    refuse("encoder.heads=7", ERR_FORMAT, "encoder.heads: dim 64 does not");
    refuse("train.batch=1.5", ERR_FORMAT, "train.batch: not an integer");
    refuse("encoder.type=gpt", ERR_FORMAT, "encoder.type: \"gpt\" is not one");
}
END_TEST

START_TEST(preset_open_refuses_files)
{
    struct preset p;

    ck_assert_int_eq(preset_open(&p, "fm10", NULL, 0, &err), ERR_IO);
    ck_assert_ptr_nonnull(strstr(err.msg, "no preset \"fm10\" in "));
    ck_assert_int_eq(preset_open(&p, "./none.json", NULL, 0, &err), ERR_IO);
    ck_assert_int_eq(preset_parse(&p, "{", "x", NULL, 0, &err), ERR_FORMAT);
    ck_assert_str_eq(err.msg, "x: not valid JSON (line 1)");
    ck_assert_int_eq(preset_parse(&p, "[1]", "x", NULL, 0, &err), ERR_FORMAT);
    ck_assert_str_eq(err.msg, "x: not an object");
    ck_assert_int_eq(preset_parse(&p, "{\"train\": {\"larning\": 1}}", "x",
                                  NULL, 0, &err), ERR_FORMAT);
    ck_assert_str_eq(err.msg, "x: train.larning: no such setting");
    ck_assert_int_eq(preset_parse(&p, "{}", "x", NULL, 0, &err), ERR_FORMAT);
    ck_assert_str_eq(err.msg, "x: format: missing");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("train/preset");
    TCase *t = tcase_create("preset");

    tcase_add_checked_fixture(t, setup, NULL);
    tcase_add_test(t, preset_open_published);
    tcase_add_test(t, preset_open_scaled);
    tcase_add_test(t, preset_open_small);
    tcase_add_test(t, preset_open_sets);
    tcase_add_test(t, preset_write_reads_back);
    tcase_add_test(t, preset_open_refuses_settings);
    tcase_add_test(t, preset_open_refuses_files);
    suite_add_tcase(s, t);
    return unit_run(s);
}
