/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "folder.h"
#include "unit.h"

#include <string.h>

#include "base/file.h"
#include "cmd/journal.h"

static struct input item[4];
static struct inputs in = { .item = item };

/* Four inputs; a.mp3 is there twice. */
static void enter(void)
{
    static const char *const names[] = { "a.mp3", "b \"1\".mp3", "a.mp3", "-" };

    folder_enter();
    for (in.n = 0; in.n < 4; in.n++)
        item[in.n] = (struct input){ .path = (char *)names[in.n] };
}

#define A1 "{\"file\":\"a.mp3\",\"x\":1}\n"
#define A2 "{\"file\":\"a.mp3\",\"x\":2}\n"
#define B "{\"file\":\"b \\\"1\\\".mp3\",\"error\":\"no, } audio\"}\n"
#define S "{\"file\":\"stdin\"}\n"
#define OTHER "{\"file\":\"z.mp3\",\"x\":1}\n"

static void expect(const char *path, const char *want)
{
    struct strbuf sb = STRBUF_INIT;

    if (want)
        ck_assert(!file_read(&sb, path, 1000, NULL));
    else
        ck_assert(access(path, F_OK));
    ck_assert_str_eq(sb.s, want ? want : "");
    strbuf_release(&sb);
}

/* Which inputs are done, as "0110". */
static void expect_done(const char *want)
{
    char got[5] = "";

    for (int i = 0; i < 4; i++)
        got[i] = item[i].done ? '1' : '0';
    ck_assert_str_eq(got, want);
}

START_TEST(journal_whole_run)
{
    struct journal j;

    ck_assert(!journal_open(&j, "out", 1, 0, 0, 0, &in, NULL));
    fputs(A1, j.f);
    ck_assert(!journal_commit(&j, 1, &in, NULL));
    journal_close(&j);
    expect("out", A1);
    expect("out.part", NULL);
}
END_TEST

START_TEST(journal_without_lines)
{
    struct journal j;

    ck_assert(!journal_open(&j, "out", 1, 0, 0, 0, &in, NULL));
    journal_close(&j);
    expect("out.part", NULL);
}
END_TEST

START_TEST(journal_cut_off)
{
    struct journal j;
    struct err err = {0};

    folder_text("out.part", A1 B "{\"file\":\"a.m");
    ck_assert_int_eq(journal_open(&j, "out", 1, 0, 0, 0, &in, &err), ERR_ARG);
    ck_assert_ptr_nonnull(strstr(err.msg, "--resume"));
    journal_close(&j);
    ck_assert(!journal_open(&j, "out", 1, 0, 1, 0, &in, NULL));
    expect_done("1100");
    ck_assert_uint_eq(j.failed, 1);
    fputs(A2 S, j.f);
    ck_assert(!journal_commit(&j, 1, &in, NULL));
    journal_close(&j);
    expect("out", A1 B A2 S);
    expect("out.part", NULL);
}
END_TEST

START_TEST(journal_begun_again)
{
    struct journal j;

    folder_text("out.part", B);
    folder_text("out.part.1", A1);
    ck_assert_int_eq(journal_open(&j, "out", 1, 0, 0, 0, &in, NULL), ERR_ARG);
    journal_close(&j);
    ck_assert(!journal_open(&j, "out", 1, 0, 0, 1, &in, NULL));
    expect("out.part.1", NULL);
    fputs(S, j.f);
    ck_assert(!journal_commit(&j, 1, &in, NULL));
    journal_close(&j);
    expect("out", S);
}
END_TEST

/* Three processes left their parts, and an earlier run its file; two go on. */
START_TEST(journal_of_processes)
{
    struct journal first, second;

    folder_text("out", OTHER);
    folder_text("out.part", "");
    folder_text("out.part.1", S "{");
    folder_text("out.part.2", A1);
    ck_assert(!journal_open(&first, "out", 2, 0, 1, 0, &in, NULL));
    expect_done("1001");
    ck_assert(!journal_open(&second, "out", 2, 1, 1, 0, &in, NULL));
    expect_done("1001");
    fputs(A2, first.f);
    fputs(B, second.f);
    fflush(second.f);
    ck_assert(!journal_commit(&first, 2, &in, NULL));
    journal_close(&second);
    journal_close(&first);
    expect("out", OTHER A2 B A1 S);
    expect("out.part", NULL);
    expect("out.part.1", NULL);
    expect("out.part.2", NULL);
}
END_TEST

START_TEST(journal_is_locked)
{
    struct journal j, other;

    ck_assert(!journal_open(&j, "out", 1, 0, 0, 0, &in, NULL));
    ck_assert_int_eq(journal_open(&other, "out", 1, 0, 1, 0, &in, NULL),
                     ERR_IO);
    journal_close(&other);
    expect("out.part", "");
    journal_close(&j);
}
END_TEST

START_TEST(journal_of_others)
{
    struct journal j;
    struct err err = {0};

    folder_text("out.part", A1 "my notes\n");
    ck_assert_int_eq(journal_open(&j, "out", 1, 0, 1, 0, &in, &err),
                     ERR_FORMAT);
    ck_assert_ptr_nonnull(strstr(err.msg, "out.part: line 2"));
    journal_close(&j);
    expect("out.part", A1 "my notes\n");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("cmd_journal");
    TCase *t = tcase_create("journal");

    tcase_add_checked_fixture(t, enter, folder_leave);
    tcase_add_test(t, journal_whole_run);
    tcase_add_test(t, journal_without_lines);
    tcase_add_test(t, journal_cut_off);
    tcase_add_test(t, journal_begun_again);
    tcase_add_test(t, journal_of_processes);
    tcase_add_test(t, journal_is_locked);
    tcase_add_test(t, journal_of_others);
    suite_add_tcase(s, t);
    return unit_run(s);
}
