/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "train/supervise.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "head/train.h"
#include "model/encoder.h"
#include "model/net.h"
#include "train/devloss.h"
#include "train/feed.h"
#include "train/headloss.h"
#include "train/loop.h"
#include "train/modelfile.h"
#include "train/stop.h"

enum { MOST_SKIPPED = 20 };
/* Of a hidden state of the examples that are worked on at once. */
static const double most_state_bytes = 256e6;

/* A head in this run. */
struct learner {
    const struct head_config *config;
    struct head_train *train;
    struct target target;      /* of a part of the batch */
    struct headloss_scale scale; /* of gradients */
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

/* Whether the weights of one head mean the same in the other. */
static int same_head(const struct head_config *a, const struct head_config *b,
                     int layers)
{
    int la = a->layer == -1 ? layers : a->layer;
    int lb = b->layer == -1 ? layers : b->layer;

    if (la != lb || a->hidden != b->hidden || a->boundary != b->boundary ||
        a->activation != b->activation || a->n_classes != b->n_classes)
        return 0;
    for (int i = 0; i < a->n_classes; i++)
        if (strcmp(a->classes[i], b->classes[i]))
            return 0;
    return 1;
}

/* A head goes on from that of the model only where both mean the same. */
static int goes_on(const struct param *q, void *ctx)
{
    const struct supervise *t = ctx;

    for (int h = 0; h < t->n; h++) {
        const struct head_config *now = t->head[h].config, *old;

        if (!modelfile_of_head(q->name, now->task))
            continue;
        old = config_head(&t->c->init->config, now->task);
        return old && same_head(now, old, t->layers);
    }
    return 1;
}

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
        TRY(params_load_some(&t->params, t->c->init, goes_on, t, &taken,
                             err));
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
    struct feed_config c = {
        .model = t->model, .songs = t->c->train, .corpus = t->c->corpus,
        .states = t->states, .samples = t->samples, .frames = t->frames,
        .rows = t->rows, .augment = t->set->augment ? augment : none,
        .target = t->set->target, .threads = t->c->threads,
        .batch = t->set->batch
    };

    c.augment.mix = t->set->mixture;
    if (t->states && (t->set->augment || t->set->mixture > 0))
        log_warn("songs are heard as they are: the states of a frozen encoder "
                 "are computed once (train.augment and train.mixture are for "
                 "--finetune)");
    return feed_new(&t->feed, &c, err);
}

