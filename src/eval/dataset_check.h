/* dataset_check.h - what of a dataset is complete, missing or broken. */
#ifndef EVAL_DATASET_CHECK_H
#define EVAL_DATASET_CHECK_H

#include <stdbool.h>

#include "eval/dataset.h"

enum { CHECK_TRAIN, CHECK_VALID, CHECK_TEST, CHECK_NO_SPLIT, CHECK_SPLITS };
extern const char *const check_split_names[CHECK_SPLITS];

/* One task. A song is excluded, else missing (no labels), else broken (they
 * cannot be read), else usable; those four add up to the entries. */
struct check_task {
    bool has;                     /* any song has labels for it */
    int64_t usable, missing, broken, excluded;
    int64_t split[CHECK_SPLITS];  /* of the usable */
    int64_t with_audio;           /* of the usable */
    int64_t items, stated_items;  /* beats, segments, keys, tags in all that can
                                     be read, excluded or not; -1: not stated */
    int64_t times_only, stated_times_only; /* songs without a downbeat */
};

/* A song and what is wrong with it; id is borrowed from the dataset. */
struct check_problem {
    const char *id;
    enum annot_task task;
    char *text; /* "FILE:LINE: what", or "no labels" */
};

/* A reason of exclusion and how many songs it has; reason is borrowed. */
struct check_reason {
    const char *reason;
    enum annot_task task;
    int64_t n;
};

/* At most this many problems are kept; the counts go on. */
enum { CHECK_MAX_PROBLEMS = 1000 };

/* A zeroed struct can be released. */
struct check {
    int64_t entries, with_audio;
    struct check_task task[DATASET_TASKS];
    struct check_problem *problem;
    size_t n_problems, problem_cap;
    struct check_reason *reason;
    size_t n_reasons, reason_cap;
    bool complete; /* nothing missing or broken, each published number found */
};

/* Reads the labels of every song for every task. Never fails: what cannot be
 * read is in the result, which the caller releases before the dataset. */
void dataset_check(struct check *out, const struct dataset *d);
void check_release(struct check *c);

#endif
