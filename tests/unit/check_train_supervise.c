/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Whole runs of very small models on seconds of made-up songs with labels. */
#include "unit.h"

#include <math.h>

#include "base/file.h"
#include "base/log.h"
#include "train.h"
#include "train/devloss.h"
#include "train/metrics.h"
#include "train/supervise.h"
#include "tree.h"

enum { RATE = 24000, SECONDS = 6, MOST = 64, ALL = (1 << DATASET_TASKS) - 1 };

#define BEATS \
    "\"beats\":{\"hidden\":16,\"rate\":50,\"activation\":\"softmax\"," \
    "\"classes\":[\"beat\",\"downbeat\",\"none\"]}"
#define CHORDS \
    "\"chords\":{\"hidden\":16,\"rate\":8,\"activation\":\"softmax\"," \
    "\"layer\":\"mix\",\"classes\":[\"C:maj\",\"E:maj\",\"G:maj\"]}"
#define PARTS \
    "\"structure\":{\"hidden\":8,\"rate\":5,\"activation\":\"softmax\"," \
    "\"boundary\":true,\"layer\":0,\"classes\":[\"verse\",\"chorus\"]}"

/* Heads that learn. */
static const char beats[] = BEATS, probed[] = CHORDS "," PARTS,
                  both[] = BEATS "," CHORDS;

static struct tree tree;
static struct manifest list, dev_list;
static struct corpus *corpus, *dev_corpus;
static struct songs songs, dev;
static struct backend *be;

/* ---- songs ---- */

/* Which of three chords second i of a song has. */
static int chord_of(int song, int i)
{
    return (i * (song + 1) + song) % 3;
}

static void write_labels(const char *name, int song)
{
    static const char *const chord[] = { "C:maj", "E:maj", "G:maj" };
    char text[512], path[64], *to = text;

    for (int i = 0; i < SECONDS * 2; i++)
        to += sprintf(to, "%g\t%d\n", i / 2.0, i % 4 + 1);
    snprintf(path, sizeof(path), "%s/%d.beats", name, song);
    tree_put(&tree, path, text);
    to = text;
    for (int i = 0; i < SECONDS; i++)
        to += sprintf(to, "%d\t%d\t%s\n", i, i + 1, chord[chord_of(song, i)]);
    snprintf(path, sizeof(path), "%s/%d.lab", name, song);
    tree_put(&tree, path, text);
    snprintf(path, sizeof(path), "%s/%d.seg", name, song);
    tree_put(&tree, path, "0\t3\tverse\n3\t6\tchorus\n");
}

/* A tone for each chord, far apart as there are few bands, and a burst of noise
 * on each beat. */
static void write_song(const char *name, int song)
{
    uint32_t n = SECONDS * RATE, v = (uint32_t)song + 1;
    int16_t *x = xcalloc(n, sizeof(*x));
    char path[64];

    for (uint32_t i = 0; i < n; i++) {
        double f = 262 * pow(4, chord_of(song, (int)(i / RATE)));
        double loud = i % (RATE / 2) < RATE / 50 ? 8000 : 200;

        v = v * 1664525u + 1013904223u;
        x[i] = (int16_t)(6000 * sin(2 * M_PI * f * i / RATE) +
                         loud * ((double)(v >> 8) / (1 << 24) - 0.5));
    }
    snprintf(path, sizeof(path), "%s/%d.wav", name, song);
    tree_wav16(&tree, path, x, n, RATE);
    free(x);
    write_labels(name, song);
}

static void open_songs(const char *name, struct songs *s, struct manifest *m,
                       struct corpus **c)
{
    struct err err = {0};

    *s = (struct songs){0};
    *m = (struct manifest){ .rate = RATE };
    ck_assert_msg(!songs_add(s, "folder", tree_path(&tree, name), SONGS_ALL,
                             ALL, 0, &err), "%s", err.msg);
    for (size_t i = 0; i < s->n; i++)
        ck_assert(!manifest_add(m, s->v[i].audio, &err));
    ck_assert(!manifest_probe(m, 1, NULL, &err));
    ck_assert(!corpus_new(c, m, 0, &err));
}

