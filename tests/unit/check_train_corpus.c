/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "unit.h"

#include <math.h>

#include "base/log.h"
#include "music.h"
#include "train/corpus.h"

enum { CROP = 6000 };

static struct tree tree;
static struct manifest music;

static void setup(void)
{
    music_make(&tree, &music);
}

static void teardown(void)
{
    manifest_release(&music);
    tree_remove(&tree);
}

static struct corpus *open_corpus(const struct manifest *m, size_t limit)
{
    struct corpus *c = NULL;
    struct err err = {0};

    ck_assert_msg(!corpus_new(&c, m, limit, &err), "%s", err.msg);
    return c;
}

static struct crop take(struct corpus *c, uint64_t step, uint32_t i, float *x,
                        int64_t n)
{
    const struct draw d = { 7, step, i };
    struct err err = {0};
    struct crop crop;

    ck_assert_msg(!corpus_crop(c, &d, x, n, &crop, &err), "%s", err.msg);
    return crop;
}

START_TEST(corpus_crop_is_from_where_it_says)
{
    struct corpus *c = open_corpus(&music, 0);
    float x[CROP];
    int seen = 0;

    for (uint32_t i = 0; i < 300; i++) {
        struct crop crop = take(c, 3, i, x, CROP);
        int64_t length = music_length[crop.recording];

        seen |= 1 << crop.recording;
        ck_assert_int_eq(crop.n, length < CROP ? length : CROP);
        ck_assert_int_ge(crop.start, 0);
        ck_assert_int_le(crop.start + crop.n, length);
        for (int64_t j = 0; j < CROP; j++) {
            int16_t want = j < crop.n
                ? music_sample(crop.recording, crop.start + j) : 0;

            ck_assert(x[j] == (float)want / 32768);
        }
    }
    ck_assert_int_eq(seen, 31); /* the shortest too, with its zeros */
    corpus_free(c);
}
END_TEST

/* 5 standard deviations of the count of each recording, and of the mean of the
 * starts, which are uniform. */
START_TEST(corpus_crop_is_uniform_over_time)
{
    enum { N = 20000 };
    struct corpus *c = open_corpus(&music, 0);
    double all = (double)manifest_samples(&music);
    double count[MUSIC_FILES] = {0}, sum[MUSIC_FILES] = {0};
    float x[CROP];

    for (uint32_t i = 0; i < N; i++) {
        struct crop crop = take(c, i / 64, i % 64, x, CROP);

        count[crop.recording]++;
        sum[crop.recording] += (double)crop.start;
    }
    for (size_t i = 0; i < MUSIC_FILES; i++) {
        double p = music_length[i] / all;
        double room = music_length[i] > CROP ? music_length[i] - CROP : 0;

        ck_assert_double_lt(fabs(count[i] - N * p),
                            5 * sqrt(N * p * (1 - p)));
        ck_assert_double_le(fabs(sum[i] / count[i] - room / 2),
                            5 * room / sqrt(12 * count[i]));
    }
    corpus_free(c);
}
END_TEST

/* Starts at each multiple of 320 and nowhere else, the last one included. */
START_TEST(corpus_align_moves_starts)
{
    enum { STEP = 320, STARTS = (90000 - CROP) / STEP + 1 };
    struct corpus *c = open_corpus(&music, 0);
    char seen[STARTS] = {0};
    float x[CROP];

    corpus_align(c, STEP);
    for (uint32_t i = 0; i < 8000; i++) {
        struct crop crop = take(c, 0, i, x, CROP);

        ck_assert_int_eq(crop.start % STEP, 0);
        ck_assert_int_le(crop.start + crop.n, crop.of);
        ck_assert_int_eq(crop.of, music_length[crop.recording]);
        ck_assert_str_eq(crop.path, music.item[crop.recording].path);
        ck_assert(x[0] == music_sample(crop.recording, crop.start) / 32768.0f);
        if (crop.recording == 2)
            seen[crop.start / STEP] = 1;
    }
    for (int i = 0; i < STARTS; i++)
        ck_assert_int_eq(seen[i], 1);
    corpus_free(c);
}
END_TEST

START_TEST(corpus_decodes_once_what_fits)
{
    struct corpus *c = open_corpus(&music, 0);
    struct corpus_stats stats;
    float x[CROP];

    for (uint32_t i = 0; i < 500; i++)
        take(c, 0, i, x, CROP);
    corpus_stats(c, &stats);
    ck_assert_int_eq(stats.decodes, MUSIC_FILES);
    ck_assert_uint_eq(stats.held, 2 * (size_t)manifest_samples(&music));
    ck_assert_uint_eq(stats.failed, 0);
    corpus_free(c);
}
END_TEST

