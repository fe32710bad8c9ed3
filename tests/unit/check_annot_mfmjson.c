/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "annot/mfmjson.h"

#include "annot.h"

static struct annotation a;
static struct err err;

static void read_task(enum annot_task task)
{
    annotation_release(&a);
    ck_assert_msg(!annot_read(&a, unit_data("annot/mfm.json"), task, &err),
                  "%s", err.msg);
    ck_assert(a.duration == 4);
}

START_TEST(mfmjson_parse_reads)
{
    annotation_init(&a);
    read_task(ANNOT_BEATS);
    ck_assert(a.beats.n == 2 && a.beats.v[0].position == 1 &&
              a.beats.v[1].position == 0 && isnan(a.beats.v[1].confidence));
    read_task(ANNOT_CHORDS);
    ck_assert_uint_eq(a.spans.n, 1);
    annot_span(&a.spans.v[0], 0, 4, "A:min");
    read_task(ANNOT_STRUCTURE);
    annot_span(&a.spans.v[1], 2, 4, "");
    read_task(ANNOT_KEY);
    ck_assert_str_eq(a.key.label, "A minor");
    ck_assert(a.key.confidence == 0.7 && a.spans.n == 1);
    read_task(ANNOT_TEMPO);
    ck_assert(a.tempo.bpm[0] == 120 && a.tempo.weight == 1);
    read_task(ANNOT_TAGS);
    ck_assert(a.tags.n == 1 && a.tags.v[0].score == 0.91);
    annotation_release(&a);
    annot_good(&a, "{\"key\":{\"label\":null,\"confidence\":null}}", ".json",
               ANNOT_KEY);
    ck_assert(!a.key.label && !a.keys.n);
    annotation_release(&a);
    annot_good(&a, "{\"tempo\":{\"bpm\":null,\"confidence\":null}}", ".json",
               ANNOT_TEMPO);
    ck_assert(a.tempo.bpm[0] == 0 && a.tempo.weight == 1);
    annotation_release(&a);
}
END_TEST

static int collect(void *ctx, const char *id, struct annotation *got,
                   struct err *e)
{
    char *text = ctx;

    (void)e;
    sprintf(text + strlen(text), "%s %zu %s;", id, got->beats.n,
            got->error ? got->error : "");
    return 0;
}

START_TEST(mfmjson_reads_ndjson)
{
    char text[200] = "";

    ck_assert_msg(!annot_read_many(unit_data("annot/mfm.ndjson"), ANNOT_BEATS,
                                   collect, text, &err), "%s", err.msg);
    ck_assert_str_eq(text, "a.wav 1 ;b.wav 0 b.wav: no audio;c.wav 0 ;");
    ck_assert_int_eq(annot_read(&a, unit_data("annot/mfm.ndjson"),
                                ANNOT_BEATS, &err), ERR_FORMAT);
    ck_assert_msg(strstr(err.msg, "more than one"), "%s", err.msg);
}
END_TEST

static const struct annot_refused refused[] = {
    { ANNOT_BEATS, ".json", "{}", "none that mfm wrote" },
    { ANNOT_BEATS, ".json", "{\"file\":\"a\"}", "none that mfm wrote" },
    { ANNOT_BEATS, ".json", "{\"mfm\":\"0\"}", "no \"beats\"" },
    { ANNOT_BEATS, ".json", "{\"error\":\"gone\"}", "gone" },
    { ANNOT_BEATS, ".json", "{\"beats\":{}}", "beats: not a list" },
    { ANNOT_BEATS, ".json", "{\"beats\":[{\"time\":1},{}]}",
      "beats[1].time: missing" },
    { ANNOT_BEATS, ".json", "{\"beats\":[{\"time\":1,\"position\":0}]}",
      "beats[0].position" },
    { ANNOT_BEATS, ".json", "{\"beats\":[{\"time\":1e999}]}", "beats[0].time" },
    { ANNOT_CHORDS, ".json", "{\"chords\":[{\"start\":1,\"end\":1}]}",
      "chords[0]: its end" },
    { ANNOT_CHORDS, ".json",
      "{\"chords\":[{\"start\":0,\"end\":1,\"label\":3}]}",
      "chords[0].label: not a string" },
    { ANNOT_KEY, ".json", "{\"key\":\"C\"}", "key: not an object" },
    { ANNOT_TEMPO, ".json", "{\"tempo\":{\"bpm\":-1}}", "tempo.bpm" },
    { ANNOT_TAGS, ".json", "{\"tags\":[{\"label\":\"a\",\"score\":2}]}",
      "tags[0].score" },
    { ANNOT_BEATS, ".json", "{\"beats\":[]}\n{\"beats\":3}\n", ":2: beats" },
    { ANNOT_BEATS, ".json", "{\"beats\":[]}\n{\n", "not valid JSON" },
    { ANNOT_BEATS, ".json", "{\"beats\":\n[,]}", ":2: not valid JSON" },
};

START_TEST(mfmjson_parse_refuses)
{
    annot_refuses(&refused[_i]);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("annot_mfmjson");
    TCase *t = tcase_create("mfmjson");

    tcase_add_test(t, mfmjson_parse_reads);
    tcase_add_test(t, mfmjson_reads_ndjson);
    tcase_add_loop_test(t, mfmjson_parse_refuses, 0, ARRAY_LEN(refused));
    suite_add_tcase(s, t);
    return unit_run(s);
}
