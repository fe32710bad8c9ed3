/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "annot/jams.h"

#include "annot.h"

static struct annotation a;
static struct err err;

static void read_data(const char *name, enum annot_task task)
{
    annotation_release(&a);
    ck_assert_msg(!annot_read(&a, unit_data(name), task, &err), "%s", err.msg);
}

static void setup(void)
{
    annotation_init(&a);
}

static void teardown(void)
{
    annotation_release(&a);
}

START_TEST(jams_parse_reads_lists)
{
    for (int packed = 0; packed < 2; packed++) {
        const char *name = packed ? "annot/minimal.jamz"
                                  : "annot/minimal.jams";

        read_data(name, ANNOT_BEATS);
        ck_assert(a.beats.n == 2 && a.duration == 4);
        ck_assert(a.beats.v[1].time == 1 && a.beats.v[1].position == 2 &&
                  a.beats.v[1].confidence == 0.9);
        ck_assert(isnan(a.beats.v[0].confidence));
        read_data(name, ANNOT_CHORDS);
        ck_assert_uint_eq(a.spans.n, 2);
        annot_span(&a.spans.v[1], 2, 4, "A:min/b3");
        read_data(name, ANNOT_KEY);
        ck_assert_str_eq(a.key.label, "A minor");
        ck_assert(a.key.confidence == 0.7);
        read_data(name, ANNOT_STRUCTURE);
        annot_span(&a.spans.v[0], 0, 4, "verse");
        read_data(name, ANNOT_TAGS);
        ck_assert(a.tags.n == 1 && a.tags.v[0].score == 0.91);
    }
}
END_TEST

START_TEST(jams_parse_reads_other_namespaces)
{
    read_data("annot/dense.jams", ANNOT_CHORDS); /* and puts them in order */
    ck_assert_uint_eq(a.spans.n, 2);
    annot_span(&a.spans.v[0], 0, 1, "C");
    annot_span(&a.spans.v[1], 1, 2, "G:7");
    ck_assert(a.spans.v[0].confidence == 0.25 && isnan(a.duration));
    read_data("annot/dense.jams", ANNOT_STRUCTURE);
    ck_assert_uint_eq(a.spans.n, 1);
    annot_span(&a.spans.v[0], 0, 2, "A");
    read_data("annot/dense.jams", ANNOT_BEATS);
    ck_assert(a.beats.n == 1 && a.beats.v[0].position == 2);
    read_data("annot/dense.jams", ANNOT_TEMPO);
    ck_assert(a.tempo.bpm[0] == 60 && a.tempo.bpm[1] == 120 &&
              a.tempo.weight == 0.3);
    read_data("annot/dense.jams", ANNOT_KEY);
    ck_assert(a.spans.n == 1 && !strcmp(a.key.label, "Gb other"));
    read_data("annot/dense.jams", ANNOT_TAGS);
    ck_assert(a.tags.n == 1 && a.tags.v[0].score == 1);
}
END_TEST

#define BEAT(t) "{\"time\":" #t ",\"duration\":0,\"value\":null}"
#define RHYTHM(type, data) \
    "{\"namespace\":\"beat\",\"sandbox\":{\"annotation_type\":\"" type \
    "\"},\"data\":[" data "]}"

START_TEST(jams_parse_merges_gtzan_rhythm)
{
    static const int want[] = { 0, 1, 2, 1, 1 };

    read_data("annot/gtzan_rhythm_like.jams", ANNOT_BEATS);
    ck_assert(a.beats.n == 2 && a.beats.v[0].position == 0 &&
              a.beats.v[1].position == 1);
    annotation_release(&a);
    /* the downbeats come first, one is 15 ms off, one alone */
    annot_good(&a, "{\"annotations\":[" RHYTHM("downbeat", BEAT(2.015) ","
               BEAT(4) "," BEAT(4.5)) "," RHYTHM("beat", BEAT(1) "," BEAT(2)
               "," BEAT(3) "," BEAT(4)) "]}", ".jams", ANNOT_BEATS);
    ck_assert_uint_eq(a.beats.n, 5);
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(a.beats.v[i].position, want[i]);
    annotation_release(&a);
    /* jazz: no downbeats */
    annot_good(&a, "{\"annotations\":[" RHYTHM("beat", BEAT(1)) ","
               RHYTHM("downbeat", "") "]}", ".jams", ANNOT_BEATS);
    ck_assert(a.beats.n == 1 && a.beats.v[0].position == 0);
}
END_TEST

