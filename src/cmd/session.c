/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cmd/session.h"

#include <stdlib.h>
#include <string.h>

#include "model/find.h"

int session_open(struct session *s, const struct cmd_common *c,
                 struct err *err)
{
    char *path = NULL;
    int rc = model_find(&path, c->model, err);

    if (!rc)
        rc = model_open(&s->model, path, err);
    free(path);
    return rc ? rc : session_backend(&s->be, c, err);
}

int session_backend(struct backend **be, const struct cmd_common *c,
                    struct err *err)
{
    TRY(backend_open(be, c->device, c->threads, err));
    return strcmp(c->precision, "bf16")
               ? 0 : backend_set_precision(*be, PRECISION_BF16, err);
}

void session_release(struct session *s)
{
    model_free(s->model);
    backend_close(s->be);
    s->model = NULL;
    s->be = NULL;
}

void session_result(struct session *s, struct result *r, const char *file,
                    double duration)
{
    memset(r, 0, sizeof(*r));
    r->file = strcmp(file, "-") ? file : "stdin";
    r->duration = duration;
    r->version = MFM_VERSION;
    if (s) {
        r->model_name = s->model->config.name;
        r->model_sha256 = model_sha256(s->model);
    }
}
