/* dataset.h - a dataset made in a tree, and what tests ask of it. */
#ifndef TESTS_DATASET_H
#define TESTS_DATASET_H

#include <stdbool.h>
#include <string.h>

#include "eval/dataset.h"
#include "tree.h"
#include "unit.h"

static struct tree tree;
static struct dataset *d;
static struct err err;

static inline void setup(void)
{
    tree_make(&tree);
    d = NULL;
    err = (struct err){ 0 };
}

static inline void teardown(void)
{
    dataset_free(d);
    tree_remove(&tree);
}

static inline void open_ok(const char *name)
{
    ck_assert_msg(!dataset_open(&d, name, tree.root, &err), "%s", err.msg);
}

static inline void open_fails(const char *name, int code, const char *part)
{
    ck_assert_int_eq(dataset_open(&d, name, tree.root, &err), code);
    ck_assert_msg(strstr(err.msg, part) != NULL, "%s", err.msg);
    ck_assert_ptr_null(d);
}

static inline size_t find(const char *id)
{
    for (size_t i = 0; i < dataset_size(d); i++)
        if (!strcmp(dataset_at(d, i)->id, id))
            return i;
    ck_abort_msg("no song %s", id);
    return 0;
}

static inline const struct dataset_part *part(const char *id,
                                               enum annot_task task)
{
    return &dataset_at(d, find(id))->part[task];
}

static inline struct annotation labels(const char *id, enum annot_task task)
{
    struct annotation a;

    ck_assert_msg(!dataset_labels(d, find(id), task, &a, &err), "%s", err.msg);
    return a;
}

static inline void labels_fail(const char *id, enum annot_task task, int code,
                        const char *part_of_message)
{
    struct annotation a;

    ck_assert_int_eq(dataset_labels(d, find(id), task, &a, &err), code);
    ck_assert_msg(strstr(err.msg, part_of_message) != NULL, "%s", err.msg);
}

/* The fact whose name begins with what. */
static inline void fact_is(const char *what, int64_t stated, int64_t found)
{
    const struct dataset_fact *fact;
    size_t n = dataset_facts(d, &fact);

    for (size_t i = 0; i < n; i++)
        if (!strncmp(fact[i].what, what, strlen(what))) {
            ck_assert_int_eq(fact[i].stated, stated);
            ck_assert_int_eq(fact[i].found, found);
            return;
        }
    ck_abort_msg("no number of %s", what);
}

#define ck_excluded(id, task, why)                              \
    do {                                                        \
        ck_assert_ptr_nonnull(part(id, task)->excluded);        \
        ck_assert_str_eq(part(id, task)->excluded, why);        \
    } while (0)

static inline bool audio_is(const char *id, const char *path)
{
    const char *audio = dataset_at(d, find(id))->audio;

    return audio && !strcmp(audio, tree_path(&tree, path));
}

#endif
