/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "unit.h"

#include <math.h>
#include <string.h>

#include "base/json.h"
#include "base/limits.h"

START_TEST(json_print_doubles_read_back_equal)
{
    static const double value[] = { 0.1, -4.864137186497289, 20.999089814337626,
                                    3.0710578151459664, 1e300, 5e-324, 4e9 };
    struct strbuf sb = STRBUF_INIT;

    for (size_t i = 0; i < sizeof(value) / sizeof(*value); i++) {
        cJSON *v = cJSON_CreateNumber(value[i]);

        strbuf_reset(&sb);
        json_print(&sb, v);
        ck_assert_msg(strtod(sb.s, NULL) == value[i], "%s", sb.s);
        cJSON_Delete(v);
    }
    strbuf_release(&sb);
}
END_TEST

START_TEST(json_print_same_text)
{
    const char *text = "{\"a\":[1,2.5,null,true,false,[],{}],\"b\\\"\":"
                       "\"\\u0001\\n\xc3\xa9\"}";
    struct strbuf sb = STRBUF_INIT;
    cJSON *v = NULL, *nan;

    ck_assert(!json_parse(&v, text, strlen(text), NULL));
    json_print(&sb, v);
    ck_assert_str_eq(sb.s, text);
    cJSON_Delete(v);
    nan = cJSON_CreateNumber((double)NAN);
    strbuf_reset(&sb);
    json_print(&sb, nan);
    ck_assert_str_eq(sb.s, "null");
    cJSON_Delete(nan);
    strbuf_release(&sb);
}
END_TEST

START_TEST(json_next_counts_lines)
{
    const char *text = "\n{\"a\":\n\"}\\\"]\"} [1,\n2]\n\n3 {\"b\":\n x\n\n";
    static const int line[] = { 2, 3, 6 };
    struct json_text t = json_text_of(text, strlen(text));
    struct err err;
    cJSON *v;

    for (int i = 0; i < 3; i++) {
        ck_assert_msg(!json_next(&v, &t, &err), "%s", err.msg);
        ck_assert_int_eq(t.line, line[i]);
        cJSON_Delete(v);
    }
    ck_assert_int_eq(json_next(&v, &t, &err), ERR_FORMAT);
    ck_assert_int_eq(t.line, 7);
}
END_TEST

/* n times what, between begin and end: refused with this message, or not. */
static void nested(const char *begin, const char *what, int n, const char *end,
                   const char *message)
{
    struct strbuf sb = STRBUF_INIT;
    struct err err = { 0 };
    cJSON *v = NULL;
    int rc;

    strbuf_addstr(&sb, begin);
    for (int i = 0; i < n; i++)
        strbuf_addstr(&sb, what);
    strbuf_addstr(&sb, end);
    rc = json_parse(&v, sb.s, sb.len, &err);
    ck_assert_int_eq(rc, message ? ERR_FORMAT : 0);
    ck_assert_msg(!message || strstr(err.msg, message), "%s", err.msg);
    cJSON_Delete(v);
    strbuf_release(&sb);
}

START_TEST(json_parse_has_limits)
{
    nested("", "[", LIMIT_JSON_DEPTH, "", "nested");
    nested("", "{\"\":", LIMIT_JSON_DEPTH, "", "nested");
    nested("[\"", "[,{", 2 * LIMIT_JSON_VALUES / 3, "\"]", NULL);
    nested("[", "0,\n", LIMIT_JSON_VALUES, "0]", "4194304 values (line");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("base_json");
    TCase *t = tcase_create("json");

    tcase_add_test(t, json_print_doubles_read_back_equal);
    tcase_add_test(t, json_print_same_text);
    tcase_add_test(t, json_next_counts_lines);
    tcase_add_test(t, json_parse_has_limits);
    suite_add_tcase(s, t);
    return unit_run(s);
}
