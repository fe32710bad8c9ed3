/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "annot/keyname.h"

#include "base/xalloc.h"
#include "unit.h"

static const struct {
    const char *name;
    int tonic;
    enum keyname_mode mode;
} good[] = {
    { "C major", 0, KEYNAME_MAJOR },  { "c# minor", 1, KEYNAME_MINOR },
    { "Db\tother", 1, KEYNAME_OTHER }, { "  bb  minor \n", 10, KEYNAME_MINOR },
    { "X", -1, KEYNAME_OTHER },       { "x", -1, KEYNAME_OTHER },
};

START_TEST(keyname_parse_reads)
{
    struct keyname k;
    struct err err = { 0 };

    ck_assert_msg(!keyname_parse(&k, good[_i].name, &err), "%s", err.msg);
    ck_assert_int_eq(k.tonic, good[_i].tonic);
    ck_assert_int_eq(k.mode, good[_i].mode);
}
END_TEST

static const char *const bad[] = {
    "", " ", "C", "C:major", "C Major", "Cb major", "H major", "X major",
    " X", "C major minor", "major C", "E# minor",
};

START_TEST(keyname_parse_refuses)
{
    struct keyname k;
    struct err err = { 0 };

    ck_assert_msg(keyname_parse(&k, bad[_i], &err) == ERR_FORMAT,
                  "'%s' was read", bad[_i]);
    ck_assert(*err.msg);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("annot_keyname");
    TCase *t = tcase_create("keyname");

    tcase_add_loop_test(t, keyname_parse_reads, 0, ARRAY_LEN(good));
    tcase_add_loop_test(t, keyname_parse_refuses, 0, ARRAY_LEN(bad));
    suite_add_tcase(s, t);
    return unit_run(s);
}
