/* SPDX-License-Identifier: GPL-3.0-or-later */
/* States of recordings, kept in a file or made of the mel in it, against the
 * encoder's own by the stream of annotation: the same to the bit. */
#include "unit.h"

#include <string.h>

#include "audio/clip.h"
#include "base/xalloc.h"
#include "music.h"
#include "train/states.h"

enum { BANDS = 8, CONTEXT = 50, WIDTH = 2 };

static struct tree tree;
static struct manifest music;
static struct corpus *corpus;
static struct backend *be;
static struct model model;

static void setup(void)
{
    static const char text[] =
        "{\"format\": 1, \"name\": \"m\", \"sample_rate\": 24000, \"mel\": "
        "{\"n_fft\": 512, \"hop\": 240, \"bands\": 8, \"mean\": -5, "
        "\"std\": 18}, \"encoder\": {\"type\": \"mel\", \"rate\": 50, "
        "\"context\": 1, \"bands\": 2, \"time_strides\": [2, 1]}, "
        "\"window\": 4}";

    music_make(&tree, &music);
    ck_assert(!corpus_new(&corpus, &music, 0, NULL));
    ck_assert(!backend_open(&be, "cpu", 1, NULL));
    memset(&model, 0, sizeof(model));
    ck_assert(!config_parse_text(&model.config, text, NULL));
}

static void teardown(void)
{
    config_release(&model.config);
    backend_close(be);
    corpus_free(corpus);
    manifest_release(&music);
    tree_remove(&tree);
}

struct taken {
    float *v;
    int64_t n, dim;
};

static int take(void *ctx, const float *const *hidden, int64_t n,
                struct err *err)
{
    struct taken *t = ctx;

    (void)err;
    t->v = xreallocarray(t->v, (size_t)((t->n + n) * t->dim), sizeof(*t->v));
    memcpy(t->v + t->n * t->dim, *hidden, (size_t)(n * t->dim) * sizeof(float));
    t->n += n;
    return 0;
}

static struct taken own_states(size_t song)
{
    const struct mel_config mc = { 24000, 512, 240, BANDS, 0, 12000 };
    struct taken t = { NULL, 0, CONTEXT * WIDTH };
    const int layer = 0;
    struct stream_config sc = { 0, 0, &layer, 1, take, &t, 0 };
    struct encoder *e;
    struct stream *s;
    struct mel *mel;
    const int16_t *pcm;
    int64_t n;

    ck_assert(!encoder_new(&e, &model, be, NULL));
    ck_assert(!mel_new(&mel, &mc, NULL));
    ck_assert(!stream_new(&s, e, &model, &sc, NULL));
    ck_assert(!corpus_hold(corpus, song, NULL));
    pcm = corpus_pcm(corpus, song, &n);
    ck_assert(!states_stream(s, &model, mel, pcm, n, NULL));
    corpus_let_go(corpus, song);
    stream_free(s);
    mel_free(mel);
    encoder_free(e);
    return t;
}

/* Before the beginning and behind the end the rows that are heard remain. */
static void compare(const struct states *s, size_t song, int64_t first,
                    int64_t n)
{
    struct taken want = own_states(song);
    int64_t dim = want.dim;
    float *window = xcalloc((size_t)states_room(s, n), sizeof(*window));
    float *room = xcalloc((size_t)(n * dim), sizeof(*room));
    const float *got;

    ck_assert_int_eq(want.n, music_length[song] / 240 / 2 +
                                 music_length[song] / 240 % 2);
    states_window(s, song, first, n, window);
    got = states_of(s, window, 0, n, room);
    for (int64_t i = 0; i < n; i++) {
        int64_t t = first + i;

        if (t >= 0 && t < want.n)
            ck_assert_mem_eq(got + i * dim, want.v + t * dim,
                             (size_t)dim * sizeof(float));
    }
    free(want.v);
    free(window);
    free(room);
}

START_TEST(stacked_states)
{
    const int layer = 0;
    char path[4200];
    struct states_config c = { .model = &model, .be = be, .corpus = corpus,
                               .n = MUSIC_FILES, .layer = &layer,
                               .n_layers = 1, .path = path };
    struct states *s = NULL;
    struct err err = {0};

    snprintf(path, sizeof(path), "%s/states.tmp", tree.root);
    ck_assert_msg(!states_new(&s, &c, &err), "%s", err.msg);
    ck_assert(states_stacked(s));
    /* what is kept is rows, not states */
    ck_assert_int_eq(states_room(s, 10), (10 + CONTEXT - 1) * WIDTH);
    ck_assert(access(path, F_OK) != 0);
    for (size_t i = 0; i < MUSIC_FILES; i++) {
        compare(s, i, 0, 40);
        compare(s, i, 7, 5);
        compare(s, i, -30, 300);
    }
    states_free(s);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("train/states");
    TCase *t = tcase_create("states");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, stacked_states);
    suite_add_tcase(s, t);
    return unit_run(s);
}
