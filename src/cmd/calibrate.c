/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cmd/calibrate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "cmd/cmd.h"
#include "model/find.h"
#include "model/headconfig.h"
#include "model/model.h"

enum { FEW = 10 }; /* songs: a fit on less is of little use for others */

static struct head_config *head_of(struct model_config *c, const char *task)
{
    for (int i = 0; i < c->n_heads; i++)
        if (!strcmp(c->heads[i].task, task))
            return &c->heads[i];
    return NULL;
}

/* Estimates of which it is not known whose they are pass. */
static int check_model(const struct eval_options *o, const struct scoring *s,
                       struct model *m, const struct head_config *h,
                       struct err *err)
{
    int known = !*s->model || !strcmp(s->model, model_sha256(m));

    for (int i = 0; i < h->n_as_in; i++)
        known |= !strcmp(s->model, h->as_in[i]);
    if (s->models)
        return err_set(err, ERR_ARG, "%s: its estimates are of several models, "
                       "by their sha256", s->est->name);
    if (known)
        return 0;
    return err_set(err, ERR_ARG, "%s: its estimates are not of this model: "
                   "they are of sha256 %.12s..., %s is %.12s...; annotate with "
                   "that of -m", s->est->name, s->model, o->common.model,
                   model_sha256(m));
}

/* The head h of m, changed in place; the others stay as they were in m. */
static void change(struct model *m, struct head_config *h, double slope,
                   double offset)
{
    for (int i = 0; i < m->config.n_heads; i++)
        head_config_add_as_in(&m->config.heads[i], model_sha256(m));
    head_config_clear_as_in(h);
    h->offset = slope * h->offset + offset;
    h->slope = slope * (h->slope > 0 ? h->slope : 1);
    log_info("%s: confidence slope %.4f, offset %.4f", h->task, h->slope,
             h->offset);
}

static int rewrite(const struct eval_options *o, const struct scoring *s,
                   struct model *m, double slope, double offset,
                   struct err *err)
{
    const char *task = score_names[o->task].task;
    struct head_config *h = head_of(&m->config, task);

    if (!h)
        return err_set(err, ERR_UNSUPPORTED, "%s: no head '%s' in the model",
                       m->path, task);
    TRY(check_model(o, s, m, h, err));
    if (!o->common.force && !access(o->calibrate, F_OK))
        return err_set(err, ERR_ARG, "%s exists; --force replaces it",
                       o->calibrate);
    change(m, h, slope, offset);
    return model_rewrite(m, &m->config, o->calibrate, err);
}

static int write_model(const struct eval_options *o, const struct scoring *s,
                       double slope, double offset, struct err *err)
{
    struct model *m = NULL;
    char *path = NULL;
    int rc;

    TRY(model_find(&path, o->common.model, err));
    rc = model_open(&m, path, err);
    if (!rc)
        rc = rewrite(o, s, m, slope, offset, err);
    model_free(m);
    free(path);
    return rc;
}

/* What was written, and of how much. */
static void say(const struct eval_options *o, const struct scoring *s,
                double slope, double offset)
{
    int seconds = o->task == ANNOT_CHORDS || o->task == ANNOT_STRUCTURE;
    double weight = 0;

    for (int i = 0; i < RELIABILITY_BINS; i++)
        weight += s->reliability->bin[i].weight;
    log_note("%s: %s of %s with slope %.4f, offset %.4f, fitted on %zu song%s, "
             "%.0f %s", o->calibrate, score_names[o->task].task,
             o->common.model, slope, offset, s->pairs, s->pairs > 1 ? "s" : "",
             weight, seconds ? "seconds" : "items");
    if (s->pairs < FEW)
        log_warn("what is fitted on less than %d songs may not hold for "
                 "others", FEW);
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
    if (write_model(o, s, slope, offset, &err)) {
        log_error("%s", err.msg);
        return CMD_FAILED;
    }
    say(o, s, slope, offset);
    if (!o->reliability)
        return s->failed ? CMD_FAILED : CMD_DONE;
    reliability_refit(&after, s->reliability, slope, offset);
    return eval_show_reliability(o, s, &after);
}
