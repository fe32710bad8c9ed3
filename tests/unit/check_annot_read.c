/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "annot/read.h"

#include <dirent.h>

#include "annot.h"

static struct annotation a;
static struct err err;

/* Samples of the published datasets: lines of the file (less "end" lines, which
 * start no segment), downbeats (second column 1), first time; counted with
 * Python on the text. */
static const struct {
    enum annot_task task;
    const char *file;
    size_t n;
    int downbeats;
    double first;
} samples[] = {
    { ANNOT_BEATS, "beat_this_harmonix/0003_6foot7foot.beats", 209, 53,
      0.2061678 },
    { ANNOT_BEATS, "beat_this_harmonix/0380_everybodytalks.beats", 455, 114,
      0.031950113 },
    { ANNOT_BEATS, "beat_this_harmonix/0555_allaroundme.beats", 465, 117,
      -0.009206349 },
    { ANNOT_BEATS, "gtzan_beats/gtzan_blues_00000.beats", 63, 16, 0.217 },
    { ANNOT_BEATS, "gtzan_beats/gtzan_blues_00011.beats", 28, 14, 0.664 },
    { ANNOT_BEATS, "gtzan_beats/gtzan_classical_00081.beats", 72, 14, 0.221 },
    { ANNOT_BEATS, "gtzan_beats/gtzan_country_00032.beats", 49, 17, 0.274 },
    { ANNOT_BEATS, "gtzan_beats/gtzan_jazz_00003.beats", 34, 0, 0.29 },
    { ANNOT_BEATS, "gtzan_beats/gtzan_jazz_00018.beats", 102, 0, 0.144 },
    { ANNOT_BEATS, "gtzan_beats/gtzan_metal_00010.beats", 103, 27, 0.074 },
    { ANNOT_BEATS, "harmonixset/beats_and_downbeats/0100_futureperfecttense"
      ".txt", 1007, 122, 4.033592 },
    { ANNOT_BEATS, "harmonixset/beats_and_downbeats/0157_leanwitit.txt", 177,
      45, 0 },
    { ANNOT_BEATS, "harmonixset/beats_and_downbeats/0568_apologize.txt", 174,
      43, 0.147569491667 },
    { ANNOT_BEATS, "harmonixset/beats_and_downbeats/0753_inreallife.txt", 230,
      58, 0.2727275 },
    { ANNOT_BEATS, "mir_eval/beat/est01.txt", 631, 0, 3.909659863945578184 },
    { ANNOT_BEATS, "mir_eval/beat/ref01.txt", 635, 0, 0.4587188208616780338 },
    { ANNOT_BEATS, "pop909/001/beat_audio.txt", 285, 72, 2.66 },
    { ANNOT_BEATS, "pop909/001/beat_midi.txt", 292, 73,
      0.05533319499999998 }, /* downbeats: third column 1 */
    { ANNOT_CHORDS, "billboard/0035_full.lab", 179, 0, 0 },
    { ANNOT_CHORDS, "billboard/0035_majmin.lab", 179, 0, 0 },
    { ANNOT_CHORDS, "billboard/0035_majmin7inv.lab", 179, 0, 0 },
    { ANNOT_CHORDS, "mir_eval/chord/est01.lab", 32, 0, 0 },
    { ANNOT_CHORDS, "mir_eval/chord/ref01.lab", 37, 0, 0 },
    { ANNOT_CHORDS, "pop909/001/chord_audio.txt", 123, 0, 0 },
    { ANNOT_CHORDS, "pop909/001/chord_midi.txt", 155, 0, 0.055333 },
    { ANNOT_STRUCTURE, "harmonixset/segments/0003_6foot7foot.txt", 12, 0, 0 },
    { ANNOT_STRUCTURE, "harmonixset/segments/0292_timeslikethese.txt", 14, 0,
      0 },
    { ANNOT_STRUCTURE, "harmonixset/segments/0539_youandi.txt", 12, 0,
      0.0730087875 },
    { ANNOT_STRUCTURE, "harmonixset/segments/0568_apologize.txt", 6, 0,
      0.147569491667 },
    { ANNOT_STRUCTURE, "harmonixset/segments/0603_breaktheicejasonnevinsmix"
      ".txt", 12, 0, 0.0895833333333 },
    { ANNOT_STRUCTURE, "mir_eval/segment/est05.lab", 20, 0, 0 },
    { ANNOT_STRUCTURE, "mir_eval/segment/ref05.lab", 16, 0, 0.372 },
    { ANNOT_STRUCTURE, "salami/192_functions.txt", 9, 0, 0 },
    { ANNOT_STRUCTURE, "salami/192_lowercase.txt", 32, 0, 0 },
    { ANNOT_STRUCTURE, "salami/192_uppercase.txt", 9, 0, 0 },
};

