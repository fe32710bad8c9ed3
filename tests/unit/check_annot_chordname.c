/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "annot/chordname.h"

#include "golden.h"

/* root, bass and notes of mir_eval.chord.encode, or that it raises */
START_TEST(chordname_parse_golden)
{
    cJSON *all = golden_read("golden/metrics/chord_labels.json");
    const cJSON *x;

    cJSON_ArrayForEach(x, all) {
        const char *label = GOLDEN_ITEM(x, "label")->valuestring;
        struct chordname c;
        struct err err = { 0 };
        int rc = chordname_parse(&c, label, false, &err);

        if (GOLDEN_ITEM(x, "error")) {
            ck_assert_msg(rc == ERR_FORMAT, "'%s' was read", label);
            ck_assert(strstr(err.msg, label));
            continue;
        }
        ck_assert_msg(rc == 0, "%s", err.msg);
        ck_assert_int_eq(c.root, GOLDEN_ITEM(x, "root")->valueint);
        ck_assert_int_eq(c.bass, GOLDEN_ITEM(x, "bass")->valueint);
        for (int i = 0; i < 12; i++)
            ck_assert_msg(
                (c.bits >> i & 1) == (cJSON_GetArrayItem(GOLDEN_ITEM(
                                          x, "bitmap"), i)->valueint != 0),
                "%s: note %d", label, i);
    }
    ck_assert_int_gt(cJSON_GetArraySize(all), 100);
    cJSON_Delete(all);
}
END_TEST

/* Cases worked out from the grammar and mir_eval's rules; bits as written. */
static const struct {
    const char *label;
    bool reduce;
    int root, bass;
    unsigned bits;
} good[] = {
    { "Gbb", false, 5, 0, 0x091 },
    { "C:(3,5)", false, 0, 0, 0x091 },
    { "C:(*1)", false, 0, 0, 0x001 },       /* the bass puts 1 back */
    { "C:maj(*3,*3,3)", false, 0, 0, 0x091 }, /* a degree counts once */
    { "C:maj(bb1)", false, 0, 0, 0x491 },
    { "C:maj/13", false, 0, 9, 0x291 },
    { "C:maj(9)", false, 0, 0, 0x091 },
    { "C:maj(9)", true, 0, 0, 0x095 },
    { "C:13", true, 0, 0, 0x6b5 },
    { "C:minmaj7", true, 0, 0, 0x889 },
    { "C:9(9)", true, 0, 0, 0x495 },
    { "C:9(*9)", true, 0, 0, 0x491 },
};

START_TEST(chordname_parse_details)
{
    struct chordname c;
    struct err err = { 0 };

    ck_assert_msg(!chordname_parse(&c, good[_i].label, good[_i].reduce, &err),
                  "%s", err.msg);
    ck_assert_int_eq(c.root, good[_i].root);
    ck_assert_int_eq(c.bass, good[_i].bass);
    ck_assert_uint_eq(c.bits, good[_i].bits);
}
END_TEST

static const char *const bad[] = {
    "", " C", "C ", "C\n", "c", "H", "C#b", "C:", "C:Maj", "C:maj()", "C:maj(",
    "C:maj(3", "C:maj(3,)", "C:maj(,3)", "C:maj(0)", "C:maj(14)", "C:maj(b#3)",
    "C:maj(**3)", "C:maj3", "C:maj(3)5", "C/", "C/0", "C/14", "C/*3", "C/3/5",
    "C(3)", "N/1", "X:maj", "N ", "C:(3)(5)", "C:b9",
};

START_TEST(chordname_parse_refuses)
{
    struct chordname c;
    struct err err = { 0 };

    ck_assert_msg(chordname_parse(&c, bad[_i], false, &err) == ERR_FORMAT,
                  "'%s' was read", bad[_i]);
    ck_assert(*err.msg);
}
END_TEST

START_TEST(chordname_parse_many_degrees)
{
    struct chordname c;
    struct err err = { 0 };
    char label[1000] = "C:13(";

    for (int i = 0; i < 64; i++) {
        memset(label + strlen(label), '#', (size_t)i % 8);
        sprintf(label + strlen(label), "%d,", 1 + i / 8);
    }
    label[strlen(label) - 1] = ')';
    ck_assert(!chordname_parse(&c, label, true, &err));
    strcpy(label + strlen(label) - 1, ",b9)");
    ck_assert_int_eq(chordname_parse(&c, label, true, &err), ERR_FORMAT);
}
END_TEST

START_TEST(chordname_parse_unsupported)
{
    struct chordname c;
    struct err err = { 0 };

    ck_assert_int_eq(chordname_parse(&c, "C:aug7", true, &err),
                     ERR_UNSUPPORTED);
    ck_assert(chordname_is_x(&c));
    ck_assert_int_eq(chordname_parse(&c, "D:maj11(9)/3", false, &err),
                     ERR_UNSUPPORTED);
    ck_assert(chordname_is_x(&c));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("annot_chordname");
    TCase *t = tcase_create("chordname");

    tcase_add_test(t, chordname_parse_golden);
    tcase_add_loop_test(t, chordname_parse_details, 0, ARRAY_LEN(good));
    tcase_add_loop_test(t, chordname_parse_refuses, 0, ARRAY_LEN(bad));
    tcase_add_test(t, chordname_parse_many_degrees);
    tcase_add_test(t, chordname_parse_unsupported);
    suite_add_tcase(s, t);
    return unit_run(s);
}
