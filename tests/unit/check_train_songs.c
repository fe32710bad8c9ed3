/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <math.h>

#include "base/xalloc.h"
#include "dataset.h"
#include "train/songs.h"

static struct songs songs;

static void make_folder(void)
{
    setup();
    memset(&songs, 0, sizeof(songs));
    tree_wav(&tree, "a.wav");
    tree_put(&tree, "a.beats", "0.5\t1\n1.0\t2\n");
    tree_put(&tree, "a.lab", "0 1 C:maj\n1 2 N\n");
    tree_put(&tree, "a.tags", "rock piano\n");
    tree_wav(&tree, "sub/b.wav");
    tree_put(&tree, "sub/b.seg", "0 1 Intro A\n1 2 pre-chorus B\n");
    tree_put(&tree, "sub/b.key", "C:min\n");
    tree_put(&tree, "sub/b.tags", "Folk piano\n");
    tree_put(&tree, "c.beats", "0.5\t1\n"); /* no audio */
}

static void remove_folder(void)
{
    songs_release(&songs);
    teardown();
}

static void add(enum songs_part part, unsigned tasks, unsigned held)
{
    ck_assert_msg(!songs_add(&songs, "folder", tree.root, part, tasks, held,
                             &err), "%s", err.msg);
}

enum { ALL = (1 << DATASET_TASKS) - 1 };

START_TEST(songs_add_folder)
{
    const struct song *a, *b;

    add(SONGS_TRAIN, ALL, 0);
    ck_assert_uint_eq(songs.n, 2);
    ck_assert_uint_eq(songs.no_audio, 1);
    a = &songs.v[0];
    b = &songs.v[1];
    ck_assert_str_eq(a->id, "a");
    ck_assert_str_eq(a->audio, tree_path(&tree, "a.wav"));
    ck_assert_uint_eq(a->has, 1 << ANNOT_BEATS | 1 << ANNOT_CHORDS |
                              1 << ANNOT_TAGS);
    ck_assert_uint_eq(a->label[ANNOT_BEATS].beats.n, 2);
    ck_assert_str_eq(a->label[ANNOT_CHORDS].spans.v[1].label, "N");
    ck_assert(a->from == 0 && isinf(a->to));
    ck_assert_uint_eq(b->has, 1 << ANNOT_STRUCTURE | 1 << ANNOT_KEY |
                              1 << ANNOT_TAGS);
    ck_assert_str_eq(b->label[ANNOT_STRUCTURE].spans.v[1].label, "verse");
    ck_assert_str_eq(b->label[ANNOT_KEY].key.label, "C minor");
}
END_TEST

START_TEST(songs_add_some_tasks)
{
    add(SONGS_ALL, 1 << ANNOT_KEY, 0);
    ck_assert_uint_eq(songs.n, 1);
    ck_assert_uint_eq(songs.v[0].has, 1 << ANNOT_KEY);
    add(SONGS_TRAIN, 1 << ANNOT_BEATS, 0); /* behind the first */
    ck_assert_uint_eq(songs.n, 2);
    ck_assert_str_eq(songs.v[1].id, "a");
}
END_TEST

START_TEST(songs_add_refuses)
{
    add(SONGS_TRAIN, 1 << ANNOT_KEY, 0);
    ck_assert_int_eq(songs_add(&songs, "folder", tree.root, SONGS_TRAIN,
                               1 << ANNOT_TEMPO, 0, &err), ERR_ARG);
    ck_assert_int_eq(songs_add(&songs, "folder", tree.root, SONGS_TEST, ALL, 0,
                               &err), ERR_ARG);
    tree_put(&tree, "a.beats", "0.5\t1\nx\t2\n");
    ck_assert_int_eq(songs_add(&songs, "folder", tree.root, SONGS_TRAIN,
                               1 << ANNOT_BEATS, 0, &err), ERR_ARG);
    ck_assert_ptr_nonnull(strstr(err.msg, "1 with broken labels"));
    ck_assert_uint_eq(songs.n, 1);
    ck_assert_uint_eq(songs.no_audio, 0);
    ck_assert_uint_eq(songs.broken, 0);
}
END_TEST

/* One broken file costs its song, not the others. */
START_TEST(songs_add_passes_over_broken_labels)
{
    tree_put(&tree, "a.beats", "0.5\t1\nx\t2\n");
    add(SONGS_TRAIN, ALL, 0);
    ck_assert_uint_eq(songs.n, 1);
    ck_assert_str_eq(songs.v[0].id, "sub/b");
    ck_assert_uint_eq(songs.broken, 1);
}
END_TEST

START_TEST(songs_add_held)
{
    size_t train;

    for (int i = 0; i < 60; i++) {
        char name[32];

        snprintf(name, sizeof(name), "many/%d.wav", i);
        tree_wav(&tree, name);
        snprintf(name, sizeof(name), "many/%d.key", i);
        tree_put(&tree, name, "D:maj\n");
    }
    add(SONGS_TRAIN, 1 << ANNOT_KEY, 4);
    train = songs.n;
    ck_assert(train > 35 && train < 55); /* of 61, 15 expected to be held */
    add(SONGS_VALID, 1 << ANNOT_KEY, 4);
    ck_assert_uint_eq(songs.n, 61);
    for (size_t i = 0; i < train; i++)
        for (size_t k = train; k < songs.n; k++)
            ck_assert_str_ne(songs.v[i].id, songs.v[k].id);
}
END_TEST

