/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "unit.h"

#include <math.h>

#include "write/text.h"

START_TEST(write_text_beats_columns)
{
    struct strbuf sb = STRBUF_INIT;
    struct beats b = {0};

    write_text_beats(&sb, &b);
    ck_assert_str_eq(sb.s, "");
    beats_append(&b, 0.2172839, 3, 0.5);
    beats_append(&b, 35999.98, 4, NAN);
    write_text_beats(&sb, &b);
    ck_assert_str_eq(sb.s, "0.217284\t3\n35999.980000\t4\n");
    strbuf_reset(&sb);
    b.v[1].position = 0;
    write_text_beats(&sb, &b);
    ck_assert_str_eq(sb.s, "0.217284\n35999.980000\n");
    strbuf_release(&sb);
    beats_release(&b);
}
END_TEST

START_TEST(write_text_segments_columns)
{
    struct strbuf sb = STRBUF_INIT;
    struct segments s = {0};

    segments_append(&s, 0, 1.5, "", NAN);
    segments_append(&s, 1.5, 2, "", 0.5);
    write_text_segments(&sb, &s);
    ck_assert_str_eq(sb.s, "0.000000\t1.500000\n1.500000\t2.000000\n");
    strbuf_reset(&sb);
    segments_release(&s);
    segments_append(&s, 2, 3, "A:min\t\n7\xff", 0.5);
    write_text_segments(&sb, &s);
    ck_assert_str_eq(sb.s, "2.000000\t3.000000\tA:min  7\xef\xbf\xbd\n");
    strbuf_release(&sb);
    segments_release(&s);
}
END_TEST

START_TEST(write_text_key_and_tags)
{
    struct strbuf sb = STRBUF_INIT;
    struct key k = {0};
    struct tags t = {0};

    write_text_key(&sb, &k);
    ck_assert_str_eq(sb.s, "");
    key_set(&k, "Db major", 1);
    write_text_key(&sb, &k);
    tags_append(&t, "no-drums", 0.1234567);
    write_text_tags(&sb, &t);
    ck_assert_str_eq(sb.s, "Db major\nno-drums\t0.123457\n");
    strbuf_release(&sb);
    key_release(&k);
    tags_release(&t);
}
END_TEST

START_TEST(write_text_tasks)
{
    struct strbuf sb = STRBUF_INIT;
    struct segments s = {0};
    struct key k = {0};
    struct result r = { .key = &k };

    key_set(&k, "C minor", 1);
    ck_assert_int_eq(write_text(&sb, &r, NULL), 0);
    ck_assert_str_eq(sb.s, "C minor\n");
    strbuf_reset(&sb);
    segments_append(&s, 0, 1, "C minor", 1);
    r.chords = &s;
    r.key_over_time = &s;
    ck_assert_int_eq(write_text(&sb, &r, NULL), 0);
    ck_assert_str_eq(sb.s, "# chords\n0.000000\t1.000000\tC minor\n"
                           "# key\n0.000000\t1.000000\tC minor\n");
    strbuf_release(&sb);
    segments_release(&s);
    key_release(&k);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("write_text");
    TCase *t = tcase_create("text");

    tcase_add_test(t, write_text_beats_columns);
    tcase_add_test(t, write_text_segments_columns);
    tcase_add_test(t, write_text_key_and_tags);
    tcase_add_test(t, write_text_tasks);
    suite_add_tcase(s, t);
    return unit_run(s);
}
