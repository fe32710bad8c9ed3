/* batch.h - the loop over the inputs of a command: progress, one line for each
 * failure, results in the order of the inputs, files whole or not at all. With
 * -j several workers, each a thread with a device of its own, take inputs in
 * turn; of the processes of mpirun or srun each takes its share.
 *
 * Results go to stdout, to -o FILE, or to --out-dir as one or more files for
 * each input. Where results are lines of JSON on stdout or in -o and there are
 * several inputs, an input that failed has a line {"file", "error"}. Lines for
 * -o are kept as they come (journal.h), and --resume leaves out the inputs that
 * have theirs; in --out-dir, those that have all their files. What was made
 * with other options is not resumed (madewith.h). */
#ifndef CMD_BATCH_H
#define CMD_BATCH_H

#include "base/err.h"
#include "base/file.h"
#include "base/strbuf.h"
#include "cmd/common.h"
#include "cmd/inputs.h"

struct batch_all; /* what the workers share */

/* A worker's. */
struct batch {
    const struct cmd_common *common;
    struct batch_all *all;
    size_t at;          /* place of the input in work, in this process's list */
    size_t index;       /* of it in the inputs */
    int lines;          /* JSON: each result on one line */
    int streaming;      /* batch_lines was called for this input */
    struct strbuf text; /* lines that wait for their turn */
    double part, heard; /* how far it is: 0..1; seconds */
};

/* Works on one input. Returns 0, or an error whose message names the file. */
typedef int batch_fn(void *ctx, struct batch *b, const char *path,
                     struct err *err);

struct batch_task {
    const struct cmd_usage *usage;
    const struct cmd_common *common;
    int text; /* results cannot stand one after another (all but JSON) */
    /* of the files that an input has in --out-dir, NULL at the end */
    const char *const *suffix;
    const char *made_with; /* madewith_text; NULL: --resume does not compare */
    batch_fn *fn;
    void *ctx;
    /* What workers 1.. of -j work with, as ctx is for the first: made of that,
     * in the worker's thread, and freed there (NULL is allowed). Both are NULL
     * where there is no -j. */
    int (*open)(void **out, const void *ctx, int worker, struct err *err);
    void (*close)(void *mine);
};

/* Collects the inputs and calls fn for each. Returns the exit code; everything
 * that went wrong has been said. */
int batch_run(const struct batch_task *t, int n, char **operands);

/* Whether arrays would go to a terminal: for a usage error before work. */
int batch_is_terminal(const struct cmd_common *c);

/* One whole result: into --out-dir as STEM suffix, else to -o or stdout. */
int batch_write(struct batch *b, const char *suffix, const struct strbuf *text,
                struct err *err);

/* The same for results too large for memory: opens where it goes; the caller
 * writes to o->f and calls file_out_commit, and file_out_abort in any case. The
 * path ("-" is stdout) is owned by the caller and outlives o. For lines of JSON
 * without --out-dir, batch_lines is the place. */
int batch_open(struct batch *b, const char *suffix, struct file_out *o,
               char **path, struct err *err);

/* Waits for this input's turn; *out is the stream for its line (stdout or
 * -o). */
int batch_lines(struct batch *b, FILE **out, struct err *err);

/* A warning, the first time of the run that it is called with one of the bits
 * of what that was not set before. */
void batch_warn_once(struct batch *b, unsigned what, const char *text);

/* How far the input in work is: for analyser_config.progress, ctx is the
 * batch. */
void batch_progress(void *ctx, double done, double length);

#endif
