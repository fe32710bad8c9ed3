/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cmd/paper.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "unit.h"

START_TEST(protocols)
{
    ck_assert_str_eq(paper_protocol("beats", 20), "the paper's");
    ck_assert_str_eq(paper_protocol("beats", 50), "the release's");
    ck_assert_str_eq(paper_protocol("beats", 25), "no");
    ck_assert_str_eq(paper_protocol("chords", 8), "the paper's");
    ck_assert_str_eq(paper_protocol("structure", 8), "the release's");
    ck_assert_str_eq(paper_protocol("key", 0.5), "either");
    ck_assert_str_eq(paper_protocol("tag", 0), "either");
    ck_assert_str_eq(paper_protocol("tag", 1), "no");
    ck_assert_str_eq(paper_protocol("drums", 0), "no");
}
END_TEST

static bool has_note(const struct paper *p, const char *text)
{
    for (size_t i = 0; i < p->measured.notes; i++)
        if (strstr(p->measured.note[i], text))
            return true;
    return false;
}

/* An empty root and a model that is not there: all of it is said. */
START_TEST(nothing_there)
{
    static const char *const datasets[] = { "gtzan", "hooktheory", "harmonix",
                                            "giantsteps", "magnatagatune" };
    const char *model = "no/such.safetensors";
    char root[] = "check_paper_XXXXXX", dir[64];
    struct cmd_common c = CMD_COMMON_INIT;
    struct paper p = { .root = root, .model = &model, .models = 1,
                       .common = &c, .jobs = 1 };

    ck_assert_ptr_nonnull(mkdtemp(root));
    paper_measure(&p);
    ck_assert(p.failed == CMD_FAILED && p.measured.n == 0);
    ck_assert_uint_eq(p.measured.notes, 6);
    for (int i = 0; i < 5; i++) {
        snprintf(dir, sizeof(dir), "not in %s/%s; get it: http", root,
                 datasets[i]);
        ck_assert_msg(has_note(&p, dir), "%s", dir);
    }
    ck_assert(has_note(&p, "no/such.safetensors"));
    paper_release(&p);
    ck_assert_int_eq(rmdir(root), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("cmd_paper");
    TCase *t = tcase_create("paper");

    tcase_add_test(t, protocols);
    tcase_add_test(t, nothing_there);
    suite_add_tcase(s, t);
    return unit_run(s);
}
