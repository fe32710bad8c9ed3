/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "formats.h"

#include "base/json.h"
#include "write/jams.h"

START_TEST(write_jams_and_back)
{
    struct strbuf sb = STRBUF_INIT;
    struct whole w;

    whole_init(&w);
    ck_assert(!write_jams(&sb, &w.r, NULL));
    expect_whole(sb.s, ".jams");
    strbuf_release(&sb);
    whole_release(&w);
}
END_TEST

static const cJSON *get(const cJSON *o, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(o, name);
}

START_TEST(write_jams_about)
{
    struct strbuf sb = STRBUF_INIT;
    struct whole w;
    cJSON *root;
    const cJSON *file, *mfm, *a;

    whole_init(&w);
    ck_assert(!write_jams(&sb, &w.r, NULL));
    ck_assert(!json_parse(&root, sb.s, sb.len, NULL));
    file = get(root, "file_metadata");
    ck_assert_str_eq(get(file, "title")->valuestring,
                     "a \xef\xbf\xbd.mp3");
    ck_assert_double_eq(get(file, "duration")->valuedouble, 14);
    mfm = get(get(root, "sandbox"), "mfm");
    ck_assert_str_eq(get(mfm, "version")->valuestring, "0.1");
    ck_assert_int_eq(get(mfm, "meter")->valueint, 3);
    ck_assert_str_eq(get(get(mfm, "model"), "name")->valuestring, "small");
    cJSON_ArrayForEach(a, get(root, "annotations")) {
        ck_assert_double_eq(get(a, "time")->valuedouble, 10);
        ck_assert_double_eq(get(a, "duration")->valuedouble, 4);
    }
    cJSON_Delete(root);
    strbuf_release(&sb);
    whole_release(&w);
}
END_TEST

/* null is no duration, and no tempo has one: the schema */
START_TEST(write_jams_unknown)
{
    struct strbuf sb = STRBUF_INIT;
    struct beats beats = {0};
    struct result r = { .file = "a", .duration = NAN, .version = "0",
                        .beats = &beats, .tempo = { NAN, NAN } };
    cJSON *root;

    ck_assert(!write_jams(&sb, &r, NULL));
    ck_assert(!json_parse(&root, sb.s, sb.len, NULL));
    ck_assert_ptr_null(get(get(root, "file_metadata"), "duration"));
    ck_assert_int_eq(cJSON_GetArraySize(get(root, "annotations")), 2);
    ck_assert_ptr_null(get(get(root, "annotations")->child, "data")->child);
    cJSON_Delete(root);
    strbuf_release(&sb);
}
END_TEST

/* Labels of models and times that the schema does not have. */
START_TEST(write_jams_is_valid)
{
    struct strbuf sb = STRBUF_INIT;
    struct err err = { 0 };
    struct whole w;

    whole_init(&w);
    segments_append(&w.chords, 14, 15, "Am7", 1);
    key_set(&w.key, "c# other", 1);
    segments_append(&w.key_over_time, 14, 15, "none", 1);
    tags_append(&w.tags, "", 0.5);
    ck_assert(!write_jams(&sb, &w.r, NULL));
    ck_assert_ptr_nonnull(strstr(sb.s, "\"value\":\t\"X\""));
    ck_assert_ptr_nonnull(strstr(sb.s, "\"value\":\t\"C#\""));
    ck_assert_ptr_nonnull(strstr(sb.s, "\"value\":\t\"N\""));
    ck_assert_ptr_nonnull(strstr(sb.s, "\"value\":\t\"\""));
    w.beats.v[0].time = -0.5;
    ck_assert_int_eq(write_jams(&sb, &w.r, &err), ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.msg, "-0.5"));
    strbuf_release(&sb);
    whole_release(&w);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("write_jams");
    TCase *t = tcase_create("jams");

    tcase_add_test(t, write_jams_and_back);
    tcase_add_test(t, write_jams_about);
    tcase_add_test(t, write_jams_unknown);
    tcase_add_test(t, write_jams_is_valid);
    suite_add_tcase(s, t);
    return unit_run(s);
}
