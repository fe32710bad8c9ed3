/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Datasets with one table of labels, as miniatures of our own. */
#include "eval/dataset.h"

#include <string.h>

#include "base/strbuf.h"
#include "dataset.h"
#include "eval/dataset_check.h"
#include "unit.h"

/* ---- mtg-keys ---- */

START_TEST(mtg_keys)
{
    struct annotation a;

    tree_put(&tree, "annotations/annotations.txt",
             "ID\tMANUAL KEY\tC\n1\tC# major \t2\n2\tF minor / G# major\t2\n"
             "3\t-\t0\n4\tA minor\t1\n5\t \t2\n6\tB dur\t2\n");
    tree_wav(&tree, "audio/1.LOFI.mp3");
    open_ok("mtg-keys");
    fact_is("rows", 1486, 6);
    fact_is("confidence 2 and", 1159, 3);
    fact_is("confidence 1", 208, 1);
    ck_assert(audio_is("1", "audio/1.LOFI.mp3"));
    ck_assert_str_eq(part("1", ANNOT_KEY)->split, "train");
    ck_assert_ptr_null(part("1", ANNOT_KEY)->excluded);
    ck_excluded("2", ANNOT_KEY, "more than one key");
    ck_excluded("3", ANNOT_KEY, "no key");
    ck_excluded("4", ANNOT_KEY, "confidence below 2");
    ck_excluded("5", ANNOT_KEY, "no key");
    a = labels("1", ANNOT_KEY);
    ck_assert_str_eq(a.key.label, "C# major");
    ck_assert_double_eq(a.key.confidence, 1);
    annotation_release(&a);
    a = labels("2", ANNOT_KEY);
    ck_assert_uint_eq(a.keys.n, 2);
    annotation_release(&a);
    labels_fail("6", ANNOT_KEY, ERR_FORMAT, "annotations.txt:7: ");
}
END_TEST

/* ---- magnatagatune, fma ---- */

#define MTAT_HEAD \
    "\"clip_id\"\t\"guitar\"\t\"no voice\"\t\"foo\"\t\"mp3_path\"\n"

START_TEST(magnatagatune)
{
    struct annotation a;

    tree_put(&tree, "annotations_final.csv", MTAT_HEAD
             "\"2\"\t\"1\"\t\"0\"\t\"1\"\t\"f/x-30-59.mp3\"\n"
             "3\t0\t1\t0\tc/y-0-29.mp3\n4\t0\t0\t1\tb/z-0-29.mp3\n"
             "35644\t1\t1\t0\t6/norine-0-29.mp3\n");
    tree_wav(&tree, "mp3/f/x-30-59.mp3");
    open_ok("magnatagatune");
    fact_is("rows", 25863, 4);
    fact_is("readable train", 18706, 1);
    fact_is("train clips with", 15247, 0);
    fact_is("valid clips with", 1529, 1);
    fact_is("test clips with", 4332, 1);
    ck_assert(audio_is("f/x-30-59.mp3", "mp3/f/x-30-59.mp3"));
    ck_assert_str_eq(part("f/x-30-59.mp3", ANNOT_TAGS)->split, "test");
    ck_assert_str_eq(part("c/y-0-29.mp3", ANNOT_TAGS)->split, "valid");
    ck_assert_str_eq(part("b/z-0-29.mp3", ANNOT_TAGS)->split, "train");
    ck_excluded("b/z-0-29.mp3", ANNOT_TAGS, "none of the 50 tags");
    ck_excluded("6/norine-0-29.mp3", ANNOT_TAGS, "the published mp3 is empty");
    a = labels("6/norine-0-29.mp3", ANNOT_TAGS);
    ck_assert_uint_eq(a.tags.n, 2);
    ck_assert_str_eq(a.tags.v[1].label, "no voice");
    annotation_release(&a);
}
END_TEST

