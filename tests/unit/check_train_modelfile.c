/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a file of a trained model has from training, and what it keeps. */
#include "labelled.h"

#include "train/modelfile.h"

static struct labelled l;
static struct params heads; /* that were trained, */
static struct preset p;     /* of this configuration */
static char *path;

static void setup(void)
{
    labelled_make(&l);
    path = xstrdup(tree_path(&l.tree, "new"));
}

static void teardown(void)
{
    params_release(&heads);
    preset_release(&p);
    free(path);
    labelled_remove(&l);
}

static void train(const char *text)
{
    labelled_preset(&p, text);
    labelled_params(&l, &heads, &p.model, 0);
}

static struct model *old_model(const char *text, int bf16)
{
    struct params all;
    struct preset old;
    struct model *m;

    labelled_preset(&old, text);
    labelled_params(&l, &all, &old.model, 1);
    m = labelled_write(&l, "old", &old.model, &all, bf16);
    params_release(&all);
    preset_release(&old);
    return m;
}

/* One type and the same bytes. */
static int same(const struct model *a, const struct model *b, const char *name)
{
    const struct stored *x = safetensors_find(&a->weights, name);
    const struct stored *y = safetensors_find(&b->weights, name);

    ck_assert_msg(x && y, "%s", name);
    return x->type == y->type && stored_bytes(x) == stored_bytes(y) &&
           !memcmp(x->data, y->data, (size_t)stored_bytes(x));
}

START_TEST(modelfile_tells_heads_apart)
{
    ck_assert(modelfile_of_head("head.key.output.weight", "key"));
    ck_assert(!modelfile_of_head("head.keys.output.weight", "key"));
    ck_assert(!modelfile_of_head("head.key", "key"));
    ck_assert(!modelfile_of_head("conformer.head.key.mix", "key"));
}
END_TEST

/* Of a model in bf16 all that is not trained stays as it lies there. */
START_TEST(modelfile_keeps_to_the_bit)
{
    struct model *old = old_model(CHORDS("8") "," KEY, 1), *new;
    struct err err = {0};
    size_t kept = 0;

    train(KEY);
    ck_assert_msg(!modelfile_write(path, &p.model, "{\"dev\":1}", &heads,
                                   &heads.value, old, &err), "%s", err.msg);
    ck_assert_msg(!model_open(&new, path, &err), "%s", err.msg);
    ck_assert_uint_eq(new->weights.n, old->weights.n);
    for (size_t i = 0; i < old->weights.n; i++) {
        const struct stored *t = &old->weights.tensor[i];

        if (modelfile_of_head(t->name, "key"))
            continue;
        ck_assert_msg(same(old, new, t->name), "%s", t->name);
        kept += t->type == STORED_BF16;
    }
    ck_assert_uint_gt(kept, 10);
    ck_assert(!same(old, new, "head.key.output.weight"));
    ck_assert_int_eq(new->config.n_heads, 2);
    ck_assert_ptr_nonnull(config_head(&new->config, "chords"));
    ck_assert_str_eq(safetensors_meta(&new->weights, "mfm_training"),
                     "{\"dev\":1}");
    model_free(new);
    model_free(old);
}
END_TEST

/* A head that is trained leaves nothing of the old one of its task. */
START_TEST(modelfile_drops_the_old_head)
{
    struct model *old = old_model(CHORDS("8"), 0), *new;
    const float *v;

    train("\"chords\":{\"hidden\":0,\"rate\":4,\"activation\":\"softmax\","
          "\"classes\":[\"C:maj\",\"N\"]}");
    ck_assert(!modelfile_write(path, &p.model, "", &heads, &heads.value, old,
                               NULL));
    ck_assert(!model_open(&new, path, NULL));
    ck_assert(model_has(old, "head.chords.hidden.weight"));
    ck_assert(!model_has(new, "head.chords.hidden.weight"));
    ck_assert(!model_tensor(new, "head.chords.output.weight",
                            (int64_t[]){ 2, 12 }, 2, &v, NULL));
    ck_assert_int_eq(new->config.n_heads, 1);
    ck_assert_int_eq(new->config.heads[0].n_classes, 2);
    ck_assert_ptr_null(safetensors_meta(&new->weights, "mfm_training"));
    model_free(new);
    model_free(old);
}
END_TEST

START_TEST(modelfile_cannot_be_written)
{
    struct err err = {0};

    train(KEY);
    ck_assert_int_eq(modelfile_write(tree_path(&l.tree, "none/new"), &p.model,
                                     "", &heads, &heads.value, NULL, &err),
                     ERR_IO);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("modelfile");
    TCase *t = tcase_create("modelfile");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, modelfile_tells_heads_apart);
    tcase_add_test(t, modelfile_keeps_to_the_bit);
    tcase_add_test(t, modelfile_drops_the_old_head);
    tcase_add_test(t, modelfile_cannot_be_written);
    suite_add_tcase(s, t);
    return unit_run(s);
}
