/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/gunzip.h"

#include <string.h>
#include <zlib.h>

#include "base/file.h"
#include "unit.h"

static char path[64];
static struct err err;

static void setup(void)
{
    int fd;

    strcpy(path, "check_base_gunzip.XXXXXX");
    fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    close(fd);
}

static void teardown(void)
{
    unlink(path);
}

static void put(const char *mode, const char *text)
{
    gzFile f = gzopen(path, mode);

    ck_assert(f && gzputs(f, text) == (int)strlen(text));
    ck_assert_int_eq(gzclose(f), Z_OK);
}

static int get(struct strbuf *sb, size_t max)
{
    strbuf_reset(sb);
    return gunzip_read(sb, path, max, &err);
}

START_TEST(gunzip_read_unpacks)
{
    struct strbuf sb = STRBUF_INIT;

    put("wb", "one\n");
    ck_assert(!get(&sb, 100));
    ck_assert_str_eq(sb.s, "one\n");
    put("ab", "two\n"); /* a second member */
    ck_assert(!get(&sb, 100));
    ck_assert_str_eq(sb.s, "one\ntwo\n");
    put("wbT", "plain"); /* T: zlib writes it as it is */
    ck_assert(!get(&sb, 100));
    ck_assert_str_eq(sb.s, "plain");
    strbuf_release(&sb);
}
END_TEST

START_TEST(gunzip_read_has_a_limit)
{
    struct strbuf sb = STRBUF_INIT;
    char zeros[5001];

    memset(zeros, '0', 5000);
    zeros[5000] = 0;
    put("wb9", zeros);
    ck_assert(!get(&sb, 5000) && sb.len == 5000);
    ck_assert_int_eq(get(&sb, 4999), ERR_FORMAT);
    ck_assert_msg(strstr(err.msg, "more than 4999 bytes"), "%s", err.msg);
    strbuf_release(&sb);
}
END_TEST

/* A file cut short is refused; a byte changed behind the header is seen, or was
 * one of the bits that fill up the last byte of the packed text. */
START_TEST(gunzip_read_refuses_damage)
{
    struct strbuf good = STRBUF_INIT, sb = STRBUF_INIT;

    int unseen = 0;

    put("wb", "some text that is packed, some text that is packed");
    ck_assert(!file_read(&good, path, 1000, &err));
    for (size_t cut = 3; cut < good.len; cut++) {
        FILE *f = fopen(path, "wb");

        ck_assert(f && fwrite(good.s, 1, cut, f) == cut && !fclose(f));
        ck_assert_int_eq(get(&sb, 1000), ERR_FORMAT);
    }
    for (size_t i = 10; i < good.len; i++) {
        FILE *f = fopen(path, "wb");

        good.s[i] ^= 0x40;
        ck_assert(f && fwrite(good.s, 1, good.len, f) == good.len &&
                  !fclose(f));
        good.s[i] ^= 0x40;
        unseen += get(&sb, 1000) != ERR_FORMAT;
    }
    ck_assert_int_le(unseen, 1);
    unlink(path);
    ck_assert_int_eq(get(&sb, 1000), ERR_IO);
    strbuf_release(&good);
    strbuf_release(&sb);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("base_gunzip");
    TCase *t = tcase_create("gunzip");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, gunzip_read_unpacks);
    tcase_add_test(t, gunzip_read_has_a_limit);
    tcase_add_test(t, gunzip_read_refuses_damage);
    suite_add_tcase(s, t);
    return unit_run(s);
}