START_TEST(jams_parse_leaves_out)
{
    annot_good(&a, "{\"annotations\":[{\"namespace\":\"segment_open\",\"data\":"
               "[]},{\"namespace\":\"segment_open\",\"data\":["
               "{\"time\":0,\"duration\":1,\"value\":\"intro\"},"
               "{\"time\":1,\"duration\":0,\"value\":\"nothing\"},"
               "{\"time\":1,\"duration\":2,\"value\":\"end\"}]}]}", ".jams",
               ANNOT_STRUCTURE);
    ck_assert_uint_eq(a.spans.n, 1);
    annot_span(&a.spans.v[0], 0, 1, "intro");
}
END_TEST

/* Counts as Python's json module finds them. */
START_TEST(jams_parse_reads_samples)
{
    const char *path = unit_shared("fixtures/formats/harmonixset/"
                                   "0568_apologize.jams");

    if (!path)
        return;
    ck_assert(!annot_read(&a, path, ANNOT_BEATS, &err));
    ck_assert(a.beats.n == 174 && a.duration == 184.642);
    annotation_release(&a);
    ck_assert(!annot_read(&a, path, ANNOT_STRUCTURE, &err));
    ck_assert_uint_eq(a.spans.n, 6);
    annot_span(&a.spans.v[1], 16.37, 16.37 + 32.542, "verse");
    annotation_release(&a);
    path = unit_shared("fixtures/formats/guitarset_jams/"
                       "03_BN3-119-G_solo.jams");
    ck_assert(!annot_read(&a, path, ANNOT_BEATS, &err));
    ck_assert(a.beats.n == 3 && a.beats.v[0].position == 2);
    annotation_release(&a);
    ck_assert(!annot_read(&a, path, ANNOT_CHORDS, &err));
    annot_span(&a.spans.v[0], 0, 2, "G:maj");
    annotation_release(&a);
    ck_assert(!annot_read(&a, path, ANNOT_TEMPO, &err));
    ck_assert(a.tempo.bpm[0] == 119 && a.tempo.weight == 1);
    annotation_release(&a);
    ck_assert(!annot_read(&a, path, ANNOT_KEY, &err));
    ck_assert_str_eq(a.key.label, "G major");
}
END_TEST

#define ONE(namespace, data) \
    "{\"annotations\":[{\"namespace\":\"" namespace "\",\"data\":" data "}]}"

static const struct annot_refused refused[] = {
    { ANNOT_BEATS, ".jams", ONE("chord", "[]"), "which has: chord" },
    { ANNOT_TAGS, ".jams", "{\"annotations\":[]}", "which has: nothing" },
    { ANNOT_BEATS, ".jams", ONE("beat", "3"), "annotations[0].data" },
    { ANNOT_BEATS, ".jams", ONE("beat", "[{}]"), "annotations[0].data[0]" },
    { ANNOT_BEATS, ".jams", ONE("beat", "[{\"time\":1e999}]"), "data[0]" },
    { ANNOT_BEATS, ".jams", ONE("beat", "[3]"), "data[0]: time" },
    { ANNOT_CHORDS, ".jams",
      ONE("chord", "[{\"time\":0,\"duration\":-1,\"value\":\"C\"}]"),
      "data[0]: duration" },
    { ANNOT_CHORDS, ".jams",
      ONE("chord", "[{\"time\":0,\"duration\":1,\"value\":4}]"),
      "data[0]: value" },
    { ANNOT_CHORDS, ".jams",
      ONE("chord", "{\"time\":[0],\"duration\":[1],\"value\":[\"C\",\"D\"],"
          "\"confidence\":[null]}"), "differ in length" },
    { ANNOT_KEY, ".jams",
      ONE("key_mode", "[{\"time\":0,\"duration\":1,\"value\":\"H\"}]"),
      "data[0]: key 'H other'" },
    { ANNOT_TEMPO, ".jams",
      ONE("tempo", "[{\"time\":0,\"duration\":1,\"value\":-3}]"), "tempo" },
    { ANNOT_TEMPO, ".jams", ONE("tempo", "[]"), "no tempo above 0" },
};

START_TEST(jams_parse_refuses)
{
    annot_refuses(&refused[_i]);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("annot_jams");
    TCase *t = tcase_create("jams");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, jams_parse_reads_lists);
    tcase_add_test(t, jams_parse_reads_other_namespaces);
    tcase_add_test(t, jams_parse_merges_gtzan_rhythm);
    tcase_add_test(t, jams_parse_leaves_out);
    tcase_add_test(t, jams_parse_reads_samples);
    tcase_add_loop_test(t, jams_parse_refuses, 0, ARRAY_LEN(refused));
    suite_add_tcase(s, t);
    return unit_run_shared(s, "fixtures/formats");
}
