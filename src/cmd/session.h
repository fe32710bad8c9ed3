/* session.h - the model and the backend that a command's options ask for. */
#ifndef CMD_SESSION_H
#define CMD_SESSION_H

#include "base/err.h"
#include "base/json.h"
#include "cmd/common.h"
#include "model/model.h"
#include "tensor/backend.h"

/* A zeroed struct can be released. */
struct session {
    struct model *model;
    struct backend *be;
};

int session_open(struct session *s, const struct cmd_common *c,
                 struct err *err);
void session_release(struct session *s);

/* A JSON object with file, duration, model {name, sha256} and mfm, which all
 * results begin with. The caller adds to it and deletes it. A file name that is
 * not UTF-8 has U+FFFD for each bad byte. */
cJSON *session_json(struct session *s, const char *file, double duration);

#endif
