/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "unit.h"

#include <string.h>
#include <zlib.h>

#include "base/file.h"
#include "base/xalloc.h"
#include "base/zip.h"

enum { ENTRIES = 70000 };

/* An archive of n entries "e<i>" that hold their own number. */
static void make(struct strbuf *out, size_t n, unsigned align)
{
    struct zip_writer w = { .f = tmpfile(), .align = align };
    char name[32], buf[4096];
    size_t got;
    FILE *f = w.f;

    ck_assert_ptr_nonnull(f);
    for (size_t i = 0; i < n; i++) {
        snprintf(name, sizeof(name), "e%zu", i);
        zip_begin(&w, name, 4);
        zip_put(&w, (uint32_t[]){ (uint32_t)i }, 4);
        zip_end(&w);
    }
    zip_finish(&w);
    ck_assert_uint_eq(w.pos, (uint64_t)ftell(f));
    zip_writer_release(&w);
    rewind(f);
    while ((got = fread(buf, 1, sizeof(buf), f)) > 0)
        strbuf_add(out, buf, got);
    fclose(f);
}

static void check(const struct strbuf *sb, size_t n, unsigned align)
{
    struct zip z = {0};
    struct err err = {0};
    char name[32];

    ck_assert_msg(!zip_read(&z, sb->s, sb->len, "x", &err), "%s", err.msg);
    ck_assert_uint_eq(z.n, n);
    for (size_t i = 0; i < n; i += 1 + n / 100) {
        const struct zip_entry *e;
        uint32_t want = (uint32_t)i;
        void *data = NULL;

        snprintf(name, sizeof(name), "e%zu", i);
        e = zip_find(&z, name);
        ck_assert(e && e->size == 4 && e->offset % align == 0);
        ck_assert(!zip_unpack(&z, e, 4, &data, &err));
        ck_assert(!memcmp(data, &want, 4));
        free(data);
        ck_assert_int_eq(zip_unpack(&z, e, 3, &data, &err), ERR_FORMAT);
    }
    ck_assert_ptr_null(zip_find(&z, "e"));
    zip_release(&z);
}

START_TEST(zip_write_reads_back)
{
    struct strbuf sb = STRBUF_INIT;

    make(&sb, 3, 64);
    check(&sb, 3, 64);
    strbuf_release(&sb);
}
END_TEST

/* More than the old directory can count. */
START_TEST(zip_write_zip64_directory)
{
    struct strbuf sb = STRBUF_INIT;

    make(&sb, ENTRIES, 1);
    check(&sb, ENTRIES, 1);
    strbuf_release(&sb);
}
END_TEST

START_TEST(zip_read_checks_sums)
{
    struct strbuf sb = STRBUF_INIT;
    struct zip z = {0};
    void *data = NULL;

    make(&sb, 1, 1);
    ck_assert(!zip_read(&z, sb.s, sb.len, "x", NULL));
    sb.s[z.entry[0].offset] ^= 1;
    ck_assert_int_eq(zip_unpack(&z, &z.entry[0], 4, &data, NULL), ERR_FORMAT);
    zip_release(&z);
    strbuf_release(&sb);
}
END_TEST

/* Byte at (from the start of the only directory entry, or -1 - from the end of
 * the file) becomes value. */
static const struct damage {
    int at, value;
    const char *word;
} damage[] = {
    { 0, 'Q', "no entry" }, { 8, 1, "encrypted" }, { 10, 12, "method 12" },
    { 20, 5, "contradict" }, { 28, 0, "no proper name" },
    { 28, 200, "cut off" }, { 30, 200, "cut off" }, { 42, 255, "not where" },
    { 46, 0, "no proper name" }, { -1 - 21, 'X', "end is missing" },
    { -1 - 11, 9, "more entries" }, { -1 - 5, 255, "outside" },
};

START_TEST(zip_read_refuses_damage)
{
    struct strbuf sb = STRBUF_INIT;
    struct zip z = {0};
    struct err err = {0};
    const struct damage *d = &damage[_i];
    size_t at = d->at >= 0 ? 31 + 1 + 4 + 16 + (size_t)d->at : 0;

    make(&sb, 1, 1);
    if (d->at < 0)
        at = (size_t)((int)sb.len + d->at);
    else
        ck_assert(!memcmp(sb.s + at - (size_t)d->at, "PK\1\2", 4));
    sb.s[at] = (char)d->value;
    ck_assert(zip_read(&z, sb.s, sb.len, "x", &err) < 0);
    ck_assert_msg(strstr(err.msg, d->word) != NULL, "%s", err.msg);
    strbuf_release(&sb);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("base_zip");
    TCase *t = tcase_create("zip");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, zip_write_reads_back);
    tcase_add_test(t, zip_write_zip64_directory);
    tcase_add_test(t, zip_read_checks_sums);
    tcase_add_loop_test(t, zip_read_refuses_damage, 0,
                        (int)ARRAY_LEN(damage));
    suite_add_tcase(s, t);
    return unit_run(s);
}