/* A dataset with splits of its own: those count, and excluded songs do not. */
START_TEST(songs_add_splits)
{
    static const char *const files[] = { "0/a-0-29", "c/b-0-29", "d/c-0-29",
                                         "1/d-0-29" };

    tree_put(&tree, "mtat/annotations_final.csv",
             "\"clip_id\"\t\"guitar\"\t\"piano\"\t\"mp3_path\"\n"
             "\"2\"\t\"1\"\t\"0\"\t\"0/a-0-29.mp3\"\n"
             "\"6\"\t\"0\"\t\"1\"\t\"c/b-0-29.mp3\"\n"
             "\"10\"\t\"0\"\t\"1\"\t\"d/c-0-29.mp3\"\n"
             "\"11\"\t\"0\"\t\"0\"\t\"1/d-0-29.mp3\"\n");
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        char name[64];

        snprintf(name, sizeof(name), "mtat/mp3/%s.mp3", files[i]);
        tree_wav(&tree, name);
    }
    for (int part = SONGS_TRAIN; part <= SONGS_TEST; part++) {
        ck_assert_msg(!songs_add(&songs, "magnatagatune",
                                 tree_path(&tree, "mtat"),
                                 (enum songs_part)part, ALL, 2, &err), "%s",
                      err.msg);
        ck_assert_uint_eq(songs.n, part + 1);
        ck_assert_ptr_nonnull(strstr(songs.v[part].audio, files[part]));
    }
}
END_TEST

START_TEST(songs_tags_sorted)
{
    char **tags;
    int n;

    add(SONGS_TRAIN, ALL, 0);
    ck_assert(!songs_tags(&songs, &tags, &n, &err));
    ck_assert_int_eq(n, 3);
    ck_assert_str_eq(tags[0], "Folk");
    ck_assert_str_eq(tags[1], "piano");
    ck_assert_str_eq(tags[2], "rock");
    songs_tags_free(tags, n);
    songs_release(&songs);
    add(SONGS_TRAIN, 1 << ANNOT_KEY, 0);
    ck_assert_int_eq(songs_tags(&songs, &tags, &n, &err), ERR_ARG);
}
END_TEST

/* Two bars of so many beats, and a downbeat. */
static void song_in(struct song *s, int metre)
{
    s->has = 1u << ANNOT_BEATS;
    annotation_init(&s->label[ANNOT_BEATS]);
    for (int k = 0; k <= 2 * metre; k++)
        beats_append(&s->label[ANNOT_BEATS].beats, k, k % metre + 1, 1);
}

/* 200 songs: 5 beats in one of them are chance, 7 in two are not; 6 are twice
 * 3. */
START_TEST(songs_bars_of_enough)
{
    int bar[HEAD_BARS];

    ck_assert_int_eq(songs_bars(&songs, bar), 2);
    ck_assert(bar[0] == 3 && bar[1] == 4);
    songs.v = xcalloc(200, sizeof(*songs.v));
    songs.n = 200;
    for (size_t i = 0; i < songs.n; i++)
        song_in(&songs.v[i], i < 2 ? 7 : i < 3 ? 5 : i < 9 ? 6 : 4);
    ck_assert_int_eq(songs_bars(&songs, bar), 3);
    ck_assert(bar[0] == 3 && bar[1] == 4 && bar[2] == 7);
}
END_TEST

START_TEST(songs_pick_each_once)
{
    static const size_t sizes[] = { 1, 2, 3, 4, 5, 17, 100, 1000 };
    int other = 0;

    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        size_t n = sizes[i];
        char *seen = xcalloc(n, 1);

        for (uint64_t epoch = 0; epoch < 5; epoch++) {
            for (size_t k = 0; k < n; k++) {
                size_t s = songs_pick(n, 3, epoch * n + k);

                ck_assert_uint_lt(s, n);
                ck_assert_int_eq(seen[s]++, (int)epoch);
            }
        }
        free(seen);
    }
    for (uint64_t k = 0; k < 100; k++)
        other += songs_pick(100, 3, k) != songs_pick(100, 3, 100 + k);
    ck_assert_int_gt(other, 80); /* another epoch, another order */
}
END_TEST

START_TEST(songs_start_inside)
{
    struct song whole = { .to = INFINITY }, part = { .from = 50, .to = 90 };
    struct song brief = { .from = 50, .to = 60 };
    double least = 1e9, most = 0;

    for (uint64_t k = 0; k < 500; k++) {
        double t = songs_start(&whole, 100, 24, 24000, 7, k);

        ck_assert(t >= 0 && t <= 76);
        ck_assert_double_eq_tol(t * 24000, round(t * 24000), 1e-6);
        least = fmin(least, t);
        most = fmax(most, t);
        t = songs_start(&part, 100, 24, 24000, 7, k);
        ck_assert(t >= 50 - 1e-4 && t <= 66);
        t = songs_start(&brief, 100, 24, 24000, 7, k);
        ck_assert_double_eq_tol(t, 43, 1e-4);
        t = songs_start(&brief, 61, 24, 24000, 7, k);
        ck_assert_double_eq_tol(t, 37, 1e-4);
        ck_assert(songs_start(&whole, 10, 24, 24000, 7, k) == 0);
    }
    ck_assert(least < 2 && most > 74);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("train_songs");
    TCase *c = tcase_create("songs");

    tcase_add_checked_fixture(c, make_folder, remove_folder);
    tcase_add_test(c, songs_add_folder);
    tcase_add_test(c, songs_add_some_tasks);
    tcase_add_test(c, songs_add_refuses);
    tcase_add_test(c, songs_add_passes_over_broken_labels);
    tcase_add_test(c, songs_add_held);
    tcase_add_test(c, songs_add_splits);
    tcase_add_test(c, songs_tags_sorted);
    tcase_add_test(c, songs_bars_of_enough);
    tcase_add_test(c, songs_pick_each_once);
    tcase_add_test(c, songs_start_inside);
    suite_add_tcase(s, c);
    return unit_run(s);
}
