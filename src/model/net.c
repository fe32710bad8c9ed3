/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "model/net.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "base/xalloc.h"
#include "model/bert.h"
#include "model/bertnet.h"
#include "model/musicfm.h"
#include "model/netblock.h"
#include "model/netfront.h"

enum { DROPS = 8 }; /* streams of random numbers that a block may use */
static const uint64_t layer_stream = 1u << 20; /* of dropped layers */

/* The Conformer's parts, as struct bert_net. */
struct conformer_net {
    struct net_front front;
    struct net_block *block;
    struct net_block_save *save; /* one a layer */
    struct net_block_work work;
    struct tensor one;
};

struct net {
    struct bert_net *bert; /* NULL: Conformer */
    struct conformer_net conformer;
    const struct encoder_config *config;
    struct params *p;
    struct net_options options;
    int layers;            /* that are run */
    int has_top;           /* a norm stands behind the last layer, and it is
                              run */
    struct net_norm final;
    struct tensor *hidden; /* layers + 1: the input of each layer */
    struct tensor top;     /* the last one, normalised */
    struct tensor dx;
    char *dropped;         /* by layer */
    uint64_t seed, step;
};

/* ---- the tensors ---- */

int net_name_ends(const char *name, const char *end)
{
    size_t n = strlen(name), m = strlen(end);

    return n >= m && !strcmp(name + n - m, end);
}

/* Inputs of one output: torch's default first values are U(+-1/sqrt(fan in)),
 * of the bias too. */
static float bound(const struct stored *t)
{
    double fan_in = 1;

    for (int i = 1; i < t->ndim; i++)
        fan_in *= (double)t->dim[i];
    return (float)(1 / sqrt(fan_in));
}

int net_layer_of(const char *name)
{
    int layer;

    return sscanf(name, "conformer.layers.%d.", &layer) == 1 ||
                   sscanf(name, "encoder.layers.%d.", &layer) == 1
               ? layer : -1;
}

void net_describe_buffer(struct params *p, const struct stored *t)
{
    enum param_kind kind = t->type == STORED_I64 ? PARAM_COUNTER : PARAM_BUFFER;
    enum param_init init = INIT_CONST;
    float value = net_name_ends(t->name, "running_var");

    if (net_name_ends(t->name, "random_projection")) {
        init = INIT_NORMAL; /* Xavier: MODEL.md 2 of the design */
        value = (float)sqrt(2.0 / (double)(t->dim[0] + t->dim[1]));
    } else if (net_name_ends(t->name, "codebook")) {
        init = INIT_NORMAL;
        value = 1;
    } else if (net_name_ends(t->name, "inv_freq")) {
        init = INIT_POWERS;
        value = 10000;
    }
    params_add(p, t->name, kind, init, value, t->ndim, t->dim);
}

/* weight is the matrix whose bias t may be. */
static void describe_trained(struct params *p, const struct stored *t,
                             const struct stored *weight)
{
    int norm = strstr(t->name, "norm.") || strstr(t->name, ".bn");

    if (norm)
        params_add(p, t->name, PARAM_TRAINED, INIT_CONST,
                   net_name_ends(t->name, ".weight"), t->ndim, t->dim);
    else
        params_add(p, t->name, PARAM_TRAINED, INIT_UNIFORM, bound(weight),
                   t->ndim, t->dim);
}

static int is_buffer(const char *name)
{
    static const char *const end[] = { "running_mean", "running_var",
                                       "num_batches_tracked", "inv_freq" };

    for (size_t i = 0; i < ARRAY_LEN(end); i++)
        if (net_name_ends(name, end[i]))
            return 1;
    return !strncmp(name, "quantizer_", 10) || !strncmp(name, "tokens.", 7);
}

/* What published files hold besides and no pass reads. */
static int is_unused(const char *name)
{
    return !strcmp(name, "cls_token") || strstr(name, "pos_conv_embed") ||
           !strncmp(name, "preprocessor_", 13);
}

void net_describe(const struct model_config *c, struct params *p)
{
    struct layout l;
    const struct stored *weight = NULL;

    if (c->encoder.type == ENCODER_BERT) {
        bert_net_describe(c, p);
        return;
    }
    musicfm_layout(&l, c);
    for (size_t i = 0; i < l.n; i++) {
        const struct stored *t = &l.tensor[i].t;

        if (net_name_ends(t->name, ".weight"))
            weight = t;
        if (is_unused(t->name))
            continue;
        if (is_buffer(t->name))
            net_describe_buffer(p, t);
        else
            describe_trained(p, t, weight);
    }
    layout_free(&l);
}

/* ---- making one ---- */

