/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "model/net.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "base/xalloc.h"
#include "model/bert.h"
#include "model/musicfm.h"
#include "model/netblock.h"
#include "model/netfront.h"

enum { DROPS = 8 }; /* streams of random numbers that a block may use */
static const uint64_t layer_stream = 1u << 20; /* of dropped layers */

struct net {
    struct bert_net *bert; /* does it all; NULL: Conformer */
    const struct model_config *config;
    struct params *p;
    struct net_options options;
    int layers; /* that are run */
    struct net_front front;
    struct net_block *block;
    struct net_block_save *save; /* one a layer, or one for all */
    struct net_block_work work;
    struct net_norm final;
    struct tensor *hidden;       /* layers + 1: the input of each block */
    struct tensor top;           /* normalised, of the last layer of all */
    struct tensor dx, one;
    char *dropped;               /* by layer */
    uint64_t seed, step;
};

/* ---- the tensors ---- */

static int ends(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);

    return n >= m && !strcmp(s + n - m, end);
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

void net_describe_buffer(struct params *p, const struct stored *t)
{
    enum param_kind kind = t->type == STORED_I64 ? PARAM_COUNTER : PARAM_BUFFER;
    enum param_init init = INIT_CONST;
    float value = ends(t->name, "running_var");

    if (ends(t->name, "random_projection")) {
        init = INIT_NORMAL; /* Xavier: MODEL.md 2 of the design */
        value = (float)sqrt(2.0 / (double)(t->dim[0] + t->dim[1]));
    } else if (ends(t->name, "codebook")) {
        init = INIT_NORMAL;
        value = 1;
    } else if (ends(t->name, "inv_freq")) {
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
                   ends(t->name, ".weight"), t->ndim, t->dim);
    else
        params_add(p, t->name, PARAM_TRAINED, INIT_UNIFORM, bound(weight),
                   t->ndim, t->dim);
}

