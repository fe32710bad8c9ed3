/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Every dataset as a miniature of our own in its real layout. */
/* Those with files of labels are here, those with a table in _tables.c. */
#include "eval/dataset.h"

#include <string.h>

#include "dataset.h"
#include "eval/dataset_check.h"
#include "unit.h"

/* ---- harmonix ---- */

static void put_harmonix(void)
{
    tree_put(&tree, "dataset/metadata.csv",
             "File,Title,Artist,Release,Duration,BPM\n"
             "0001_one,\"One, Again\",A,r,20.0,100\n"
             "0002_two,Two,B,r,30,100\n0003_two,TWO,b,r,30,100\n"
             "0045_old,Old,C,r,30,100\n0539_youandi,U,D,r,12.5,100\n");
    tree_put(&tree, "dataset/segments/0001_one.txt",
             "0.0 silence\n1.5 intro\n4 postchorus\n8 end\n");
    tree_put(&tree, "dataset/segments/0002_two.txt", "0 verse\n9 end\n");
    tree_put(&tree, "dataset/segments/0003_two.txt", "0 verse\n8 end\n");
    tree_put(&tree, "dataset/segments/0045_old.txt",
             "0 verse\n3 end\n5 solo\n9 end\n");
    tree_put(&tree, "dataset/segments/0539_youandi.txt", "0 verse\n4 outro\n");
    tree_put(&tree, "dataset/beats_and_downbeats/0001_one.txt",
             "0.5\t4\t1\n1.0\t1\t2\n1.5\t2\t2\n");
    tree_put(&tree, "dataset/beats_and_downbeats/0002_two.txt",
             "0.5\t1\t1\n0.9\tx\t1\n");
    tree_wav(&tree, "audio/0001_one.wav");
}

START_TEST(harmonix_opens)
{
    put_harmonix();
    open_ok("harmonix");
    ck_assert_uint_eq(dataset_size(d), 5);
    fact_is("files of structure", 912, 5);
    fact_is("files of beats", 912, 2);
    fact_is("rows of metadata.csv", 912, 5);
    ck_assert_int_eq(dataset_stated_items(d, ANNOT_BEATS), 379065);
    ck_assert(audio_is("0001_one", "audio/0001_one.wav"));
    ck_assert_ptr_null(dataset_at(d, find("0002_two"))->audio);
    ck_assert_str_eq(part("0001_one", ANNOT_BEATS)->split, "train");
    ck_assert_ptr_null(part("0003_two", ANNOT_BEATS)->labels);
    labels_fail("0003_two", ANNOT_BEATS, ERR_ARG, "no labels for beats");
}
END_TEST

START_TEST(harmonix_labels)
{
    struct annotation a;

    put_harmonix();
    open_ok("harmonix");
    a = labels("0001_one", ANNOT_STRUCTURE);
    ck_assert_uint_eq(a.spans.n, 3);
    ck_assert_str_eq(a.spans.v[0].label, "silence");
    ck_assert_str_eq(a.spans.v[2].label, "chorus");
    ck_assert_double_eq(a.spans.v[2].end, 8);
    annotation_release(&a);
    a = labels("0539_youandi", ANNOT_STRUCTURE); /* no end: the duration */
    ck_assert_uint_eq(a.spans.n, 2);
    ck_assert_double_eq(a.spans.v[1].end, 12.5);
    annotation_release(&a);
    a = labels("0045_old", ANNOT_STRUCTURE); /* a gap between end and end */
    ck_assert_uint_eq(a.spans.n, 2);
    ck_assert_double_eq(a.spans.v[0].end, 3);
    ck_assert_str_eq(a.spans.v[1].label, "inst");
    annotation_release(&a);
    a = labels("0001_one", ANNOT_BEATS);
    ck_assert_uint_eq(a.beats.n, 3);
    ck_assert_int_eq(a.beats.v[1].position, 1);
    annotation_release(&a);
    labels_fail("0002_two", ANNOT_BEATS, ERR_FORMAT, "0002_two.txt:2: ");
}
END_TEST

