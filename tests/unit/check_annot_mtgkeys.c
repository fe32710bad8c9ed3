/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "annot/mtgkeys.h"

#include "annot.h"

static int collect(void *ctx, const char *id, struct annotation *a,
                   struct err *e)
{
    char *text = ctx;

    (void)e;
    sprintf(text + strlen(text), "%s %g", id, a->key.confidence);
    for (size_t i = 0; i < a->keys.n; i++)
        sprintf(text + strlen(text), " %s", a->keys.v[i].label);
    sprintf(text + strlen(text), "%s;", a->error ? " !" : "");
    return 0;
}

START_TEST(mtgkeys_next_reads)
{
    char text[300] = "";
    struct err err = { 0 };

    ck_assert_msg(!annot_read_many(unit_data("annot/mtg_annotations.txt"),
                                   ANNOT_KEY, collect, text, &err), "%s",
                  err.msg);
    ck_assert_str_eq(text, "1 1 C# major;2 0;3 0.5 E minor B minor A minor;"
                           "4 0.5 A minor A# minor;5 0;6 1 !;");
}
END_TEST

static const struct annot_refused refused[] = {
    { ANNOT_KEY, ".txt", "ID\tKEY\n1\tC major\n", ":1: no columns" },
    { ANNOT_KEY, ".txt", "ID\tMANUAL KEY\tC\n1\tC major\t3\n", ":2: the conf" },
    { ANNOT_KEY, ".txt", "ID\tMANUAL KEY\tC\n1\t\"C\n", ":2: a \"" },
    { ANNOT_KEY, ".txt", "ID\tMANUAL KEY\tC\n", "no recording" },
    { ANNOT_KEY, ".txt", "ID\tMANUAL KEY\tC\n1\tH\t2\n", "no labels: key" },
    { ANNOT_BEATS, ".txt", "ID\tMANUAL KEY\tC\n", "has no beats" },
};

START_TEST(mtgkeys_next_refuses)
{
    annot_refuses(&refused[_i]);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("annot_mtgkeys");
    TCase *t = tcase_create("mtgkeys");

    tcase_add_test(t, mtgkeys_next_reads);
    tcase_add_loop_test(t, mtgkeys_next_refuses, 0, ARRAY_LEN(refused));
    suite_add_tcase(s, t);
    return unit_run(s);
}
