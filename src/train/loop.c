/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "train/loop.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "train/checkpoint.h"
#include "train/report.h"

struct loop {
    const struct loop_config *c;
    struct metrics metrics;
    struct train_progress progress;
    struct checkpoint at;
    char *checkpoints;       /* folder */
    int64_t saved;           /* step of the newest checkpoint, -1: none */
    int skipped;             /* in a row */
    double seconds, hours;   /* since the last line of metrics */
    struct tensor buffers;   /* as they were before the step */
    int silent;              /* not process 0 */
    int stop;                /* a signal came, to any process */
    struct train_state state;
};

void loop_metric(struct loop_row *r, const char *name, double value)
{
    assert(r->n < LOOP_METRICS);
    r->more[r->n++] = (struct metric){ name, value };
}

static double now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- what a step leaves ---- */

static int write_report(struct loop *l, struct err *err)
{
    char *html = xasprintf("%s/report.html", l->c->dir);
    int rc = report_write(html, l->metrics.path, l->c->title, l->c->config,
                          err);

    free(html);
    return rc;
}

static int write_all(struct loop *l, const struct optim *o, struct err *err)
{
    const struct loop_config *c = l->c;

    TRY(c->save(c->ctx, l->at.step, err));
    TRY(checkpoint_write(l->checkpoints, c->keep, &l->at, o, err));
    return write_report(l, err);
}

static int save(struct loop *l, struct err *err)
{
    const struct optim *o = l->c->optim;
    struct optim whole = *o;
    int rc = 0, several = dist_size(o->dist) > 1;

    if (l->saved == l->at.step)
        return 0;
    if (several)
        rc = optim_gather(o, &whole, err);
    if (!rc && !l->silent)
        rc = write_all(l, &whole, err);
    if (several) {
        tensor_release(&whole.m);
        tensor_release(&whole.v);
    }
    if (!rc)
        l->saved = l->at.step;
    return rc;
}

static int validate(struct loop *l, struct err *err)
{
    const struct loop_config *c = l->c;
    struct loop_row row = { .loss = NAN, .accuracy = NAN };

    TRY(c->save(c->ctx, l->at.step, err));
    TRY(c->valid(c->ctx, l->at.step, &row, err));
    return metrics_add(&l->metrics, l->at.step, row.more, row.n, err);
}

static int add_line(struct loop *l, const struct loop_row *row,
                    const struct optim_result *r, struct err *err)
{
    struct metric v[LOOP_METRICS + 8] = {
        { "loss", row->loss }, { "accuracy", row->accuracy },
        { "grad_norm", r->grad_norm }, { "lr", r->lr[PARAM_GROUP_ENCODER] },
        { "hours", l->at.hours },
        { "hours_per_s", l->hours / l->seconds },
        { "skipped", (double)l->c->optim->skipped },
    };
    size_t n = 7;

    if (r->loss_scale > 0)
        v[n++] = (struct metric){ "loss_scale", r->loss_scale };
    memcpy(v + n, row->more, row->n * sizeof(*v));
    l->seconds = l->hours = 0;
    return metrics_add(&l->metrics, l->at.step, v, n + row->n, err);
}

/* ---- one step ---- */

/* A batch that overflows would leave its infinities in running statistics: they
 * are put back if its step is not taken. */
static int keep_buffers(struct loop *l, int back, struct err *err)
{
    struct params *p = l->c->optim->p;
    int64_t n = p->all - p->trained;
    struct tensor now = tensor_view(&p->value, p->trained, 1, &n);

    if (!n)
        return 0;
    TRY(tensor_reserve(&l->buffers, p->be, 1, &n, err));
    return back ? p->be->ops->axpby(p->be, &now, 1, &l->buffers, 0, err)
                : p->be->ops->axpby(p->be, &l->buffers, 1, &now, 0, err);
}

/* Steps by which a loss scale finds its size are no sign of a bad run. */
static int skip(struct loop *l, const struct loop_row *row,
                const struct optim_result *r, struct err *err)
{
    TRY(keep_buffers(l, 1, err));
    if (!l->silent)
        train_progress_clear(&l->progress);
    if (r->overflow) {
        log_info("step %lld skipped: the gradient overflows with a loss scale "
                 "of %.0f; now it is %.0f", (long long)l->at.step,
                 r->loss_scale, l->c->optim->scale.value);
        return 0;
    }
    l->skipped++;
    log_warn("step %lld skipped: loss %g, gradient norm %g",
             (long long)l->at.step, row->loss, r->grad_norm);
    if (l->skipped < l->c->most_skipped)
        return 0;
    return err_set(err, ERR_FORMAT, "%s: the %s of the last %d steps is not "
                   "finite: stopped at step %lld; go on from an earlier "
                   "checkpoint with a lower learning rate (--set train.lr=)",
                   l->c->dir, isfinite(row->loss) ? "gradient" : "loss",
                   l->skipped, (long long)l->at.step);
}

