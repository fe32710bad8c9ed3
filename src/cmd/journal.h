/* journal.h - lines of results on their way into a file, so that a run that is
 * cut off at any moment loses nothing.
 *
 * The lines for FILE go to FILE.part, or in process r > 0 of several to
 * FILE.part.r; each is in the system's hands before the next is begun.
 * journal_commit makes FILE of them. A killed run leaves its parts, of which at
 * most the last line is incomplete, and another goes on with them, with as many
 * processes as it likes. A line is an object that begins with "file", the name
 * of its input. */
#ifndef CMD_JOURNAL_H
#define CMD_JOURNAL_H

#include <stdio.h>
#include "base/err.h"
#include "cmd/inputs.h"

/* A zeroed struct can be closed. */
struct journal {
    FILE *f;      /* NULL: not open */
    char *path;   /* FILE */
    char *part;   /* this process's */
    int rank, resume;
    size_t failed; /* of the lines that were there: "file", "error" */
};

/* Opens this process's part of path; ranks is the number of processes. With
 * resume the lines that are there, in parts or in FILE itself, set done of
 * their inputs (a name that occurs twice needs two lines), and an incomplete
 * line at the end of the part is cut off. Without it parts that are there are
 * ERR_ARG, or with force removed. A part that another mfm is writing is ERR_IO,
 * lines that are not results are ERR_FORMAT.
 *
 * Of several processes all must have returned from here before one writes. */
int journal_open(struct journal *j, const char *path, int ranks, int rank,
                 int resume, int force, struct inputs *in, struct err *err);

/* Whether there are parts of path, as of a run that was cut off. */
int journal_begun(const char *path, int ranks);

/* When all processes are through, in process 0: FILE has the lines of all, in
 * the order of the inputs (those of other inputs first), and the parts are
 * gone. After a failure the parts are still there. */
int journal_commit(struct journal *j, int ranks, const struct inputs *in,
                   struct err *err);

/* Always at the end. A part without a line goes; others are kept. */
void journal_close(struct journal *j);

#endif