static void setup(void)
{
    log_set_level(LOG_ERROR);
    tree_make(&tree);
    write_song("songs", 0);
    write_song("songs", 1);
    write_song("dev", 0);
    open_songs("songs", &songs, &list, &corpus);
    open_songs("dev", &dev, &dev_list, &dev_corpus);
    be = train_open();
}

static void teardown(void)
{
    backend_close(be);
    corpus_free(corpus);
    corpus_free(dev_corpus);
    songs_release(&songs);
    songs_release(&dev);
    manifest_release(&list);
    manifest_release(&dev_list);
    tree_remove(&tree);
}

/* ---- runs ---- */

#define SET(...) ((const char *const[]){ __VA_ARGS__, NULL })

static char *settings_of(const char *heads)
{
    return xasprintf(
        "{\"format\":1,\"name\":\"t\",\"sample_rate\":24000,\"mel\":"
        "{\"n_fft\":2048,\"hop\":240,\"bands\":16,\"mean\":-8,\"std\":12},"
        "\"encoder\":{\"type\":\"conformer\",\"rate\":50,\"dim\":8,"
        "\"layers\":2,\"heads\":2,\"ffn\":16,\"kernel\":5,\"conv_dim\":4,"
        "\"time_strides\":[2,1]},\"window\":5,\"heads\":{%s},\"train\":"
        "{\"crop\":1,\"batch\":4,\"steps\":10,\"lr\":1e-2,\"warmup\":3,"
        "\"log_every\":1,\"save_every\":100}}", heads);
}

static char *out_of(const char *name)
{
    return xasprintf("%s.safetensors", tree_path(&tree, name));
}

/* The values of a name in a run's metrics, NAN behind them. */
static void read_metric(const char *name, const char *metric, double *v)
{
    char *path = xasprintf("%s/metrics.ndjson", tree_path(&tree, name));
    struct metrics_table m = {0};
    const struct metrics_series *s;
    struct err err = {0};

    ck_assert(!metrics_read(&m, path, &err));
    s = metrics_find(&m, metric);
    ck_assert_msg(s && s->n < MOST, "%s: no %s", name, metric);
    memcpy(v, s->value, s->n * sizeof(*v));
    v[s->n] = NAN;
    metrics_table_release(&m);
    free(path);
}

/* A run of which *c says what is not the usual, with settings (up to NULL). */
static int try_run(const char *heads, const char *const *set,
                   struct supervise_config c, const char *name,
                   struct err *err)
{
    char *dir = xstrdup(tree_path(&tree, name)), *out = out_of(name);
    char *text = settings_of(heads);
    struct preset preset;
    int n = 0, rc;

    memset(err, 0, sizeof(*err));
    mkdir(dir, 0777);
    while (set && set[n])
        n++;
    ck_assert_msg(!preset_parse(&preset, text, "t", set, n, err), "%s",
                  err->msg);
    c.preset = &preset;
    c.train = &songs;
    c.corpus = corpus;
    c.data = "songs";
    c.about = "taught";
    c.dir = dir;
    c.out = out;
    c.threads = c.threads ? c.threads : 1;
    if (c.dev) {
        c.dev_corpus = dev_corpus;
        c.dev_data = "dev";
    }
    rc = supervise_run(&c, be, err);
    preset_release(&preset);
    free(text);
    free(dir);
    free(out);
    return rc;
}

static void run(const char *heads, const char *const *set,
                struct supervise_config c, const char *name, double *loss)
{
    struct err err;

    ck_assert_msg(!try_run(heads, set, c, name, &err), "%s", err.msg);
    if (loss)
        read_metric(name, "loss", loss);
}

static const struct supervise_config tuned = { .finetune = 1 };

static struct model *open_model(const char *name)
{
    char *path = out_of(name);
    struct model *m = NULL;
    struct err err = {0};

    ck_assert_msg(!model_open(&m, path, &err), "%s", err.msg);
    free(path);
    return m;
}

/* An encoder with a head for beats, a little trained. */
static struct model *make_base(void)
{
    run(beats, SET("train.steps=4"), tuned, "base", NULL);
    return open_model("base");
}