static void conformer_new(struct conformer_net *c,
                          const struct model_config *config, struct params *p,
                          int layers, int checkpoint)
{
    net_front_find(&c->front, p, config);
    c->front.checkpoint = checkpoint;
    c->block = xcalloc((size_t)layers, sizeof(*c->block));
    c->save = xcalloc((size_t)layers, sizeof(*c->save));
    for (int k = 0; k < layers; k++)
        net_block_find(&c->block[k], p, k, config->encoder.heads);
}

static void conformer_release(struct conformer_net *c, int layers)
{
    net_front_release(&c->front);
    for (int k = 0; k < layers; k++)
        net_block_save_release(&c->save[k]);
    net_block_work_release(&c->work);
    tensor_release(&c->one);
    free(c->block);
    free(c->save);
}

int net_new(struct net **out, const struct model_config *c, struct params *p,
            const struct net_options *o, struct err *err)
{
    int all = c->encoder.layers, bert = c->encoder.type == ENCODER_BERT;
    struct net *n;

    if (c->encoder.type == ENCODER_MEL)
        return err_set(err, ERR_UNSUPPORTED, "an encoder of type mel has no "
                       "weights that could learn");
    *out = n = xcalloc(1, sizeof(*n));
    n->config = &c->encoder;
    n->p = p;
    n->options = *o;
    n->layers = o->layers > 0 && o->layers < all ? o->layers : all;
    n->has_top = n->layers == all &&
                 !(bert && c->encoder.bert.norm == BERT_POST_NORM);
    n->final = net_norm_find(p, bert ? "encoder.layer_norm"
                                     : "conformer.layer_norm");
    n->hidden = xcalloc((size_t)n->layers + 1, sizeof(*n->hidden));
    n->dropped = xcalloc((size_t)n->layers, 1);
    if (bert)
        n->bert = bert_net_new(c, p, n->layers);
    else
        conformer_new(&n->conformer, c, p, n->layers, o->checkpoint);
    return 0;
}

void net_free(struct net *n)
{
    if (!n)
        return;
    if (n->bert)
        bert_net_free(n->bert);
    else
        conformer_release(&n->conformer, n->layers);
    for (int k = 0; k <= n->layers; k++)
        tensor_release(&n->hidden[k]);
    tensor_release(&n->top);
    tensor_release(&n->dx);
    free(n->hidden);
    free(n->dropped);
    free(n);
}

int64_t net_frames(const struct net *n, int64_t time)
{
    return n->bert ? bert_frames(&n->config->bert, time)
                   : net_front_frames(&n->conformer.front, time);
}

/* ---- forward ---- */

/* Philox with the seed's and the step's bits mixed: a step is a key. */
static struct net_drop drop_of(const struct net *n, int layer)
{
    return (struct net_drop){
        n->options.dropout,
        n->seed ^ (n->step + 1) * 0x9e3779b97f4a7c15u,
        (uint64_t)layer * DROPS, n->options.first
    };
}

static void draw_layers(struct net *n)
{
    struct net_drop d = drop_of(n, 0);

    for (int k = 0; k < n->layers; k++) {
        uint32_t r[4];

        rng_block(r, d.seed, layer_stream, (uint64_t)k);
        n->dropped[k] = r[0] * 0x1p-32 < n->options.layer_drop;
    }
}

/* Where layer k keeps what its backward pass needs. */
static int slot(const struct net *n, int k)
{
    return n->options.checkpoint ? 0 : k;
}

/* first: not a second pass over the same batch. */
static int run_layer(struct net *n, int k, int first, struct err *err)
{
    struct net_drop drop = drop_of(n, k);
    struct tensor *x = &n->hidden[k], *y = &n->hidden[k + 1];
    struct conformer_net *c = &n->conformer;

    if (n->bert)
        return bert_net_layer_forward(&n->bert->layer[k],
                                      &n->bert->save[slot(n, k)],
                                      &n->bert->work, y, x, &drop, err);
    return net_block_forward(&c->block[k], &c->save[slot(n, k)], &c->work, y, x,
                             &drop, first, err);
}

static int front_forward(struct net *n, const float *input, int64_t batch,
                         int64_t time, struct err *err)
{
    if (n->bert)
        return bert_net_front_forward(&n->bert->front, &n->hidden[0], input,
                                      batch, time, err);
    return net_front_forward(&n->conformer.front, &n->hidden[0], input, batch,
                             time, err);
}

static int count_batch(struct net *n, int counter, struct err *err)
{
    struct tensor t = params_value(n->p, counter);

    return t.be->ops->axpby(t.be, &t, 1, &n->conformer.one, 1, err);
}

