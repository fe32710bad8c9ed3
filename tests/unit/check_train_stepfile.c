/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which files of a folder are kept, and which is found. */
#include "unit.h"

#include "base/log.h"
#include "tree.h"
#include "train/stepfile.h"

static struct tree tree;
static struct err err;

static void setup(void)
{
    log_set_level(LOG_ERROR);
    tree_make(&tree);
}

static void stop(void)
{
    tree_remove(&tree);
}

static void put(int step)
{
    char name[64];

    snprintf(name, sizeof(name), "step-%09d.safetensors", step);
    tree_put(&tree, name, "x");
}

static int there(const char *name)
{
    return !access(tree_path(&tree, name), F_OK);
}

static int below_30(const char *path, struct err *e)
{
    return atoi(strrchr(path, '-') + 1) < 30
               ? 0 : err_set(e, ERR_FORMAT, "%s: too new", path);
}

static int never(const char *path, struct err *e)
{
    return err_set(e, ERR_FORMAT, "%s: bad", path);
}

START_TEST(stepfile_newest_finds)
{
    char *path = NULL;

    put(5);
    put(20);
    put(1000);
    put(31);
    tree_put(&tree, "step-000000025.safetensors.4711.0", "half");
    tree_put(&tree, "step-26.safetensors", "named by hand");
    tree_put(&tree, "step-27.txt", "");
    tree_put(&tree, "notes", "");
    ck_assert_msg(!stepfile_newest(&path, tree.root, below_30, &err), "%s",
                  err.msg);
    ck_assert_str_eq(path, tree_path(&tree, "step-000000020.safetensors"));
    free(path);
    ck_assert_int_eq(stepfile_newest(&path, tree.root, never, &err),
                     ERR_FORMAT);
    ck_assert_ptr_null(path);
    ck_assert_ptr_nonnull(strstr(err.msg, "none of the 4"));
}
END_TEST

START_TEST(stepfile_newest_of_nothing)
{
    char *path = NULL;

    ck_assert_int_eq(stepfile_newest(&path, tree.root, never, &err), 0);
    ck_assert_ptr_null(path);
    ck_assert_int_eq(stepfile_newest(&path, "/no/such/folder", never, &err),
                     0);
    tree_put(&tree, "file", "");
    ck_assert_int_eq(stepfile_newest(&path, tree_path(&tree, "file"), never,
                                     &err), ERR_IO);
}
END_TEST

START_TEST(stepfile_prune_keeps)
{
    static const int steps[] = { 1, 2, 10, 11, 12, 2000000000 };

    for (int i = 0; i < 6; i++)
        put(steps[i]);
    tree_put(&tree, "step-000000011.safetensors.4711.0", "half");
    tree_put(&tree, "other.safetensors", "");
    stepfile_prune(tree.root, 11, 2);
    ck_assert(!there("step-000000001.safetensors"));
    ck_assert(!there("step-000000002.safetensors"));
    ck_assert(there("step-000000010.safetensors"));
    ck_assert(there("step-000000011.safetensors"));
    ck_assert(!there("step-000000012.safetensors"));
    ck_assert(!there("step-2000000000.safetensors"));
    ck_assert(!there("step-000000011.safetensors.4711.0"));
    ck_assert(there("other.safetensors"));
    stepfile_prune(tree.root, 11, 0); /* at least one */
    ck_assert(!there("step-000000010.safetensors"));
    ck_assert(there("step-000000011.safetensors"));
    stepfile_prune("/no/such/folder", 11, 2);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("train/stepfile");
    TCase *t = tcase_create("stepfile");

    tcase_add_checked_fixture(t, setup, stop);
    tcase_add_test(t, stepfile_newest_finds);
    tcase_add_test(t, stepfile_newest_of_nothing);
    tcase_add_test(t, stepfile_prune_keeps);
    suite_add_tcase(s, t);
    return unit_run(s);
}
