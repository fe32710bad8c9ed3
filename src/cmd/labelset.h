/* labelset.h - one side of a comparison: the labels of one song or of many, by
 * the stems of their names. */
#ifndef CMD_LABELSET_H
#define CMD_LABELSET_H

#include <stddef.h>

#include "base/err.h"
#include "base/file.h"
#include "eval/score.h"

/* Where the labels of a song stand: a file, or a line of NDJSON. */
struct label_item {
    char *stem;
    char *path;         /* NULL: a line */
    const char *line;   /* in the mapped file, len bytes; not a string */
    size_t len, number; /* of the line, from 1 */
};

struct labelset {
    const char *name;        /* as given; borrowed; "stdin" for "-" */
    enum score_task task;
    struct label_item *item; /* sorted by stem */
    size_t n, cap;
    int single;              /* one song, whatever its name */
    struct file_map map;
    char *spool;             /* NULL, or the temporary copy of a pipe */
};

/* Finds the songs of path, without reading their labels:
 *   - a folder: the files in it (not below) that suit the task (labels_rank),
 *     for each stem the one that suits best; where one has an extension that
 *     names the task, files with a general one are left out. Names that begin
 *     with a dot are, too;
 *   - a file in .ndjson or .json with one object on its first line: a song for
 *     each line, known by the stem of its "file"; blank lines are left out;
 *   - any other file, and "-" or another pipe: as its content begins with { or
 *     not, the same, or one song in the task's text format.
 *
 * A zeroed struct can be released. Returns 0, ERR_IO, or ERR_FORMAT for a line
 * without "file" or an empty list. */
int labelset_open(struct labelset *set, const char *path, enum score_task task,
                  struct err *err);
void labelset_release(struct labelset *set);

/* 1 if there is an item with this stem. */
int labelset_has(const struct labelset *set, const char *stem);

/* Reads the labels of item i; any thread. Errors name file and line. The caller
 * releases *out. */
int labelset_read(struct labels *out, const struct labelset *set, size_t i,
                  struct err *err);

#endif
