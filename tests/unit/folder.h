/* folder.h - a test in a folder of its own, which is the current one: a checked
 * fixture, and files in it. */
#ifndef TESTS_FOLDER_H
#define TESTS_FOLDER_H

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "rmtree.h"

static char folder[] = "check_folder.XXXXXX";

static inline void folder_enter(void)
{
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert(!chdir(folder));
}

static inline void folder_leave(void)
{
    ck_assert(!chdir(".."));
    rmtree(folder);
}

static inline void folder_put(const char *path, const void *bytes, size_t n)
{
    FILE *f = fopen(path, "wb");

    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(bytes, 1, n, f), n);
    ck_assert(!fclose(f));
}

static inline void folder_text(const char *path, const char *text)
{
    folder_put(path, text, strlen(text));
}

#endif
