/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cmd/eval_dataset.h"

#include <cjson/cJSON.h>
#include <string.h>

#include "base/json.h"
#include "unit.h"
#include "tree.h"

static struct tree tree;
static struct err err;
static char *text;
static size_t len;

static void setup(void)
{
    tree_make(&tree);
    tree_put(&tree, "annotations/key/1.LOFI.key", "C minor");
    tree_put(&tree, "annotations/key/2.LOFI.key", "C minor");
    tree_wav(&tree, "audio/1.LOFI.mp3");
}

static void teardown(void)
{
    free(text);
    tree_remove(&tree);
}

static int report(const char *name, int json)
{
    FILE *f;
    int rc;

    free(text);
    text = NULL;
    f = open_memstream(&text, &len);
    rc = eval_dataset_check(name, tree.root, json, f, &err);
    fclose(f);
    return rc;
}

static void has(const char *part)
{
    ck_assert_msg(strstr(text, part) != NULL, "no '%s' in:\n%s", part, text);
}

START_TEST(eval_dataset_check_text)
{
    ck_assert_int_eq(report("giantsteps", 0), 0);
    has("giantsteps: GiantSteps key in /tmp/");
    has(": not complete\n");
    has("songs: 2, 1 with audio\n");
    has("  files of key, annotations/key/: 2 (published: 604)\n");
    has("key: 2 usable (1 with audio), 0 excluded, 0 missing, 0 broken\n");
    has("  test: 2\n");
    has("get it: https://");
}
END_TEST

START_TEST(eval_dataset_check_broken)
{
    tree_put(&tree, "annotations/key/2.LOFI.key", "C dur");
    ck_assert_int_eq(report("giantsteps", 0), ERR_FORMAT);
    has("key: 2: ");
    has("annotations/key/2.LOFI.key:1: ");
    ck_assert_ptr_nonnull(strstr(err.msg, "1 songs cannot be read"));
}
END_TEST

START_TEST(eval_dataset_check_json)
{
    cJSON *obj, *key;
    const cJSON *counts;

    tree_put(&tree, "annotations/key/2.LOFI.key", "C dur");
    ck_assert_int_eq(report("giantsteps", 1), ERR_FORMAT);
    ck_assert_int_eq(json_parse(&obj, text, len, &err), 0);
    ck_assert(cJSON_IsFalse(cJSON_GetObjectItem(obj, "complete")));
    key = cJSON_GetObjectItem(cJSON_GetObjectItem(obj, "tasks"), "key");
    ck_assert_int_eq(cJSON_GetObjectItem(key, "usable")->valueint, 1);
    ck_assert_int_eq(cJSON_GetObjectItem(key, "broken")->valueint, 1);
    ck_assert_int_eq(cJSON_GetObjectItem(key, "labels_published")->valueint,
                     604);
    counts = cJSON_GetObjectItem(obj, "counts");
    ck_assert_int_eq(cJSON_GetArraySize(counts), 1);
    ck_assert_int_eq(cJSON_GetArraySize(cJSON_GetObjectItem(obj, "problems")),
                     1);
    cJSON_Delete(obj);
}
END_TEST

START_TEST(eval_dataset_check_refuses)
{
    ck_assert_int_eq(report("fma", 0), ERR_IO);
    ck_assert_uint_eq(len, 0);
    ck_assert_int_eq(report("fm", 0), ERR_ARG);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("cmd/eval_dataset");
    TCase *t = tcase_create("eval_dataset");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, eval_dataset_check_text);
    tcase_add_test(t, eval_dataset_check_broken);
    tcase_add_test(t, eval_dataset_check_json);
    tcase_add_test(t, eval_dataset_check_refuses);
    suite_add_tcase(s, t);
    return unit_run(s);
}