static int one_step(struct loop *l, struct err *err)
{
    const struct loop_config *c = l->c;
    struct loop_row row = { .loss = NAN, .accuracy = NAN };
    struct optim_result r;
    double start = now_s();

    TRY(params_zero_grad(c->optim->p, err));
    TRY(keep_buffers(l, 0, err));
    TRY(c->pass(c->ctx, l->at.step, &row, err));
    TRY(optim_step(c->optim, sched_factor(&c->sched, l->at.step), 1, &r, err));
    l->at.step++;
    l->at.hours += row.hours;
    l->hours += row.hours;
    l->seconds += now_s() - start;
    l->state.hours_per_s = l->hours / l->seconds;
    l->state.step = l->at.step;
    l->state.loss = row.loss;
    l->state.accuracy = row.accuracy;
    if (!l->silent)
        train_progress_show(&l->progress, &l->state);
    if (r.skipped)
        TRY(skip(l, &row, &r, err));
    else
        l->skipped = 0;
    if (!l->silent &&
        (l->at.step % c->log_every == 0 || l->at.step == c->steps))
        TRY(add_line(l, &row, &r, err));
    return 0;
}

static int is_done(const struct loop *l)
{
    const struct loop_config *c = l->c;

    return l->at.step >= c->steps || (c->done && c->done(c->ctx));
}

/* All processes stop after the same step. */
static int see_signals(struct loop *l, struct err *err)
{
    double stop = l->c->stop && *l->c->stop;

    TRY(dist_sum(l->c->optim->dist, &stop, 1, err));
    l->stop = stop > 0;
    return 0;
}

static int steps(struct loop *l, struct err *err)
{
    const struct loop_config *c = l->c;

    TRY(see_signals(l, err));
    while (!is_done(l) && !l->stop) {
        TRY(one_step(l, err));
        if (c->valid && c->valid_every && !l->silent &&
            (l->at.step % c->valid_every == 0 || l->at.step == c->steps))
            TRY(validate(l, err));
        if (l->at.step % c->save_every == 0)
            TRY(save(l, err));
        TRY(see_signals(l, err));
    }
    TRY(save(l, err));
    if (is_done(l))
        return 0;
    return err_set(err, ERR_STOPPED, "%s: stopped by a signal after %lld of "
                   "%lld steps, which are saved: --resume goes on, and "
                   "model.safetensors in it is the model so far", c->dir,
                   (long long)l->at.step, (long long)c->steps);
}

/* ---- begin and resume ---- */

static int restore(struct loop *l, struct err *err)
{
    const struct loop_config *c = l->c;
    char *path = NULL;
    int rc = checkpoint_newest(&path, l->checkpoints, err);

    if (!rc && path)
        rc = checkpoint_restore(path, &l->at, c->optim, err);
    if (!rc && path && strcmp(l->at.data ? l->at.data : "", c->data))
        log_warn("%s: made from other data than is given now: the run goes on, "
                 "but not as it would have", path);
    if (!rc && l->at.step > c->steps)
        rc = err_set(err, ERR_ARG, "%s: the run has done %lld steps, %lld "
                     "(train.steps) are fewer", c->dir, (long long)l->at.step,
                     (long long)c->steps);
    if (!rc && path)
        l->saved = l->at.step;
    free(path);
    return rc;
}

static int start(struct loop *l, struct err *err)
{
    const struct loop_config *c = l->c;
    char *lines = xasprintf("%s/metrics.ndjson", c->dir);
    int rc = 0;

    l->checkpoints = xasprintf("%s/checkpoints", c->dir);
    l->saved = -1;
    l->at.seed = c->seed;
    if (c->resume)
        rc = restore(l, err);
    free(l->at.config); /* settings may have been changed */
    free(l->at.data);
    l->at.config = xstrdup(c->config);
    l->at.data = xstrdup(c->data);
    if (!rc && c->begin)
        rc = c->begin(c->ctx, l->at.step, err);
    if (!rc && !l->silent)
        rc = metrics_open(&l->metrics, lines, l->saved, err);
    free(lines);
    l->state = (struct train_state){ l->at.step, c->steps, NAN, NAN, NAN };
    train_progress_init(&l->progress, stderr, c->progress, l->at.step);
    return rc;
}

int loop_run(const struct loop_config *c, struct err *err)
{
    struct loop l = { .c = c, .silent = dist_rank(c->optim->dist) > 0 };
    int rc = start(&l, err);

    if (!rc)
        rc = steps(&l, err);
    if (!l.silent)
        train_progress_clear(&l.progress);
    metrics_close(&l.metrics);
    checkpoint_release(&l.at);
    tensor_release(&l.buffers);
    free(l.checkpoints);
    return rc;
}
