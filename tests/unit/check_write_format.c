/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "unit.h"

#include <string.h>

#include "write/format.h"

START_TEST(format_names_are_found)
{
    char names[200], *save = NULL;
    int n = 0;

    snprintf(names, sizeof(names), "%s", format_names());
    for (char *s = strtok_r(names, "|", &save); s;
         s = strtok_r(NULL, "|", &save), n++) {
        const struct format *f = format_find(s);

        ck_assert_ptr_nonnull(f);
        ck_assert_str_eq(f->name, s);
        ck_assert(f->suffix || f->task[TASK_BEATS]);
    }
    ck_assert_int_ge(n, 4);
    ck_assert_ptr_null(format_find("xml"));
    ck_assert_ptr_null(format_find("jso"));
    ck_assert(format_is_json(format_find("json")));
    ck_assert(!format_is_json(format_find("text")));
}
END_TEST

START_TEST(result_only_one_task)
{
    struct beats b = {0};
    struct segments s = {0};
    struct key k = {0};
    struct tags g = {0};
    struct result one, r = { .file = "a", .duration = 2, .beats = &b,
                             .chords = &s, .structure = &s, .key = &k,
                             .key_over_time = &s, .tags = &g };

    for (int t = 0; t < TASKS; t++) {
        result_only(&one, &r, (enum task)t);
        ck_assert_str_eq(one.file, "a");
        for (int u = 0; u < TASKS; u++)
            ck_assert_int_eq(result_has(&one, (enum task)u), t == u);
        ck_assert_int_eq(one.key_over_time != NULL, t == TASK_KEY);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("write_format");
    TCase *t = tcase_create("format");

    tcase_add_test(t, format_names_are_found);
    tcase_add_test(t, result_only_one_task);
    suite_add_tcase(s, t);
    return unit_run(s);
}
