/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "train/supervise.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "head/train.h"
#include "model/encoder.h"
#include "model/net.h"
#include "train/devloss.h"
#include "train/feed.h"
#include "train/headloss.h"
#include "train/loop.h"
#include "train/stop.h"

enum { MOST_SKIPPED = 20 };
/* Of a hidden state of the examples that are worked on at once. */
static const double most_state_bytes = 256e6;

/* A head in this run. */
struct learner {
    const struct head_config *config;
    struct head_train *train;
    struct target target;      /* of a part of the batch */
    struct headloss_scale scale;
    struct headloss sum;
    char *loss_name, *accuracy_name; /* of metrics */
};

struct supervise {
    const struct supervise_config *c;
    const struct settings *set;
    const struct model_config *model;
    struct backend *be;
    struct params params;
    struct net *net;           /* NULL: frozen */
    struct states *states;     /* frozen: of all songs */
    struct optim optim;
    struct learner *head;      /* n of them */
    int n, layers;
    int64_t samples, time, frames, *rows;
    struct feed *feed;
    struct loader *loader;
    const struct tensor **hidden; /* layers + 1 */
    struct tensor *given;      /* frozen: layers + 1, those of the batch */
    struct tensor **dhidden, *dspace; /* layers + 1 */
    int *kept, n_kept;         /* layers that heads read */
    float *host;               /* logits, then their gradient */
    size_t cap;
    float *room;               /* stacked states of an example */
    struct devloss *dev;
    struct stop stopping;
    char *path, *best;         /* RUN/model.safetensors, RUN/best.. */
};

/* ---- setting up ---- */


/* Values that begin the run; a frozen encoder's are not there at all. */
static int make_params(struct supervise *t, struct err *err)
{
    size_t taken = 0;

    if (t->c->finetune)
        net_describe(t->model, &t->params);
    for (int h = 0; h < t->n; h++)
        head_describe(t->head[h].config, t->model->encoder.dim, t->layers,
                      &t->params);
    TRY(params_alloc(&t->params, t->be, err));
    TRY(params_init(&t->params, (uint64_t)t->set->seed, err));
    if (t->c->init)
        TRY(params_load(&t->params, t->c->init, &taken, err));
    log_info("%lld values to be trained, %zu tensors from the model",
             (long long)t->params.trained, taken);
    return 0;
}

static int make_net(struct supervise *t, struct err *err)
{
    struct net_options o = {
        .dropout = (float)t->set->dropout,
        .layer_drop = (float)t->set->layer_drop,
        .checkpoint = t->set->checkpoint
    };

    return net_new(&t->net, t->model, &t->params, &o, err);
}

static void find_kept(struct supervise *t)
{
    t->kept = xcalloc((size_t)t->layers + 1, sizeof(*t->kept));
    for (int k = 0; k <= t->layers; k++)
        for (int h = 0; h < t->n; h++)
            if (head_train_reads(t->head[h].train, k)) {
                t->kept[t->n_kept++] = k;
                break;
            }
}

static void show_states(void *ctx, size_t done, size_t all)
{
    (void)ctx;
    if (done % 50 == 0 || done == all)
        log_info("states of %zu of %zu songs", done, all);
}

/* The frozen encoder's answers. */
static int make_states(struct supervise *t, struct err *err)
{
    char *path = xasprintf("%s/states.tmp", t->c->dir);
    struct states_config c = {
        .model = t->c->init, .be = t->be, .corpus = t->c->corpus,
        .n = t->c->train->n, .layer = t->kept, .n_layers = t->n_kept,
        .path = path, .progress = show_states
    };
    int rc = states_new(&t->states, &c, err);

    free(path);
    return rc;
}

