/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "annot/lab.h"

#include <math.h>
#include <string.h>

#include "base/xalloc.h"
#include "unit.h"

static char path[64];
static struct err err;

static void write_file(const char *text, size_t len)
{
    FILE *f = fopen(path, "wb");

    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(text, 1, len, f), len);
    ck_assert(!fclose(f));
    err.msg[0] = 0;
}

static void put(const char *text)
{
    write_file(text, strlen(text));
}

static void setup(void)
{
    int fd;

    strcpy(path, "check_annot_lab.XXXXXX");
    fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    close(fd);
}

static void teardown(void)
{
    unlink(path);
}

START_TEST(lab_read_beats_reads)
{
    struct beats b;

    put("\xef\xbb\xbf# a comment\n0.5\t3\r\n1e0 1.0 7\n1.25\n\n \n");
    ck_assert_msg(!lab_read_beats(&b, path, &err), "%s", err.msg);
    ck_assert_uint_eq(b.n, 3);
    ck_assert(b.v[0].time == 0.5 && b.v[0].position == 3);
    ck_assert(b.v[1].time == 1 && b.v[1].position == 1);
    ck_assert(b.v[2].time == 1.25 && b.v[2].position == 0);
    ck_assert(isnan(b.v[0].confidence));
    beats_release(&b);
    put("");
    ck_assert(!lab_read_beats(&b, path, &err) && b.n == 0);
}
END_TEST

START_TEST(lab_read_segments_reads)
{
    struct segments s;

    put("0.0 1.5 C:maj/3\n1.5\t2\tverse one \t\r\n\\\t1\t2\n2 3\n");
    ck_assert_msg(!lab_read_segments(&s, path, &err), "%s", err.msg);
    ck_assert_uint_eq(s.n, 3);
    ck_assert_str_eq(s.v[0].label, "C:maj/3");
    ck_assert_str_eq(s.v[1].label, "verse one");
    ck_assert_str_eq(s.v[2].label, "");
    ck_assert(s.v[1].start == 1.5 && s.v[1].end == 2);
    segments_release(&s);
    ck_assert(!lab_read_functions(&s, path, &err));
    ck_assert_str_eq(s.v[1].label, "verse");
    ck_assert_str_eq(s.v[2].label, "");
    segments_release(&s);
}
END_TEST

static const char *const keys[][2] = {
    { "C minor", "C minor" },          { "d minor\t2\t\n", "D minor" },
    { "Gb:maj\n", "Gb major" },        { "c# major \t2\t\n", "C# major" },
    { "Ab\tMIN\r\n\n", "Ab minor" },   { "x\n", "X" },
    { "Cb major", "B major" },         { "# key\nG other\n", "G other" },
};

START_TEST(lab_read_key_reads)
{
    struct key k;

    put(keys[_i][0]);
    ck_assert_msg(!lab_read_key(&k, path, &err), "%s", err.msg);
    ck_assert_str_eq(k.label, keys[_i][1]);
    key_release(&k);
}
END_TEST

START_TEST(lab_read_tags_reads)
{
    struct tags t;

    put("bass no-drums pipe\n");
    ck_assert(!lab_read_tags(&t, path, &err) && t.n == 3);
    ck_assert_str_eq(t.v[1].label, "no-drums");
    ck_assert(t.v[1].score == 1);
    tags_release(&t);
    put("no vocals\t0.25\nrock\n");
    ck_assert_msg(!lab_read_tags(&t, path, &err) && t.n == 2, "%s", err.msg);
    ck_assert_str_eq(t.v[0].label, "no vocals");
    ck_assert(t.v[0].score == 0.25 && t.v[1].score == 1);
    tags_release(&t);
    put("");
    ck_assert(!lab_read_tags(&t, path, &err) && t.n == 0);
}
END_TEST

/* What is read, the text, the line that the message names (0: none). */
static const struct {
    char kind;
    const char *text;
    int line;
} refused[] = {
    { 'b', "0.5\n\n1\n", 2 },     { 'b', "1\n0.5\n", 2 },
    { 'b', "nan\n", 1 },          { 'b', "0x10 1\n", 1 },
    { 'b', "1e999\n", 1 },        { 'b', "# x\n1 -1\n", 2 },
    { 'b', "1 1.5\n", 1 },        { 'b', "1 New\n", 1 },
    { 'b', "1,2\n", 1 },          { 'b', "- 1\n", 1 },
    { 's', "0\n", 1 },            { 's', "0 intro\n", 1 },
    { 's', "0 0 a\n", 1 },        { 's', "0 1 a\n2 1 b\n", 2 },
    { 's', "1 2 a\n0 1 b\n", 2 }, { 's', "0 inf a\n", 1 },
    { 'k', "", 0 },               { 'k', "C\n", 1 },
    { 'k', "-\t0\t\n", 1 },       { 'k', "f minor / g# major\t2\t\n", 1 },
    { 'k', "C major\nD major\n", 2 }, { 'k', "::\n", 1 },
    { 't', "a\tb\n", 1 },         { 't', "a\t1.5\n", 1 },
    { 't', "a\t0.5\n\t1\n", 2 },  { 't', "a\t0.5\t1\n", 1 },
};

static int read_kind(char kind)
{
    struct beats b;
    struct segments s;
    struct key k;
    struct tags t;

    switch (kind) {
    case 'b':
        return lab_read_beats(&b, path, &err);
    case 's':
        return lab_read_segments(&s, path, &err);
    case 'k':
        return lab_read_key(&k, path, &err);
    default:
        return lab_read_tags(&t, path, &err);
    }
}

START_TEST(lab_read_refuses)
{
    char where[80];

    put(refused[_i].text);
    ck_assert_msg(read_kind(refused[_i].kind) == ERR_FORMAT, "'%s' was read",
                  refused[_i].text);
    if (refused[_i].line)
        snprintf(where, sizeof(where), "%s:%d: ", path, refused[_i].line);
    else
        snprintf(where, sizeof(where), "%s: ", path);
    ck_assert_msg(!strncmp(err.msg, where, strlen(where)), "'%s' for '%s'",
                  err.msg, refused[_i].text);
}
END_TEST

START_TEST(lab_read_refuses_files)
{
    static const char kinds[] = "bskt";

    write_file("0 1 a\0b\n", 8);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(read_kind(kinds[i]), ERR_FORMAT);
    unlink(path);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(read_kind(kinds[i]), ERR_IO);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("annot_lab");
    TCase *t = tcase_create("lab");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, lab_read_beats_reads);
    tcase_add_test(t, lab_read_segments_reads);
    tcase_add_loop_test(t, lab_read_key_reads, 0, ARRAY_LEN(keys));
    tcase_add_test(t, lab_read_tags_reads);
    tcase_add_loop_test(t, lab_read_refuses, 0, ARRAY_LEN(refused));
    tcase_add_test(t, lab_read_refuses_files);
    suite_add_tcase(s, t);
    return unit_run(s);
}
