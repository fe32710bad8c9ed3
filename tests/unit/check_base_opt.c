/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "unit.h"

#include <string.h>

#include "base/opt.h"

static double length, size;
static int jobs;
static const char *format;

static const struct opt own[] = {
    { 't', "time", OPT_TIME, &length, "TIME", "", -10, 1e5, NULL },
    { 0, "size", OPT_SIZE, &size, "SIZE", "", 0, 1000, NULL },
    { 'j', "jobs", OPT_INT, &jobs, "N", "", 1, 9, NULL },
    { 0, "format", OPT_CHOICE, &format, "NAME", "", 0, 0, "json|ndjson|text" },
    { .kind = OPT_END }
};

static int parse(const char *arg, struct err *err)
{
    const struct opt *tables[] = { own, NULL };
    char copy[100], first[] = "mfm", *argv[] = { first, copy, NULL };
    int n;

    snprintf(copy, sizeof(copy), "%s", arg);
    *err = (struct err){0};
    return opt_parse(tables, 2, argv, &n, NULL, err);
}

static const struct {
    const char *arg;
    double want; /* of both; NAN: refused */
} measures[] = {
    { "--time=90", 90 },          { "--time=1.5", 1.5 },
    { "--time=.5", 0.5 },         { "--time=1:30", 90 },
    { "--time=1:02:03.5", 3723.5 }, { "--time=90s", 90 },
    { "--time=500ms", 0.5 },      { "--time=2m", 120 },
    { "--time=1.5min", 90 },      { "--time=1h", 3600 },
    { "--time=-2.5", -2.5 },      { "-t1:30", 90 },
    { "--time=0:00", 0 },         { "--time=", NAN },
    { "--time=1:60", NAN },       { "--time=1:30s", NAN },
    { "--time=1.5:30", NAN },     { "--time=1:2:3:4", NAN },
    { "--time=:30", NAN },        { "--time=1:", NAN },
    { "--time=2x", NAN },         { "--time=nan", NAN },
    { "--time=inf", NAN },        { "--time=-", NAN },
    { "--time=--1", NAN },        { "--time=-11", NAN },
    { "--time=100h", NAN },       { "--time=1e9", NAN },
    { "--size=4", 4 },            { "--size=4G", 4 },
    { "--size=500M", 0.5 },       { "--size=500MB", 0.5 },
    { "--size=64k", 64e-6 },      { "--size=1T", 1000 },
    { "--size=1.5G", 1.5 },       { "--size=2T", NAN },
    { "--size=G", NAN },          { "--size=4X", NAN },
    { "--size=4GiB", NAN },       { "--size=nan", NAN },
    { "--size=-1", NAN },
};

START_TEST(opt_measures)
{
    struct err err;
    int rc, is_time = strncmp(measures[_i].arg, "--size", 6) != 0;

    length = size = 12345;
    rc = parse(measures[_i].arg, &err);
    if (measures[_i].want == measures[_i].want) {
        ck_assert_int_eq(rc, 0);
        ck_assert_double_eq_tol(is_time ? length : size, measures[_i].want,
                                1e-12);
    } else {
        ck_assert_int_eq(rc, ERR_ARG);
        ck_assert_ptr_eq(strstr(err.msg, is_time ? "--time: '" : "--size: '"),
                         err.msg);
        ck_assert_double_eq(is_time ? length : size, 12345);
    }
}
END_TEST

static const struct {
    const char *arg, *says;
} mistakes[] = {
    { "--fromat=json", "(did you mean --format?)" },
    { "--job=x", "--jobs: 'x'" }, /* a beginning */
    { "--format=jsn", "(did you mean json?)" },
    { "--format=tx", "one of json|ndjson|text" },
    { "--zzzzzzzzz", "unknown option --zzzzzzzzz" },
};

START_TEST(opt_suggests)
{
    struct err err;

    ck_assert_int_eq(parse(mistakes[_i].arg, &err), ERR_ARG);
    ck_assert_ptr_nonnull(strstr(err.msg, mistakes[_i].says));
}
END_TEST

START_TEST(opt_suggests_nothing)
{
    struct err err;

    ck_assert_int_eq(parse("--zzzzzzzzz", &err), ERR_ARG);
    ck_assert_ptr_null(strstr(err.msg, "did you mean"));
}
END_TEST

START_TEST(opt_notes_what_was_given)
{
    const struct opt *tables[] = { own, NULL };
    char arg[][20] = { "mfm", "-j3", "--form", "text", "x", "--jobs=4" };
    char *argv[] = { arg[0], arg[1], arg[2], arg[3], arg[4], arg[5], NULL };
    struct opt_given given = { .n = 0 };
    int n;

    ck_assert_int_eq(opt_parse(tables, 6, argv, &n, &given, NULL), 0);
    ck_assert_int_eq(n, 1);
    ck_assert_int_eq(given.n, 2);
    ck_assert_str_eq(given.v[0].name, "jobs");
    ck_assert_str_eq(given.v[0].value, "4");
    ck_assert_str_eq(given.v[1].name, "format");
    ck_assert_str_eq(given.v[1].value, "text");
    ck_assert_str_eq(opt_first_given(&given, "size|format"), "format");
    ck_assert_ptr_null(opt_first_given(&given, "size|form|time"));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("base/opt");
    TCase *t = tcase_create("opt");

    tcase_add_loop_test(t, opt_measures, 0,
                        sizeof(measures) / sizeof(*measures));
    tcase_add_loop_test(t, opt_suggests, 0,
                        sizeof(mistakes) / sizeof(*mistakes));
    tcase_add_test(t, opt_suggests_nothing);
    tcase_add_test(t, opt_notes_what_was_given);
    suite_add_tcase(s, t);
    return unit_run(s);
}