static int set_sizes(struct supervise *t, struct err *err)
{
    const struct model_config *m = t->model;
    int bert = m->encoder.type == ENCODER_BERT;
    int64_t step = bert ? 1 : m->mel.hop;

    t->samples = llround(t->set->crop * m->sample_rate);
    t->samples -= t->samples % step;
    t->time = t->samples / step;
    t->frames = t->net ? net_frames(t->net, t->time)
                       : llround(t->set->crop * m->encoder.rate);
    if (t->frames < 1)
        return err_set(err, ERR_ARG, "train.crop: %g s are too short",
                       t->set->crop);
    if (t->states && states_stacked(t->states)) {
        t->room = malloc((size_t)(t->frames * m->encoder.dim) *
                         sizeof(*t->room));
        if (!t->room)
            return err_set(err, ERR_NOMEM, "no memory for states of %g s",
                           t->set->crop);
    }
    t->rows = xcalloc((size_t)t->n, sizeof(*t->rows));
    for (int h = 0; h < t->n; h++)
        t->rows[h] = head_train_rows(t->head[h].train, t->frames);
    return 0;
}

static int make_heads(struct supervise *t, struct err *err)
{
    for (int h = 0; h < t->n; h++) {
        struct learner *l = &t->head[h];

        TRY(target_check(l->config, err));
        TRY(head_train_new(&l->train, l->config, t->model->encoder.dim,
                           t->layers, t->model->encoder.rate, &t->params,
                           err));
        l->loss_name = xasprintf("loss_%s", l->config->task);
        l->accuracy_name = xasprintf("accuracy_%s", l->config->task);
    }
    return 0;
}

static int make_feed(struct supervise *t, struct err *err)
{
    struct augment_options augment = AUGMENT_OPTIONS_INIT;
    struct augment_options none = AUGMENT_OPTIONS_NONE;
    struct target_options target = TARGET_OPTIONS_INIT;
    struct feed_config c = {
        .model = t->model, .songs = t->c->train, .corpus = t->c->corpus,
        .states = t->states, .samples = t->samples, .frames = t->frames,
        .rows = t->rows, .augment = t->set->augment ? augment : none,
        .target = target, .threads = t->c->threads, .batch = t->set->batch
    };

    return feed_new(&t->feed, &c, err);
}

static int make_dev(struct supervise *t, struct err *err)
{
    struct devloss_config c = { t->model, t->c->dev, t->c->dev_corpus, t->be };

    t->stopping.patience = t->set->patience;
    return t->c->dev ? devloss_new(&t->dev, &c, err) : 0;
}

static int set_up(struct supervise *t, struct err *err)
{
    struct optim_options opt = settings_optim(t->set);
    size_t layers = (size_t)t->layers + 1;

    for (int h = 0; h < t->n; h++)
        t->head[h].config = &t->model->heads[h];
    TRY(make_params(t, err));
    if (t->c->finetune)
        TRY(make_net(t, err));
    TRY(make_heads(t, err));
    find_kept(t);
    t->hidden = xcalloc(layers, sizeof(*t->hidden));
    t->given = xcalloc(layers, sizeof(*t->given));
    t->dhidden = xcalloc(layers, sizeof(*t->dhidden));
    t->dspace = xcalloc(layers, sizeof(*t->dspace));
    if (!t->net)
        TRY(make_states(t, err));
    TRY(set_sizes(t, err));
    TRY(make_feed(t, err));
    TRY(make_dev(t, err));
    return optim_init(&t->optim, &opt, &t->params, err);
}

static void tear_down(struct supervise *t)
{
    loader_free(t->loader);
    feed_free(t->feed);
    devloss_free(t->dev);
    for (int h = 0; h < t->n; h++) {
        head_train_free(t->head[h].train);
        target_release(&t->head[h].target);
        free(t->head[h].loss_name);
        free(t->head[h].accuracy_name);
    }
    for (int k = 0; t->given && k <= t->layers; k++) {
        tensor_release(&t->given[k]);
        tensor_release(&t->dspace[k]);
    }
    optim_release(&t->optim);
    net_free(t->net);
    states_free(t->states);
    params_release(&t->params);
    free(t->head);
    free(t->rows);
    free(t->kept);
    free(t->hidden);
    free(t->given);
    free(t->dhidden);
    free(t->dspace);
    free(t->host);
    free(t->room);
    free(t->path);
    free(t->best);
}

/* ---- a step ---- */