START_TEST(annot_read_reads_samples)
{
    char *name = xasprintf("fixtures/formats/%s", samples[_i].file);
    const char *path = unit_shared(name);
    int downbeats = 0;
    double first;

    free(name);
    if (!path)
        return;
    ck_assert_msg(!annot_read(&a, path, samples[_i].task, &err), "%s",
                  err.msg);
    ck_assert_uint_eq(a.beats.n + a.spans.n, samples[_i].n);
    for (size_t i = 0; i < a.beats.n; i++)
        downbeats += a.beats.v[i].position == 1;
    ck_assert_int_eq(downbeats, samples[_i].downbeats);
    first = a.beats.n ? a.beats.v[0].time : a.spans.v[0].start;
    ck_assert(first == samples[_i].first);
    annotation_release(&a);
}
END_TEST

static const struct {
    const char *file, *key;
    size_t spans;
} keys[] = {
    { "giantsteps_plus/100066_key.txt", "D minor", 0 },
    { "giantsteps_plus/10089_key.txt", "D major", 0 },
    { "mir_eval/key/est02.txt", "Ab minor", 0 },
    { "mir_eval/key/ref02.txt", "Db minor", 0 },
    { "pop909/001/key_audio.txt", "Gb major", 1 },
    { "pop909/039/key_audio.txt", "E minor", 4 },
    { "pop909_structure/001/analyzed_key.txt", "Gb major", 0 },
};

START_TEST(annot_read_reads_keys)
{
    char *name = xasprintf("fixtures/formats/%s", keys[_i].file);
    const char *path = unit_shared(name);

    free(name);
    if (!path)
        return;
    ck_assert_msg(!annot_read(&a, path, ANNOT_KEY, &err), "%s", err.msg);
    ck_assert_str_eq(a.key.label, keys[_i].key);
    ck_assert_uint_eq(a.spans.n, keys[_i].spans);
    annotation_release(&a);
}
END_TEST

/* 0292 has "end" twice; 0539 none. */
START_TEST(annot_read_ends_harmonix)
{
    const char *path = unit_shared("fixtures/formats/harmonixset/segments/"
                                   "0292_timeslikethese.txt");

    annot_good(&a, "0 a\n1 end\n2 b\n3 end\n4 end\n", ".txt",
               ANNOT_STRUCTURE);
    ck_assert_uint_eq(a.spans.n, 2);
    annot_span(&a.spans.v[0], 0, 1, "a");
    annot_span(&a.spans.v[1], 2, 3, "b");
    annotation_release(&a);
    annot_good(&a, "0.5 verse one\r\n1.5 outro", ".txt", ANNOT_STRUCTURE);
    annot_span(&a.spans.v[0], 0.5, 1.5, "verse one");
    annot_span(&a.spans.v[1], 1.5, INFINITY, "outro");
    annotation_release(&a);
    if (!path)
        return;
    ck_assert(!annot_read(&a, path, ANNOT_STRUCTURE, &err));
    annot_span(&a.spans.v[13], 240.284989, 261.99629, "chorus");
    annotation_release(&a);
}
END_TEST

