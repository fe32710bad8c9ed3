/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Whole runs of very small models on seconds of made-up music. */
#include "unit.h"

#include <math.h>

#include "base/log.h"
#include "base/npy.h"
#include "train.h"
#include "train/metrics.h"
#include "train/pretrain.h"
#include "train/tokenfit.h"
#include "tree.h"

enum { RATE = 24000, FILES = 3, MOST = 64 };

#define HEAD "{\"format\":1,\"name\":\"t\",\"sample_rate\":24000,"
#define TRAIN \
    "\"window\":5,\"train\":{\"crop\":1.2,\"batch\":5,\"steps\":10," \
    "\"lr\":1e-3,\"warmup\":3,\"log_every\":1,\"save_every\":100,"

static const char conformer[] = HEAD
    "\"mel\":{\"n_fft\":2048,\"hop\":240,\"bands\":16,\"mean\":-8,\"std\":12},"
    "\"encoder\":{\"type\":\"conformer\",\"rate\":50,\"dim\":8,\"layers\":1,"
    "\"heads\":2,\"ffn\":16,\"kernel\":5,\"conv_dim\":4,"
    "\"time_strides\":[2,1]},"
    "\"tokens\":[{\"type\":\"random\",\"stack\":2,\"dim\":4,\"codes\":16}],"
    TRAIN "\"dropout\":0.1}}";

#define BERT HEAD \
    "\"mel\":{\"n_fft\":2048,\"hop\":160,\"bands\":128,\"mean\":-8," \
    "\"std\":12},\"encoder\":{\"type\":\"bert\",\"rate\":75,\"dim\":8," \
    "\"layers\":1,\"heads\":2,\"ffn\":16,\"norm\":\"pre\"," \
    "\"conv_dim\":[4,4,4,4,4,4,4],\"conv_kernel\":[10,3,3,3,3,2,2]," \
    "\"conv_stride\":[5,2,2,2,2,2,2],\"pos_kernel\":4,\"pos_groups\":2},"

static const char bert[] = BERT
    "\"tokens\":[{\"type\":\"random\",\"stack\":2,\"dim\":4,\"codes\":16}],"
    TRAIN "\"mask_block\":0.2}}";

/* FM1: two streams of clusters, hidden vectors, the spectrum, mixing. */
static const char mert[] = BERT
    "\"tokens\":[{\"type\":\"kmeans\",\"feature\":\"logmel229\",\"hop\":320,"
    "\"codes\":9},{\"type\":\"kmeans\",\"feature\":\"chroma264\",\"hop\":320,"
    "\"codes\":5}]," TRAIN "\"mask\":\"embedding\",\"mask_probability\":0.8,"
    "\"mixture\":0.5,\"cqt_weight\":1}}";

static struct tree tree;
static struct manifest music;
static struct corpus *corpus;
static struct backend *be;

/* Notes that change twice a second, and noise. */
static void write_song(const char *name, int song, uint32_t n)
{
    int16_t *x = xcalloc(n, sizeof(*x));
    uint32_t v = (uint32_t)song + 1;

    for (uint32_t i = 0; i < n; i++) {
        int note = (int)(i / 12000) * (song + 2) % 7;
        double f = 220 * pow(2, note / 12.0);

        v = v * 1664525u + 1013904223u;
        x[i] = (int16_t)(6000 * sin(2 * M_PI * f * i / RATE) +
                         (double)(v >> 8) / (1 << 24) * 800);
    }
    tree_wav16(&tree, name, x, n, RATE);
    free(x);
}

static void open_music(const char *path)
{
    struct err err = {0};

    corpus_free(corpus);
    manifest_release(&music);
    music = (struct manifest){ .rate = RATE };
    ck_assert_msg(!manifest_add(&music, path, &err), "%s", err.msg);
    ck_assert_msg(!manifest_probe(&music, 1, NULL, &err), "%s", err.msg);
    ck_assert(!corpus_new(&corpus, &music, 0, &err));
}

static void setup(void)
{
    char name[32];

    log_set_level(LOG_ERROR);
    tree_make(&tree);
    for (int i = 0; i < FILES; i++) {
        snprintf(name, sizeof(name), "music/%d.wav", i);
        write_song(name, i, (uint32_t)(RATE * (i + 2)));
    }
    corpus = NULL;
    open_music(tree_path(&tree, "music"));
    be = train_open();
}

static void teardown(void)
{
    backend_close(be);
    corpus_free(corpus);
    manifest_release(&music);
    tree_remove(&tree);
}

/* A run of which *c says what is not the usual, with one more setting ("": as
 * they are); NAN behind the losses. Returns what it fails with. */
