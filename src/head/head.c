/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "head/head.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "head/pool.h"

/* Rows that go through the network at a time. */
enum { BATCH = 1024 };

struct network {
    const struct head_config *config;
    int layer;                     /* hidden state, 0..layers; HEAD_MIX */
    float *mix;                    /* (layers + 1) of a mixture, else NULL */
    float *mixed;                  /* (mixed_cap, dim) */
    int64_t mixed_cap;
    struct pool *pool;             /* NULL: mean over the recording */
    struct tensor w[2], b[2];      /* hidden (empty if none), output */
    struct scores scores;
    int64_t cap;                   /* rows of scores.v */
};

struct heads {
    struct backend *be;
    int dim, layers;
    double state_rate;
    struct network *net;
    struct scores *scores; /* copies for the caller */
    int n;
    int *layer, n_layers;
    double *sum;           /* (n_layers, dim), for whole recordings */
    int64_t frames;
    struct tensor in, mid, out;
};

/* ---- weights ---- */

static void softmax(float *v, int n)
{
    float top = v[0];
    double sum = 0;

    for (int i = 1; i < n; i++)
        top = v[i] > top ? v[i] : top;
    for (int i = 0; i < n; i++)
        sum += v[i] = expf(v[i] - top);
    for (int i = 0; i < n; i++)
        v[i] = (float)(v[i] / sum);
}

static int load(struct tensor *w, struct tensor *b, struct model *m,
                struct backend *be, const char *task, const char *part,
                int64_t out, int64_t in, struct err *err)
{
    int64_t dim[2] = { out, in };
    const float *p = NULL;
    char name[256];

    snprintf(name, sizeof(name), "head.%s.%s.weight", task, part);
    TRY(model_tensor(m, name, dim, 2, &p, err));
    TRY(tensor_import(w, be, p, 2, dim, err));
    snprintf(name, sizeof(name), "head.%s.%s.bias", task, part);
    TRY(model_tensor(m, name, dim, 1, &p, err));
    return tensor_import(b, be, p, 1, dim, err);
}

/* The softmax of head.TASK.mix, of a head that reads several states. */
static int load_mix(struct network *n, const struct heads *h, struct model *m,
                    struct err *err)
{
    int64_t dim = h->layers + 1;
    const float *w = NULL;
    char name[256];

    if (n->layer != HEAD_MIX)
        return 0;
    snprintf(name, sizeof(name), "head.%s.mix", n->config->task);
    TRY(model_tensor(m, name, &dim, 1, &w, err));
    n->mix = xcalloc((size_t)dim, sizeof(*n->mix));
    memcpy(n->mix, w, (size_t)dim * sizeof(*w));
    softmax(n->mix, (int)dim);
    return 0;
}

static int network_init(struct network *n, struct heads *h, struct model *m,
                        const char *task, struct err *err)
{
    const struct head_config *c = config_head(&m->config, task);
    int in = h->dim;

    if (!c)
        return err_set(err, ERR_ARG, "%s: the model has no head for '%s'",
                       m->path, task);
    n->config = c;
    n->layer = c->layer == -1 ? h->layers : c->layer;
    TRY(load_mix(n, h, m, err));
    n->scores.head = c;
    n->scores.width = c->n_classes + (c->boundary ? 1 : 0);
    if (c->rate > 0)
        TRY(pool_new(&n->pool, h->dim, h->state_rate, c->rate, err));
    if (c->hidden) {
        TRY(load(&n->w[0], &n->b[0], m, h->be, task, "hidden", c->hidden, in,
                 err));
        in = c->hidden;
    }
    return load(&n->w[1], &n->b[1], m, h->be, task, "output", n->scores.width,
                in, err);
}

static int reads(const struct network *n, int layer)
{
    return n->mix || n->layer == layer;
}

static void collect_layers(struct heads *h)
{
    for (int k = 0; k <= h->layers; k++) {
        int any = 0;

        for (int i = 0; i < h->n; i++)
            any |= reads(&h->net[i], k);
        if (any)
            h->layer[h->n_layers++] = k;
    }
}

