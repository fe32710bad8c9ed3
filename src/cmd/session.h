/* session.h - the model and the backend that a command's options ask for. */
#ifndef CMD_SESSION_H
#define CMD_SESSION_H

#include "base/err.h"
#include "cmd/common.h"
#include "model/model.h"
#include "tensor/backend.h"
#include "write/result.h"

/* A zeroed struct can be released. */
struct session {
    struct model *model;
    struct backend *be;
    int borrowed; /* the model is another session's */
};

/* Worker 0 (first is NULL) opens the model; the others share that of first,
 * which outlives theirs, and have a backend of their own. */
int session_open(struct session *s, const struct cmd_common *c, int worker,
                 const struct session *first, struct err *err);
void session_release(struct session *s);

/* Opens the backend alone, with arithmetic by name (c->precision, or what the
 * settings of a run say), and says with -v which device computes. Processes
 * that mpirun or srun started on one machine, and workers of one process, take
 * its GPUs in turn. After a failure *be, if it is not NULL, is still to be
 * closed. */
struct session_use {
    const char *precision; /* NULL: c->precision */
    int training;          /* what "auto" means differs */
    int worker;            /* 0..c->jobs - 1 */
};
int session_backend(struct backend **be, const struct cmd_common *c,
                    struct session_use use, struct err *err);

/* madewith_text with the model of s (NULL: none) for results that go to a file
 * or folder; else NULL. The caller frees. */
char *session_made_with(struct session *s, const struct cmd_common *c,
                        const char *command, const char *without);

/* Fills what all results say: file ("-" is shown as "stdin"), the part of it
 * that was heard (s), model
 * (none if s is NULL) and version; no task. Strings are borrowed from s and
 * file. */
void session_result(struct session *s, struct result *r, const char *file,
                    double start, double duration);

#endif