static int try_run(const char *text, const char *set, struct pretrain_config c,
                   const char *name, double *loss, struct err *err)
{
    const char *list[] = { set };
    struct preset preset;
    struct metrics_table m = {0};
    const struct metrics_series *s;
    char *dir = xstrdup(tree_path(&tree, name)), *lines;
    int rc;

    mkdir(dir, 0777);
    memset(err, 0, sizeof(*err));
    ck_assert_msg(!preset_parse(&preset, text, "t", list, *set != 0, err),
                  "%s", err->msg);
    c.preset = &preset;
    c.train = corpus;
    c.data = "music";
    c.dir = dir;
    c.threads = c.threads ? c.threads : 1;
    rc = pretrain_run(&c, be, err);
    lines = xasprintf("%s/metrics.ndjson", dir);
    if (!rc && loss) {
        ck_assert(!metrics_read(&m, lines, err));
        s = metrics_find(&m, "loss");
        ck_assert(s && s->n < MOST);
        memcpy(loss, s->value, s->n * sizeof(*loss));
        loss[s->n] = NAN;
    }
    metrics_table_release(&m);
    preset_release(&preset);
    free(lines);
    free(dir);
    return rc;
}

static void run(const char *text, const char *set, struct pretrain_config c,
                const char *name, double *loss)
{
    struct err err;

    ck_assert_msg(!try_run(text, set, c, name, loss, &err), "%s", err.msg);
}

static const struct pretrain_config usual;

/* The values of a name in a run's metrics; the first and the last one. */
static void ends(const char *run, const char *name, double *first,
                 double *last)
{
    char *path = xasprintf("%s/metrics.ndjson", tree_path(&tree, run));
    struct metrics_table m = {0};
    const struct metrics_series *s;
    struct err err = {0};

    ck_assert(!metrics_read(&m, path, &err));
    s = metrics_find(&m, name);
    ck_assert_msg(s && s->n, "%s: no %s", run, name);
    *first = s->value[0];
    *last = s->value[s->n - 1];
    metrics_table_release(&m);
    free(path);
}

static struct model *open_run(const char *run)
{
    char *path = xasprintf("%s/model.safetensors", tree_path(&tree, run));
    struct model *m = NULL;
    struct err err = {0};

    ck_assert_msg(!model_open(&m, path, &err), "%s", err.msg);
    free(path);
    return m;
}

/* What this program computed when it was found to be right by the tests of its
 * parts; other processors add up in other orders. */
START_TEST(pretrain_run_of_recorded_losses)
{
    static const double want[2][10] = {
        { 2.8584770, 2.4359639, 2.4002169, 2.2708286, 2.2531571, 2.1667832,
          2.1206056, 2.0398888, 2.0053855, 1.9638762 },
        { 2.7828280, 2.7839090, 2.7760404, 2.7749045, 2.7704708, 2.7612788,
          2.7559364, 2.7475425, 2.7365197, 2.7311320 },
    };
    double loss[MOST];

    run(_i ? bert : conformer, "", usual, "run", loss);
    for (int i = 0; i < 10; i++)
        ck_assert_double_eq_tol(loss[i], want[_i][i], 1e-4);
}
END_TEST

START_TEST(pretrain_run_on_any_threads)
{
    struct pretrain_config many = { .threads = _i };
    double a[MOST], b[MOST];

    run(conformer, "train.mixture=0.5", usual, "one", a);
    run(conformer, "train.mixture=0.5", many, "many", b);
    for (int i = 0; i < 10; i++)
        ck_assert_double_eq(a[i], b[i]);
}
END_TEST

/* In parts of 2, 2 and 1: without batch normalisation it is the same step but
 * for the order of sums. (With it, each part has statistics of its own, and
 * with dropout, masks of its own.) */
START_TEST(pretrain_run_in_parts)
{
    double a[MOST], b[MOST], norm, parts, last;

    run(bert, "", usual, "whole", a);
    run(bert, "train.accumulate=3", usual, "parts", b);
    ends("whole", "grad_norm", &norm, &last);
    ends("parts", "grad_norm", &parts, &last);
    ck_assert_double_eq_tol(norm, parts, 1e-4 * norm);
    ck_assert_double_eq_tol(a[0], b[0], 1e-5);
    for (int i = 0; i < 10; i++)
        ck_assert_double_eq_tol(a[i], b[i], 1e-3);
}
END_TEST