START_TEST(annot_read_reads_beats)
{
    static const int midi[] = { 0, 1, 2, 3, 1 };

    /* beat_this: negative times, three columns, lines of a tab and blanks */
    annot_good(&a, "-0.195\t4\t1\n0.3\t1\t        \n\t        \n0.8\t2",
               ".beats", ANNOT_BEATS);
    ck_assert(a.beats.n == 3 && a.beats.v[0].time == -0.195 &&
              a.beats.v[1].position == 1);
    annotation_release(&a);
    annot_good(&a, "0 1.0 0.0\n1 0.0 1.0\n2 1.0 0.0\n3 0.0 0.0\n4 0 1\n",
               ".txt", ANNOT_BEATS); /* POP909's flags */
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(a.beats.v[i].position, midi[i]);
    annotation_release(&a);
    /* Harmonix is neither flags nor Audacity's */
    annot_good(&a, "1.0\t1\t1\n2.0\t2\t1\n", ".txt", ANNOT_BEATS);
    ck_assert(a.beats.n == 2 && a.beats.v[1].position == 2);
    annotation_release(&a);
    annot_good(&a, "0.25\t1.0\n0.5\t2.0\n3\t1.0\n", ".txt", ANNOT_BEATS);
    ck_assert(a.beats.n == 3 && a.beats.v[1].position == 2);
    annotation_release(&a);
}
END_TEST

START_TEST(annot_read_reads_audacity)
{
    const char *path = unit_data("annot/audacity.txt");

    ck_assert(!annot_read(&a, path, ANNOT_STRUCTURE, &err));
    ck_assert_uint_eq(a.spans.n, 2);
    annot_span(&a.spans.v[1], 2.5, 9, "verse one");
    annotation_release(&a);
    ck_assert(!annot_read(&a, path, ANNOT_BEATS, &err));
    ck_assert(a.beats.n == 1 && a.beats.v[0].time == 2.5 &&
              a.beats.v[0].position == 1);
    annotation_release(&a);
    annot_good(&a, "1.000000\t1.000000\t4\n2.000000\t2.000000\n", ".txt",
               ANNOT_BEATS);
    ck_assert(a.beats.n == 2 && a.beats.v[0].position == 4 &&
              a.beats.v[1].position == 0);
    annotation_release(&a);
}
END_TEST

START_TEST(annot_read_reads_tempo)
{
    annot_good(&a, "1.258700000000000045e+02\n", ".bpm", ANNOT_TEMPO);
    ck_assert(a.tempo.bpm[0] == 125.87 && a.tempo.bpm[1] == 0 &&
              a.tempo.weight == 1);
    annotation_release(&a);
    annot_good(&a, "60 120\t0.7", ".txt", ANNOT_TEMPO);
    ck_assert(a.tempo.bpm[0] == 60 && a.tempo.bpm[1] == 120 &&
              a.tempo.weight == 0.7);
    annotation_release(&a);
}
END_TEST

START_TEST(annot_read_reads_functions_and_tags)
{
    annot_good(&a, "0 1 verse A\n1 2 chorus\n", ".seg", ANNOT_STRUCTURE);
    annot_span(&a.spans.v[0], 0, 1, "verse");
    annotation_release(&a);
    annot_good(&a, "0 1 verse A\n", ".lab", ANNOT_STRUCTURE);
    annot_span(&a.spans.v[0], 0, 1, "verse A");
    annotation_release(&a);
    annot_good(&a, "no vocals\t0.5\n", ".tags", ANNOT_TAGS);
    ck_assert(a.tags.n == 1 && a.tags.v[0].score == 0.5);
    annotation_release(&a);
}
END_TEST

