/* batch.h - the loop over the inputs of a command: progress, one line for each
 * failure, results in the order of the inputs, files whole or not at all. With
 * -j several workers, each a thread with a model and a device of its own, take
 * inputs in turn.
 *
 * Results go to stdout, to -o FILE, or to --out-dir as one or more files for
 * each input. Where results are lines of JSON on stdout or in -o and there are
 * several inputs, an input that failed has a line {"file", "error"}. */
#ifndef CMD_BATCH_H
#define CMD_BATCH_H

#include "base/err.h"
#include "base/file.h"
#include "base/strbuf.h"
#include "cmd/common.h"
#include "cmd/inputs.h"
#include "cmd/progress.h"

struct batch_all; /* what the workers share */

/* A worker's. */
struct batch {
    const struct cmd_common *common;
    struct batch_all *all;
    size_t index;      /* of the input in work */
    int text;          /* not JSON: one result in a file */
    int lines;         /* JSON: each result on one line */
    int writing;       /* its turn has come, and its result with it */
};

/* Works on one input. Returns 0, or an error whose message names the file. */
typedef int batch_fn(void *ctx, struct batch *b, const char *path,
                     struct err *err);

/* What workers 1.. of -j work with, as ctx is for the first: made of that, in
 * the worker's thread, and freed there. */
struct batch_more {
    int (*open)(void **out, const void *ctx, int worker, struct err *err);
    void (*close)(void *mine); /* NULL is allowed */
};

/* Collects the inputs and calls fn for each. text is 1 if the results cannot
 * stand one after another in a file (anything but JSON). more is NULL where
 * there is no -j. Returns the exit code; everything that went wrong has been
 * said. */
int batch_run(const struct cmd_usage *usage, const struct cmd_common *c, int n,
              char **operands, int text, batch_fn *fn, void *ctx,
              const struct batch_more *more);

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

/* The stream for lines of JSON (stdout or -o), kept open for the next input;
 * what is written to it counts as one result. */
int batch_lines(struct batch *b, FILE **out, struct err *err);

/* How far the input in work is: for analyser_config.progress, ctx is the
 * batch. */
void batch_progress(void *ctx, double done, double length);

#endif
