/* labelset.h - one side of a comparison: the labels of one song or of many, by
 * the stems of their names. */
#ifndef CMD_LABELSET_H
#define CMD_LABELSET_H

#include <stddef.h>

#include "annot/annotation.h"
#include "base/err.h"
#include "base/file.h"
#include "eval/dataset.h"

/* Where the labels of a song stand: a file, a line of NDJSON, in memory, or in
 * a dataset. */
struct label_item {
    char *stem;
    char *path;         /* of the file; else NULL */
    const char *line;   /* in the mapped file, len bytes; not a string */
    size_t len, number; /* of the line, from 1; or the song of the dataset */
    struct annotation *labels; /* read already; owned */
};

struct labelset {
    const char *name;        /* as given; borrowed; "stdin" for "-" */
    enum annot_task task;
    struct label_item *item; /* sorted by stem */
    size_t n, cap;
    int single;              /* one song, whatever its name */
    int empty;               /* a file without a byte */
    struct file_map map;
    const struct dataset *dataset; /* NULL, or where items are; borrowed */
    char *spool;             /* NULL, or the temporary copy of a pipe */
};

/* Finds the songs of path:
 *   - a folder: the files in it (not below) that suit the task (labels_rank),
 *     for each stem the one that suits best; where one has an extension that
 *     names the task, files with a general one are left out. Names that begin
 *     with a dot are, too. The files are not read yet;
 *   - a file in .ndjson or .json whose first line is one of mfm's results: a
 *     song for each line, known by the stem of its "file"; blank lines are left
 *     out. The lines are not parsed yet;
 *   - any other file, and "-" or another pipe: as its content begins with { or
 *     not, the same, or what annot_read_many makes of it: a song, or those of a
 *     table, known by the stems of their ids.
 *
 * A zeroed struct can be released. Returns 0, ERR_IO, ERR_FORMAT for a line
 * without "file" or an empty list, for a file whose name says that it is audio
 * or has labels of another task, or what annot_read_many returns. */
int labelset_open(struct labelset *set, const char *path, enum annot_task task,
                  struct err *err);

/* The same of a dataset, which the caller frees after the set; for
 * labelset_add, which makes song i of it one of the set, known by its id. */
void labelset_of_dataset(struct labelset *set, const struct dataset *d,
                         const char *name, enum annot_task task);
void labelset_add(struct labelset *set, size_t i);

/* Gives the songs of lines 1, 2, ... of NDJSON new names. ERR_FORMAT if there
 * are fewer than n lines, or more. */
int labelset_rename(struct labelset *set, const char *const *names, size_t n,
                    struct err *err);

/* Whose labels item i are, for messages: "FILE", or "FILE:LINE" of NDJSON. */
void labelset_where(char *out, size_t size, const struct labelset *set,
                    size_t i);

void labelset_release(struct labelset *set);

/* Reads the labels of item i; any thread. Errors name file and line;
 * ERR_UNSUPPORTED is of an input that mfm could not annotate. The caller
 * releases *out, which is empty on failure. */
int labelset_read(struct annotation *out, const struct labelset *set, size_t i,
                  struct err *err);

#endif