int heads_new(struct heads **out, struct model *m, struct backend *be,
              const char *const *task, int n_tasks, double state_rate,
              struct err *err)
{
    struct heads *h = xcalloc(1, sizeof(*h));
    size_t n = (size_t)n_tasks + 1;

    h->be = be;
    h->dim = m->config.encoder.dim;
    h->layers = m->config.encoder.layers;
    h->state_rate = state_rate;
    h->net = xcalloc(n, sizeof(*h->net));
    h->scores = xcalloc(n, sizeof(*h->scores));
    h->layer = xcalloc((size_t)h->layers + 1, sizeof(*h->layer));
    for (h->n = 0; h->n < n_tasks; h->n++) {
        int rc = network_init(&h->net[h->n], h, m, task[h->n], err);

        if (rc) {
            h->n++;
            heads_free(h);
            return rc;
        }
    }
    collect_layers(h);
    h->sum = xcalloc((size_t)h->n_layers * (size_t)h->dim + 1,
                     sizeof(*h->sum));
    *out = h;
    return 0;
}

void heads_free(struct heads *h)
{
    if (!h)
        return;
    for (int i = 0; i < h->n; i++) {
        struct network *n = &h->net[i];

        pool_free(n->pool);
        for (int k = 0; k < 2; k++) {
            tensor_release(&n->w[k]);
            tensor_release(&n->b[k]);
        }
        free(n->scores.v);
        free(n->mix);
        free(n->mixed);
    }
    tensor_release(&h->in);
    tensor_release(&h->mid);
    tensor_release(&h->out);
    free(h->net);
    free(h->scores);
    free(h->layer);
    free(h->sum);
    free(h);
}

const int *heads_layers(const struct heads *h, int *n)
{
    *n = h->n_layers;
    return h->layer;
}

/* ---- forward ---- */

static int run_batch(struct heads *h, struct network *n, const float *rows,
                     int64_t count, float *out, struct err *err)
{
    struct matmul_opts plain = {0}, relu = { .act = ACT_RELU };
    int width = n->scores.width, hidden = n->config->hidden;
    const struct tensor *x = &h->in;

    TRY(tensor_reserve(&h->in, h->be, 2, (int64_t[]){ count, h->dim }, err));
    TRY(tensor_reserve(&h->out, h->be, 2, (int64_t[]){ count, width }, err));
    TRY(tensor_upload(&h->in, rows, err));
    if (hidden) {
        TRY(tensor_reserve(&h->mid, h->be, 2, (int64_t[]){ count, hidden },
                           err));
        TRY(h->be->ops->matmul(h->be, &h->mid, &h->in, &n->w[0], &n->b[0], relu,
                               err));
        x = &h->mid;
    }
    TRY(h->be->ops->matmul(h->be, &h->out, x, &n->w[1], &n->b[1], plain, err));
    return tensor_download(out, &h->out, err);
}

/* Appends the scores of count pooled rows. */
static int add_rows(struct heads *h, struct network *n, const float *rows,
                    int64_t count, struct err *err)
{
    struct scores *s = &n->scores;

    if (s->n + count > n->cap) {
        int64_t cap = 2 * n->cap > s->n + count ? 2 * n->cap : s->n + count;
        float *v = realloc(s->v, (size_t)cap * (size_t)s->width * sizeof(*v));

        if (!v)
            return err_set(err, ERR_NOMEM, "no memory for %lld rows of scores",
                           (long long)cap);
        s->v = v;
        n->cap = cap;
    }
    for (int64_t i = 0; i < count; i += BATCH) {
        int64_t b = count - i < BATCH ? count - i : BATCH;

        TRY(run_batch(h, n, rows + i * h->dim, b,
                      s->v + (s->n + i) * s->width, err));
    }
    s->n += count;
    return 0;
}

static int layer_index(const struct heads *h, int layer)
{
    int i = 0;

    while (h->layer[i] != layer)
        i++;
    return i;
}

