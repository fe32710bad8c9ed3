/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Heads whose weights are 0 say their biases of every song: losses on dev are
 * then worked out by hand. */
#include "unit.h"

#include <math.h>

#include "base/log.h"
#include "head/train.h"
#include "model/net.h"
#include "train.h"
#include "train/devloss.h"
#include "train/modelfile.h"
#include "tree.h"

enum { RATE = 24000, SECONDS = 8, ALL = (1 << DATASET_TASKS) - 1 };

#define MODEL \
    "{\"format\":1,\"name\":\"t\",\"sample_rate\":24000,\"mel\":" \
    "{\"n_fft\":2048,\"hop\":240,\"bands\":16,\"mean\":-8,\"std\":12}," \
    "\"encoder\":%s,\"window\":5,\"heads\":{\"chords\":{\"hidden\":0," \
    "\"rate\":5,\"activation\":\"softmax\",\"classes\":[\"C:maj\"," \
    "\"G:maj\",\"N\"]},\"tag\":{\"hidden\":0,\"rate\":\"clip\"," \
    "\"activation\":\"sigmoid\",\"classes\":[\"piano\",\"rock\"]}}}"

static const char *const encoder[] = {
    "{\"type\":\"conformer\",\"rate\":50,\"dim\":8,\"layers\":1,\"heads\":2,"
    "\"ffn\":16,\"kernel\":5,\"conv_dim\":4,\"time_strides\":[2,1]}",
    "{\"type\":\"bert\",\"rate\":75,\"dim\":8,\"layers\":1,\"heads\":2,"
    "\"ffn\":16,\"norm\":\"pre\",\"conv_dim\":[4,4,4,4,4,4,4],"
    "\"conv_kernel\":[10,3,3,3,3,2,2],\"conv_stride\":[5,2,2,2,2,2,2],"
    "\"pos_kernel\":4,\"pos_groups\":2}",
    "{\"type\":\"mel\",\"rate\":50,\"context\":0.1,\"bands\":2,"
    "\"time_strides\":[2,1]}"
};

/* What the heads say. */
static const float chord_bias[3] = { 1.5f, 0.5f, -1 };
static const float tag_bias[2] = { 2, -0.5f };

static struct tree tree;
static struct manifest list;
static struct corpus *corpus;
static struct songs songs;
static struct backend *be;
static struct model_config model;
static char *path;

static void write_song(const char *name, const char *chords, const char *tags)
{
    int16_t *x = xcalloc(SECONDS * RATE, sizeof(*x));
    char file[64];

    for (int i = 0; i < SECONDS * RATE; i++)
        x[i] = (int16_t)(8000 * sin(0.05 * i));
    snprintf(file, sizeof(file), "songs/%s.wav", name);
    tree_wav16(&tree, file, x, SECONDS * RATE, RATE);
    snprintf(file, sizeof(file), "songs/%s.lab", name);
    tree_put(&tree, file, chords);
    snprintf(file, sizeof(file), "songs/%s.tags", name);
    tree_put(&tree, file, tags);
    free(x);
}

static void set_bias(struct params *p, const char *head, const float *v, int n)
{
    char *weight = xasprintf("head.%s.output.weight", head);
    char *bias = xasprintf("head.%s.output.bias", head);
    struct tensor w = params_value(p, params_index(p, weight));
    struct tensor b = params_value(p, params_index(p, bias));

    memset(w.data, 0, (size_t)tensor_count(&w) * sizeof(float));
    memcpy(b.data, v, (size_t)n * sizeof(float));
    free(weight);
    free(bias);
}

static void write_model(const char *encoder_text)
{
    char *text = xasprintf(MODEL, encoder_text);
    struct params p = {0};
    struct err err = {0};

    config_release(&model);
    ck_assert_msg(!config_parse_text(&model, text, &err), "%s", err.msg);
    if (model.encoder.type != ENCODER_MEL)
        net_describe(&model, &p);
    for (int h = 0; h < 2; h++)
        head_describe(&model.heads[h], model.encoder.dim,
                      model.encoder.layers, &p);
    ck_assert(!params_alloc(&p, be, &err));
    ck_assert(!params_init(&p, 1, &err));
    set_bias(&p, "chords", chord_bias, 3);
    set_bias(&p, "tag", tag_bias, 2);
    ck_assert_msg(!modelfile_write(path, &model, "", &p, &p.value, NULL, &err),
                  "%s", err.msg);
    params_release(&p);
    free(text);
}

