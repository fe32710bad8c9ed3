/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cmd/labels.h"

#include <string.h>

#include "unit.h"

static int from(struct labels *out, enum score_task task, const char *text,
                struct err *err)
{
    cJSON *o = cJSON_Parse(text);
    int rc;

    ck_assert_msg(o != NULL, "%s", text);
    rc = labels_from_json(out, task, o, "name", err);
    cJSON_Delete(o);
    return rc;
}

START_TEST(json_good)
{
    struct labels l;
    struct err err = { 0 };

    ck_assert(!from(&l, SCORE_BEATS, "{\"beats\":[{\"time\":0.5,\"position\":1,"
                    "\"confidence\":1},{\"time\":1,\"position\":null}]}",
                    &err));
    ck_assert(l.beats.n == 2 && l.beats.v[0].time == 0.5 &&
              l.beats.v[0].position == 1 && l.beats.v[1].position == 0);
    labels_release(&l);
    ck_assert(!from(&l, SCORE_CHORDS, "{\"chords\":[{\"start\":0,\"end\":1,"
                    "\"label\":\"N\"}],\"structure\":[]}", &err));
    ck_assert(l.spans.n == 1 && !strcmp(l.spans.v[0].label, "N"));
    labels_release(&l);
    ck_assert(!from(&l, SCORE_STRUCTURE, "{\"structure\":[{\"start\":0,"
                    "\"end\":1,\"label\":null}]}", &err));
    ck_assert(l.spans.n == 1 && !strcmp(l.spans.v[0].label, ""));
    labels_release(&l);
    ck_assert(!from(&l, SCORE_KEY, "{\"key\":{\"label\":\"C major\"}}", &err));
    ck_assert_str_eq(l.key.label, "C major");
    labels_release(&l);
    ck_assert(!from(&l, SCORE_KEY, "{\"key\":{\"label\":null}}", &err));
    ck_assert_ptr_null(l.key.label);
    ck_assert(!from(&l, SCORE_TEMPO, "{\"tempo\":{\"bpm\":120.5}}", &err));
    ck_assert(l.tempo.bpm[0] == 120.5 && l.tempo.weight == 1);
    ck_assert(!from(&l, SCORE_TAG, "{\"tags\":[{\"label\":\"rock\","
                    "\"score\":0.25}]}", &err));
    ck_assert(l.tags.n == 1 && l.tags.v[0].score == 0.25);
    labels_release(&l);
}
END_TEST

static const struct {
    enum score_task task;
    const char *text, *word;
    int code;
} bad[] = {
    { SCORE_BEATS, "{\"bpm\":120}", "name: has no 'beats'", ERR_FORMAT },
    { SCORE_BEATS, "[1]", "has no 'beats'", ERR_FORMAT },
    { SCORE_BEATS, "{\"beats\":3}", "not a list", ERR_FORMAT },
    { SCORE_BEATS, "{\"beats\":[3]}", "time", ERR_FORMAT },
    { SCORE_BEATS, "{\"beats\":[{\"time\":\"x\"}]}", "time", ERR_FORMAT },
    { SCORE_BEATS, "{\"beats\":[{\"time\":1,\"position\":1.5}]}", "position",
      ERR_FORMAT },
    { SCORE_CHORDS, "{\"chords\":[{\"start\":0,\"label\":\"C\"}]}", "end",
      ERR_FORMAT },
    { SCORE_KEY, "{\"key\":\"C major\"}", "not an object", ERR_FORMAT },
    { SCORE_KEY, "{\"key\":{\"label\":1}}", "label", ERR_FORMAT },
    { SCORE_TAG, "{\"tags\":[{\"label\":\"a\"}]}", "score", ERR_FORMAT },
    { SCORE_TAG, "{\"file\":\"a.wav\",\"error\":\"cut off\"}", "cut off",
      ERR_UNSUPPORTED },
};

START_TEST(json_bad)
{
    struct labels l;
    struct err err = { 0 };

    ck_assert_int_eq(from(&l, bad[_i].task, bad[_i].text, &err), bad[_i].code);
    ck_assert_msg(strstr(err.msg, bad[_i].word) != NULL, "%s", err.msg);
    ck_assert(!l.beats.n && !l.spans.n && !l.tags.n && !l.key.label);
}
END_TEST

static int tempo(struct labels *out, const char *text, struct err *err)
{
    char path[] = "check_labels_XXXXXX";
    int fd = mkstemp(path), rc;

    ck_assert_int_ge(fd, 0);
    ck_assert(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
    rc = labels_read(out, SCORE_TEMPO, path, err);
    unlink(path);
    return rc;
}

START_TEST(read_tempo)
{
    static const char *const wrong[] = { "",       "x",        "1 2",
                                         "1 2 3",  "1 2 .5 4", "-1",
                                         "nan",    "1 2 .5 x", "inf" };
    struct labels l;
    struct err err = { 0 };

    ck_assert(!tempo(&l, "1.25870e+02\n", &err));
    ck_assert(l.tempo.bpm[0] == 125.87 && l.tempo.bpm[1] == 0 &&
              l.tempo.weight == 1);
    ck_assert(!tempo(&l, "60\t120 0.25", &err));
    ck_assert(l.tempo.bpm[1] == 120 && l.tempo.weight == 0.25);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
        ck_assert_msg(tempo(&l, wrong[i], &err) == ERR_FORMAT, "%s", wrong[i]);
}
END_TEST

START_TEST(rank_names)
{
    ck_assert_int_eq(labels_rank(SCORE_CHORDS, "a.chords.lab"), 1);
    ck_assert_int_eq(labels_rank(SCORE_CHORDS, "a.LAB"), 2);
    ck_assert_int_eq(labels_rank(SCORE_CHORDS, "a.structure.lab"), 0);
    ck_assert_int_eq(labels_rank(SCORE_STRUCTURE, "a.chords.lab"), 0);
    ck_assert_int_eq(labels_rank(SCORE_STRUCTURE, "a.structure.lab"), 1);
    ck_assert_int_eq(labels_rank(SCORE_STRUCTURE, "a.seg"), 2);
    ck_assert_int_gt(labels_rank(SCORE_STRUCTURE, "a.lab"), LABELS_SPECIFIC);
    ck_assert_int_gt(labels_rank(SCORE_BEATS, "a.txt"),
                     labels_rank(SCORE_BEATS, "a.json"));
    ck_assert_int_eq(labels_rank(SCORE_BEATS, "a.wav"), 0);
    ck_assert_int_eq(labels_rank(SCORE_BEATS, ".beats"), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("cmd_labels");
    TCase *t = tcase_create("labels");

    tcase_add_test(t, json_good);
    tcase_add_loop_test(t, json_bad, 0, (int)(sizeof(bad) / sizeof(*bad)));
    tcase_add_test(t, read_tempo);
    tcase_add_test(t, rank_names);
    suite_add_tcase(s, t);
    return unit_run(s);
}
