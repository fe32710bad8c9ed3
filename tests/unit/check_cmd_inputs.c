/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "folder.h"
#include "unit.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "cmd/inputs.h"

/* The paths that come of it, each with a space behind, failed ones with "!" */
static char *collect(const struct cmd_common *c, int n, const char *const *ops,
                     int *rc)
{
    struct inputs in = {0};
    struct err err = {0};
    struct strbuf sb = STRBUF_INIT;

    *rc = inputs_collect(&in, c, n, (char **)ops, 1, &err);
    for (size_t i = 0; i < in.n; i++)
        strbuf_addf(&sb, "%s%s ", in.item[i].error ? "!" : "",
                    in.item[i].path);
    inputs_release(&in);
    if (*rc)
        ck_assert_str_ne(err.msg, "");
    return strbuf_detach(&sb);
}

static void expect(const struct cmd_common *c, int n, const char *const *ops,
                   const char *want)
{
    int rc;
    char *got = collect(c, n, ops, &rc);

    ck_assert_int_eq(rc, 0);
    ck_assert_str_eq(got, want);
    free(got);
}

static void expect_error(const struct cmd_common *c, int n,
                         const char *const *ops, int code)
{
    int rc;

    free(collect(c, n, ops, &rc));
    ck_assert_int_eq(rc, code);
}

START_TEST(inputs_collect_operands_as_they_stand)
{
    struct cmd_common c = CMD_COMMON_INIT;
    const char *ops[] = { "z.mp3", "missing", "-", "a.wav", "z.mp3" };

    expect(&c, 5, ops, "z.mp3 missing - a.wav z.mp3 ");
}
END_TEST

START_TEST(inputs_collect_stdin)
{
    struct cmd_common c = CMD_COMMON_INIT;
    const char *twice[] = { "-", "-" };
    struct inputs in = {0};
    struct err err = {0};

    expect_error(&c, 0, NULL, ERR_ARG); /* a terminal */
    expect_error(&c, 2, twice, ERR_ARG);
    c.files_from = "-";
    expect_error(&c, 1, twice, ERR_ARG);
    c.files_from = NULL;
    ck_assert(!inputs_collect(&in, &c, 0, NULL, 0, &err));
    ck_assert_uint_eq(in.n, 1);
    ck_assert_str_eq(in.item[0].path, "-");
    inputs_release(&in);
}
END_TEST

START_TEST(inputs_collect_lists)
{
    struct cmd_common c = CMD_COMMON_INIT;
    const char *ops[] = { "first.mp3" };

    folder_put("lines", "b 1.mp3\n\na.mp3", 14);
    folder_put("nuls", "b\n1.mp3\0a.mp3\0", 14);
    c.files_from = "lines";
    expect(&c, 1, ops, "first.mp3 b 1.mp3 a.mp3 ");
    c.files_from = "nuls";
    expect_error(&c, 0, NULL, ERR_FORMAT);
    c.nul = 1;
    expect(&c, 0, NULL, "b\n1.mp3 a.mp3 ");
    c.files_from = "missing";
    expect_error(&c, 0, NULL, ERR_IO);
    folder_put("empty", "", 0);
    c.files_from = "empty";
    expect(&c, 0, NULL, "");
}
END_TEST

START_TEST(inputs_collect_folders)
{
    struct cmd_common c = CMD_COMMON_INIT;
    const char *ops[] = { "d", "d/b.txt" };

    ck_assert(!mkdir("d", 0777) && !mkdir("d/c", 0777));
    ck_assert(!mkdir("d/.hidden", 0777));
    folder_put("d/b.txt", "", 0);
    folder_put("d/z.mp3", "", 0);
    folder_put("d/a.OGG", "", 0);
    folder_put("d/c/x.wav", "", 0);
    folder_put("d/.hidden/y.wav", "", 0);
    folder_put("d/._z.mp3", "", 0);
    ck_assert(!symlink("..", "d/c/up"));
    ck_assert(!symlink("../nowhere", "d/c/broken.mp3"));
    ck_assert(!symlink("z.mp3", "d/link.mp3"));
    expect(&c, 1, ops, "!d ");
    c.recurse = 1;
    expect(&c, 2, ops, "d/a.OGG d/c/broken.mp3 d/c/x.wav d/link.mp3 d/z.mp3 "
                       "d/b.txt ");
    folder_put("list", "d/\n", 3);
    c.files_from = "list";
    expect(&c, 0, NULL,
           "d/a.OGG d/c/broken.mp3 d/c/x.wav d/link.mp3 d/z.mp3 ");
}
END_TEST

/* What results are called by, each with a space behind. */
static void expect_names(const struct cmd_common *c, int n,
                         const char *const *ops, const char *want)
{
    struct inputs in = {0};
    struct strbuf sb = STRBUF_INIT;

    ck_assert(!inputs_collect(&in, c, n, (char **)ops, 1, NULL));
    for (size_t i = 0; i < in.n; i++)
        strbuf_addf(&sb, "%s ", in.item[i].path + in.item[i].name);
    ck_assert_str_eq(sb.s, want);
    strbuf_release(&sb);
    inputs_release(&in);
}

START_TEST(inputs_collect_names)
{
    struct cmd_common c = CMD_COMMON_INIT;
    const char *ops[] = { "x/y/a.mp3", "../b.mp3", "-", "/r/./c.mp3" };
    const char *folders[] = { "d", "./d/" };

    expect_names(&c, 4, ops, "a.mp3 b.mp3 - c.mp3 ");
    c.keep_folders = 1;
    expect_names(&c, 4, ops, "x/y/a.mp3 b.mp3 - r/./c.mp3 ");
    ck_assert(!mkdir("d", 0777) && !mkdir("d/e", 0777));
    folder_put("d/e/x.wav", "", 0);
    c.recurse = 1;
    expect_names(&c, 2, folders, "d/e/x.wav d/e/x.wav ");
    c.keep_folders = 0;
    expect_names(&c, 2, folders, "e/x.wav e/x.wav ");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("cmd_inputs");
    TCase *t = tcase_create("inputs");

    tcase_add_checked_fixture(t, folder_enter, folder_leave);
    tcase_add_test(t, inputs_collect_operands_as_they_stand);
    tcase_add_test(t, inputs_collect_stdin);
    tcase_add_test(t, inputs_collect_lists);
    tcase_add_test(t, inputs_collect_folders);
    tcase_add_test(t, inputs_collect_names);
    suite_add_tcase(s, t);
    return unit_run(s);
}
