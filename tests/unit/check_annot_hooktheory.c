/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "annot/hooktheory.h"

#include "annot.h"

static struct err err;

START_TEST(hooktheory_next_reads_songs)
{
    for (int packed = 0; packed < 2; packed++) {
        struct hooktheory h;
        struct hook_song s;
        bool more;

        ck_assert(!hooktheory_open(&h, unit_data(packed
            ? "annot/hooktheory_mini.json.gz"
            : "annot/hooktheory_mini.json"), &err));
        ck_assert_msg(!hooktheory_next(&h, &s, &more, &err) && more, "%s",
                      err.msg);
        ck_assert_str_eq(s.id, "aaaaaaaaaaa");
        ck_assert_str_eq(hook_song_split(&s), "TRAIN");
        ck_assert_str_eq(hook_song_youtube(&s), "00000000000");
        ck_assert_str_eq(hook_song_artist(&s), "nobody");
        ck_assert(hook_song_tagged(&s, "HARMONY"));
        ck_assert(!hook_song_tagged(&s, "TEMPO_CHANGES"));
        hook_song_release(&s);
        ck_assert(!hooktheory_next(&h, &s, &more, &err) && !more);
        hooktheory_release(&h);
    }
}
END_TEST

/* By hand: beat b lies at 1 + b / 2 s, 120 BPM; beats 4 to 5 have no
 * harmony. */
START_TEST(hook_song_read_reads)
{
    const char *path = unit_data("annot/hooktheory_mini.json");
    struct annotation a;

    ck_assert(!annot_read(&a, path, ANNOT_BEATS, &err));
    ck_assert(a.beats.n == 8 && a.duration == 20);
    for (int i = 0; i < 8; i++)
        ck_assert(fabs(a.beats.v[i].time - (1 + i / 2.0)) < 1e-12 &&
                  a.beats.v[i].position == i % 4 + 1);
    annotation_release(&a);
    ck_assert(!annot_read(&a, path, ANNOT_CHORDS, &err));
    ck_assert_uint_eq(a.spans.n, 4);
    annot_span(&a.spans.v[0], 1, 2, "A:min");
    annot_span(&a.spans.v[1], 2, 3, "G:7/3");
    annot_span(&a.spans.v[2], 3, 3.5, "N");
    annot_span(&a.spans.v[3], 3.5, 5, "D:sus4");
    annotation_release(&a);
    ck_assert(!annot_read(&a, path, ANNOT_KEY, &err));
    ck_assert_str_eq(a.key.label, "A minor");
    annot_span(&a.spans.v[0], 1, 5, "A minor");
    annotation_release(&a);
    ck_assert(!annot_read(&a, path, ANNOT_TEMPO, &err));
    ck_assert(fabs(a.tempo.bpm[0] - 120) < 1e-9);
    annotation_release(&a);
}
END_TEST

#define SONG(alignment, annotations)                                   \
    "{\"a\":{\"alignment\":" alignment ",\"annotations\":" annotations "}}"
#define USER(beats, times) "{\"refined\":null,\"user\":{\"beats\":" beats \
    ",\"times\":" times "}}"
#define PLAIN USER("[0,4]", "[10,12]")

/* The user's alignment where there is no refined one, beyond its ends too; two
 * keys, two metres, a chord that runs into the next and one past the end. */
START_TEST(hook_song_read_bends)
{
    static const int positions[] = { 0, 1, 2, 3, 1, 2 };
    const char *text = SONG(PLAIN, "{\"num_beats\":6,\"meters\":["
        "{\"beat\":1,\"beats_per_bar\":4},{\"beat\":4,\"beats_per_bar\":3}],"
        "\"keys\":[{\"beat\":0,\"tonic_pitch_class\":0,"
        "\"scale_degree_intervals\":[2,2,1,2,2,2]},{\"beat\":2,"
        "\"tonic_pitch_class\":7,\"scale_degree_intervals\":[3,2,2,3]}],"
        "\"harmony\":[{\"onset\":0,\"offset\":3,\"root_pitch_class\":0,"
        "\"root_position_intervals\":[4,3]},{\"onset\":2,\"offset\":9,"
        "\"root_pitch_class\":5,\"root_position_intervals\":[4,3],"
        "\"inversion\":0}]}");
    struct annotation a;

    annot_good(&a, text, ".json", ANNOT_BEATS);
    ck_assert_uint_eq(a.beats.n, 6);
    for (int i = 0; i < 6; i++)
        ck_assert(a.beats.v[i].position == positions[i] &&
                  fabs(a.beats.v[i].time - (10 + i / 2.0)) < 1e-12);
    annotation_release(&a);
    annot_good(&a, text, ".json", ANNOT_CHORDS);
    ck_assert_uint_eq(a.spans.n, 2);
    annot_span(&a.spans.v[0], 10, 11, "C:maj");
    annot_span(&a.spans.v[1], 11, 13, "F:maj");
    annotation_release(&a);
    annot_good(&a, text, ".json", ANNOT_KEY);
    ck_assert_uint_eq(a.spans.n, 2);
    annot_span(&a.spans.v[1], 11, 13, "G other");
    ck_assert_str_eq(a.key.label, "G other");
    annotation_release(&a);
}
END_TEST

