/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Windows of made-up songs: that what is heard in them and what the targets say
 * is at the same place and pitch is found from the sound itself, by its clicks
 * and by the number of times that a tone crosses zero. */
#include "unit.h"

#include <math.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "mel/mel.h"
#include "train/feed.h"
#include "train/protocol.h"
#include "tree.h"

enum { RATE = 24000, SECONDS = 8, CROP = 2, SAMPLES = CROP * RATE,
       BANDS = 8, HOP = 240, FRAMES = SAMPLES / HOP, N_CLICKS = 24,
       ALL = (1 << DATASET_TASKS) - 1 };

#define HEAD "{\"format\":1,\"name\":\"t\",\"sample_rate\":24000,"

static const char conformer[] = HEAD
    "\"mel\":{\"n_fft\":512,\"hop\":240,\"bands\":8,\"mean\":-8,\"std\":12},"
    "\"encoder\":{\"type\":\"conformer\",\"rate\":50,\"dim\":8,\"layers\":1,"
    "\"heads\":2,\"ffn\":16,\"kernel\":5,\"conv_dim\":4,"
    "\"time_strides\":[2,1]},\"window\":5}";

static const char bert[] = HEAD
    "\"mel\":{\"n_fft\":2048,\"hop\":160,\"bands\":128,\"mean\":-8,"
    "\"std\":12},\"encoder\":{\"type\":\"bert\",\"rate\":75,\"dim\":16,"
    "\"layers\":1,\"heads\":2,\"ffn\":16},\"window\":5}";

/* States that are the mel itself, two bands of it. */
static const char mel[] = HEAD
    "\"mel\":{\"n_fft\":512,\"hop\":240,\"bands\":8,\"mean\":-8,\"std\":12},"
    "\"encoder\":{\"type\":\"mel\",\"rate\":50,\"context\":0.02,\"bands\":2,"
    "\"time_strides\":[2,1]},\"window\":5}";

static struct tree tree;
static struct manifest list;
static struct corpus *corpus;
static struct songs songs;
static struct model model;
static struct feed *feed;
static struct err err;
static float *input, *targets;
static int64_t rows[3];

/* ---- songs ---- */

static double click_time(int k)
{
    return 0.3 + 0.28 * k + 0.03 * (k * 7 % 5);
}

static int16_t noise(uint32_t i)
{
    return (int16_t)((i * 2654435761u >> 16) % 40000 - 20000);
}

/* Bursts of 5 ms in silence, each of them a beat. */
static void write_clicks(void)
{
    int16_t *x = xcalloc(SECONDS * RATE, sizeof(*x));
    char beats[N_CLICKS * 16], *to = beats;

    for (int k = 0; k < N_CLICKS; k++) {
        int at = (int)lround(click_time(k) * RATE);

        for (int i = 0; i < RATE / 200; i++)
            x[at + i] = noise((uint32_t)(at + i));
        to += sprintf(to, "%.3f\t%d\n", click_time(k), k % 4 + 1);
    }
    tree_wav16(&tree, "clicks/a.wav", x, SECONDS * RATE, RATE);
    tree_put(&tree, "clicks/a.beats", beats);
    free(x);
}

static void write_tone(const char *name, double hz)
{
    int16_t *x = xcalloc(SECONDS * RATE, sizeof(*x));
    char path[64];

    for (int i = 0; i < SECONDS * RATE; i++)
        x[i] = (int16_t)lround(8000 * sin(2 * M_PI * hz * i / RATE));
    snprintf(path, sizeof(path), "%s.wav", name);
    tree_wav16(&tree, path, x, SECONDS * RATE, RATE);
    snprintf(path, sizeof(path), "%s.lab", name);
    tree_put(&tree, path, "0\t8\tA:maj\n");
    snprintf(path, sizeof(path), "%s.key", name);
    tree_put(&tree, path, "A:maj\n");
    free(x);
}

