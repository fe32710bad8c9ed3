/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "unit.h"

#include <string.h>

#include "cmd/common.h"

enum { ALL = CMD_MODEL | CMD_INPUT | CMD_OUTPUT | CMD_OUT_DIR | CMD_FORMAT |
             CMD_PROGRESS };

static int top;
static const struct opt own[] = {
    { 0, "top", OPT_INT, &top, "N", "the best N", 1, 100, NULL },
    { .kind = OPT_END }
};
static const struct cmd_usage usage = {
    "tag", "mfm tag [OPTIONS] [FILE...]\nmfm tag --all", "What it is.\n", own,
    ALL
};

/* Splits words at spaces; cuts them in the static copy. */
static int begin(const char *line, int groups, struct cmd_common *c, int *n,
                 char **argv)
{
    static char text[256];
    struct cmd_usage u = usage;
    int argc = 0;

    u.groups = groups;
    *c = (struct cmd_common)CMD_COMMON_INIT;
    c->formats = "json|text";
    snprintf(text, sizeof(text), "%s", line);
    for (char *w = strtok(text, " "); w; w = strtok(NULL, " "))
        argv[argc++] = w;
    argv[argc] = NULL;
    return cmd_begin(&u, c, argc, argv, n);
}

START_TEST(cmd_begin_reads_all)
{
    struct cmd_common c;
    char *argv[32];
    int n;

    ck_assert_int_eq(begin("tag a.mp3 -m big --device cpu --precision f32 "
                           "--threads 2 --files-from - -0r --top 5 --force "
                           "--out-dir out --format text --progress=never b",
                           ALL, &c, &n, argv), CMD_GO);
    ck_assert_int_eq(n, 2);
    ck_assert_str_eq(argv[0], "a.mp3");
    ck_assert_str_eq(argv[1], "b");
    ck_assert_str_eq(c.model, "big");
    ck_assert_str_eq(c.format, "text");
    ck_assert_str_eq(c.out_dir, "out");
    ck_assert_str_eq(c.progress, "never");
    ck_assert(c.nul && c.recurse && c.force && c.threads == 2 && top == 5);
}
END_TEST

START_TEST(cmd_begin_defaults)
{
    struct cmd_common c;
    char *argv[32];
    int n;

    ck_assert_int_eq(begin("tag", ALL, &c, &n, argv), CMD_GO);
    ck_assert_int_eq(n, 0);
    ck_assert_str_eq(c.model, "default");
    ck_assert_str_eq(c.device, "auto");
    ck_assert_ptr_null(c.output);
    ck_assert_ptr_null(c.format);
}
END_TEST

static const struct {
    const char *line;
    int groups;
} bad[] = {
    { "tag --device cuda:", ALL },
    { "tag --device cuda:x", ALL },
    { "tag --device tpu", ALL },
    { "tag --precision fp17", ALL },
    { "tag -j 2", ALL },
    { "tag -j 0", ALL | CMD_JOBS },
    { "tag --format jpeg", ALL },
    { "tag --threads 0", ALL },
    { "tag --top x", ALL },
    { "tag -0", ALL },
    { "tag -o a --out-dir b", ALL },
    { "tag --nonsense", ALL },
    { "tag -o", ALL },
    { "tag -m x", CMD_INPUT },
    { "tag -r", CMD_MODEL },
    { "tag --out-dir x", CMD_OUTPUT },
};

START_TEST(cmd_begin_refuses)
{
    struct cmd_common c;
    char *argv[32];
    int n;

    ck_assert_int_eq(begin(bad[_i].line, bad[_i].groups, &c, &n, argv),
                     CMD_USAGE);
}
END_TEST

START_TEST(cmd_usage_text_shows_its_groups)
{
    struct strbuf text = STRBUF_INIT;
    struct cmd_common c = CMD_COMMON_INIT;
    struct cmd_usage u = usage;

    c.formats = "json|text";
    c.format = "text";
    cmd_usage_text(&text, &u, &c);
    ck_assert(!strncmp(text.s, "usage: mfm tag [OPTIONS] [FILE...]\n"
                               "   or: mfm tag --all\n\nWhat it is.\n", 68));
    ck_assert_ptr_nonnull(strstr(text.s, "--top N"));
    ck_assert_ptr_nonnull(strstr(text.s, "--out-dir DIR"));
    ck_assert_ptr_nonnull(strstr(text.s, "one of json|text (default: text)"));
    for (const char *p = text.s; *p; p += strcspn(p, "\n") + 1)
        ck_assert_uint_lt(strcspn(p, "\n"), 80);
    strbuf_reset(&text);
    u.groups = 0;
    u.own = NULL;
    cmd_usage_text(&text, &u, &c);
    ck_assert_ptr_null(strstr(text.s, "--out-dir"));
    ck_assert_ptr_null(strstr(text.s, "--model"));
    ck_assert_ptr_nonnull(strstr(text.s, "--help"));
    strbuf_release(&text);
}
END_TEST

START_TEST(cmd_start_error_codes)
{
    struct err err = {0};

    err_set(&err, ERR_ARG, "x");
    ck_assert_int_eq(cmd_start_error("tag", &err), CMD_USAGE);
    err_set(&err, ERR_IO, "x");
    ck_assert_int_eq(cmd_start_error("tag", &err), CMD_FAILED);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("cmd_common");
    TCase *t = tcase_create("common");

    tcase_add_test(t, cmd_begin_reads_all);
    tcase_add_test(t, cmd_begin_defaults);
    tcase_add_loop_test(t, cmd_begin_refuses, 0, sizeof(bad) / sizeof(*bad));
    tcase_add_test(t, cmd_usage_text_shows_its_groups);
    tcase_add_test(t, cmd_start_error_codes);
    suite_add_tcase(s, t);
    return unit_run(s);
}