/* Refined before the user's, piece by piece: slopes of 0.5 and 2 s a beat. */
START_TEST(hook_song_read_follows_pieces)
{
    static const double times[] = { 10, 10.5, 11, 13, 15, 17 };
    struct annotation a;

    annot_good(&a, SONG("{\"user\":{\"beats\":[0,1],\"times\":[0,1]},"
                        "\"refined\":{\"beats\":[0,2,4],"
                        "\"times\":[10,11,15]}}", "{\"num_beats\":6}"),
               ".json", ANNOT_BEATS);
    ck_assert_uint_eq(a.beats.n, 6);
    for (int i = 0; i < 6; i++)
        ck_assert(fabs(a.beats.v[i].time - times[i]) < 1e-12 &&
                  a.beats.v[i].position == 0);
    annotation_release(&a);
}
END_TEST

static const struct annot_refused refused[] = {
    { ANNOT_CHORDS, ".json", SONG(PLAIN, "{\"num_beats\":4,\"harmony\":null}"),
      "song a: harmony" },
    { ANNOT_KEY, ".json", SONG(PLAIN, "{\"num_beats\":4}"), "song a: keys" },
    { ANNOT_BEATS, ".json", SONG("null", "{\"num_beats\":4}"),
      "alignment: none" },
    { ANNOT_BEATS, ".json", SONG(PLAIN, "null"), "annotations: none" },
    { ANNOT_BEATS, ".json", SONG(PLAIN, "{\"num_beats\":1e9}"), "num_beats" },
    { ANNOT_BEATS, ".json",
      SONG(USER("[0,0]", "[1,2]"), "{\"num_beats\":4}"), "beats[1]" },
    { ANNOT_BEATS, ".json",
      SONG(USER("[0,1]", "[2,1]"), "{\"num_beats\":4}"), "times[1]" },
    { ANNOT_BEATS, ".json",
      SONG(USER("[0,1,2]", "[1,2]"), "{\"num_beats\":4}"), "3 beats" },
    { ANNOT_BEATS, ".json",
      SONG(USER("[0]", "[1]"), "{\"num_beats\":4}"), "fewer than two" },
    { ANNOT_BEATS, ".json",
      SONG(USER("[0,1e-5]", "[0,1e5]"), "{\"num_beats\":4}"), "outside" },
    { ANNOT_CHORDS, ".json",
      SONG(PLAIN, "{\"num_beats\":4,\"harmony\":[{\"onset\":0}]}"),
      "harmony[0].offset: missing" },
    { ANNOT_STRUCTURE, ".json", SONG(PLAIN, "{\"num_beats\":4}"),
      "has no structure" },
    { ANNOT_BEATS, ".json", "{\"a\":{\"alignment\":" PLAIN
      ",\"annotations\":{\"num_beats\":1}},\"b\":", "by id" },
};

START_TEST(hook_song_read_refuses)
{
    annot_refuses(&refused[_i]);
}
END_TEST

static int count(void *ctx, const char *id, struct annotation *a,
                 struct err *e)
{
    int *n = ctx;

    (void)id;
    (void)e;
    ++*n;
    return a->error ? 5 : 0;
}

START_TEST(annot_read_many_gives_songs_and_stops)
{
    const char *path = annot_put("{\"a\":{\"alignment\":null},\n"
                                 "\"b\":{\"alignment\":null}}", ".json");
    int n = 0;

    ck_assert_int_eq(annot_read_many(path, ANNOT_BEATS, count, &n, &err), 5);
    ck_assert_int_eq(n, 1);
    unlink(path);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("annot_hooktheory");
    TCase *t = tcase_create("hooktheory");

    tcase_add_test(t, hooktheory_next_reads_songs);
    tcase_add_test(t, hook_song_read_reads);
    tcase_add_test(t, hook_song_read_bends);
    tcase_add_test(t, hook_song_read_follows_pieces);
    tcase_add_loop_test(t, hook_song_read_refuses, 0, ARRAY_LEN(refused));
    tcase_add_test(t, annot_read_many_gives_songs_and_stops);
    suite_add_tcase(s, t);
    return unit_run(s);
}