static void setup(void)
{
    struct err err = {0};

    log_set_level(LOG_ERROR);
    tree_make(&tree);
    path = xstrdup(tree_path(&tree, "model.safetensors"));
    songs = (struct songs){0};
    list = (struct manifest){ .rate = RATE };
    memset(&model, 0, sizeof(model));
    be = train_open();
    write_song("a", "0\t4\tC:maj\n4\t6\tG:maj\n6\t8\tX\n", "piano\n");
    write_song("b", "0\t8\tG:7\n", "rock piano\n");
    ck_assert(!songs_add(&songs, "folder", tree_path(&tree, "songs"),
                         SONGS_ALL, ALL, 0, &err));
    for (size_t i = 0; i < songs.n; i++)
        ck_assert(!manifest_add(&list, songs.v[i].audio, &err));
    ck_assert(!manifest_probe(&list, 1, NULL, &err));
    ck_assert(!corpus_new(&corpus, &list, 0, &err));
}

static void teardown(void)
{
    config_release(&model);
    corpus_free(corpus);
    songs_release(&songs);
    manifest_release(&list);
    backend_close(be);
    tree_remove(&tree);
    free(path);
}

static struct devloss *make(void)
{
    const struct devloss_config c = { .model = &model, .songs = &songs,
                                      .corpus = corpus, .be = be,
                                      .target = TARGET_OPTIONS_INIT };
    struct devloss *d = NULL;
    struct err err = {0};

    ck_assert_msg(!devloss_new(&d, &c, &err), "%s", err.msg);
    return d;
}

/* -log of the softmax of the chords. */
static double chord_loss(int c)
{
    double sum = 0;

    for (int i = 0; i < 3; i++)
        sum += exp(chord_bias[i]);
    return log(sum) - chord_bias[c];
}

/* -log of the sigmoid of a tag, or of what is left. */
static double tag_loss(int tag, int present)
{
    return log1p(exp(present ? -tag_bias[tag] : tag_bias[tag]));
}

/* Seconds of C and of G (of 5 rows each); in b, piano and rock, in a piano. X
 * does not count. The sum has tags by half (headloss.h). */
static void expect(const struct devloss_result *r, double c, double g,
                   double tags, double tags_right)
{
    double chords = (c * chord_loss(0) + g * chord_loss(1)) / (c + g);

    ck_assert_double_eq_tol(r->head_loss[0], chords, 1e-6);
    ck_assert_double_eq_tol(r->head_accuracy[0], c / (c + g), 1e-12);
    ck_assert_double_eq_tol(r->head_loss[1], tags / 2, 1e-6);
    ck_assert_double_eq_tol(r->head_accuracy[1], tags_right, 1e-12);
    ck_assert_double_eq_tol(r->loss, chords + tags / 2, 1e-6);
}

START_TEST(devloss_is_that_of_whole_songs)
{
    struct devloss_result r;
    struct devloss *d;
    struct err err = {0};
    double a = (tag_loss(0, 1) + tag_loss(1, 0)) / 2;
    double b = (tag_loss(0, 1) + tag_loss(1, 1)) / 2;

    write_model(encoder[_i]);
    d = make();
    ck_assert_str_eq(devloss_name(d, 0, 0), "valid_loss_chords");
    ck_assert_str_eq(devloss_name(d, 1, 1), "valid_accuracy_tag");
    for (int again = 0; again < 2; again++) {
        ck_assert_msg(!devloss_run(d, path, &r, &err), "%s", err.msg);
        expect(&r, 4, 10, (a + b) / 2, 0.75);
    }
    devloss_free(d);
}
END_TEST

/* Labels that speak of 2..5 s of a song; a song without a kind of labels, or
 * that cannot be decoded, does not count. */
START_TEST(devloss_of_parts)
{
    struct devloss_result r;
    struct devloss *d;
    struct err err = {0};
    double a = (tag_loss(0, 1) + tag_loss(1, 0)) / 2;

    write_model(encoder[0]);
    d = make();
    songs.v[0].from = 2;
    songs.v[0].to = 5;
    songs.v[1].has &= ~(1u << ANNOT_TAGS);
    ck_assert(!devloss_run(d, path, &r, &err));
    expect(&r, 2, 9, a, 1);
    tree_put(&tree, "songs/b.wav", "no longer a recording");
    corpus_free(corpus);
    ck_assert(!corpus_new(&corpus, &list, 0, &err));
    devloss_free(d);
    d = make();
    ck_assert(!devloss_run(d, path, &r, &err));
    expect(&r, 2, 1, a, 1);
    devloss_free(d);
}
END_TEST

START_TEST(devloss_needs_its_model)
{
    struct devloss_result r;
    struct devloss *d;
    struct err err = {0};

    write_model(encoder[0]);
    d = make();
    ck_assert_int_eq(devloss_run(d, tree_path(&tree, "none.safetensors"), &r,
                                 &err), ERR_IO);
    devloss_free(d);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("train/devloss");
    TCase *t = tcase_create("devloss");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, devloss_is_that_of_whole_songs, 0, 3);
    tcase_add_test(t, devloss_of_parts);
    tcase_add_test(t, devloss_needs_its_model);
    suite_add_tcase(s, t);
    return unit_run(s);
}
