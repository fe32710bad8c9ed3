/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "unit.h"

#include <string.h>

#include "audio/oggend.h"

enum { WHOLE = 0, FIRST = 2, LAST = 4 };

static unsigned char file[300000];
static size_t size;

/* A page of segments times 255 bytes. */
static void page(int flags, int segments)
{
    memset(file + size, 0, 27);
    memcpy(file + size, "OggS", 4);
    file[size + 5] = (unsigned char)flags;
    file[size + 26] = (unsigned char)segments;
    memset(file + size + 27, 255, (size_t)segments);
    memset(file + size + 27 + segments, 'O', (size_t)segments * 255);
    size += 27 + (size_t)segments * 256;
}

static int missing(size_t n)
{
    struct source s;
    int is;

    ck_assert(!source_memory(&s, "memory", file, n, NULL));
    is = oggend_missing(&s);
    source_release(&s);
    return is;
}

START_TEST(oggend_missing_where_cut)
{
    size_t before;

    size = 0;
    page(FIRST, 1);
    page(WHOLE, 255);
    page(WHOLE, 255);
    before = size;
    page(LAST, 200);
    ck_assert(!missing(size));
    ck_assert(missing(before));
    for (size_t n = before - 1000; n < before + 1000; n++)
        ck_assert(missing(n));
    ck_assert(missing(size - 1));
    ck_assert(missing(300));
}
END_TEST

START_TEST(oggend_missing_with_more_behind)
{
    size = 0;
    page(FIRST, 1);
    page(LAST, 2);
    page(FIRST, 1); /* a second stream */
    page(LAST, 0);
    ck_assert(!missing(size));
    memcpy(file + size, "TAG of 128 bytes", 16);
    ck_assert(!missing(size + 128));
    memset(file + size, 0, 200000); /* nothing can be said */
    ck_assert(!missing(size + 200000));
}
END_TEST

START_TEST(oggend_missing_without_a_page)
{
    memset(file, 'x', 1000);
    memcpy(file, "Ogg", 3);
    for (size_t n = 1; n < 40; n++)
        ck_assert(!missing(n));
    ck_assert(!missing(1000));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("audio_oggend");
    TCase *t = tcase_create("oggend");

    tcase_add_test(t, oggend_missing_where_cut);
    tcase_add_test(t, oggend_missing_with_more_behind);
    tcase_add_test(t, oggend_missing_without_a_page);
    suite_add_tcase(s, t);
    return unit_run(s);
}