/* The values of all tensors of the models that two runs wrote are the same. */
static void same_models(const char *one, const char *two)
{
    struct model *a = open_run(one), *b = open_run(two);

    ck_assert_uint_eq(a->weights.n, b->weights.n);
    for (size_t i = 0; i < a->weights.n; i++) {
        const struct stored *x = &a->weights.tensor[i], *y;

        y = safetensors_find(&b->weights, x->name);
        ck_assert_msg(y && !memcmp(x->data, y->data, (size_t)stored_bytes(x)),
                      "%s differs", x->name);
    }
    model_free(a);
    model_free(b);
}

static void done(void *ctx, const char *name, const struct err *failure)
{
    (void)ctx, (void)name;
    ck_assert_ptr_null(failure);
}

/* Clusters of the music, as a file; its statistics. */
static struct model *fit(double *mean, double *std)
{
    struct tokenfit_config config = { .jobs = 1, .done = done };
    char *out = xstrdup(tree_path(&tree, "clusters.safetensors"));
    char *path[FILES];
    struct preset preset;
    struct tokenfit f = {0};
    struct model *m = NULL;
    struct err err = {0};

    for (int i = 0; i < FILES; i++)
        path[i] = music.item[i].path;
    ck_assert(!preset_parse(&preset, mert, "t", NULL, 0, &err));
    ck_assert_msg(!tokenfit_run(&f, &preset.model, path, FILES, &config, &err),
                  "%s", err.msg);
    ck_assert_msg(!tokenfit_write(&f, &preset.model, out, &err), "%s",
                  err.msg);
    *mean = preset.model.mel.mean;
    *std = preset.model.mel.std;
    ck_assert_msg(!model_open(&m, out, &err), "%s", err.msg);
    tokenfit_release(&f);
    preset_release(&preset);
    free(out);
    return m;
}

/* A power of two changes no bit of a loss, a norm or a weight. */
START_TEST(pretrain_run_with_a_loss_scale)
{
    const char *text = _i == 2 ? mert : _i ? bert : conformer;
    struct pretrain_config c = usual;
    double a[MOST], b[MOST], norm[4], mean, std;

    if (_i == 2)
        c.tokens = fit(&mean, &std);
    run(text, "train.loss_scale=1", c, "one", a);
    run(text, "train.loss_scale=1024", c, "large", b);
    for (int i = 0; i < 10; i++)
        ck_assert_double_eq(a[i], b[i]);
    ends("one", "grad_norm", &norm[0], &norm[1]);
    ends("large", "grad_norm", &norm[2], &norm[3]);
    ck_assert(norm[0] == norm[2] && norm[1] == norm[3]);
    ends("large", "loss_scale", &norm[0], &norm[1]);
    ck_assert(norm[0] == 1024 && norm[1] == 1024);
    same_models("one", "large");
    model_free(c.tokens);
}
END_TEST

START_TEST(pretrain_run_as_mert)
{
    struct pretrain_config c = { .threads = 2 };
    static const char center[] = "tokens.0.centers";
    double loss[MOST], mean, std, first, last, early = 0, late = 0;
    const float *a, *b;
    struct model *m;
    struct err err = {0};

    c.tokens = fit(&mean, &std);
    run(mert, "train.steps=24", c, "run", loss);
    for (int i = 0; i < 5; i++) {
        early += loss[i] / 5;
        late += loss[19 + i] / 5;
    }
    ck_assert_double_lt(late, early - 0.1);
    ends("run", "loss_cqt", &first, &last);
    ck_assert_double_lt(last, first);
    ck_assert_double_gt(last, 0);
    m = open_run("run");
    ck_assert(!model_tensor(m, center, (int64_t[]){ 9, 229 }, 2, &a, &err));
    ck_assert(!model_tensor(c.tokens, center, (int64_t[]){ 9, 229 }, 2, &b,
                            &err));
    ck_assert_mem_eq(a, b, 9 * 229 * sizeof(float));
    model_free(m);
    model_free(c.tokens);
}
END_TEST

/* Crops against whole recordings: some hundredths of a dB apart in music that
 * is the same everywhere. */
START_TEST(pretrain_measure_is_near_the_whole)
{
    struct mel_settings s = { 2048, 160, 128, 0, 1 };
    double mean, std;
    struct err err = {0};

    model_free(fit(&mean, &std));
    ck_assert(!pretrain_measure(&s, corpus, RATE, 1, &err));
    ck_assert_double_eq_tol(s.mean, mean, 0.3);
    ck_assert_double_eq_tol(s.std, std, 0.3);
}
END_TEST

