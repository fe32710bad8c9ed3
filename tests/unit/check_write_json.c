/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "unit.h"

#include <math.h>
#include <string.h>

#include "base/json.h"
#include "write/json.h"

START_TEST(write_json_all_tasks)
{
    struct strbuf sb = STRBUF_INIT;
    struct beats b = {0};
    struct segments chords = {0}, keys = {0};
    struct tags t = {0};
    struct key k = {0};
    struct result r = {
        .file = "a \"b\".wav", .duration = 12.3456789, .model_name = "default",
        .model_sha256 = "00ff", .version = "0.1.0", .beats = &b,
        .tempo = { 120.0000004, 0.75 }, .meter = 4, .chords = &chords,
        .structure = &keys, .letter = (const int[]){ 28 }, .key = &k,
        .key_over_time = &keys, .tags = &t,
    };

    beats_append(&b, 1.0 / 3, 1, 0.5);
    beats_append(&b, 0.1 + 0.2, 0, NAN);
    segments_append(&chords, 0, 12.3456789, "C:maj", 0.1f);
    segments_append(&keys, 0, 2, "", -0.0);
    key_set(&k, "C major", 1);
    tags_append(&t, "rock", 0.25);
    ck_assert(!write_json(&sb, &r, 0, NULL));
    ck_assert_str_eq(sb.s,
        "{\"file\":\"a \\\"b\\\".wav\",\"duration\":12.345679,"
        "\"model\":{\"name\":\"default\",\"sha256\":\"00ff\"},"
        "\"mfm\":\"0.1.0\",\"tempo\":{\"bpm\":120,\"confidence\":0.75},"
        "\"meter\":4,\"beats\":["
        "{\"time\":0.333333,\"position\":1,\"confidence\":0.5},"
        "{\"time\":0.3,\"position\":null,\"confidence\":null}],"
        "\"chords\":[{\"start\":0,\"end\":12.345679,\"label\":\"C:maj\","
        "\"confidence\":0.1}],"
        "\"structure\":[{\"start\":0,\"end\":2,\"label\":null,"
        "\"confidence\":0,\"letter\":\"AB\"}],"
        "\"key\":{\"label\":\"C major\",\"confidence\":1,\"over_time\":["
        "{\"start\":0,\"end\":2,\"label\":null,\"confidence\":0}]},"
        "\"tags\":[{\"label\":\"rock\",\"score\":0.25}]}\n");
    strbuf_release(&sb);
    beats_release(&b);
    segments_release(&chords);
    segments_release(&keys);
    key_release(&k);
    tags_release(&t);
}
END_TEST

START_TEST(write_json_unknown_is_null)
{
    struct strbuf sb = STRBUF_INIT;
    struct beats none = {0};
    struct key k = {0};
    struct result r = { .file = "x", .duration = INFINITY, .version = "1",
                        .beats = &none, .tempo = { NAN, NAN }, .key = &k };

    ck_assert(!write_json(&sb, &r, 0, NULL));
    ck_assert_str_eq(sb.s,
        "{\"file\":\"x\",\"duration\":null,\"model\":null,\"mfm\":\"1\","
        "\"tempo\":{\"bpm\":null,\"confidence\":null},\"meter\":null,"
        "\"beats\":[],\"key\":{\"label\":null,\"confidence\":null}}\n");
    strbuf_release(&sb);
}
END_TEST

START_TEST(write_json_failure)
{
    struct strbuf sb = STRBUF_INIT;
    struct result r = { .file = "x\n", .error = "x: no audio", .duration = 3 };

    ck_assert(!write_json(&sb, &r, 0, NULL));
    ck_assert_str_eq(sb.s, "{\"file\":\"x\\n\",\"error\":\"x: no audio\"}\n");
    strbuf_release(&sb);
}
END_TEST

#define BAD "\xef\xbf\xbd"

static const struct name {
    const char *in, *out;
} names[] = {
    { "\xc3\xa9.wav", "\xc3\xa9.wav" },
    { "\xe9t\xe9", BAD "t" BAD },
    { "\xf0\x9f\x8e\xb5", "\xf0\x9f\x8e\xb5" },
    { "\xc0\xaf", BAD BAD },          /* longer than needed */
    { "\xe0\x9f\xbf", BAD BAD BAD },
    { "\xe0\xa0\x80", "\xe0\xa0\x80" },
    { "\xed\xa0\x80", BAD BAD BAD },  /* a surrogate */
    { "\xf4\x90\x80\x80", BAD BAD BAD BAD },
    { "\xff", BAD },
    { "a\xe2\x82", "a" BAD BAD },     /* cut short */
    { "\xc3", BAD },
    { "\x80z", BAD "z" },
};

START_TEST(write_json_repairs_utf8)
{
    struct strbuf sb = STRBUF_INIT;
    struct result r = { .file = names[_i].in, .error = "e" };
    cJSON *v = NULL;

    ck_assert(!write_json(&sb, &r, 1, NULL));
    ck_assert(!json_parse(&v, sb.s, sb.len, NULL));
    ck_assert_str_eq(cJSON_GetObjectItem(v, "file")->valuestring,
                     names[_i].out);
    cJSON_Delete(v);
    strbuf_release(&sb);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("write_json");
    TCase *t = tcase_create("json");

    tcase_add_test(t, write_json_all_tasks);
    tcase_add_test(t, write_json_unknown_is_null);
    tcase_add_test(t, write_json_failure);
    tcase_add_loop_test(t, write_json_repairs_utf8, 0,
                        sizeof(names) / sizeof(*names));
    suite_add_tcase(s, t);
    return unit_run(s);
}