/* A new recording: what the last one left is forgotten. */
static int start(struct heads *h, struct err *err)
{
    memset(h->sum, 0, (size_t)h->n_layers * (size_t)h->dim * sizeof(*h->sum));
    for (int i = 0; i < h->n; i++) {
        struct network *n = &h->net[i];

        n->scores.n = 0;
        if (!n->pool)
            continue;
        pool_free(n->pool);
        n->pool = NULL;
        TRY(pool_new(&n->pool, h->dim, h->state_rate, n->config->rate, err));
    }
    return 0;
}

/* What a head reads of n frames: a layer's, or the mixture of all. */
static int read_states(const struct heads *h, struct network *net,
                       const float *const *hidden, int64_t n,
                       const float **out, struct err *err)
{
    int64_t count = n * h->dim;

    if (!net->mix) {
        *out = hidden[layer_index(h, net->layer)];
        return 0;
    }
    if (n > net->mixed_cap) {
        free(net->mixed);
        net->mixed_cap = 0;
        net->mixed = malloc((size_t)count * sizeof(*net->mixed));
        if (!net->mixed)
            return err_set(err, ERR_NOMEM, "no memory for %lld frames",
                           (long long)n);
        net->mixed_cap = n;
    }
    /* all layers are read, so that hidden[k] is layer k's */
    for (int64_t j = 0; j < count; j++) {
        float sum = 0;

        for (int k = 0; k <= h->layers; k++)
            sum += net->mix[k] * hidden[k][j];
        net->mixed[j] = sum;
    }
    *out = net->mixed;
    return 0;
}

int heads_push(struct heads *h, const float *const *hidden, int64_t n,
               struct err *err)
{
    if (!h->frames)
        TRY(start(h, err));
    h->frames += n;
    for (int l = 0; l < h->n_layers; l++)
        for (int64_t t = 0; t < n; t++)
            for (int j = 0; j < h->dim; j++)
                h->sum[l * h->dim + j] += hidden[l][t * h->dim + j];
    for (int i = 0; i < h->n; i++) {
        struct network *net = &h->net[i];
        const float *rows, *states = NULL;
        int64_t count;

        if (!net->pool)
            continue;
        TRY(read_states(h, net, hidden, n, &states, err));
        TRY(pool_push(net->pool, states, n, &rows, &count, err));
        TRY(add_rows(h, net, rows, count, err));
    }
    return 0;
}

/* Sum over all frames of what a head reads, dimension j. */
static double sum_of(const struct heads *h, const struct network *n, int j)
{
    double sum = 0;

    if (!n->mix)
        return h->sum[layer_index(h, n->layer) * h->dim + j];
    for (int k = 0; k <= h->layers; k++)
        sum += n->mix[k] * h->sum[k * h->dim + j];
    return sum;
}

/* The end of the recording for one head. */
static int finish_network(struct heads *h, struct network *n, struct err *err)
{
    const float *rows;
    int64_t count;

    if (n->pool) {
        TRY(pool_finish(n->pool, &rows, &count, err));
        return add_rows(h, n, rows, count, err);
    } else {
        float *mean = xcalloc((size_t)h->dim, sizeof(*mean));
        int rc;

        for (int j = 0; j < h->dim; j++)
            mean[j] = (float)(sum_of(h, n, j) / (double)h->frames);
        rc = add_rows(h, n, mean, 1, err);
        free(mean);
        return rc;
    }
}

static void activate(struct scores *s)
{
    int classes = s->head->n_classes;

    for (int64_t i = 0; i < s->n; i++) {
        float *v = s->v + i * s->width;
        int from = 0;

        if (s->head->activation == HEAD_SOFTMAX) {
            softmax(v, classes);
            from = classes;
        }
        for (int j = from; j < s->width; j++)
            v[j] = 1 / (1 + expf(-v[j]));
    }
}

int heads_finish(struct heads *h, int raw, const struct scores **out,
                 struct err *err)
{
    if (!h->frames)
        TRY(start(h, err));
    for (int i = 0; i < h->n; i++) {
        if (h->frames)
            TRY(finish_network(h, &h->net[i], err));
        if (!raw)
            activate(&h->net[i].scores);
        h->scores[i] = h->net[i].scores;
    }
    h->frames = 0;
    *out = h->scores;
    return 0;
}