START_TEST(pretrain_run_from_weights)
{
    static const char name[] = "linear.weight";
    struct pretrain_config c = usual;
    double loss[MOST];
    const float *a, *b;
    struct model *m;
    struct err err = {0};

    run(conformer, "train.seed=5", usual, "first", NULL);
    c.init = open_run("first");
    run(conformer, "train.lr=0", c, "second", loss);
    m = open_run("second");
    ck_assert(!model_tensor(c.init, name, (int64_t[]){ 16, 8 }, 2, &a, &err));
    ck_assert(!model_tensor(m, name, (int64_t[]){ 16, 8 }, 2, &b, &err));
    ck_assert_mem_eq(a, b, 16 * 8 * sizeof(float));
    model_free(m);
    ck_assert_int_eq(try_run(conformer, "encoder.dim=16", c, "third", loss,
                             &err), ERR_FORMAT);
    model_free(c.init);
}
END_TEST

/* Tokens of n frames as NAME.npy of a song: first, then (from half on) second;
 * or if first is -1 those of the model. */
static void write_codes(const char *name, int n, int first, int second)
{
    char *path = xasprintf("%s/%s.npy", tree_path(&tree, "codes"), name);
    FILE *f;
    int64_t shape = n;

    mkdir(tree_path(&tree, "codes"), 0777);
    f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    npy_write_header(f, "<i4", &shape, 1);
    for (int i = 0; i < n; i++) {
        int32_t v = i < n / 2 ? first : second;

        fwrite(&v, sizeof(v), 1, f);
    }
    fclose(f);
    free(path);
}

/* One recording of 2.4 s with two tokens: a crop that lies in one half has one
 * token, of the half that it lies in. Crops of 1.2 s begin anywhere between,
 * and so must both occur. */
START_TEST(pretrain_run_reads_codes)
{
    char *dir = xstrdup(tree_path(&tree, "codes"));
    struct pretrain_config c = { .codes = 1, .codes_dir = dir };
    double loss[MOST], first, last;
    struct err err;

    write_song("one/x.wav", 0, RATE * 12 / 5);
    open_music(tree_path(&tree, "one/x.wav"));
    write_codes("x", 120, 3, 7);
    run(conformer, "", c, "run", loss);
    ends("run", "codes_used", &first, &last);
    ck_assert_double_eq(first, 2);
    ends("run", "perplexity", &first, &last);
    ck_assert_double_gt(first, 1.5);
    /* all crops begin at 0: the first token only */
    write_song("one/x.wav", 0, RATE * 6 / 5);
    open_music(tree_path(&tree, "one/x.wav"));
    write_codes("x", 60, 3, 3);
    run(conformer, "", c, "run2", loss);
    ends("run2", "codes_used", &first, &last);
    ck_assert_double_eq(last, 1);
    ck_assert_int_eq(try_run(conformer, "tokens.0.codes=3", c, "run3", loss,
                             &err), ERR_FORMAT);
    ck_assert_ptr_nonnull(strstr(err.msg, "x.npy: frame 0"));
    write_codes("x", 90, 3, 3);
    ck_assert_int_eq(try_run(conformer, "", c, "run4", loss, &err),
                     ERR_FORMAT);
    ck_assert_ptr_nonnull(strstr(err.msg, "90 tokens"));
    free(dir);
}
END_TEST

START_TEST(pretrain_run_refuses)
{
    static const struct {
        const char *text, *set, *says;
        int rc;
    } bad[] = {
        { mert, "", "--tokens", ERR_UNSUPPORTED },
        { conformer, "train.mask=embedding", "bert", ERR_ARG },
        { conformer, "train.mask_block=0.39", "whole tokens", ERR_ARG },
    };
    char *config = xstrdup(tree_path(&tree, "run/config.json"));
    struct err err;

    ck_assert_int_eq(try_run(bad[_i].text, bad[_i].set, usual, "run", NULL,
                             &err), bad[_i].rc);
    ck_assert_msg(strstr(err.msg, bad[_i].says), "%s", err.msg);
    ck_assert_int_ne(access(config, F_OK), 0);
    free(config);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("train_pretrain");
    TCase *t = tcase_create("pretrain");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, pretrain_run_of_recorded_losses, 0, 2);
    tcase_add_loop_test(t, pretrain_run_on_any_threads, 2, 4);
    tcase_add_test(t, pretrain_run_in_parts);
    tcase_add_loop_test(t, pretrain_run_with_a_loss_scale, 0, 3);
    tcase_add_test(t, pretrain_run_as_mert);
    tcase_add_test(t, pretrain_measure_is_near_the_whole);
    tcase_add_test(t, pretrain_run_from_weights);
    tcase_add_test(t, pretrain_run_reads_codes);
    tcase_add_loop_test(t, pretrain_run_refuses, 0, 3);
    suite_add_tcase(s, t);
    return unit_run(s);
}
