/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/file.h"

#include "tree.h"
#include "unit.h"

static struct tree tree;

static void setup(void)
{
    tree_make(&tree);
}

static void teardown(void)
{
    tree_remove(&tree);
}

START_TEST(file_copy_is_whole_or_not_there)
{
    char *to = xstrdup(tree_path(&tree, "copy"));
    char *none = xstrdup(tree_path(&tree, "none"));
    struct err err = {0};
    char text[16] = "";
    FILE *f;

    tree_put(&tree, "from", "0123456789");
    ck_assert(!file_copy(tree_path(&tree, "from"), to, &err));
    f = fopen(to, "rb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fread(text, 1, sizeof(text), f), 10);
    fclose(f);
    ck_assert_str_eq(text, "0123456789");
    ck_assert_int_eq(file_copy(none, tree_path(&tree, "other"), &err), ERR_IO);
    ck_assert_int_ne(access(tree_path(&tree, "other"), F_OK), 0);
    free(to);
    free(none);
}
END_TEST

/* All that is missing; what is there stays; a file in the way is named. */
START_TEST(file_make_folders_below)
{
    char *deep = strdup(tree_path(&tree, "a/b/c"));
    char *under = strdup(tree_path(&tree, "plain/x"));
    FILE *f = fopen(tree_path(&tree, "plain"), "w");
    struct err err = {0};

    ck_assert_ptr_nonnull(f);
    fclose(f);
    ck_assert_msg(!file_make_folders(deep, &err), "%s", err.msg);
    ck_assert_msg(!file_make_folders(deep, &err), "%s", err.msg);
    ck_assert_int_eq(access(deep, X_OK), 0);
    ck_assert_int_eq(file_make_folders(under, &err), ERR_IO);
    ck_assert_ptr_nonnull(strstr(err.msg, "plain/x"));
    ck_assert_int_eq(file_make_folders(tree_path(&tree, "plain"), &err),
                     ERR_IO);
    ck_assert_ptr_nonnull(strstr(err.msg, "not a folder"));
    free(deep);
    free(under);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("base/file");
    TCase *t = tcase_create("file");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, file_copy_is_whole_or_not_there);
    tcase_add_test(t, file_make_folders_below);
    suite_add_tcase(s, t);
    return unit_run(s);
}