/* 150 of 912 is 1 of 5; a title that occurs twice stays together. */
START_TEST(harmonix_splits)
{
    int test = 0;

    put_harmonix();
    open_ok("harmonix");
    for (size_t i = 0; i < 5; i++) {
        const char *s = dataset_at(d, i)->part[ANNOT_STRUCTURE].split;

        ck_assert(!strcmp(s, "test") || !strcmp(s, "train"));
        test += !strcmp(s, "test");
    }
    ck_assert_int_eq(test, 1);
    ck_assert_str_eq(part("0002_two", ANNOT_STRUCTURE)->split, "train");
    ck_assert_str_eq(part("0003_two", ANNOT_STRUCTURE)->split, "train");
}
END_TEST

START_TEST(harmonix_needs_metadata)
{
    tree_put(&tree, "segments/0001_one.txt", "0 verse\n9 end\n");
    open_fails("harmonix", ERR_IO, "metadata.csv: missing; Harmonix Set is at "
                                   "https://");
    tree_put(&tree, "metadata.csv", "File,Title,Artist,Duration\n0002_x,,,1\n");
    open_fails("harmonix", ERR_FORMAT, "metadata.csv: no row for 0001_one");
    tree_put(&tree, "metadata.csv", "File,Title\n");
    open_fails("harmonix", ERR_FORMAT, "metadata.csv:1: ");
}
END_TEST

/* beat_this: re-timed, some under other titles. */
START_TEST(harmonix_corrected_beats)
{
    struct annotation a;

    put_harmonix();
    tree_put(&tree, "annotations/beats/0045_new.beats", "-0.195\t1\n0.3\t2");
    open_ok("harmonix");
    ck_assert_uint_eq(dataset_size(d), 5);
    fact_is("files of beats", 911, 1);
    a = labels("0045_old", ANNOT_BEATS);
    ck_assert_uint_eq(a.beats.n, 2);
    ck_assert_double_eq(a.beats.v[0].time, -0.195);
    annotation_release(&a);
}
END_TEST

START_TEST(harmonix_beats_alone)
{
    tree_put(&tree, "annotations/beats/0045_new.beats", "0.3\t1\n");
    open_ok("harmonix");
    ck_assert_uint_eq(dataset_size(d), 1);
    ck_assert_int_eq(dataset_stated_items(d, ANNOT_BEATS), 386444);
}
END_TEST

START_TEST(harmonix_check)
{
    struct check c;

    put_harmonix();
    open_ok("harmonix");
    dataset_check(&c, d);
    ck_assert(!c.complete);
    ck_assert_int_eq(c.entries, 5);
    ck_assert_int_eq(c.with_audio, 1);
    ck_assert_int_eq(c.task[ANNOT_BEATS].usable, 1);
    ck_assert_int_eq(c.task[ANNOT_BEATS].with_audio, 1);
    ck_assert_int_eq(c.task[ANNOT_BEATS].broken, 1);
    ck_assert_int_eq(c.task[ANNOT_BEATS].missing, 3);
    ck_assert_int_eq(c.task[ANNOT_BEATS].items, 3);
    ck_assert_int_eq(c.task[ANNOT_STRUCTURE].usable, 5);
    ck_assert_int_eq(c.task[ANNOT_STRUCTURE].split[CHECK_TEST], 1);
    ck_assert_int_eq(c.task[ANNOT_STRUCTURE].split[CHECK_TRAIN], 4);
    ck_assert_int_eq(c.task[ANNOT_STRUCTURE].items, 9);
    ck_assert_int_eq(c.task[ANNOT_STRUCTURE].stated_items, 9675);
    ck_assert(!c.task[ANNOT_KEY].has);
    ck_assert_uint_eq(c.n_problems, 4);
    ck_assert_str_eq(c.problem[0].id, "0002_two");
    ck_assert_ptr_nonnull(strstr(c.problem[0].text, "0002_two.txt:2: "));
    ck_assert_str_eq(c.problem[1].text, "no labels");
    check_release(&c);
}
END_TEST