static int begin(void *ctx, int64_t step, struct err *err)
{
    struct supervise *t = ctx;
    struct loader_config c = {
        .seed = (uint64_t)t->set->seed, .step = (uint64_t)step,
        .batch = (uint32_t)t->set->batch, .count = (uint32_t)t->set->batch,
        .threads = t->c->threads, .prepare = feed_prepare, .ctx = t->feed
    };

    feed_parts(t->feed, c.part_bytes);
    return loader_new(&t->loader, &c, err);
}

/* Hidden states of examples first .. first + n - 1. */
static int encode(struct supervise *t, const float *input, int64_t first,
                  int64_t n, int64_t step, struct err *err)
{
    int64_t dim[3] = { n, t->frames, t->model->encoder.dim };
    int64_t each = t->frames * dim[2];

    for (int i = 0; i < t->n_kept && !t->net; i++) {
        struct tensor *g = &t->given[t->kept[i]];

        TRY(tensor_reserve(g, t->be, 3, dim, err));
        for (int64_t b = 0; b < n; b++) {
            struct tensor part = tensor_view(g, b * each, 1, &each);

            const float *window =
                input + b * states_room(t->states, t->frames);

            TRY(tensor_upload(&part, states_of(t->states, window, i, t->frames,
                                               t->room), err));
        }
        t->hidden[t->kept[i]] = g;
    }
    if (!t->net)
        return 0;
    TRY(net_forward(t->net, input, n, t->time, (uint64_t)t->set->seed + 1,
                    (uint64_t)(step * t->set->batch + first), err));
    for (int i = 0; i < t->n_kept; i++) {
        int k = t->kept[i];

        t->hidden[k] = net_hidden(t->net, k);
        TRY(tensor_reserve(&t->dspace[k], t->be, 3, dim, err));
        TRY(t->be->ops->axpby(t->be, &t->dspace[k], 0, NULL, 0, err));
        t->dhidden[k] = &t->dspace[k];
    }
    return 0;
}

static int reserve_host(struct supervise *t, size_t n, struct err *err)
{
    float *p;

    if (n <= t->cap)
        return 0;
    p = realloc(t->host, n * sizeof(*p));
    if (!p)
        return err_set(err, ERR_NOMEM, "no memory for %zu logits", n);
    t->host = p;
    t->cap = n;
    return 0;
}

static int head_pass(struct supervise *t, int h, const struct batch_data *data,
                     int64_t first, int64_t n, int64_t step, struct err *err)
{
    struct learner *l = &t->head[h];
    struct head_train_options o = {
        (float)t->set->dropout, (uint64_t)t->set->seed + 2,
        (uint64_t)(step * t->set->batch + first)
    };
    const struct tensor *logits;

    TRY(head_train_forward(l->train, t->hidden, &o, err));
    logits = head_train_logits(l->train);
    TRY(reserve_host(t, (size_t)tensor_count(logits), err));
    TRY(tensor_download(t->host, logits, err));
    TRY(feed_target(t->feed, &l->target, h, data, first, n, err));
    headloss_rows(&l->sum, t->host, t->host, l->config, &l->target, l->scale);
    return head_train_backward(l->train, t->host, t->net ? t->dhidden : NULL,
                               err);
}

/* What makes sums over the batch weighted means. */
static int weigh(struct supervise *t, const struct batch_data *data,
                 struct err *err)
{
    for (int h = 0; h < t->n; h++) {
        struct learner *l = &t->head[h];
        double classes, boundary;

        TRY(feed_target(t->feed, &l->target, h, data, 0, t->set->batch, err));
        target_weight(&l->target, l->config, &classes, &boundary);
        l->scale = headloss_mean(headloss_task(l->config->task), classes,
                                 boundary);
        memset(&l->sum, 0, sizeof(l->sum));
    }
    return 0;
}

static void fill_row(struct supervise *t, struct loop_row *row)
{
    int64_t right = 0, decided = 0;

    row->loss = 0;
    for (int h = 0; h < t->n; h++) {
        struct learner *l = &t->head[h];
        double loss = headloss_value(&l->sum, headloss_task(l->config->task));

        row->loss += loss;
        right += l->sum.correct;
        decided += l->sum.decided;
        if (h >= 5)
            continue;
        loop_metric(row, l->loss_name, loss);
        loop_metric(row, l->accuracy_name,
                    (double)l->sum.correct / (double)l->sum.decided);
    }
    row->accuracy = (double)right / (double)decided;
    row->hours = t->set->crop * t->set->batch / 3600;
}