static void open_songs(const char *folder)
{
    ck_assert_msg(!songs_add(&songs, "folder", tree_path(&tree, folder),
                             SONGS_ALL, ALL, 0, &err), "%s", err.msg);
    list.rate = RATE;
    for (size_t i = 0; i < songs.n; i++)
        ck_assert(!manifest_add(&list, songs.v[i].audio, &err));
    ck_assert(!manifest_probe(&list, 1, NULL, &err));
    ck_assert(!corpus_new(&corpus, &list, 0, &err));
}

static void setup(void)
{
    log_set_level(LOG_ERROR);
    tree_make(&tree);
    memset(&list, 0, sizeof(list));
    memset(&songs, 0, sizeof(songs));
    memset(&model, 0, sizeof(model));
    memset(&err, 0, sizeof(err));
    corpus = NULL;
    feed = NULL;
    input = targets = NULL;
}

static void teardown(void)
{
    feed_free(feed);
    config_release(&model.config);
    corpus_free(corpus);
    songs_release(&songs);
    manifest_release(&list);
    tree_remove(&tree);
    free(input);
    free(targets);
}

/* ---- the feed ---- */

/* Heads for beats, chords and key. */
static void set_model(const char *text)
{
    static const char *const task[] = { "beats", "chords", "key" };

    config_release(&model.config);
    ck_assert_msg(!config_parse_text(&model.config, text, &err), "%s", err.msg);
    for (int h = 0; h < 3; h++) {
        ck_assert(!protocol_head(&model.config, PROTOCOL_OWN, task[h], NULL, 0,
                                 &err));
        rows[h] = (int64_t)(model.config.heads[h].rate * CROP);
    }
}

static void make(const struct augment_options *augment, int batch,
                 const struct states *states)
{
    const struct target_options o = { 4, 8, 1, 0, 3, 0.5 };
    struct feed_config c = {
        .model = &model.config, .songs = &songs, .corpus = corpus,
        .states = states, .samples = SAMPLES,
        .frames = (int64_t)(CROP * model.config.encoder.rate), .rows = rows,
        .augment = *augment, .target = o, .threads = 2, .batch = batch
    };
    size_t bytes[LOADER_PARTS];

    feed_free(feed);
    free(input);
    free(targets);
    ck_assert_msg(!feed_new(&feed, &c, &err), "%s", err.msg);
    feed_parts(feed, bytes);
    ck_assert_uint_eq(bytes[2], 0);
    input = xcalloc(1, bytes[FEED_INPUT]);
    targets = xcalloc(1, bytes[FEED_TARGETS]);
}

static int try_prepare(uint64_t step, uint32_t sample, int thread)
{
    struct loader_sample in = { .draw = { .seed = 5, .step = step,
                                          .sample = sample },
                                .thread = thread };
    void *part[LOADER_PARTS] = { input, targets };

    return feed_prepare(feed, &in, part, &err);
}

static void prepare(uint64_t k)
{
    ck_assert_msg(!try_prepare(k, 0, 0), "%s", err.msg);
}

/* What row i of head h asks of a class. */
static float yes(int h, int64_t i, int c)
{
    const struct head_config *heads = model.config.heads;
    int64_t at = 0;

    for (int k = 0; k < h; k++)
        at += 2 * rows[k] * heads[k].n_classes;
    return targets[at + i * heads[h].n_classes + c];
}

static double weight(int h, int64_t i)
{
    double sum = 0;

    for (int c = 0; c < model.config.heads[h].n_classes; c++)
        sum += yes(h, i, c);
    return sum;
}

/* Of a tone, by how often it crosses zero. */
static double pitch(const float *x)
{
    int crossings = 0;

    for (int i = 1; i < SAMPLES; i++)
        crossings += (x[i] > 0) != (x[i - 1] > 0);
    return crossings / (2.0 * CROP);
}

/* ---- tests ---- */

static int is_beat(int64_t row)
{
    return row >= 0 && row < rows[0] && yes(0, row, 0) + yes(0, row, 1) > 0;
}

/* The loudest of the bands. */
static float loudness(int64_t frame, int bands)
{
    float v = -INFINITY;

    for (int b = 0; b < bands; b++)
        v = fmaxf(v, input[frame * bands + b]);
    return v;
}