/* As it was drawn: a trained one is not quite the same on other processors. */
static struct model *make_drawn(void)
{
    run(beats, SET("train.steps=1", "train.lr=1e-30"), tuned, "base", NULL);
    return open_model("base");
}

static int same_files(const char *a, const char *b)
{
    struct file_map x = {0}, y = {0};
    struct err err = {0};
    int same;

    ck_assert_msg(!file_map(&x, a, &err), "%s", err.msg);
    ck_assert_msg(!file_map(&y, b, &err), "%s", err.msg);
    same = x.size == y.size && !memcmp(x.data, y.data, x.size);
    file_unmap(&x);
    file_unmap(&y);
    return same;
}

/* ---- tests ---- */

/* What this program computed when it was found to be right by the tests of its
 * parts; other processors add up in other orders. */
START_TEST(supervise_run_of_recorded_losses)
{
    static const double want[2][10] = {
        { 1.8283126, 1.5651333, 1.5859851, 1.5573112, 1.4991381, 1.7150665,
          1.6515131, 1.7082890, 1.5656340, 1.6602521 },
        { 3.2131130, 3.0861392, 3.1425903, 2.8054797, 2.4480723, 2.3338210,
          2.0933928, 1.9422900, 1.9876625, 1.6620651 },
    };
    struct supervise_config c = { .finetune = _i };
    double loss[MOST];

    c.init = make_drawn();
    run(_i ? both : probed, SET("train.dropout=0.1",
                                _i ? "train.augment=true" : "train.seed=3"),
        c, "run", loss);
    for (int i = 0; i < 10; i++)
        ck_assert_double_eq_tol(loss[i], want[_i][i], 1e-4);
    model_free(c.init);
}
END_TEST

/* The mean of five values from v on. */
static double mean5(const double *v)
{
    return (v[0] + v[1] + v[2] + v[3] + v[4]) / 5;
}

START_TEST(supervise_run_learns)
{
    struct supervise_config c = { .finetune = _i };
    double loss[MOST], accuracy[MOST];
    int end = _i ? 20 : 55;

    c.init = make_base();
    run(both, SET(_i ? "train.steps=25" : "train.steps=60", "train.lr=0.03"),
        c, "run", NULL);
    read_metric("run", "loss_chords", loss);
    read_metric("run", "accuracy_chords", accuracy);
    ck_assert_double_lt(mean5(loss + end), (_i ? 0.3 : 0.6) * mean5(loss));
    ck_assert_double_gt(mean5(accuracy + end), _i ? 0.9 : 0.6);
    read_metric("run", "loss_beats", loss);
    ck_assert_double_lt(mean5(loss + end), 0.95 * mean5(loss));
    model_free(c.init);
}
END_TEST

START_TEST(supervise_run_on_any_threads)
{
    struct supervise_config many = { .finetune = 1, .threads = 3 };
    const char *const *set = SET("train.augment=true", "train.mixture=0.5");
    double a[MOST], b[MOST];

    run(both, set, tuned, "one", a);
    run(both, set, many, "many", b);
    for (int i = 0; i < 10; i++)
        ck_assert_double_eq(a[i], b[i]);
}
END_TEST

/* A power of two changes no bit of losses and weights: heads with softmax,
 * sigmoid and a boundary, on a frozen encoder or with it. */
START_TEST(supervise_run_with_a_loss_scale)
{
    struct supervise_config c = { .finetune = _i };
    double a[MOST], b[MOST];
    struct model *one, *large;

    c.init = make_base();
    run(_i ? both : probed, SET("train.loss_scale=1"), c, "one", a);
    run(_i ? both : probed, SET("train.loss_scale=1024"), c, "large", b);
    for (int i = 0; i < 10; i++)
        ck_assert_double_eq(a[i], b[i]);
    read_metric("large", "loss_scale", b);
    ck_assert(b[0] == 1024 && b[9] == 1024);
    one = open_model("one");
    large = open_model("large");
    ck_assert_uint_eq(one->weights.n, large->weights.n);
    for (size_t i = 0; i < one->weights.n; i++) {
        const struct stored *x = &one->weights.tensor[i];
        const struct stored *y = safetensors_find(&large->weights, x->name);

        ck_assert_msg(y && !memcmp(x->data, y->data, (size_t)stored_bytes(x)),
                      "%s differs", x->name);
    }
    model_free(one);
    model_free(large);
    model_free(c.init);
}
END_TEST