/* ---- gtzan ---- */

START_TEST(gtzan_opens)
{
    struct annotation a;
    struct check c;

    tree_put(&tree, "annotations/beats/gtzan_blues_00000.beats",
             "0.217\t3\n0.7\t1\n");
    tree_put(&tree, "annotations/beats/gtzan_jazz_00003.beats",
             "0.217\n0.7\n1.2\n");
    tree_put(&tree, "annotations/beats/README.md", "x");
    tree_put(&tree, "tempo/gtzan_blues_00000.bpm",
             "1.258700000000000045e+02\n");
    tree_wav(&tree, "genres/blues/blues.00000.wav");
    tree_wav(&tree, "genres/jazz/jazz.00003.au");
    open_ok("gtzan");
    ck_assert_uint_eq(dataset_size(d), 2);
    fact_is("files of beats", 999, 2);
    ck_assert(audio_is("blues.00000", "genres/blues/blues.00000.wav"));
    ck_assert(audio_is("jazz.00003", "genres/jazz/jazz.00003.au"));
    ck_assert_str_eq(part("jazz.00003", ANNOT_BEATS)->split, "test");
    a = labels("blues.00000", ANNOT_TEMPO);
    ck_assert_double_eq(a.tempo.bpm[0], 125.87);
    annotation_release(&a);
    dataset_check(&c, d);
    ck_assert_int_eq(c.task[ANNOT_BEATS].items, 5);
    ck_assert_int_eq(c.task[ANNOT_BEATS].stated_items, 59558);
    ck_assert_int_eq(c.task[ANNOT_BEATS].times_only, 1);
    ck_assert_int_eq(c.task[ANNOT_BEATS].stated_times_only, 6);
    ck_assert_int_eq(c.task[ANNOT_TEMPO].missing, 1);
    check_release(&c);
}
END_TEST

START_TEST(gtzan_kaggle)
{
    struct check c;

    tree_put(&tree, "beats/gtzan_jazz_00054.beats", "0.2\t1\n");
    tree_put(&tree, "beats/gtzan_jazz_00055.beats", "0.2\t1\n");
    tree_put(&tree, "Data/genres_original/jazz/jazz.00054.wav", "");
    tree_wav(&tree, "Data/genres_original/jazz/jazz.00055.wav");
    open_ok("gtzan");
    ck_excluded("jazz.00054", ANNOT_BEATS,
                "the audio of the Kaggle copy is not readable");
    ck_assert_ptr_null(part("jazz.00055", ANNOT_BEATS)->excluded);
    dataset_check(&c, d);
    ck_assert_int_eq(c.task[ANNOT_BEATS].excluded, 1);
    ck_assert_int_eq(c.task[ANNOT_BEATS].usable, 1);
    ck_assert_int_eq(c.task[ANNOT_BEATS].items, 2);
    ck_assert_uint_eq(c.n_reasons, 1);
    ck_assert_int_eq(c.reason[0].n, 1);
    check_release(&c);
}
END_TEST

START_TEST(gtzan_rhythm)
{
    struct annotation a;

    tree_put(&tree, "jams/blues.00000.wav.jams",
             "{\"annotations\":[{\"namespace\":\"beat\",\"sandbox\":"
             "{\"annotation_type\":\"beat\"},\"annotation_metadata\":{},"
             "\"data\":[{\"time\":0.2,\"duration\":0,\"value\":null,"
             "\"confidence\":null}]}]}");
    open_ok("gtzan");
    a = labels("blues.00000", ANNOT_BEATS);
    ck_assert_uint_eq(a.beats.n, 1);
    annotation_release(&a);
}
END_TEST

/* ---- giantsteps ---- */