static int make_dev(struct supervise *t, struct err *err)
{
    struct devloss_config c = { t->model, t->c->dev, t->c->dev_corpus, t->be,
                                t->set->target };

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
    TRY(optim_init(&t->optim, &opt, &t->params, NULL, err));
    lossscale_init(&t->optim.scale, t->set->loss_scale, t->be->precision);
    return 0;
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

/* What validation found before a run was cut off, so that it stops when it
 * would have stopped. */
static int recall(struct supervise *t, struct err *err)
{
    char *path = xasprintf("%s/metrics.ndjson", t->c->dir);
    struct metrics_table all = {0};
    const struct metrics_series *s;
    int rc = metrics_read(&all, path, err);

    s = rc ? NULL : metrics_find(&all, "valid_loss");
    for (size_t i = 0; s && i < s->n; i++)
        stop_take(&t->stopping, -s->value[i], s->step[i]);
    metrics_table_release(&all);
    free(path);
    return rc;
}

static int begin(void *ctx, int64_t step, struct err *err)
{
    struct supervise *t = ctx;
    struct loader_config c = {
        .seed = (uint64_t)t->set->seed, .step = (uint64_t)step,
        .batch = (uint32_t)t->set->batch, .count = (uint32_t)t->set->batch,
        .threads = t->c->threads, .prepare = feed_prepare, .ctx = t->feed
    };

    if (t->c->resume && t->dev)
        TRY(recall(t, err));
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
    double factor = lossscale_factor(&t->optim.scale);

    for (int h = 0; h < t->n; h++) {
        struct learner *l = &t->head[h];
        double classes, boundary;

        TRY(feed_target(t->feed, &l->target, h, data, 0, t->set->batch, err));
        target_weight(&l->target, l->config, &classes, &boundary);
        l->scale = headloss_mean(headloss_task(l->config->task), classes,
                                 boundary);
        l->scale.classes *= factor;
        l->scale.boundary *= factor;
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

static void add_number(cJSON *o, const char *name, double v)
{
    if (isfinite(v))
        cJSON_AddNumberToObject(o, name, v);
    else
        cJSON_AddNullToObject(o, name);
}

/* What a head has come to: on dev, where it was measured, and in the last step
 * of training. */
static cJSON *head_figures(const struct supervise *t, int h,
                           const struct devloss_result *dev)
{
    const struct learner *l = &t->head[h];
    cJSON *o = cJSON_CreateObject();

    if (dev && h < DEVLOSS_HEADS) {
        add_number(o, "dev_loss", dev->head_loss[h]);
        add_number(o, "dev_accuracy", dev->head_accuracy[h]);
    }
    add_number(o, "loss", headloss_value(&l->sum,
                                         headloss_task(l->config->task)));
    add_number(o, "accuracy", (double)l->sum.correct / (double)l->sum.decided);
    return o;
}

static void print_figures(const struct supervise *t, int64_t step,
                          const struct devloss_result *dev, struct strbuf *out)
{
    const struct supervise_config *c = t->c;
    cJSON *o = cJSON_CreateObject(), *tasks;

    cJSON_AddStringToObject(o, "about", c->about);
    cJSON_AddStringToObject(o, "data", c->data);
    if (dev) {
        cJSON_AddStringToObject(o, "dev", c->dev_data);
        add_number(o, "dev_loss", dev->loss);
    }
    cJSON_AddNumberToObject(o, "steps", (double)step);
    tasks = cJSON_AddObjectToObject(o, "tasks");
    for (int h = 0; h < t->n; h++)
        cJSON_AddItemToObject(tasks, t->head[h].config->task,
                              head_figures(t, h, dev));
    cJSON_AddItemToObject(o, "train", settings_json(t->set));
    json_print(out, o);
    cJSON_Delete(o);
}

/* The same for people, behind what the model says of its past. */
static void add_provenance(const struct supervise *t, int64_t step,
                           const struct devloss_result *dev,
                           struct strbuf *out)
{
    const struct model *m = t->c->init;

    if (m && *m->config.provenance)
        strbuf_addf(out, "%s; ", m->config.provenance);
    strbuf_addf(out, "%s on %s: %lld steps of %d x %g s", t->c->about,
                t->c->data, (long long)step, t->set->batch, t->set->crop);
    if (!dev)
        return;
    strbuf_addf(out, ", on dev (%s)", t->c->dev_data);
    for (int h = 0; h < t->n && h < DEVLOSS_HEADS; h++)
        strbuf_addf(out, "%s %s: loss %.4g, accuracy %.4g", h ? ";" : "",
                    t->head[h].config->task, dev->head_loss[h],
                    dev->head_accuracy[h]);
}

/* dev is NULL where the weights were not measured. */
static int write_model(const struct supervise *t, const char *path,
                       int64_t step, const struct devloss_result *dev,
                       struct err *err)
{
    struct strbuf past = STRBUF_INIT, figures = STRBUF_INIT;
    struct model_config c = *t->model;
    int rc;

    add_provenance(t, step, dev, &past);
    print_figures(t, step, dev, &figures);
    c.provenance = past.s;
    rc = modelfile_write(path, &c, figures.s, &t->params,
                         t->set->ema > 0 ? &t->optim.ema : &t->params.value,
                         t->c->init, err);
    strbuf_release(&past);
    strbuf_release(&figures);
    return rc;
}

static int save(void *ctx, int64_t step, struct err *err)
{
    const struct supervise *t = ctx;

    return write_model(t, t->path, step, NULL, err);
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
    return write_model(t, t->best, step, &r, err);
}

static int done(void *ctx)
{
    const struct supervise *t = ctx;

    return stop_now(&t->stopping);
}

/* ---- the run ---- */

static int run(struct supervise *t, struct err *err)
{
    const struct supervise_config *c = t->c;
    struct strbuf json = STRBUF_INIT;
    int rc;

    preset_print(c->preset, &json);
    rc = loop_run(&(struct loop_config){
        .dir = c->dir, .optim = &t->optim, .sched = settings_sched(t->set),
        .steps = t->set->steps, .log_every = t->set->log_every,
        .valid_every = t->set->valid_every, .save_every = t->set->save_every,
        .keep = t->set->keep, .most_skipped = MOST_SKIPPED,
        .seed = (uint64_t)t->set->seed, .config = json.s, .data = c->data,
        .title = c->about, .resume = c->resume, .progress = c->progress,
        .stop = c->stop, .pass = pass, .valid = t->dev ? valid : NULL,
        .save = save, .begin = begin, .done = done, .ctx = t }, err);
    strbuf_release(&json);
    return rc ? rc : file_copy(t->stopping.any ? t->best : t->path, c->out,
                               err);
}

int supervise_run(const struct supervise_config *c, struct backend *be,
                  struct err *err)
{
    struct supervise t = { .c = c, .set = &c->preset->train,
                           .model = &c->preset->model, .be = be };
    int rc;

    t.n = t.model->n_heads;
    t.layers = t.model->encoder.layers;
    t.head = xcalloc((size_t)t.n + 1, sizeof(*t.head));
    t.path = xasprintf("%s/model.safetensors", c->dir);
    t.best = xasprintf("%s/best.safetensors", c->dir);
    rc = set_up(&t, err);
    if (!rc)
        rc = run(&t, err);
    tear_down(&t);
    return rc;
}
