/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "model/bertnet.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "model/mert.h"

/* ---- the tensors ---- */

/* Hugging Face's Wav2Vec2PreTrainedModel._init_weights; the position
 * convolution as fairseq means it, N(0, 4 / (K D)), of which the length of a
 * tap follows. */
static void describe_position(struct params *p, const struct stored *t,
                              const struct bert_config *b)
{
    int64_t dim = t->dim[0];
    double std = 2 / sqrt((double)b->pos_kernel * (double)dim);

    if (net_name_ends(t->name, ".weight_v"))
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
        if (net_name_ends(t->name, ".weight_g"))
            p->item[p->n - 1].value = (float)length_of_tap(e);
        return;
    }
    if (strstr(t->name, "norm.")) {
        value = net_name_ends(t->name, ".weight");
    } else if (strstr(t->name, "feature_projection.")) {
        init = INIT_UNIFORM;
        value = 1 / sqrt(e->bert.conv_dim[e->bert.n_convs - 1]);
    } else if (strstr(t->name, "conv_layers.")) {
        init = INIT_NORMAL;
        value = sqrt(2 / (double)(t->dim[1] * t->dim[2]));
    } else if (net_name_ends(t->name, ".weight")) {
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

struct bert_net *bert_net_new(const struct model_config *c, struct params *p,
                              int layers)
{
    struct bert_net *n = xcalloc(1, sizeof(*n));

    bert_net_front_find(&n->front, p, &c->encoder);
    n->layers = layers;
    n->layer = xcalloc((size_t)layers, sizeof(*n->layer));
    n->save = xcalloc((size_t)layers, sizeof(*n->save));
    for (int k = 0; k < layers; k++)
        bert_net_layer_find(&n->layer[k], p, k, &c->encoder);
    return n;
}

void bert_net_free(struct bert_net *n)
{
    if (!n)
        return;
    bert_net_front_release(&n->front);
    for (int k = 0; k < n->layers; k++)
        bert_net_save_release(&n->save[k]);
    bert_net_work_release(&n->work);
    free(n->layer);
    free(n->save);
    free(n);
}