/* Examples that are worked on at once: what train.accumulate says, and of wide
 * frozen states what memory is for. Gradients are sums over the parts. */
static int64_t part_of_batch(const struct supervise *t)
{
    double each = 4.0 * (double)t->frames * t->model->encoder.dim;
    int64_t part = (t->set->batch - 1) / t->set->accumulate + 1;
    int64_t most = each < most_state_bytes ? (int64_t)(most_state_bytes / each)
                                           : 1;

    return t->net || part < most ? part : most;
}

static int pass(void *ctx, int64_t step, struct loop_row *row, struct err *err)
{
    struct supervise *t = ctx;
    int64_t batch = t->set->batch, part = part_of_batch(t);
    struct batch_data data;
    size_t bytes[LOADER_PARTS];

    feed_parts(t->feed, bytes);
    TRY(loader_next(t->loader, (uint64_t)step, &data, err));
    TRY(weigh(t, &data, err));
    for (int64_t first = 0; first < batch; first += part) {
        int64_t n = batch - first < part ? batch - first : part;
        const float *input = (const float *)data.part[FEED_INPUT] +
                             first * (int64_t)(bytes[FEED_INPUT] /
                                               sizeof(float));

        TRY(encode(t, input, first, n, step, err));
        for (int h = 0; h < t->n; h++)
            TRY(head_pass(t, h, &data, first, n, step, err));
        if (t->net)
            TRY(net_backward(t->net, t->dhidden, err));
    }
    fill_row(t, row);
    return 0;
}

/* ---- the model so far ---- */

/* A tensor of the file that is written: a trained one, or one of the model that
 * the run began with. */
static void list_rest(const struct supervise *t, struct params *all)
{
    const struct model *m = t->c->init;

    for (size_t i = 0; m && i < m->weights.n; i++) {
        const struct stored *s = &m->weights.tensor[i];

        if (params_index(&t->params, s->name) < 0 &&
            (stored_type_is_float(s->type) || s->type == STORED_I64))
            params_add(all, s->name, s->type == STORED_I64 ? PARAM_COUNTER
                                                           : PARAM_BUFFER,
                       INIT_CONST, 0, s->ndim, s->dim);
    }
}

/* Whether a head of the model that the run began with is replaced. */
static int learns(const struct supervise *t, const char *task)
{
    return config_head(t->model, task) != NULL;
}

/* The configuration with the heads that the run leaves alone too. */
static void whole_config(const struct supervise *t, int64_t step,
                         struct strbuf *json)
{
    const struct model *m = t->c->init;
    struct model_config c = *t->model;
    size_t most = (size_t)c.n_heads + (m ? (size_t)m->config.n_heads : 0);

    c.heads = xcalloc(most + 1, sizeof(*c.heads));
    memcpy(c.heads, t->model->heads, (size_t)c.n_heads * sizeof(*c.heads));
    for (int i = 0; m && i < m->config.n_heads; i++)
        if (!learns(t, m->config.heads[i].task))
            c.heads[c.n_heads++] = m->config.heads[i];
    c.provenance = xasprintf("%s%s%s on %s: %lld steps of %d x %g s",
                             m ? m->config.provenance : "",
                             m && *m->config.provenance ? "; " : "",
                             t->c->about, t->c->data, (long long)step,
                             t->set->batch, t->set->crop);
    config_print(&c, json);
    free(c.provenance);
    free(c.heads);
}

/* Values of the tensors that are not trained, from the model. */
static int load_rest(const struct supervise *t, struct params *rest,
                     struct err *err)
{
    if (!rest->n)
        return 0;
    TRY(params_alloc(rest, t->be, err));
    return params_load(rest, t->c->init, NULL, err);
}

struct merged {
    struct params list; /* names of both */
    float *block;
};