/* The only dataset small enough to be made whole: 604 files of one key. */
START_TEST(giantsteps_whole)
{
    struct annotation a;
    struct check c;

    for (int i = 0; i < 604; i++) {
        char name[64];

        snprintf(name, sizeof(name), "annotations/key/%d.LOFI.key", 10000 + i);
        tree_put(&tree, name, i % 2 ? "Bb major" : "C minor");
    }
    tree_wav(&tree, "audio/10001.LOFI.mp3");
    open_ok("giantsteps");
    ck_assert(audio_is("10001", "audio/10001.LOFI.mp3"));
    ck_assert_str_eq(part("10001", ANNOT_KEY)->split, "test");
    a = labels("10001", ANNOT_KEY);
    ck_assert_str_eq(a.key.label, "Bb major");
    annotation_release(&a);
    dataset_check(&c, d);
    ck_assert(c.complete);
    ck_assert_int_eq(c.task[ANNOT_KEY].split[CHECK_TEST], 604);
    check_release(&c);
    dataset_free(d);
    tree_put(&tree, "annotations/key/99.LOFI.key", "H major");
    open_ok("giantsteps");
    labels_fail("99", ANNOT_KEY, ERR_FORMAT, "99.LOFI.key:1: ");
    dataset_check(&c, d);
    ck_assert(!c.complete);
    check_release(&c);
}
END_TEST

START_TEST(giantsteps_plus)
{
    struct annotation a;

    tree_put(&tree, "keys_gs+/10089 Some One - A Title (Mix).txt", "D major");
    open_ok("giantsteps");
    a = labels("10089", ANNOT_KEY);
    ck_assert_str_eq(a.key.label, "D major");
    annotation_release(&a);
}
END_TEST

/* ---- pop909, billboard ---- */

START_TEST(pop909)
{
    struct annotation a;
    struct check c;

    tree_put(&tree, "POP909/001/beat_audio.txt", "1.1\t2.0\n1.6\t1.0\n");
    tree_put(&tree, "POP909/001/chord_audio.txt",
             "0.0\t2.5\tN\n2.5\t3\tGb:maj\n");
    tree_put(&tree, "POP909/001/key_audio.txt", "1.0\t30.0\tGb:maj\n");
    tree_put(&tree, "POP909/002/beat_audio.txt", "1.1\t1.0\n");
    tree_put(&tree, "POP909/index.xlsx", "");
    tree_wav(&tree, "audio/001.flac");
    open_ok("pop909");
    ck_assert_uint_eq(dataset_size(d), 2);
    fact_is("files of beats", 909, 2);
    fact_is("files of key", 909, 1);
    ck_assert(audio_is("001", "audio/001.flac"));
    ck_assert_ptr_null(part("001", ANNOT_BEATS)->split);
    a = labels("001", ANNOT_CHORDS);
    ck_assert_uint_eq(a.spans.n, 2);
    ck_assert_str_eq(a.spans.v[1].label, "Gb:maj");
    annotation_release(&a);
    a = labels("001", ANNOT_KEY);
    ck_assert_str_eq(a.key.label, "Gb major");
    annotation_release(&a);
    dataset_check(&c, d);
    ck_assert_int_eq(c.task[ANNOT_BEATS].split[CHECK_NO_SPLIT], 2);
    ck_assert_int_eq(c.task[ANNOT_BEATS].items, 3);
    ck_assert_int_eq(c.task[ANNOT_CHORDS].missing, 1);
    check_release(&c);
}
END_TEST

START_TEST(billboard)
{
    struct annotation a;

    tree_put(&tree, "McGill-Billboard/0003/salami_chords.txt",
             "# title: T\n# artist: A\n# metre: 4/4\n# tonic: C\n\n"
             "0.0\tsilence\n1.0\tA, verse, | C:maj | G:7 |\n5.0\tend\n");
    open_ok("billboard");
    fact_is("files of chords", 890, 1);
    a = labels("0003", ANNOT_CHORDS);
    ck_assert_uint_ge(a.spans.n, 3);
    ck_assert_str_eq(a.spans.v[a.spans.n - 1].label, "G:7");
    annotation_release(&a);
    dataset_free(d);
    tree_put(&tree, "McGill-Billboard/0003/full.lab",
             "0.0\t1.0\tN\n1.0\t3.0\tC:maj\n");
    open_ok("billboard");
    a = labels("0003", ANNOT_CHORDS);
    ck_assert_uint_eq(a.spans.n, 2);
    annotation_release(&a);
}
END_TEST

