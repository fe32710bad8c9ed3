/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cmd/calibrate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "cmd/cmd.h"
#include "model/find.h"
#include "model/model.h"

/* The head of the task, changed in place. */
static int change(struct model_config *c, const char *task, double slope,
                  double offset, struct err *err)
{
    for (int i = 0; i < c->n_heads; i++) {
        struct head_config *h = &c->heads[i];

        if (strcmp(h->task, task))
            continue;
        h->offset = slope * h->offset + offset;
        h->slope = slope * (h->slope > 0 ? h->slope : 1);
        log_info("%s: confidence slope %.4f, offset %.4f", task, h->slope,
                 h->offset);
        return 0;
    }
    return err_set(err, ERR_UNSUPPORTED, "no head '%s' in the model", task);
}

static int write_model(const struct eval_options *o, double slope,
                       double offset, struct err *err)
{
    struct model *m = NULL;
    char *path = NULL;
    int rc;

    TRY(model_find(&path, o->common.model, err));
    rc = model_open(&m, path, err);
    if (!rc)
        rc = change(&m->config, score_names[o->task].task, slope, offset, err);
    if (rc)
        err_prefix(err, "%s", path);
    else if (!o->common.force && !access(o->calibrate, F_OK))
        rc = err_set(err, ERR_ARG, "%s exists; --force replaces it",
                     o->calibrate);
    else
        rc = model_rewrite(m, &m->config, o->calibrate, err);
    model_free(m);
    free(path);
    return rc;
}

int eval_calibrate(const struct eval_options *o, const struct scoring *s)
{
    struct reliability after = { 0 };
    struct err err = { 0 };
    double slope, offset;

    if (!s->pairs)
        return CMD_FAILED; /* and why, of each */
    if (isnan(reliability_error(s->reliability))) {
        log_error("%s: no confidence in it that labels of %s could judge; mfm "
                  "writes them with --format ndjson", s->est->name,
                  s->ref->name);
        return CMD_FAILED;
    }
    reliability_fit(s->reliability, &slope, &offset);
    if (write_model(o, slope, offset, &err)) {
        log_error("%s", err.msg);
        return CMD_FAILED;
    }
    if (!o->reliability)
        return s->failed ? CMD_FAILED : CMD_DONE;
    reliability_refit(&after, s->reliability, slope, offset);
    return eval_show_reliability(o, s, &after);
}