/* In parts of 2, 2 and 1 a step on frozen states is the same but for the order
 * of sums. */
START_TEST(supervise_run_in_parts)
{
    struct supervise_config c = { .init = make_base() };
    double a[MOST], b[MOST];

    run(both, SET("train.batch=5"), c, "whole", a);
    run(both, SET("train.batch=5", "train.accumulate=3"), c, "parts", b);
    ck_assert_double_eq_tol(a[0], b[0], 1e-6);
    for (int i = 1; i < 10; i++)
        ck_assert_double_eq_tol(a[i], b[i], 1e-4);
    model_free(c.init);
}
END_TEST

/* How many of the tensors of a, but for those whose names begin with pass, are
 * not the same bytes in b. */
static int differences(const struct model *a, const struct model *b,
                       const char *pass)
{
    int n = 0;

    for (size_t i = 0; i < a->weights.n; i++) {
        const struct stored *t = &a->weights.tensor[i];
        const struct stored *u = safetensors_find(&b->weights, t->name);

        if (!strncmp(t->name, pass, strlen(pass)))
            continue;
        ck_assert_msg(u && u->type == t->type &&
                      stored_bytes(u) == stored_bytes(t), "%s", t->name);
        n += memcmp(t->data, u->data, (size_t)stored_bytes(t)) != 0;
    }
    return n;
}

START_TEST(supervise_run_keeps_what_does_not_learn)
{
    struct supervise_config c = { .init = make_base() };
    struct model *m;

    run(probed, NULL, c, "frozen", NULL);
    m = open_model("frozen");
    ck_assert_int_eq(m->config.n_heads, 3);
    ck_assert_int_eq(differences(c.init, m, "-"), 0);
    model_free(m);
    run(beats, NULL, c, "again", NULL);
    m = open_model("again");
    ck_assert_int_eq(differences(c.init, m, "head.beats."), 0);
    ck_assert_int_eq(differences(c.init, m, "-"), 4);
    model_free(m);
    c.finetune = 1;
    run(probed, NULL, c, "tuned", NULL);
    m = open_model("tuned");
    ck_assert_int_gt(differences(c.init, m, "head.beats."), 40);
    ck_assert_int_eq(differences(c.init, m, "-"),
                     differences(c.init, m, "head.beats."));
    model_free(m);
    model_free(c.init);
}
END_TEST

/* Without steps that change anything: the head of the model is where the run
 * begins, if it is the same head. */
START_TEST(supervise_run_goes_on_from_heads)
{
    static const char other[] =
        "\"beats\":{\"hidden\":16,\"rate\":50,\"activation\":\"softmax\","
        "\"layer\":1,\"classes\":[\"beat\",\"downbeat\",\"none\"]}";
    struct supervise_config c = { .init = make_base() };
    const char *const *set = SET("train.lr=1e-30", "train.steps=1");
    struct model *m;

    run(beats, set, c, "same", NULL);
    m = open_model("same");
    ck_assert_int_eq(differences(c.init, m, "-"), 0);
    model_free(m);
    run(other, set, c, "other", NULL);
    m = open_model("other");
    ck_assert_int_eq(differences(c.init, m, "-"), 4);
    model_free(m);
    model_free(c.init);
}
END_TEST

/* Cut off before its first step and after four, and gone on with. In the last
 * of three nothing changes, and the first model remains the best. */