/* Room for the two longest, or for nothing: the crops stay the same. */
START_TEST(corpus_holds_no_more_than_it_may)
{
    static const size_t limits[] = { 2 * (90000 + 48001), 1 };
    struct corpus *whole = open_corpus(&music, 0);
    static float x[CROP], y[CROP];

    for (size_t k = 0; k < 2; k++) {
        struct corpus *c = open_corpus(&music, limits[k]);
        struct corpus_stats stats;

        for (uint32_t i = 0; i < 200; i++) {
            take(c, 1, i, x, CROP);
            take(whole, 1, i, y, CROP);
            ck_assert_mem_eq(x, y, sizeof(x));
            corpus_stats(c, &stats);
            ck_assert_uint_le(stats.held, limits[k]);
        }
        if (k)
            ck_assert_int_eq(stats.decodes, 200);
        else
            ck_assert_int_gt(stats.decodes, MUSIC_FILES);
        corpus_free(c);
    }
    corpus_free(whole);
}
END_TEST

/* What was used last stays: after a, b, a the third needs the place of b. */
START_TEST(corpus_forgets_what_was_used_longest_ago)
{
    struct recording three[3] = {
        { .path = music.item[0].path, .samples = 1 },
        { .path = music.item[3].path, .samples = 1 },
        { .path = music.item[4].path, .samples = 1 },
    };
    const struct manifest m = { .rate = MUSIC_RATE, .item = three, .n = 3 };
    struct corpus *c = open_corpus(&m, 2 * (30000 + 48001));
    static const size_t order[] = { 0, 1, 0, 2, 0, 2 };
    struct corpus_stats stats;
    float x[CROP];
    uint32_t i = 0;

    for (size_t k = 0; k < ARRAY_LEN(order); k++) {
        /* the next sample whose recording is the wanted one */
        while (draw_uniform(&(struct draw){ 7, 9, i }, DRAW_CROP, 0) * 3 <
                   (double)order[k] ||
               draw_uniform(&(struct draw){ 7, 9, i }, DRAW_CROP, 0) * 3 >=
                   (double)order[k] + 1)
            i++;
        ck_assert_uint_eq(take(c, 9, i++, x, CROP).recording, order[k]);
    }
    corpus_stats(c, &stats);
    ck_assert_int_eq(stats.decodes, 3);
    corpus_free(c);
}
END_TEST

START_TEST(corpus_passes_over_what_cannot_be_decoded)
{
    struct recording *bad = &music.item[2];
    struct corpus *c, *again;
    struct corpus_stats stats;
    float x[CROP], y[CROP];

    log_set_level(LOG_ERROR);
    tree_put(&tree, "2.wav", "no audio");
    bad->samples = 900000; /* nine of ten draws */
    c = open_corpus(&music, 0);
    again = open_corpus(&music, 1);
    for (uint32_t i = 0; i < 50; i++) {
        ck_assert_uint_ne(take(c, 0, i, x, CROP).recording, 2);
        take(again, 0, i, y, CROP);
        ck_assert_mem_eq(x, y, sizeof(x));
    }
    corpus_stats(c, &stats);
    ck_assert_uint_eq(stats.failed, 1);
    ck_assert_int_le(stats.decodes, MUSIC_FILES);
    corpus_free(c);
    corpus_free(again);
}
END_TEST

START_TEST(corpus_of_nothing_but_damage_fails)
{
    const struct draw d = { 1, 2, 3 };
    struct corpus *c = open_corpus(&music, 0);
    struct err err = {0};
    struct crop crop;
    float x[CROP];

    log_set_level(LOG_ERROR);
    for (size_t i = 0; i < MUSIC_FILES; i++)
        ck_assert(!remove(music.item[i].path));
    ck_assert_int_eq(corpus_crop(c, &d, x, CROP, &crop, &err), ERR_FORMAT);
    ck_assert_str_ne(err.msg, "");
    corpus_free(c);
}
END_TEST

START_TEST(corpus_new_refuses_no_recordings)
{
    const struct manifest none = { .rate = MUSIC_RATE };
    struct corpus *c = NULL;
    struct err err;

    ck_assert_int_eq(corpus_new(&c, &none, 0, &err), ERR_ARG);
    ck_assert_ptr_null(c);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("train_corpus");
    TCase *t = tcase_create("corpus");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, corpus_crop_is_from_where_it_says);
    tcase_add_test(t, corpus_crop_is_uniform_over_time);
    tcase_add_test(t, corpus_align_moves_starts);
    tcase_add_test(t, corpus_decodes_once_what_fits);
    tcase_add_test(t, corpus_holds_no_more_than_it_may);
    tcase_add_test(t, corpus_forgets_what_was_used_longest_ago);
    tcase_add_test(t, corpus_passes_over_what_cannot_be_decoded);
    tcase_add_test(t, corpus_of_nothing_but_damage_fails);
    tcase_add_test(t, corpus_new_refuses_no_recordings);
    suite_add_tcase(s, t);
    return unit_run(s);
}
