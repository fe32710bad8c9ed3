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

/* A hole larger than any disk is refused without being read, and a text of the
 * limit's size is not. */
START_TEST(file_read_has_a_limit)
{
    char *hole = xstrdup(tree_path(&tree, "hole"));
    struct strbuf sb = STRBUF_INIT;
    struct err err = { 0 };
    FILE *to = tmpfile();

    tree_put(&tree, "ten", "0123456789");
    ck_assert(!file_read(&sb, tree_path(&tree, "ten"), 10, &err));
    ck_assert_str_eq(sb.s, "0123456789");
    ck_assert_int_eq(file_read(&sb, tree_path(&tree, "ten"), 9, &err),
                     ERR_FORMAT);
    tree_put(&tree, "hole", "");
    ck_assert(!truncate(hole, (off_t)1 << 42));
    ck_assert_int_eq(file_read(&sb, hole, 1 << 30, &err), ERR_FORMAT);
    ck_assert_msg(strstr(err.msg, "larger than 1073741824 bytes") != NULL,
                  "%s", err.msg);
    ck_assert_uint_eq(sb.len, 10);
    ck_assert_int_eq(file_read_to(to, "/dev/zero", 1 << 20, &err), ERR_FORMAT);
    ck_assert(ftell(to) <= 1 << 20);
    ck_assert(!file_read_to(to, tree_path(&tree, "ten"), 10, &err));
    fclose(to);
    strbuf_release(&sb);
    free(hole);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("base/file");
    TCase *t = tcase_create("file");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, file_copy_is_whole_or_not_there);
    tcase_add_test(t, file_make_folders_below);
    tcase_add_test(t, file_read_has_a_limit);
    suite_add_tcase(s, t);
    return unit_run(s);
}
