/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cmd/session.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "cmd/madewith.h"
#include "dist/dist.h"
#include "model/find.h"

static int open_model(struct session *s, const char *name, struct err *err)
{
    char *path = NULL;
    int rc = model_find(&path, name, err);

    if (!rc)
        rc = model_open(&s->model, path, err);
    free(path);
    return rc;
}

int session_open(struct session *s, const struct cmd_common *c, int worker,
                 const struct session *first, struct err *err)
{
    struct session_use use = { .worker = worker };

    s->borrowed = first != NULL;
    if (first)
        s->model = first->model;
    else
        TRY(open_model(s, c->model, err));
    return session_backend(&s->be, c, use, err);
}

int session_backend(struct backend **be, const struct cmd_common *c,
                    struct session_use use, struct err *err)
{
    int jobs = c->jobs > 1 ? c->jobs : 1;
    const char *precision = use.precision ? use.precision : c->precision;

    TRY(backend_open_nth(be, c->device,
                         dist_local_rank() * jobs + use.worker, c->threads,
                         err));
    TRY(backend_choose_precision(*be, precision, use.training, err));
    log_info("computing on %s, in %s", (*be)->device,
             precision_name((*be)->precision));
    return 0;
}

void session_release(struct session *s)
{
    if (!s->borrowed)
        model_free(s->model);
    backend_close(s->be);
    s->model = NULL;
    s->be = NULL;
}

char *session_made_with(struct session *s, const struct cmd_common *c,
                        const char *command, const char *without)
{
    if (!c->out_dir && !c->output)
        return NULL;
    return madewith_text(c, command, s ? model_sha256(s->model) : NULL,
                         without);
}

void session_result(struct session *s, struct result *r, const char *file,
                    double start, double duration)
{
    memset(r, 0, sizeof(*r));
    r->file = strcmp(file, "-") ? file : "stdin";
    r->start = start;
    r->duration = duration;
    r->version = MFM_VERSION;
    if (s) {
        r->model_name = s->model->config.name;
        r->model_sha256 = model_sha256(s->model);
    }
}