START_TEST(magnatagatune_broken)
{
    open_fails("magnatagatune", ERR_IO, "annotations_final.csv: missing");
    tree_put(&tree, "annotations_final.csv", MTAT_HEAD
             "2\t1\t0\t0\tf/x.mp3\n3\t1\t7\t0\tf/y.mp3\n");
    open_fails("magnatagatune", ERR_FORMAT, "annotations_final.csv:3: ");
    tree_put(&tree, "annotations_final.csv", MTAT_HEAD "2\t1\t0\t0\tx.mp3\n");
    open_fails("magnatagatune", ERR_FORMAT, "annotations_final.csv:2: ");
    tree_put(&tree, "annotations_final.csv", MTAT_HEAD
             "2\t1\t0\t0\tf/x.mp3\n3\t1\t0\t0\tf/x.mp3\n");
    open_fails("magnatagatune", ERR_FORMAT, "f/x.mp3 is there twice");
}
END_TEST

START_TEST(fma_tracks)
{
    struct annotation a;

    tree_put(&tree, "fma_metadata/tracks.csv",
             ",album,set,set,track,track\n,title,split,subset,genre_top,title\n"
             "track_id,,,,,\n2,\"A \"\"b\"\"\nc\",training,small,Hip-Hop,x\n"
             "5,a,test,medium,,y\n20,a,validation,large,Rock,y\n"
             "98565,a,training,small,Rock,y\n");
    tree_wav(&tree, "fma_large/000/000002.mp3");
    open_ok("fma");
    fact_is("tracks", 106574, 4);
    fact_is("tracks of fma_small", 8000, 2);
    fact_is("tracks of fma_medium", 25000, 3);
    ck_assert(audio_is("000002", "fma_large/000/000002.mp3"));
    ck_assert_str_eq(part("000002", ANNOT_TAGS)->split, "train");
    ck_assert_str_eq(part("000005", ANNOT_TAGS)->split, "test");
    ck_assert_str_eq(part("000020", ANNOT_TAGS)->split, "valid");
    ck_excluded("000005", ANNOT_TAGS, "no top genre");
    ck_excluded("098565", ANNOT_TAGS, "the published clip is cut short");
    a = labels("000002", ANNOT_TAGS);
    ck_assert_uint_eq(a.tags.n, 1);
    ck_assert_str_eq(a.tags.v[0].label, "Hip-Hop");
    annotation_release(&a);
    dataset_free(d);
    d = NULL;
    tree_put(&tree, "fma_metadata/tracks.csv", "a,b\n");
    open_fails("fma", ERR_FORMAT, "tracks.csv:");
}
END_TEST

/* ---- hooktheory ---- */

#define HOOK(id, tags, split, song, harmony)                                  \
    "\"" id "\":{\"tags\":[" tags "],\"split\":\"" split "\",\"hooktheory\":" \
    "{\"id\":\"" id "\",\"artist\":\"a\",\"song\":\"" song "\"},\"youtube\":" \
    "{\"id\":\"yt-" id "\"},\"alignment\":{\"user\":{\"beats\":[0,4],"         \
    "\"times\":[1.0,3.0]},\"refined\":null},\"annotations\":{\"num_beats\":4," \
    "\"meters\":[{\"beat\":0,\"beats_per_bar\":4,\"beat_unit\":4}],\"keys\":"  \
    "[{\"beat\":0,\"tonic_pitch_class\":9,\"scale_degree_intervals\":"         \
    "[2,1,2,2,1,2]}],\"harmony\":" harmony "}}"
#define TAGS "\"AUDIO_AVAILABLE\",\"MELODY\",\"USER_ALIGNMENT\""
#define CHORD "[{\"onset\":0,\"offset\":4,\"root_pitch_class\":9,"           \
              "\"root_position_intervals\":[3,4],\"inversion\":0}]"

