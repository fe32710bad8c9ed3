/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "model/bertnet.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "base/xalloc.h"
#include "model/bert.h"
#include "model/mert.h"

enum { DROPS = 8 }; /* streams of random numbers that a layer may use */
static const uint64_t layer_stream = 1u << 20; /* of dropped layers */

struct bert_net {
    const struct encoder_config *config;
    struct params *p;
    struct net_options options;
    int layers; /* that are run */
    struct bert_net_front front;
    struct bert_net_layer *layer;
    struct bert_net_save *save; /* one a layer, or one for all */
    struct bert_net_work work;
    struct net_norm final;      /* "pre" only */
    struct tensor *hidden;      /* layers + 1: the input of each layer */
    struct tensor top;          /* normalised, of the last layer of all */
    struct tensor dx;
    char *dropped;              /* by layer */
    uint64_t seed, step;
};

/* ---- the tensors ---- */

static int ends(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);

    return n >= m && !strcmp(s + n - m, end);
}

/* Hugging Face's Wav2Vec2PreTrainedModel._init_weights; the position
 * convolution as fairseq means it, N(0, 4 / (K D)), of which the length of a
 * tap follows. */
static void describe_position(struct params *p, const struct stored *t,
                              const struct bert_config *b)
{
    int64_t dim = t->dim[0];
    double std = 2 / sqrt((double)b->pos_kernel * (double)dim);

    if (ends(t->name, ".weight_v"))
        params_add(p, t->name, PARAM_TRAINED, INIT_NORMAL, (float)std, t->ndim,
                   t->dim);
    else
        params_add(p, t->name, PARAM_TRAINED, INIT_CONST, 0, t->ndim, t->dim);
}

static double length_of_tap(const struct encoder_config *e)
{
    const struct bert_config *b = &e->bert;
    double dim = e->dim;

    return 2 / sqrt(b->pos_kernel * dim) * sqrt(dim * dim / b->pos_groups);
}

static void describe_trained(struct params *p, const struct stored *t,
                             const struct encoder_config *e)
{
    enum param_init init = INIT_CONST;
    double value = 0;

    if (strstr(t->name, "pos_conv_embed")) {
        describe_position(p, t, &e->bert);
        if (ends(t->name, ".weight_g"))
            p->item[p->n - 1].value = (float)length_of_tap(e);
        return;
    }
    if (strstr(t->name, "norm.")) {
        value = ends(t->name, ".weight");
    } else if (strstr(t->name, "feature_projection.")) {
        init = INIT_UNIFORM;
        value = 1 / sqrt(e->bert.conv_dim[e->bert.n_convs - 1]);
    } else if (strstr(t->name, "conv_layers.")) {
        init = INIT_NORMAL;
        value = sqrt(2 / (double)(t->dim[1] * t->dim[2]));
    } else if (ends(t->name, ".weight")) {
        init = INIT_NORMAL;
        value = 0.02;
    }
    params_add(p, t->name, PARAM_TRAINED, init, (float)value, t->ndim, t->dim);
}

void bert_net_describe(const struct model_config *c, struct params *p)
{
    struct layout l;

    mert_layout(&l, c);
    for (size_t i = 0; i < l.n; i++) {
        const struct stored *t = &l.tensor[i].t;

        if (!strcmp(t->name, "masked_spec_embed"))
            params_add(p, t->name, PARAM_TRAINED, INIT_UNIFORM, 1, t->ndim,
                       t->dim);
        else if (!strncmp(t->name, "quantizer_", 10) ||
                 !strncmp(t->name, "tokens.", 7))
            net_describe_buffer(p, t);
        else
            describe_trained(p, t, &c->encoder);
    }
    layout_free(&l);
}

/* ---- making one ---- */

int bert_net_new(struct bert_net **out, const struct model_config *c,
                 struct params *p, const struct net_options *o,
                 struct err *err)
{
    struct bert_net *n = xcalloc(1, sizeof(*n));
    int all = c->encoder.layers;

    (void)err;
    n->config = &c->encoder;
    n->p = p;
    n->options = *o;
    n->layers = o->layers > 0 && o->layers < all ? o->layers : all;
    bert_net_front_find(&n->front, p, &c->encoder);
    n->layer = xcalloc((size_t)n->layers, sizeof(*n->layer));
    n->save = xcalloc((size_t)n->layers, sizeof(*n->save));
    n->hidden = xcalloc((size_t)n->layers + 1, sizeof(*n->hidden));
    n->dropped = xcalloc((size_t)n->layers, 1);
    for (int k = 0; k < n->layers; k++)
        bert_net_layer_find(&n->layer[k], p, k, &c->encoder);
    n->final = net_norm_find(p, "encoder.layer_norm");
    *out = n;
    return 0;
}