/* Between silence and clicks there are 60 dB and more. A click is heard in the
 * 21 ms around its frames. Returns how many beats were compared. */
static int compare_clicks(int frames, int bands)
{
    int per_row = frames / (int)rows[0], beats = 0;
    float low = INFINITY, high = -INFINITY;

    for (int t = 0; t < frames; t++) {
        low = fminf(low, loudness(t, bands));
        high = fmaxf(high, loudness(t, bands));
    }
    ck_assert_float_gt(high - low, 4);
    for (int t = 3 * per_row; t < frames - 3 * per_row; t++) {
        int near = 0, loud = 0;

        for (int d = -2; d <= 2; d++) {
            near |= is_beat(t / per_row + d);
            loud |= loudness(t + d, bands) > (low + high) / 2;
        }
        if (loudness(t, bands) > (low + high) / 2)
            ck_assert_msg(near, "a click and no beat in frame %d", t);
        if (t % per_row == 0 && is_beat(t / per_row)) {
            ck_assert_msg(loud, "a beat and no click in frame %d", t);
            beats++;
        }
    }
    return beats;
}

START_TEST(feed_moves_beats_with_the_sound)
{
    struct augment_options o = AUGMENT_OPTIONS_NONE;
    int beats = 0;

    write_clicks();
    open_songs("clicks");
    set_model(conformer);
    o.speed = _i;
    o.semitones = 12 * _i;
    o.detune = 0.5 * _i;
    o.level = 6;
    make(&o, 1, NULL);
    for (uint64_t k = 0; k < 40; k++) {
        prepare(k);
        beats += compare_clicks(FRAMES, BANDS);
    }
    ck_assert_int_gt(beats, 150);
}
END_TEST

START_TEST(feed_moves_pitch_with_the_sound)
{
    struct augment_options o = AUGMENT_OPTIONS_NONE;
    int seen = 0;

    write_tone("tone/a", 220);
    open_songs("tone");
    set_model(bert);
    o.speed = 1;
    o.semitones = 3;
    o.detune = 0.25;
    o.level = 6;
    make(&o, 1, NULL);
    for (uint64_t k = 0; k < 30; k++) {
        float peak = 0;
        int up;

        prepare(k);
        for (int i = 1; i < SAMPLES; i++)
            peak = fmaxf(peak, fabsf(input[i]));
        up = (int)lround(12 * log2(pitch(input) / 220));
        seen |= 1 << (up + 3);
        ck_assert_int_le(abs(up), 3);
        for (int64_t i = 0; i < rows[1]; i++)
            ck_assert_float_eq(yes(1, i, (9 + up + 12) % 12), 1);
        for (int64_t i = 0; i < rows[2]; i++)
            ck_assert_float_eq(yes(2, i, (9 + up + 12) % 12), 1);
        ck_assert_float_le(fabsf(20 * log10f(peak * 32768 / 8000)), 6.1f);
    }
    ck_assert_int_eq(seen, 127);
}
END_TEST

/* Nothing but the mel of the song, from where songs_start says. */
START_TEST(feed_gives_songs_as_they_are)
{
    static const struct augment_options o = AUGMENT_OPTIONS_NONE;
    const struct mel_config mc = { RATE, 512, HOP, BANDS, 0, RATE / 2.0 };
    static float x[SAMPLES], want[FRAMES * BANDS];
    const int16_t *pcm;
    struct mel *m;
    int64_t n;

    write_clicks();
    open_songs("clicks");
    set_model(conformer);
    make(&o, 1, NULL);
    ck_assert(!mel_new(&m, &mc, &err));
    ck_assert(!corpus_hold(corpus, 0, &err));
    pcm = corpus_pcm(corpus, 0, &n);
    for (uint64_t k = 0; k < 5; k++) {
        int64_t at = llround(RATE * songs_start(&songs.v[0], SECONDS, CROP,
                                                RATE, 5, k));

        for (int i = 0; i < SAMPLES; i++)
            x[i] = (float)pcm[at + i] / 32768;
        mel_clip(m, x, SAMPLES, want);
        prepare(k);
        for (int i = 0; i < FRAMES * BANDS; i++)
            ck_assert_float_eq_tol(input[i], (want[i] + 8) / 12, 1e-5f);
    }
    corpus_let_go(corpus, 0);
    mel_free(m);
}
END_TEST