START_TEST(hooktheory)
{
    struct annotation a;
    struct check c;

    tree_put(&tree, "Hooktheory.json",
             "{" HOOK("ccc", TAGS ",\"HARMONY\"", "TEST", "s1", CHORD) ",\n"
             HOOK("aaa", TAGS, "TRAIN", "s2", "null") ","
             HOOK("bbb", "\"MELODY\",\"HARMONY\"", "VALID", "s3", CHORD) ","
             HOOK("ddd", TAGS ",\"HARMONY\"", "VALID", "s4", "[{\"onset\":1}]")
             "," HOOK("eee", TAGS ",\"TEMPO_CHANGES\"", "VALID", "s5", "null")
             "}");
    tree_wav(&tree, "audio/yt-ccc.webm");
    tree_wav(&tree, "audio/aaa.wav");
    open_ok("hooktheory");
    ck_assert_uint_eq(dataset_size(d), 5);
    ck_assert_str_eq(dataset_at(d, 0)->id, "aaa");
    fact_is("songs", 26175, 5);
    fact_is("with melody and user", 20112, 3);
    fact_is("with melody, refined, test", 1480, 0);
    ck_assert(audio_is("ccc", "audio/yt-ccc.webm"));
    ck_assert(audio_is("aaa", "audio/aaa.wav"));
    ck_assert_str_eq(part("ccc", ANNOT_KEY)->split, "test");
    ck_excluded("aaa", ANNOT_CHORDS, "no harmony");
    ck_assert_ptr_null(part("aaa", ANNOT_KEY)->excluded);
    ck_excluded("bbb", ANNOT_CHORDS, "no audio available");
    ck_excluded("eee", ANNOT_BEATS, "the tempo changes");
    a = labels("ccc", ANNOT_CHORDS);
    ck_assert_uint_eq(a.spans.n, 1);
    ck_assert_str_eq(a.spans.v[0].label, "A:min");
    ck_assert_double_eq(a.spans.v[0].end, 3);
    annotation_release(&a);
    a = labels("aaa", ANNOT_KEY); /* not the first in the file */
    ck_assert_str_eq(a.key.label, "A minor");
    annotation_release(&a);
    labels_fail("ddd", ANNOT_CHORDS, ERR_FORMAT, "Hooktheory.json: song ddd");
    dataset_check(&c, d);
    ck_assert_int_eq(c.task[ANNOT_CHORDS].broken, 1);
    ck_assert_int_eq(c.task[ANNOT_CHORDS].usable, 1);
    ck_assert_int_eq(c.task[ANNOT_CHORDS].excluded, 3);
    check_release(&c);
}
END_TEST

/* A song in three clips among ten: all three on one side, 2 of 10 for testing.
 */
START_TEST(hooktheory_own_split)
{
    struct strbuf text = STRBUF_INIT;
    int test = 0;

    for (int i = 0; i < 10; i++)
        strbuf_addf(&text, "%c" HOOK("a%d", TAGS ",\"HARMONY\"", "TRAIN",
                                     "%s%d", CHORD), i ? ',' : '{', i, i,
                    i == 1 ? "X!" : "x", i < 3 ? 0 : i, i);
    tree_put(&tree, "Hooktheory.json", text.s); /* cut short */
    open_fails("hooktheory", ERR_FORMAT, "Hooktheory.json: ");
    strbuf_addch(&text, '}');
    tree_put(&tree, "Hooktheory.json", text.s);
    strbuf_release(&text);
    open_ok("hooktheory");
    for (size_t i = 0; i < 10; i++)
        test += !strcmp(dataset_at(d, i)->part[ANNOT_CHORDS].split, "test");
    ck_assert_int_eq(test, 2);
    for (size_t i = 0; i < 3; i++)
        ck_assert_str_eq(dataset_at(d, i)->part[ANNOT_CHORDS].split, "train");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("eval/dataset_tables");
    TCase *t = tcase_create("tables");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, mtg_keys);
    tcase_add_test(t, magnatagatune);
    tcase_add_test(t, magnatagatune_broken);
    tcase_add_test(t, fma_tracks);
    tcase_add_test(t, hooktheory);
    tcase_add_test(t, hooktheory_own_split);
    suite_add_tcase(s, t);
    return unit_run(s);
}
