/* private.h - what the descriptors of datasets are made of. */
#ifndef EVAL_DATASETS_PRIVATE_H
#define EVAL_DATASETS_PRIVATE_H

#include <stdbool.h>

#include "annot/hooktheory.h"
#include "eval/dataset.h"

/* A song with what only its descriptor understands. */
struct song {
    struct dataset_entry e;
    char *artist, *title; /* or NULL */
    char *text;           /* the label as the table has it, or NULL */
    uint64_t data;        /* a bit for each tag; where the song is in a text */
    double duration;      /* s, NaN if not known */
    int line;             /* of the table */
};

struct descriptor {
    struct dataset_info info;
    /* Fills the songs of an existing root. */
    int (*open)(struct dataset *d, struct err *err);
    /* Labels from a table; NULL: each song has a file for each task. out is
     * initialised, and released by the caller on failure. */
    int (*labels)(const struct dataset *d, const struct song *s,
                  enum annot_task task, struct annotation *out,
                  struct err *err);
};

struct dataset {
    const struct descriptor *kind;
    char *root;
    char *table; /* the path that songs share as labels, or NULL */
    struct song *song;
    size_t n, cap;
    struct dataset_fact *fact;
    size_t n_facts, fact_cap;
    int64_t stated_items[DATASET_TASKS];
    int64_t stated_times_only;
    struct hooktheory hook; /* HookTheory's text */
};

extern const struct descriptor dataset_harmonix, dataset_gtzan,
    dataset_hooktheory, dataset_giantsteps, dataset_mtg_keys,
    dataset_magnatagatune, dataset_fma, dataset_pop909, dataset_billboard,
    dataset_folder;

enum { TRAIN, VALID, TEST };
extern const char *const dataset_splits[3]; /* their names */

/* Gives a song the table as its labels for a task; strings are static. */
void dataset_part_set(const struct dataset *d, struct song *s,
                      enum annot_task task, const char *split,
                      const char *excluded);

/* Appends a song, NULL with ERR_FORMAT if there are too many. The pointer holds
 * until the next one. */
struct song *dataset_add(struct dataset *d, const char *id, struct err *err);

/* Puts the songs in order of id; ERR_FORMAT for two of one id. */
int dataset_sort(struct dataset *d, struct err *err);

/* The song among the first n, which are sorted, whose id is id, or with len
 * agrees in its first len bytes; NULL if there is none. */
struct song *dataset_find(const struct dataset *d, size_t n, const char *id,
                          size_t len);

/* Notes a number; what is copied. */
void dataset_note(struct dataset *d, const char *what, int64_t stated,
                  int64_t found);

/* root/name, freed by the caller. */
char *dataset_path(const struct dataset *d, const char *name);

/* Finds the first of a NULL-ended list of files below the root, and makes it
 * d->table. ERR_IO says what is missing and where to get it. */
int dataset_need(struct dataset *d, const char *const *names, struct err *err);

/* An audio file below the root. * in a pattern stands for the id, ? for the id
 * up to its first dot; an extension is added. Of a NULL-ended list the first
 * that exists, freed by the caller; or NULL. */
char *dataset_audio(const struct dataset *d, const char *const *patterns,
                    const char *id);

/* Whether a name ends in an extension of audio files; *len is the length of
 * what stands before it. */
bool dataset_is_audio(const char *name, size_t *len);

/* The names in a folder that do not begin with a dot, in the order of their
 * bytes, for dataset_list_free. ERR_IO; ERR_FORMAT for more than a million. */
int dataset_list(char ***out, size_t *n, const char *dir, struct err *err);
void dataset_list_free(char **names, size_t n);

/* Divides the songs that have labels of a task and are not excluded: want of
 * them become "test", the others "train" (split.h). */
void dataset_own_split(struct dataset *d, enum annot_task task, size_t want);

#endif