/* Of a song of 8 s the chords of 2..3 s are sure, and the labels speak of
 * 2..4.5 s, which examples lie in; there are no beats. */
START_TEST(feed_counts_what_labels_speak_of)
{
    static const struct augment_options o = AUGMENT_OPTIONS_NONE;
    struct stretch *sure = xcalloc(1, sizeof(*sure));
    int counted = 0;

    write_tone("tone/a", 220);
    open_songs("tone");
    set_model(conformer);
    songs.v[0].from = 2;
    songs.v[0].to = 4.5;
    *sure = (struct stretch){ 2, 3 };
    songs.v[0].sure[ANNOT_CHORDS] = sure;
    songs.v[0].n_sure[ANNOT_CHORDS] = 1;
    make(&o, 1, NULL);
    for (uint64_t k = 0; k < 10; k++) {
        double start = songs_start(&songs.v[0], SECONDS, CROP, RATE, 5, k);

        prepare(k);
        for (int64_t i = 0; i < rows[0]; i++)
            ck_assert_double_eq(weight(0, i), 0);
        for (int64_t i = 0; i < rows[1]; i++) {
            double middle = start + ((double)i + 0.5) / 8;

            ck_assert_double_eq(weight(1, i), middle >= 2 && middle < 3);
            counted += weight(1, i) > 0;
        }
        ck_assert_double_eq(weight(2, 0), 1);
    }
    ck_assert_int_gt(counted, 20);
}
END_TEST

/* Example 7 is the same as sample 1 of step 2 of 3, and as sample 0 of step 1
 * of 7, in any thread. */
START_TEST(feed_depends_on_the_example_alone)
{
    static const struct augment_options o = AUGMENT_OPTIONS_INIT;
    float *first, *first_targets;
    size_t bytes[LOADER_PARTS];

    write_tone("tone/a", 220);
    write_tone("tone/b", 330);
    open_songs("tone");
    set_model(conformer);
    make(&o, 3, NULL);
    feed_parts(feed, bytes);
    ck_assert(!try_prepare(2, 1, 0));
    first = input;
    first_targets = targets;
    input = targets = NULL;
    make(&o, 7, NULL);
    ck_assert(!try_prepare(1, 0, 1));
    ck_assert_mem_eq(input, first, bytes[FEED_INPUT]);
    ck_assert_mem_eq(targets, first_targets, bytes[FEED_TARGETS]);
    ck_assert(!try_prepare(1, 1, 1));
    ck_assert_mem_ne(input, first, bytes[FEED_INPUT]);
    free(first);
    free(first_targets);
}
END_TEST

/* The other song is 6 to 20 dB quieter; where there is none nothing is added.
 */
START_TEST(feed_mixes_songs)
{
    static const struct augment_options none = AUGMENT_OPTIONS_NONE;
    struct augment_options o = AUGMENT_OPTIONS_NONE;
    static float alone[SAMPLES], added[SAMPLES];

    o.mix = 1;
    write_tone("tone/a", 220);
    if (_i)
        write_tone("tone/b", 1000);
    open_songs("tone");
    set_model(bert);
    for (uint64_t k = 0; k < 6; k++) {
        double ours = 0, other = 0, db;

        make(&none, 1, NULL);
        prepare(k);
        memcpy(alone, input, sizeof(alone));
        make(&o, 1, NULL);
        prepare(k);
        for (int i = 0; i < SAMPLES; i++) {
            added[i] = input[i] - alone[i];
            ours += alone[i] * alone[i];
            other += added[i] * added[i];
        }
        db = 10 * log10(other / ours);
        ck_assert(_i ? db > -20.1 && db < -5.9 : other == 0);
        if (_i)
            ck_assert_double_eq_tol(pitch(alone) + pitch(added), 1220, 10);
        ck_assert_double_eq(weight(1, 3), 1);
    }
}
END_TEST

/* A song that is broken makes room for the next one; of songs that all are,
 * there is none. */