static int merge(const struct supervise *t, const struct params *rest,
                 struct merged *m, struct err *err)
{
    const struct params *from[2] = { &t->params, rest };
    const struct tensor *value[2] = {
        t->set->ema > 0 ? &t->optim.ema : &t->params.value, &rest->value
    };
    int64_t at = 0;

    m->block = malloc((size_t)(t->params.all + rest->all + 1) *
                      sizeof(*m->block));
    if (!m->block)
        return err_set(err, ERR_NOMEM, "no memory for %lld values",
                       (long long)(t->params.all + rest->all));
    for (int k = 0; k < 2; at += from[k++]->all) {
        if (from[k]->n)
            TRY(tensor_download(m->block + at, value[k], err));
        for (size_t i = 0; i < from[k]->n; i++) {
            const struct param *q = &from[k]->item[i];

            params_add(&m->list, q->name, q->kind, q->init, 0, q->ndim,
                       q->dim)->offset = q->offset + at;
        }
    }
    return 0;
}

static int save(void *ctx, int64_t step, struct err *err)
{
    struct supervise *t = ctx;
    struct strbuf json = STRBUF_INIT;
    struct params rest = {0};
    struct merged m = {0};
    int rc;

    list_rest(t, &rest);
    whole_config(t, step, &json);
    rc = load_rest(t, &rest, err);
    if (!rc)
        rc = merge(t, &rest, &m, err);
    if (!rc)
        rc = params_write(&m.list, m.block, 0, NULL, NULL, t->path,
                          (struct safetensors_meta[]){
                              { (char *)"format", (char *)"pt" },
                              { (char *)"mfm", json.s } }, 2, err);
    params_release(&m.list);
    params_release(&rest);
    free(m.block);
    strbuf_release(&json);
    return rc;
}

static int valid(void *ctx, int64_t step, struct loop_row *row,
                 struct err *err)
{
    struct supervise *t = ctx;
    struct devloss_result r = {0};

    TRY(devloss_run(t->dev, t->path, &r, err));
    loop_metric(row, "valid_loss", r.loss);
    for (int h = 0; h < t->n && h < DEVLOSS_HEADS; h++) {
        loop_metric(row, devloss_name(t->dev, h, 0), r.head_loss[h]);
        loop_metric(row, devloss_name(t->dev, h, 1), r.head_accuracy[h]);
    }
    if (!stop_take(&t->stopping, -r.loss, step))
        return 0;
    return copy_file(t->path, t->best, err);
}

static int done(void *ctx)
{
    const struct supervise *t = ctx;

    return stop_now(&t->stopping);
}

int supervise_run(const struct supervise_config *c, struct backend *be,
                  struct err *err)
{
    struct supervise t = { .c = c, .set = &c->preset->train,
                           .model = &c->preset->model, .be = be };
    struct strbuf json = STRBUF_INIT;
    int rc;

    t.n = t.model->n_heads;
    t.layers = t.model->encoder.layers;
    t.head = xcalloc((size_t)t.n + 1, sizeof(*t.head));
    t.path = xasprintf("%s/model.safetensors", c->dir);
    t.best = xasprintf("%s/best.safetensors", c->dir);
    preset_print(c->preset, &json);
    rc = set_up(&t, err);
    if (!rc)
        rc = loop_run(&(struct loop_config){
            .dir = c->dir, .optim = &t.optim, .sched = settings_sched(t.set),
            .steps = t.set->steps, .log_every = t.set->log_every,
            .valid_every = t.set->valid_every, .save_every = t.set->save_every,
            .keep = t.set->keep, .most_skipped = MOST_SKIPPED,
            .seed = (uint64_t)t.set->seed, .config = json.s, .data = c->data,
            .title = c->about, .resume = c->resume, .progress = c->progress,
            .stop = c->stop, .pass = pass, .valid = t.dev ? valid : NULL,
            .save = save, .begin = begin, .done = done, .ctx = &t }, err);
    if (!rc)
        rc = copy_file(t.stopping.any ? t.best : t.path, c->out, err);
    strbuf_release(&json);
    tear_down(&t);
    return rc;
}