/* One more batch for each batch norm that saw it: torch counts too. */
static int count_batches(struct net *n, struct err *err)
{
    static const float one = 1;
    struct conformer_net *c = &n->conformer;

    TRY(tensor_reserve(&c->one, n->p->be, 0, NULL, err));
    TRY(tensor_upload(&c->one, &one, err));
    for (int i = 0; i < NET_MODULES * 3; i++)
        TRY(count_batch(n, c->front.conv[i / 3][i % 3].bn_count, err));
    for (int k = 0; k < n->layers; k++)
        if (!n->dropped[k])
            TRY(count_batch(n, c->block[k].bn_count, err));
    return 0;
}

void net_set_mask(struct net *n, const uint8_t *hidden)
{
    assert(n->bert);
    n->bert->front.hidden = hidden;
}

int net_forward(struct net *n, const float *input, int64_t batch, int64_t time,
                uint64_t seed, uint64_t step, struct err *err)
{
    int64_t dim[3] = { batch, net_frames(n, time), n->config->dim };

    if (!dim[1])
        return err_set(err, ERR_ARG, "%lld %s are too few for one hidden state",
                       (long long)time, n->bert ? "samples" : "frames");
    n->seed = seed;
    n->step = step;
    draw_layers(n);
    /* what outlives the layers' memory lies before it, in one piece with that
     * which the front end's backward pass needs */
    for (int k = 0; k <= n->layers; k++)
        TRY(tensor_reserve(&n->hidden[k], n->p->be, 3, dim, err));
    TRY(tensor_reserve(&n->top, n->p->be, 3, dim, err));
    TRY(tensor_reserve(&n->dx, n->p->be, 3, dim, err));
    TRY(front_forward(n, input, batch, time, err));
    for (int k = 0; k < n->layers; k++)
        TRY(n->dropped[k] ? net_copy(&n->hidden[k + 1], &n->hidden[k], err)
                          : run_layer(n, k, 1, err));
    if (n->has_top)
        TRY(net_norm_forward(&n->final, &n->top, &n->hidden[n->layers], err));
    return n->bert ? 0 : count_batches(n, err);
}

const struct tensor *net_hidden(const struct net *n, int k)
{
    assert(k >= 0 && k <= n->layers);
    return k == n->layers && n->has_top ? &n->top : &n->hidden[k];
}

/* ---- backward ---- */

/* What a layer kept goes as soon as it has served: what is before it may need
 * the memory. */
static int layer_backward(struct net *n, int k, struct err *err)
{
    struct net_drop drop = drop_of(n, k);
    struct conformer_net *c = &n->conformer;

    if (n->dropped[k])
        return 0;
    /* hidden[k + 1] has served: the pass that is made again may write to it */
    if (n->options.checkpoint)
        TRY(run_layer(n, k, 0, err));
    if (n->bert) {
        struct bert_net_save *s = &n->bert->save[slot(n, k)];

        TRY(bert_net_layer_backward(&n->bert->layer[k], s, &n->bert->work,
                                    &n->dx, &n->hidden[k], &drop, err));
        bert_net_save_release(s);
        return 0;
    }
    TRY(net_block_backward(&c->block[k], &c->save[slot(n, k)], &c->work,
                           &n->dx, &n->hidden[k], &drop, err));
    net_block_save_release(&c->save[slot(n, k)]);
    return 0;
}

/* Sets n->dx to the gradient by what layer k - 1 gave. */
static int begin(struct net *n, int k, struct tensor *d, struct err *err)
{
    if (k == n->layers && n->has_top)
        return net_norm_backward(&n->final, &n->dx, d, &n->hidden[k], 0, err);
    return net_copy(&n->dx, d, err);
}

int net_backward(struct net *n, struct tensor *const *dhidden, struct err *err)
{
    int k = n->layers;

    while (k >= 0 && !dhidden[k])
        k--;
    if (k < 0)
        return 0;
    TRY(begin(n, k, dhidden[k], err));
    while (k-- > 0) {
        TRY(layer_backward(n, k, err));
        if (n->options.added)
            TRY(n->options.added(n->options.ctx, k, err));
        if (dhidden[k])
            TRY(n->p->be->ops->axpby(n->p->be, &n->dx, 1, dhidden[k], 1, err));
    }
    if (n->bert)
        bert_net_work_release(&n->bert->work);
    else
        net_block_work_release(&n->conformer.work);
    TRY(n->bert ? bert_net_front_backward(&n->bert->front, &n->dx, err)
                : net_front_backward(&n->conformer.front, &n->dx, err));
    return n->options.added ? n->options.added(n->options.ctx, -1, err) : 0;
}
