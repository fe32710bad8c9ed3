/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/csv.h"

#include <string.h>

#include "base/limits.h"
#include "base/xalloc.h"
#include "unit.h"

/* Rows as "a|b;c": fields and rows apart. */
static const struct {
    const char *text, *rows;
    char sep;
    int last_line; /* where the last row begins */
} good[] = {
    { "a,b\nc,d\n", "a|b;c|d;", ',', 2 },
    { "a,b\r\nc,d", "a|b;c|d;", ',', 2 },
    { "\xef\xbb\xbf" "a\n", "a;", ',', 1 },
    { "\xef\xbb" "a,b\n", "\xef\xbb" "a|b;", ',', 1 }, /* no mark */
    { "\xef,b\n\n", "\xef|b;", ',', 1 },
    { "\n\n\na\n", "a;", ',', 4 },
    { "\"a,b\",\"say \"\"x\"\"\"\n", "a,b|say \"x\";", ',', 1 },
    { "1,\"two\nlines\",3\n4\n", "1|two\nlines|3;4;", ',', 3 },
    { "a,,\n,\n", "a||;|;", ',', 2 },
    { "a\n\n\r\nb\n\n", "a;b;", ',', 4 },
    { "a b\t\"c\td\"\n", "a b|c\td;", '\t', 1 },
    { "a\rb,c\n", "a\rb|c;", ',', 1 },
    { "x\"y\n", "x\"y;", ',', 1 },
    { "\"\"\n", ";", ',', 1 },
    { "", "", ',', 0 },
};

static void check_rows(struct csv *c, int i)
{
    struct strbuf sb = STRBUF_INIT;
    struct err err = { 0 };
    bool more;
    int last = 0;

    for (;;) {
        ck_assert_msg(!csv_next(c, &more, &err), "%s", err.msg);
        if (!more)
            break;
        last = c->line;
        for (size_t k = 0; k < c->n; k++)
            strbuf_addf(&sb, "%s%s", k ? "|" : "", c->field[k]);
        strbuf_addch(&sb, ';');
    }
    ck_assert_uint_eq(c->n, 0);
    ck_assert_str_eq(sb.s, good[i].rows);
    ck_assert_int_eq(last, good[i].last_line);
    strbuf_release(&sb);
    csv_release(c);
}

START_TEST(csv_next_reads)
{
    const char *text = good[_i].text;
    char path[] = "check_base_csv.XXXXXX";
    int fd = mkstemp(path);
    struct csv c;
    struct err err;

    csv_open_text(&c, text, strlen(text), "x", good[_i].sep);
    check_rows(&c, _i);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    ck_assert(!csv_open(&c, path, good[_i].sep, &err));
    unlink(path);
    check_rows(&c, _i);
}
END_TEST

static const struct {
    const char *text;
    size_t len;
    const char *says;
} bad[] = {
    { "a\n\"b\nc\n", 7, "x:2: " },      /* no closing quote */
    { "\"a\"b\n", 5, "x:1: " },
    { "a\nb\0c\n", 6, "x:2: " },
    { "\"\0\"\n", 4, "x:1: " },
};

START_TEST(csv_next_refuses)
{
    struct csv c;
    struct err err = { 0 };
    bool more = true;
    int rc = 0;

    csv_open_text(&c, bad[_i].text, bad[_i].len, "x", ',');
    while (!rc && more)
        rc = csv_next(&c, &more, &err);
    ck_assert_int_eq(rc, ERR_FORMAT);
    ck_assert_msg(!strncmp(err.msg, bad[_i].says, 5), "%s", err.msg);
    csv_release(&c);
}
END_TEST

START_TEST(csv_next_has_limits)
{
    struct strbuf sb = STRBUF_INIT;
    struct csv c;
    struct err err = { 0 };
    bool more;

    for (int i = 0; i < LIMIT_CSV_FIELDS; i++)
        strbuf_addch(&sb, ',');
    csv_open_text(&c, sb.s, sb.len - 1, "x", ',');
    ck_assert(!csv_next(&c, &more, &err) && c.n == LIMIT_CSV_FIELDS);
    csv_release(&c);
    csv_open_text(&c, sb.s, sb.len, "x", ',');
    ck_assert_int_eq(csv_next(&c, &more, &err), ERR_FORMAT);
    csv_release(&c);
    strbuf_reset(&sb);
    for (int i = 0; i <= LIMIT_CSV_ROW; i++)
        strbuf_addch(&sb, 'a');
    csv_open_text(&c, sb.s, sb.len, "x", ',');
    ck_assert_int_eq(csv_next(&c, &more, &err), ERR_FORMAT);
    csv_release(&c);
    strbuf_release(&sb);
}
END_TEST

START_TEST(csv_column_finds)
{
    struct csv c;
    struct err err;
    bool more;

    ck_assert_int_eq(csv_open(&c, "no/such", ',', &err), ERR_IO);
    csv_release(&c);
    csv_open_text(&c, "id,two words\n7\n", 15, "x", ',');
    ck_assert(!csv_next(&c, &more, &err));
    ck_assert_int_eq(csv_column(&c, "two words"), 1);
    ck_assert_int_eq(csv_column(&c, "none"), -1);
    ck_assert(!csv_next(&c, &more, &err));
    ck_assert_str_eq(csv_field(&c, 0), "7");
    ck_assert_str_eq(csv_field(&c, 1), "");
    ck_assert_str_eq(csv_field(&c, -1), "");
    csv_release(&c);
}
END_TEST

/* Harmonix' metadata.csv: 9 songs and a header of 11 columns, as Python's csv
 * module counts them; one title holds a comma. */
START_TEST(csv_next_reads_harmonix)
{
    const char *path =
        unit_shared("fixtures/formats/harmonixset/metadata_subset.csv");
    struct csv c;
    struct err err;
    bool more;
    int rows = 0;

    if (!path)
        return;
    ck_assert(!csv_open(&c, path, ',', &err));
    while (!csv_next(&c, &more, &err) && more) {
        ck_assert_uint_eq(c.n, 11);
        if (rows == 1)
            ck_assert_str_eq(c.field[1], "1, 2 Step");
        if (rows++ == 6)
            ck_assert_str_eq(c.field[1], "Yo\xc3\xbc and I");
    }
    ck_assert_int_eq(rows, 10);
    csv_release(&c);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("base_csv");
    TCase *t = tcase_create("csv");

    tcase_add_loop_test(t, csv_next_reads, 0, ARRAY_LEN(good));
    tcase_add_loop_test(t, csv_next_refuses, 0, ARRAY_LEN(bad));
    tcase_add_test(t, csv_next_has_limits);
    tcase_add_test(t, csv_column_finds);
    tcase_add_test(t, csv_next_reads_harmonix);
    suite_add_tcase(s, t);
    return unit_run_shared(s, "fixtures/formats");
}
