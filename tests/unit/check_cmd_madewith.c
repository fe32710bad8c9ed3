/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "folder.h"
#include "unit.h"

#include <stdlib.h>

#include "base/file.h"
#include "cmd/madewith.h"

static const char *const beats[] = { ".beats", NULL };
static const char *const two[] = { ".beats", ".key", NULL };

START_TEST(madewith_text_of_what_counts)
{
    struct cmd_common c = {
        .given = { { { "to", "5" }, { "jobs", "2" }, { "from", "1\n2" },
                     { "no-downbeats", NULL }, { "tasks", "key" } }, 5 }
    };
    char *text = madewith_text(&c, "beats", "0123456789abcdef0123", "tasks");

    ck_assert_str_eq(text, "beats --from=1 2 --no-downbeats --to=5 model "
                           "0123456789abcdef");
    free(text);
    text = madewith_text(&c, "beats", NULL, NULL);
    ck_assert_str_eq(text, "beats --from=1 2 --no-downbeats --tasks=key "
                           "--to=5");
    free(text);
}
END_TEST

/* What check says; the file is saved where that is 0. */
static int check(const char *const *keys, const char *text, int resume,
                 int force, int *redo)
{
    struct cmd_common c = { .resume = resume, .force = force };
    struct madewith m = {0};
    int rc = madewith_check(&m, "opts", "here", keys, text, &c, NULL);

    if (!rc)
        ck_assert(!madewith_save(&m, NULL));
    *redo = m.redo;
    madewith_release(&m);
    return rc;
}

static void expect(const char *want)
{
    struct strbuf sb = STRBUF_INIT;

    ck_assert(!file_read(&sb, "opts", 1000, NULL));
    ck_assert_str_eq(sb.s, want);
    strbuf_release(&sb);
}

START_TEST(madewith_check_by_key)
{
    int redo;

    ck_assert(!check(beats, "a", 1, 0, &redo)); /* there is none yet */
    expect(".beats\ta\n");
    ck_assert(!check(beats, "a", 1, 0, &redo));
    ck_assert(!redo);
    ck_assert_int_eq(check(beats, "b", 1, 0, &redo), ERR_ARG);
    ck_assert_int_eq(check(two, "b", 1, 0, &redo), ERR_ARG);
    expect(".beats\ta\n");
    ck_assert(!check(two + 1, "b", 1, 0, &redo));
    expect(".beats\ta\n.key\tb\n");
}
END_TEST

START_TEST(madewith_check_of_several_runs)
{
    int redo;

    ck_assert(!check(beats, "a", 0, 0, &redo));
    ck_assert(!check(beats, "b", 0, 0, &redo));
    expect(".beats\ta\n.beats\tb\n");
    ck_assert_int_eq(check(beats, "a", 1, 0, &redo), ERR_ARG);
    ck_assert_int_eq(check(beats, "b", 1, 0, &redo), ERR_ARG);
    ck_assert(!check(beats, "b", 1, 1, &redo));
    ck_assert(redo);
    expect(".beats\tb\n");
    ck_assert(!check(beats, "b", 1, 0, &redo));
    ck_assert(!redo);
    ck_assert(!check(beats, "c", 0, 1, &redo));
    ck_assert(!redo);
    expect(".beats\tc\n");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("cmd_madewith");
    TCase *t = tcase_create("madewith");

    tcase_add_checked_fixture(t, folder_enter, folder_leave);
    tcase_add_test(t, madewith_text_of_what_counts);
    tcase_add_test(t, madewith_check_by_key);
    tcase_add_test(t, madewith_check_of_several_runs);
    suite_add_tcase(s, t);
    return unit_run(s);
}