static int is_buffer(const char *name)
{
    return ends(name, "running_mean") || ends(name, "running_var") ||
           ends(name, "num_batches_tracked") || ends(name, "inv_freq") ||
           !strncmp(name, "quantizer_", 10) || !strncmp(name, "tokens.", 7);
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

        if (ends(t->name, ".weight"))
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

int net_new(struct net **out, const struct model_config *c, struct params *p,
            const struct net_options *o, struct err *err)
{
    int all = c->encoder.layers;
    struct net *n;

    if (c->encoder.type == ENCODER_MEL)
        return err_set(err, ERR_UNSUPPORTED, "an encoder of type mel has no "
                       "weights that could learn");
    *out = n = xcalloc(1, sizeof(*n));
    if (c->encoder.type == ENCODER_BERT)
        return bert_net_new(&n->bert, c, p, o, err);
    n->config = c;
    n->p = p;
    n->options = *o;
    n->layers = o->layers > 0 && o->layers < all ? o->layers : all;
    net_front_find(&n->front, p, c);
    n->block = xcalloc((size_t)n->layers, sizeof(*n->block));
    n->save = xcalloc((size_t)n->layers, sizeof(*n->save));
    n->hidden = xcalloc((size_t)n->layers + 1, sizeof(*n->hidden));
    n->dropped = xcalloc((size_t)n->layers, 1);
    for (int k = 0; k < n->layers; k++)
        net_block_find(&n->block[k], p, k, c->encoder.heads);
    n->final = net_norm_find(p, "conformer.layer_norm");
    return 0;
}

static void release(struct net *n)
{
    net_front_release(&n->front);
    for (int k = 0; k < n->layers; k++)
        net_block_save_release(&n->save[k]);
    for (int k = 0; k <= n->layers; k++)
        tensor_release(&n->hidden[k]);
    net_block_work_release(&n->work);
    tensor_release(&n->top);
    tensor_release(&n->dx);
    tensor_release(&n->one);
    free(n->block);
    free(n->save);
    free(n->hidden);
    free(n->dropped);
}

void net_free(struct net *n)
{
    if (n && n->bert)
        bert_net_free(n->bert);
    else if (n)
        release(n);
    free(n);
}

int64_t net_frames(const struct net *n, int64_t time)
{
    return n->bert ? bert_net_frames(n->bert, time)
                   : net_front_frames(&n->front, time);
}

/* ---- forward ---- */

/* Philox with the seed's and the step's bits mixed: a step is a key. */
static struct net_drop drop_of(const struct net *n, int layer)
{
    return (struct net_drop){
        n->options.dropout,
        n->seed ^ (n->step + 1) * 0x9e3779b97f4a7c15u,
        (uint64_t)layer * DROPS
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

static struct net_block_save *save_of(struct net *n, int k)
{
    return &n->save[n->options.checkpoint ? 0 : k];
}

static int run_block(struct net *n, int k, struct tensor *y, int first,
                     struct err *err)
{
    struct net_drop drop = drop_of(n, k);

    return net_block_forward(&n->block[k], save_of(n, k), &n->work, y,
                             &n->hidden[k], &drop, first, err);
}

static int is_whole(const struct net *n)
{
    return n->layers == n->config->encoder.layers;
}

static int count_batch(struct net *n, int counter, struct err *err)
{
    struct tensor t = params_value(n->p, counter);

    return t.be->ops->axpby(t.be, &t, 1, &n->one, 1, err);
}

/* One more batch for each batch norm that saw it: torch counts too. */
static int count_batches(struct net *n, struct err *err)
{
    static const float one = 1;

    TRY(tensor_reserve(&n->one, n->p->be, 0, NULL, err));
    TRY(tensor_upload(&n->one, &one, err));
    for (int i = 0; i < NET_MODULES * 3; i++)
        TRY(count_batch(n, n->front.conv[i / 3][i % 3].bn_count, err));
    for (int k = 0; k < n->layers; k++)
        if (!n->dropped[k])
            TRY(count_batch(n, n->block[k].bn_count, err));
    return 0;
}

static int forward(struct net *n, const float *input, int64_t batch,
                   int64_t time, uint64_t seed, uint64_t step, struct err *err)
{
    int64_t dim[3] = { batch, net_frames(n, time), n->config->encoder.dim };
    struct backend *be = n->p->be;

    n->seed = seed;
    n->step = step;
    draw_layers(n);
    for (int k = 0; k <= n->layers; k++)
        TRY(tensor_reserve(&n->hidden[k], be, 3, dim, err));
    TRY(net_front_forward(&n->front, &n->hidden[0], input, batch, time, err));
    for (int k = 0; k < n->layers; k++)
        if (n->dropped[k])
            TRY(net_copy(&n->hidden[k + 1], &n->hidden[k], err));
        else
            TRY(run_block(n, k, &n->hidden[k + 1], 1, err));
    if (is_whole(n))
        TRY(net_norm_forward(&n->final, &n->top, &n->hidden[n->layers], err));
    return count_batches(n, err);
}

void net_set_mask(struct net *n, const uint8_t *hidden)
{
    assert(n->bert);
    bert_net_set_mask(n->bert, hidden);
}

int net_forward(struct net *n, const float *input, int64_t batch, int64_t time,
                uint64_t seed, uint64_t step, struct err *err)
{
    return n->bert ? bert_net_forward(n->bert, input, batch, time, seed, step,
                                      err)
                   : forward(n, input, batch, time, seed, step, err);
}

const struct tensor *net_hidden(const struct net *n, int k)
{
    if (n->bert)
        return bert_net_hidden(n->bert, k);
    assert(k >= 0 && k <= n->layers);
    return k == n->layers && is_whole(n) ? &n->top : &n->hidden[k];
}

/* ---- backward ---- */

static int block_backward(struct net *n, int k, struct err *err)
{
    struct net_drop drop = drop_of(n, k);

    if (n->dropped[k])
        return 0;
    /* hidden[k + 1] has served: the pass that is made again may write to it */
    if (n->options.checkpoint)
        TRY(run_block(n, k, &n->hidden[k + 1], 0, err));
    return net_block_backward(&n->block[k], save_of(n, k), &n->work, &n->dx,
                              &n->hidden[k], &drop, err);
}

/* Sets n->dx to the gradient by what block k - 1 gave. */
static int begin(struct net *n, int k, struct tensor *d, struct err *err)
{
    TRY(tensor_reserve(&n->dx, n->p->be, 3, n->hidden[0].dim, err));
    if (k == n->layers && is_whole(n))
        return net_norm_backward(&n->final, &n->dx, d, &n->hidden[k], 0, err);
    return net_copy(&n->dx, d, err);
}

int net_backward(struct net *n, struct tensor *const *dhidden, struct err *err)
{
    int k = n->layers;

    if (n->bert)
        return bert_net_backward(n->bert, dhidden, err);
    while (k >= 0 && !dhidden[k])
        k--;
    if (k < 0)
        return 0;
    TRY(begin(n, k, dhidden[k], err));
    while (k-- > 0) {
        TRY(block_backward(n, k, err));
        if (dhidden[k])
            TRY(n->p->be->ops->axpby(n->p->be, &n->dx, 1, dhidden[k], 1, err));
    }
    return net_front_backward(&n->front, &n->dx, err);
}
