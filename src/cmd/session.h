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
};

int session_open(struct session *s, const struct cmd_common *c,
                 struct err *err);
void session_release(struct session *s);

/* Opens the backend alone. After a failure *be, if it is not NULL, is still to
 * be closed. */
int session_backend(struct backend **be, const struct cmd_common *c,
                    struct err *err);

/* Fills what all results say: file ("-" is shown as "stdin"), duration, model
 * (none if s is NULL) and version; no task. Strings are borrowed from s and
 * file. */
void session_result(struct session *s, struct result *r, const char *file,
                    double duration);

#endif