/* ---- folder ---- */

START_TEST(folder)
{
    struct annotation a;

    tree_wav(&tree, "a.b.wav");
    tree_put(&tree, "a.b.beats", "0.1\t1\n");
    tree_put(&tree, "a.b-1.key", "C major\n");
    tree_put(&tree, "a.lab", "0\t1\tC\n");
    tree_put(&tree, "a.chords.lab", "0\t1\tD\n");
    tree_put(&tree, "a.structure.lab", "0\t1\tchorus\n");
    tree_put(&tree, "sub/a.seg", "0\t1\tinst\tA\n");
    tree_put(&tree, "sub/a.tags", "rock guitar\n");
    tree_put(&tree, "notes.md", "x");
    tree_put(&tree, ".hidden.beats", "0.1\n");
    ck_assert_int_eq(symlink("..", tree_path(&tree, "sub/back")), 0);
    ck_assert_int_eq(symlink(".", tree_path(&tree, "sub/self")), 0);
    open_ok("folder");
    ck_assert_uint_eq(dataset_size(d), 4);
    ck_assert(audio_is("a.b", "a.b.wav"));
    ck_assert_ptr_nonnull(part("a.b", ANNOT_BEATS)->labels);
    ck_assert_ptr_nonnull(part("a.b-1", ANNOT_KEY)->labels);
    a = labels("a", ANNOT_CHORDS);
    ck_assert_str_eq(a.spans.v[0].label, "D"); /* the first by name */
    annotation_release(&a);
    a = labels("a", ANNOT_STRUCTURE);
    ck_assert_str_eq(a.spans.v[0].label, "chorus");
    annotation_release(&a);
    ck_assert_ptr_nonnull(part("sub/a", ANNOT_STRUCTURE)->labels);
    a = labels("sub/a", ANNOT_TAGS);
    ck_assert_uint_eq(a.tags.n, 2);
    annotation_release(&a);
}
END_TEST

/* ---- all ---- */

START_TEST(open_refuses)
{
    for (int i = 0; dataset_infos[i]; i++) {
        const struct dataset_info *info = dataset_infos[i];

        ck_assert_int_eq(dataset_open(&d, info->name, "/no/where", &err),
                         ERR_IO);
        ck_assert_ptr_nonnull(strstr(err.msg, "/no/where: no such folder"));
        ck_assert_ptr_nonnull(strstr(err.msg, info->source));
        open_fails(info->name, ERR_IO, tree.root); /* empty */
        ck_assert_uint_ne(info->tasks, 0);
    }
    open_fails("nothing", ERR_ARG, "harmonix gtzan");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("eval/dataset");
    TCase *t = tcase_create("dataset");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, harmonix_opens);
    tcase_add_test(t, harmonix_labels);
    tcase_add_test(t, harmonix_splits);
    tcase_add_test(t, harmonix_needs_metadata);
    tcase_add_test(t, harmonix_corrected_beats);
    tcase_add_test(t, harmonix_beats_alone);
    tcase_add_test(t, harmonix_check);
    tcase_add_test(t, gtzan_opens);
    tcase_add_test(t, gtzan_kaggle);
    tcase_add_test(t, gtzan_rhythm);
    tcase_add_test(t, giantsteps_whole);
    tcase_add_test(t, giantsteps_plus);
    tcase_add_test(t, pop909);
    tcase_add_test(t, billboard);
    tcase_add_test(t, folder);
    tcase_add_test(t, open_refuses);
    suite_add_tcase(s, t);
    return unit_run(s);
}
