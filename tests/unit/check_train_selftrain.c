/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Songs that a model labels: one made to be sure of what it says, and the one
 * that ships on music whose labels are known. */
#include "labelled.h"

#include "train/selftrain.h"

#define TAGS                                                             \
    "\"tag\":{\"hidden\":0,\"rate\":\"clip\",\"activation\":\"sigmoid\"," \
    "\"classes\":[\"piano\",\"rock\",\"maybe\"]}"
#define BEATS                                                            \
    "\"beats\":{\"hidden\":16,\"rate\":50,\"activation\":\"softmax\","    \
    "\"classes\":[\"beat\",\"downbeat\",\"none\"]}"

static struct labelled l;
static struct songs out;

static void setup(void)
{
    labelled_make(&l);
    memset(&out, 0, sizeof(out));
}

static void teardown(void)
{
    songs_release(&out);
    labelled_remove(&l);
}

/* A head's output says logit[] of everything. */
static void say(struct params *p, const char *task, const float *logit)
{
    char *name = xasprintf("head.%s.output.weight", task);
    struct tensor w = params_value(p, params_index(p, name)), b;

    strcpy(strrchr(name, '.'), ".bias");
    b = params_value(p, params_index(p, name));
    memset(w.data, 0, (size_t)tensor_count(&w) * sizeof(float));
    ck_assert(!tensor_upload(&b, logit, NULL));
    free(name);
}

/* Chords: A:min by 0.909; key: A minor by 0.953; tags 0.95, 0.05, 0.62. */
static struct model *sure_model(void)
{
    struct params p;
    struct preset preset;
    struct model *m;

    labelled_preset(&preset, CHORDS("8") "," KEY "," TAGS);
    labelled_params(&l, &p, &preset.model, 1);
    say(&p, "chords", (float[]){ 0, 3, 0 });
    say(&p, "key", (float[]){ 0, 3 });
    say(&p, "tag", (float[]){ 3, -3, 0.5f });
    m = labelled_write(&l, "sure", &preset.model, &p, 0);
    params_release(&p);
    preset_release(&preset);
    return m;
}

static int try_add(struct model *m, const char *learns,
                   const struct songs *held, double confidence,
                   struct selftrain_result *r, struct err *err)
{
    struct selftrain_config c = {
        .model = m, .be = l.be, .list = &l.list, .corpus = l.corpus,
        .held = held, .confidence = confidence
    };
    struct preset p;
    int rc;

    labelled_preset(&p, learns);
    c.learns = &p.model;
    memset(err, 0, sizeof(*err));
    rc = selftrain_add(&out, &c, r, err);
    preset_release(&p);
    return rc;
}

static struct selftrain_result add(struct model *m, const char *learns,
                                   const struct songs *held, double confidence)
{
    struct selftrain_result r;
    struct err err;

    ck_assert_msg(!try_add(m, learns, held, confidence, &r, &err), "%s",
                  err.msg);
    return r;
}

START_TEST(selftrain_takes_what_is_sure)
{
    struct model *m = sure_model();
    struct selftrain_result r = add(m, CHORDS("4") "," KEY, NULL, 0.9);
    const struct song *s = out.v;

    ck_assert_uint_eq(r.songs, SONGS);
    ck_assert_uint_eq(out.n, SONGS);
    ck_assert_double_eq(r.seconds[ANNOT_CHORDS], SONGS * SECONDS);
    ck_assert_str_eq(s->audio, l.list.item[0].path);
    ck_assert_uint_eq(s->has, 1 << ANNOT_CHORDS | 1 << ANNOT_KEY);
    ck_assert(s->from == 0 && s->to == SECONDS);
    ck_assert_uint_eq(s->label[ANNOT_CHORDS].spans.n, 1);
    ck_assert_str_eq(s->label[ANNOT_CHORDS].spans.v[0].label, "A:min");
    ck_assert_uint_eq(s->n_sure[ANNOT_CHORDS], 1);
    ck_assert(s->sure[ANNOT_CHORDS][0].start == 0 &&
              s->sure[ANNOT_CHORDS][0].end == SECONDS);
    ck_assert_str_eq(s->label[ANNOT_KEY].key.label, "A minor");
    model_free(m);
}
END_TEST

START_TEST(selftrain_leaves_what_is_not)
{
    struct model *m = sure_model();
    struct selftrain_result r = add(m, CHORDS("4") "," KEY, NULL, 0.93);

    ck_assert_uint_eq(r.songs, SONGS); /* by their key alone */
    ck_assert_uint_eq(out.v[0].has, 1 << ANNOT_KEY);
    ck_assert_uint_eq(out.v[0].n_sure[ANNOT_CHORDS], 0);
    songs_release(&out);
    /* the chords make the key more than 0.95 sure */
    r = add(m, CHORDS("4") "," KEY, NULL, 0.96);
    ck_assert_uint_eq(r.songs, SONGS);
    songs_release(&out);
    r = add(m, CHORDS("4") "," KEY, NULL, 0.9999);
    ck_assert_uint_eq(r.songs, 0);
    ck_assert_uint_eq(out.n, 0);
    model_free(m);
}
END_TEST

