/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "unit.h"

#include <math.h>
#include <string.h>

#include "base/json.h"

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

int main(void)
{
    Suite *s = suite_create("base_json");
    TCase *t = tcase_create("json");

    tcase_add_test(t, json_print_doubles_read_back_equal);
    tcase_add_test(t, json_print_same_text);
    suite_add_tcase(s, t);
    return unit_run(s);
}