void bert_net_free(struct bert_net *n)
{
    if (!n)
        return;
    bert_net_front_release(&n->front);
    for (int k = 0; k < n->layers; k++)
        bert_net_save_release(&n->save[k]);
    for (int k = 0; k <= n->layers; k++)
        tensor_release(&n->hidden[k]);
    bert_net_work_release(&n->work);
    tensor_release(&n->top);
    tensor_release(&n->dx);
    free(n->layer);
    free(n->save);
    free(n->hidden);
    free(n->dropped);
    free(n);
}

int64_t bert_net_frames(const struct bert_net *n, int64_t time)
{
    return bert_frames(&n->config->bert, time);
}

/* ---- forward ---- */

/* As net.c: a step is a key of its own. */
static struct net_drop drop_of(const struct bert_net *n, int layer)
{
    return (struct net_drop){
        n->options.dropout,
        n->seed ^ (n->step + 1) * 0x9e3779b97f4a7c15u,
        (uint64_t)layer * DROPS
    };
}

static void draw_layers(struct bert_net *n)
{
    struct net_drop d = drop_of(n, 0);

    for (int k = 0; k < n->layers; k++) {
        uint32_t r[4];

        rng_block(r, d.seed, layer_stream, (uint64_t)k);
        n->dropped[k] = r[0] * 0x1p-32 < n->options.layer_drop;
    }
}

static int run_layer(struct bert_net *n, int k, struct err *err)
{
    struct net_drop drop = drop_of(n, k);
    struct bert_net_save *s = &n->save[n->options.checkpoint ? 0 : k];

    return bert_net_layer_forward(&n->layer[k], s, &n->work, &n->hidden[k + 1],
                                  &n->hidden[k], &drop, err);
}

/* Whether state k is the one behind the final norm. */
static int is_top(const struct bert_net *n, int k)
{
    return k == n->config->layers && n->config->bert.norm == BERT_PRE_NORM;
}

int bert_net_forward(struct bert_net *n, const float *input, int64_t batch,
                     int64_t time, uint64_t seed, uint64_t step,
                     struct err *err)
{
    int64_t dim[3] = { batch, bert_net_frames(n, time), n->config->dim };
    struct backend *be = n->p->be;

    if (!dim[1])
        return err_set(err, ERR_ARG, "%lld samples are too few for one hidden "
                       "state", (long long)time);
    n->seed = seed;
    n->step = step;
    draw_layers(n);
    for (int k = 0; k <= n->layers; k++)
        TRY(tensor_reserve(&n->hidden[k], be, 3, dim, err));
    TRY(bert_net_front_forward(&n->front, &n->hidden[0], input, batch, time,
                               err));
    for (int k = 0; k < n->layers; k++)
        TRY(n->dropped[k] ? net_copy(&n->hidden[k + 1], &n->hidden[k], err)
                          : run_layer(n, k, err));
    if (is_top(n, n->layers))
        TRY(net_norm_forward(&n->final, &n->top, &n->hidden[n->layers], err));
    return 0;
}

void bert_net_set_mask(struct bert_net *n, const uint8_t *hidden)
{
    n->front.hidden = hidden;
}

const struct tensor *bert_net_hidden(const struct bert_net *n, int k)
{
    assert(k >= 0 && k <= n->layers);
    return is_top(n, k) ? &n->top : &n->hidden[k];
}

/* ---- backward ---- */

static int layer_backward(struct bert_net *n, int k, struct err *err)
{
    struct net_drop drop = drop_of(n, k);
    struct bert_net_save *s = &n->save[n->options.checkpoint ? 0 : k];

    if (n->dropped[k])
        return 0;
    /* hidden[k + 1] has served: it may be written again */
    if (n->options.checkpoint)
        TRY(run_layer(n, k, err));
    return bert_net_layer_backward(&n->layer[k], s, &n->work, &n->dx,
                                   &n->hidden[k], &drop, err);
}

/* Sets n->dx to the gradient by what layer k - 1 gave. */
static int begin(struct bert_net *n, int k, struct tensor *d, struct err *err)
{
    TRY(tensor_reserve(&n->dx, n->p->be, 3, n->hidden[0].dim, err));
    if (is_top(n, k))
        return net_norm_backward(&n->final, &n->dx, d, &n->hidden[k], 0, err);
    return net_copy(&n->dx, d, err);
}

int bert_net_backward(struct bert_net *n, struct tensor *const *dhidden,
                      struct err *err)
{
    int k = n->layers;

    while (k >= 0 && !dhidden[k])
        k--;
    if (k < 0)
        return 0;
    TRY(begin(n, k, dhidden[k], err));
    while (k-- > 0) {
        TRY(layer_backward(n, k, err));
        if (dhidden[k])
            TRY(n->p->be->ops->axpby(n->p->be, &n->dx, 1, dhidden[k], 1, err));
    }
    return bert_net_front_backward(&n->front, &n->dx, err);
}