static const struct annot_refused refused[] = {
    { ANNOT_BEATS, ".beats", "1\n0\n", ":2: earlier" },
    { ANNOT_BEATS, ".beats", "1 x\n", ":1: the second" },
    { ANNOT_BEATS, ".txt", "\\\t1\t2\n2.0\t2.0\n1.0\t1.0\n", ":3: earlier" },
    { ANNOT_CHORDS, ".lab", "0 1 C\n1 1 D\n", ":2: the end" },
    { ANNOT_CHORDS, ".txt", "0 1 C\n1 0.5 D\n", ":2: the end" },
    { ANNOT_CHORDS, ".lab", "C major\n", ":1: the first two" },
    { ANNOT_STRUCTURE, ".txt", "1 a\n1 b\n", ":2: does not come" },
    { ANNOT_STRUCTURE, ".txt", "1 a\nb\n", ":2: the first" },
    { ANNOT_STRUCTURE, ".txt", "i4A4\n", "counts bars" },
    { ANNOT_CHORDS, ".txt", "B:maj [3] 11 2\n", "counts bars" },
    { ANNOT_TEMPO, ".bpm", "", "no tempo" },
    { ANNOT_TEMPO, ".bpm", "fast\n", ":1: no tempo" },
    { ANNOT_TEMPO, ".bpm", "60 120\n", ":1: behind" },
    { ANNOT_TEMPO, ".bpm", "0\n", ":1: a tempo" },
    { ANNOT_TEMPO, ".bpm", "60 120 2\n", ":1: a tempo" },
    { ANNOT_TEMPO, ".bpm", "60\n61\n", ":2: a second" },
    { ANNOT_BEATS, ".json", "[]", ":1: " },
    { ANNOT_BEATS, ".json", "{\"a\":", ":1: not valid JSON" },
};

START_TEST(annot_read_refuses)
{
    annot_refuses(&refused[_i]);
}
END_TEST

START_TEST(annot_read_refuses_files)
{
    const char *path;

    ck_assert_int_eq(annot_read(&a, "no/such", ANNOT_BEATS, &err), ERR_IO);
    ck_assert_int_eq(annot_read(&a, unit_data("annot"), ANNOT_BEATS, &err),
                     ERR_IO);
    path = annot_put("\x93NUMPY", ".npy");
    ck_assert_int_eq(annot_read(&a, path, ANNOT_TAGS, &err), ERR_UNSUPPORTED);
    unlink(path);
}
END_TEST

/* What fuzzing found: each is refused or read, for every task. */
START_TEST(annot_read_survives_bad_files)
{
    DIR *dir = opendir(unit_data("bad-annot"));
    struct dirent *e;
    int n = 0;

    ck_assert_ptr_nonnull(dir);
    while ((e = readdir(dir))) {
        char *name;

        if (e->d_name[0] == '.')
            continue;
        name = xasprintf("bad-annot/%s", e->d_name);
        for (int task = ANNOT_BEATS; task <= ANNOT_TAGS; task++) {
            int rc = annot_read(&a, unit_data(name), (enum annot_task)task,
                                &err);

            ck_assert(rc == 0 || rc == ERR_FORMAT || rc == ERR_UNSUPPORTED);
            ck_assert(!rc || strstr(err.msg, e->d_name));
            annotation_release(&a);
        }
        free(name);
        n++;
    }
    closedir(dir);
    ck_assert_int_gt(n, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("annot_read");
    TCase *t = tcase_create("read");

    tcase_add_loop_test(t, annot_read_reads_samples, 0, ARRAY_LEN(samples));
    tcase_add_loop_test(t, annot_read_reads_keys, 0, ARRAY_LEN(keys));
    tcase_add_test(t, annot_read_ends_harmonix);
    tcase_add_test(t, annot_read_reads_beats);
    tcase_add_test(t, annot_read_reads_audacity);
    tcase_add_test(t, annot_read_reads_tempo);
    tcase_add_test(t, annot_read_reads_functions_and_tags);
    tcase_add_loop_test(t, annot_read_refuses, 0, ARRAY_LEN(refused));
    tcase_add_test(t, annot_read_refuses_files);
    tcase_add_test(t, annot_read_survives_bad_files);
    suite_add_tcase(s, t);
    return unit_run_shared(s, "fixtures/formats");
}
