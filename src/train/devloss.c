/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "train/devloss.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "head/head.h"
#include "model/encoder.h"
#include "train/headloss.h"
#include "train/modelmel.h"
#include "train/states.h"

struct devloss {
    struct devloss_config c;
    const char **task;
    char *name[DEVLOSS_HEADS][2];
};

int devloss_new(struct devloss **out, const struct devloss_config *c,
                struct err *err)
{
    struct devloss *d = xcalloc(1, sizeof(*d));
    int n = c->model->n_heads;

    (void)err;
    d->c = *c;
    d->task = xcalloc((size_t)n + 1, sizeof(*d->task));
    for (int h = 0; h < n; h++) {
        d->task[h] = c->model->heads[h].task;
        if (h >= DEVLOSS_HEADS)
            continue;
        d->name[h][0] = xasprintf("valid_loss_%s", d->task[h]);
        d->name[h][1] = xasprintf("valid_accuracy_%s", d->task[h]);
    }
    *out = d;
    return 0;
}

void devloss_free(struct devloss *d)
{
    if (!d)
        return;
    for (int h = 0; h < DEVLOSS_HEADS; h++) {
        free(d->name[h][0]);
        free(d->name[h][1]);
    }
    free(d->task);
    free(d);
}

const char *devloss_name(const struct devloss *d, int h, int accuracy)
{
    return d->name[h][accuracy];
}

/* ---- one song ---- */

struct run {
    struct devloss *d;
    struct model *model;
    struct encoder *encoder;
    struct mel *mel;
    struct heads *heads;
    struct headloss *sum; /* by head */
};

static int push(void *ctx, const float *const *hidden, int64_t n,
                struct err *err)
{
    struct run *r = ctx;

    return heads_push(r->heads, hidden, n, err);
}

static int score_song(struct run *r, size_t i, double duration,
                      struct err *err)
{
    const struct song *s = &r->d->c.songs->v[i];
    struct excerpt x = { .speed = 1, .from = s->from,
                         .to = fmin(s->to, duration) };
    const struct scores *scores;
    struct target t = {0};
    int rc = heads_finish(r->heads, 1, &scores, err);

    for (int h = 0; h < r->d->c.model->n_heads && !rc; h++) {
        const struct head_config *c = &r->d->c.model->heads[h];
        int task = target_task(c->task);
        struct headloss_scale none = { 0, 0 };

        rc = target_reserve(&t, c, scores[h].n, err);
        if (rc)
            break;
        target_fill(&t, 0, t.n, c, s->has >> task & 1 ? &s->label[task] : NULL,
                    &x, &r->d->c.target);
        headloss_rows(&r->sum[h], NULL, scores[h].v, c, &t, none);
    }
    target_release(&t);
    return rc;
}

static int run_song(struct run *r, size_t i, struct err *err)
{
    struct corpus *corpus = r->d->c.corpus;
    struct stream_config c = { .emit = push, .ctx = r };
    struct stream *stream = NULL;
    const int16_t *pcm;
    int64_t n;
    int rc;

    c.layer = heads_layers(r->heads, &c.n_layers);
    if (corpus_hold(corpus, i, err))
        return 0; /* it was logged */
    pcm = corpus_pcm(corpus, i, &n);
    rc = stream_new(&stream, r->encoder, r->model, &c, err);
    if (!rc)
        rc = states_stream(stream, r->model, r->mel, pcm, n, err);
    if (!rc)
        rc = score_song(r, i, (double)n / r->model->config.sample_rate, err);
    stream_free(stream);
    corpus_let_go(corpus, i);
    return rc;
}

/* ---- all songs ---- */

static int open_run(struct run *r, const char *path, struct err *err)
{
    const struct devloss_config *c = &r->d->c;
    const struct model_config *m = c->model;
    struct mel_config mel = mel_config_of(&m->mel, m->sample_rate);

    TRY(model_open(&r->model, path, err));
    TRY(encoder_new(&r->encoder, r->model, c->be, err));
    TRY(heads_new(&r->heads, r->model, c->be, r->d->task, m->n_heads,
                  m->encoder.rate, err));
    return encoder_hears_sound(r->encoder) ? 0 : mel_new(&r->mel, &mel, err);
}

int devloss_run(struct devloss *d, const char *model,
                struct devloss_result *r, struct err *err)
{
    int n = d->c.model->n_heads, rc;
    struct run run = { .d = d, .sum = xcalloc((size_t)n + 1,
                                              sizeof(*run.sum)) };

    d->c.be->ops->weights_changed(d->c.be);
    rc = open_run(&run, model, err);
    for (size_t i = 0; i < d->c.songs->n && !rc; i++)
        rc = run_song(&run, i, err);
    r->loss = 0;
    for (int h = 0; h < n; h++) {
        double v = headloss_value(&run.sum[h], headloss_task(d->task[h]));

        r->loss += v;
        if (h >= DEVLOSS_HEADS)
            continue;
        r->head_loss[h] = v;
        r->head_accuracy[h] = (double)run.sum[h].correct /
                              (double)run.sum[h].decided;
    }
    heads_free(run.heads);
    encoder_free(run.encoder);
    mel_free(run.mel);
    model_free(run.model);
    free(run.sum);
    d->c.be->ops->weights_changed(d->c.be);
    return rc;
}