START_TEST(feed_passes_over_broken_songs)
{
    static const struct augment_options o = AUGMENT_OPTIONS_NONE;

    write_tone("tone/a", 220);
    write_tone("tone/b", 330);
    open_songs("tone");
    set_model(bert);
    make(&o, 1, NULL);
    tree_put(&tree, "tone/a.wav", "no longer a recording");
    for (uint64_t k = 0; k < 6; k++) {
        prepare(k);
        ck_assert_double_eq_tol(pitch(input), 330, 0.5);
    }
    corpus_free(corpus);
    tree_put(&tree, "tone/b.wav", "nor this");
    ck_assert(!corpus_new(&corpus, &list, 0, &err));
    make(&o, 1, NULL);
    ck_assert_int_eq(try_prepare(0, 0, 0), ERR_FORMAT);
}
END_TEST

START_TEST(feed_target_is_that_of_its_examples)
{
    static const struct augment_options o = AUGMENT_OPTIONS_INIT;
    struct batch_data batch = { 0 };
    struct target t = { 0 };
    size_t bytes[LOADER_PARTS], at = 0;
    char *all;

    write_clicks();
    open_songs("clicks");
    set_model(conformer);
    make(&o, 3, NULL);
    feed_parts(feed, bytes);
    batch.part[FEED_TARGETS] = all = xcalloc(3, bytes[FEED_TARGETS]);
    for (uint32_t i = 0; i < 3; i++) {
        ck_assert(!try_prepare(0, i, 0));
        memcpy(all + i * bytes[FEED_TARGETS], targets, bytes[FEED_TARGETS]);
    }
    for (int h = 0; h < 3; h++) {
        size_t n = (size_t)rows[h] * (size_t)model.config.heads[h].n_classes;

        ck_assert(!feed_target(feed, &t, h, &batch, 1, 2, &err));
        ck_assert_int_eq(t.n, 2 * rows[h]);
        ck_assert_mem_eq(t.yes + n, targets + at, n * sizeof(float));
        ck_assert_mem_eq(t.no + n, targets + at + n, n * sizeof(float));
        ck_assert_mem_eq(t.yes, all + bytes[FEED_TARGETS] + at * sizeof(float),
                         n * sizeof(float));
        at += 2 * n;
    }
    target_release(&t);
    free(all);
}
END_TEST

START_TEST(feed_takes_states_where_the_labels_are)
{
    static const struct augment_options o = AUGMENT_OPTIONS_INIT;
    const int layer = 0;
    struct states_config c = { .model = &model, .n = 1, .layer = &layer,
                               .n_layers = 1 };
    char path[4200];
    struct states *s;
    int beats = 0;

    write_clicks();
    open_songs("clicks");
    set_model(mel);
    snprintf(path, sizeof(path), "%s/states.tmp", tree.root);
    c.path = path;
    c.corpus = corpus;
    ck_assert(!backend_open(&c.be, "cpu", 1, &err));
    ck_assert_msg(!states_new(&s, &c, &err), "%s", err.msg);
    make(&o, 1, s);
    for (uint64_t k = 0; k < 40; k++) {
        prepare(k);
        beats += compare_clicks(CROP * 50, 2);
    }
    ck_assert_int_gt(beats, 150);
    feed_free(feed);
    feed = NULL;
    states_free(s);
    backend_close(c.be);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("train/feed");
    TCase *t = tcase_create("feed");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, feed_moves_beats_with_the_sound, 0, 2);
    tcase_add_test(t, feed_moves_pitch_with_the_sound);
    tcase_add_test(t, feed_gives_songs_as_they_are);
    tcase_add_test(t, feed_counts_what_labels_speak_of);
    tcase_add_test(t, feed_depends_on_the_example_alone);
    tcase_add_loop_test(t, feed_mixes_songs, 0, 2);
    tcase_add_test(t, feed_passes_over_broken_songs);
    tcase_add_test(t, feed_target_is_that_of_its_examples);
    tcase_add_test(t, feed_takes_states_where_the_labels_are);
    suite_add_tcase(s, t);
    return unit_run(s);
}