/* Tags of the head that learns: sure yes and no, unsure, and unknown. */
START_TEST(selftrain_tags)
{
    static const char learns[] =
        "\"tag\":{\"hidden\":0,\"rate\":\"clip\",\"activation\":\"sigmoid\","
        "\"classes\":[\"rock\",\"new\",\"maybe\",\"piano\"]}";
    struct model *m = sure_model();
    const struct tags *t;

    add(m, learns, NULL, 0.9);
    ck_assert_uint_eq(out.n, SONGS);
    t = &out.v[0].label[ANNOT_TAGS].tags;
    ck_assert_uint_eq(t->n, 3); /* rock is absent */
    ck_assert_str_eq(t->v[0].label, "new");
    ck_assert(isnan(t->v[0].score));
    ck_assert_str_eq(t->v[1].label, "maybe");
    ck_assert(isnan(t->v[1].score));
    ck_assert_str_eq(t->v[2].label, "piano");
    ck_assert_double_eq(t->v[2].score, 1);
    model_free(m);
}
END_TEST

/* Not what is there, nor what is held, by whatever name. */
START_TEST(selftrain_leaves_known_songs)
{
    struct model *m = sure_model();
    char *real = xstrdup(tree_path(&l.tree, "0.wav"));
    struct songs held = { .v = l.songs.v, .n = 1 };
    struct selftrain_result r = add(m, KEY, &l.songs, 0.9);

    ck_assert_uint_eq(r.songs, 0);
    r = add(m, KEY, &held, 0.9);
    ck_assert_uint_eq(r.songs, 1);
    ck_assert_str_eq(out.v[0].audio, l.list.item[1].path);
    free(l.list.item[0].path); /* the same file by another name */
    l.list.item[0].path = xstrdup(tree_path(&l.tree, "link.wav"));
    ck_assert(!symlink(real, l.list.item[0].path));
    r = add(m, KEY, &held, 0.9); /* 1.wav is there by now */
    ck_assert_uint_eq(r.songs, 0);
    ck_assert_uint_eq(out.n, 1);
    free(real);
    model_free(m);
}
END_TEST

START_TEST(selftrain_needs_the_heads)
{
    struct model *m = sure_model();
    struct selftrain_result r;
    struct err err;

    ck_assert_int_eq(try_add(m, BEATS, NULL, 0.9, &r, &err), ERR_ARG);
    ck_assert_ptr_nonnull(strstr(err.msg, "beats"));
    ck_assert_uint_eq(out.n, 0);
    model_free(m);
}
END_TEST

/* Beats that are sure come in runs of 4 and more. */
static void check_beats(const struct song *s, double least)
{
    const struct beats *b = &s->label[ANNOT_BEATS].beats;

    for (size_t k = 0; k < s->n_sure[ANNOT_BEATS]; k++) {
        struct stretch x = s->sure[ANNOT_BEATS][k];
        int n = 0;

        ck_assert(x.end > x.start && x.start >= 0);
        ck_assert(!k || x.start > s->sure[ANNOT_BEATS][k - 1].end);
        for (size_t i = 0; i < b->n; i++)
            if (b->v[i].time >= x.start && b->v[i].time < x.end) {
                ck_assert_double_ge(b->v[i].confidence, least);
                n++;
            }
        ck_assert_int_ge(n, 4);
    }
}

static void open_sample(void)
{
    corpus_free(l.corpus);
    manifest_release(&l.list);
    l.list = (struct manifest){ .rate = 24000 };
    ck_assert(!manifest_add(&l.list, unit_path("data/samples/", "rock50s.opus"),
                            NULL));
    ck_assert(!manifest_probe(&l.list, 1, NULL, NULL));
    ck_assert(!corpus_new(&l.corpus, &l.list, 0, NULL));
}

/* The model that ships, on the sample. */
START_TEST(selftrain_of_the_sample)
{
    struct err err = {0};
    struct selftrain_result r;
    struct model *m;
    double sum = 0;

    ck_assert_msg(!model_open(&m, unit_path("data/models/",
                                            "default.safetensors"), &err),
                  "%s", err.msg);
    open_sample();
    r = add(m, BEATS "," CHORDS("8"), NULL, 0.8);
    ck_assert_uint_eq(r.songs, 1);
    check_beats(out.v, 0.8);
    for (size_t k = 0; k < out.v->n_sure[ANNOT_CHORDS]; k++)
        sum += out.v->sure[ANNOT_CHORDS][k].end -
               out.v->sure[ANNOT_CHORDS][k].start;
    ck_assert_double_eq_tol(sum, r.seconds[ANNOT_CHORDS], 1e-9);
    ck_assert(sum > 10 && sum <= out.v->to);
    ck_assert(r.seconds[ANNOT_BEATS] > 10);
    model_free(m);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("selftrain");
    TCase *t = tcase_create("selftrain");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, selftrain_takes_what_is_sure);
    tcase_add_test(t, selftrain_leaves_what_is_not);
    tcase_add_test(t, selftrain_tags);
    tcase_add_test(t, selftrain_leaves_known_songs);
    tcase_add_test(t, selftrain_needs_the_heads);
    tcase_add_test(t, selftrain_of_the_sample);
    suite_add_tcase(s, t);
    return unit_run(s);
}