START_TEST(supervise_run_resumes)
{
    const volatile sig_atomic_t stop = 1;
    struct supervise_config c = { .finetune = _i == 1, .init = make_base(),
                                  .dev = &dev };
    const char *set[] = { "train.dropout=0.1", "train.augment=true",
                          _i < 2 ? "train.valid_every=4" : "train.lr=1e-30",
                          _i < 2 ? "train.ema=0.9" : "train.valid_every=1",
                          "train.steps=10", NULL };
    char *whole = out_of("whole"), *cut = out_of("cut");
    double loss[MOST];
    struct err err;

    run(both, set, c, "whole", NULL);
    c.stop = &stop;
    ck_assert_int_eq(try_run(both, set, c, "cut", &err), ERR_STOPPED);
    ck_assert_ptr_nonnull(strstr(err.msg, "--resume"));
    ck_assert_int_ne(access(cut, F_OK), 0);
    c.stop = NULL;
    c.resume = 1;
    set[4] = "train.steps=4";
    run(both, set, c, "cut", loss);
    ck_assert(!isnan(loss[3]) && isnan(loss[4]));
    set[4] = "train.steps=10";
    run(both, set, c, "cut", loss);
    ck_assert(!isnan(loss[9]) && isnan(loss[10]));
    ck_assert(_i == 2 || same_files(whole, cut));
    free(whole);
    free(cut);
    model_free(c.init);
    c.init = open_model("cut");
    ck_assert_ptr_nonnull(strstr(safetensors_meta(&c.init->weights,
                                                  "mfm_training"),
                                 _i < 2 ? "\"steps\":" : "\"steps\":1,"));
    model_free(c.init);
}
END_TEST

/* Steps so large that the first ones are the best: the run ends early, and what
 * it writes is the model with the smallest loss on dev, which is that loss when
 * it is measured again. */
START_TEST(supervise_run_stops_early)
{
    struct supervise_config c = { .init = make_base(), .dev = &dev };
    struct devloss_config dc = { .songs = &dev, .corpus = dev_corpus, .be = be,
                                 .target = TARGET_OPTIONS_INIT };
    char *best = xasprintf("%s/best.safetensors", tree_path(&tree, "run"));
    char *out = out_of("run");
    double valid[MOST], least = INFINITY;
    struct devloss_result r;
    struct devloss *d;
    struct err err = {0};
    int n = 0;

    run(beats, SET("train.lr=0.3", "train.steps=60", "train.valid_every=1",
                   "train.patience=3"), c, "run", NULL);
    read_metric("run", "valid_loss", valid);
    for (; !isnan(valid[n]); n++)
        least = fmin(least, valid[n]);
    ck_assert_int_lt(n, 60);
    ck_assert_double_eq(valid[n - 4], least);
    ck_assert(same_files(best, out));
    model_free(c.init);
    c.init = open_model("run");
    dc.model = &c.init->config;
    ck_assert(!devloss_new(&d, &dc, &err));
    ck_assert_msg(!devloss_run(d, out, &r, &err), "%s", err.msg);
    ck_assert_double_eq(r.loss, least);
    devloss_free(d);
    model_free(c.init);
    free(best);
    free(out);
}
END_TEST

START_TEST(supervise_run_refuses)
{
    static const char none[] =
        "\"beats\":{\"hidden\":8,\"rate\":50,\"activation\":\"softmax\","
        "\"classes\":[\"beat\",\"downbeat\"]}";
    static const char mode[] =
        "\"key\":{\"hidden\":8,\"rate\":0.5,\"activation\":\"softmax\","
        "\"classes\":[\"C dorian\",\"N\"]}";
    char *out = out_of("run");
    struct err err;

    ck_assert_int_eq(try_run(_i ? none : mode, NULL, tuned, "run", &err),
                     ERR_ARG);
    ck_assert_msg(strstr(err.msg, _i ? "none" : "C dorian"), "%s", err.msg);
    ck_assert_int_ne(access(out, F_OK), 0);
    free(out);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("train_supervise");
    TCase *t = tcase_create("supervise");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, supervise_run_of_recorded_losses, 0, 2);
    tcase_add_loop_test(t, supervise_run_learns, 0, 2);
    tcase_add_test(t, supervise_run_on_any_threads);
    tcase_add_loop_test(t, supervise_run_with_a_loss_scale, 0, 2);
    tcase_add_test(t, supervise_run_in_parts);
    tcase_add_test(t, supervise_run_keeps_what_does_not_learn);
    tcase_add_test(t, supervise_run_goes_on_from_heads);
    tcase_add_loop_test(t, supervise_run_resumes, 0, 3);
    tcase_add_test(t, supervise_run_stops_early);
    tcase_add_loop_test(t, supervise_run_refuses, 0, 2);
    suite_add_tcase(s, t);
    return unit_run(s);
}
