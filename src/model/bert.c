/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "model/bert.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "model/block.h"

static const float norm_eps = 1e-5f;

/* States computed at a time: 64 of the first layer's frames for each, 16 MB in
 * MERT's width. */
enum { PIECE = 128 };

struct layer {
    struct block_linear q, k, v, out; /* (D, D) */
    struct block_norm attn_norm, ffn_norm;
    struct block_linear up, down;     /* (F, D), (D, F) */
};

struct bert {
    struct backend *be;
    const struct encoder_config *config; /* the model's */
    struct tensor conv[BERT_MAX_CONVS];  /* (Cout, K, Cin) */
    struct block_norm group, project_norm;
    struct block_linear project;
    struct tensor pos, pos_bias;         /* (D, K, D / groups), (D) */
    struct block_norm norm;              /* "post" only: hidden state 0's */
    struct layer *layer;
    /* work space */
    struct tensor wave, piece[2], mean, inv_std;
    struct tensor scale, shift;          /* the group norm as y = s x + t */
    struct tensor h, q, k, v, wide;
};

/* ---- weights ---- */

/* "(out, in, taps)" of the file to (out, taps, in). */
static int load_conv(struct tensor *t, struct model *m, struct backend *be,
                     const char *name, const int64_t dim[3], struct err *err)
{
    const float *p = NULL;
    struct tensor file = {0};
    int rc;

    TRY(model_tensor(m, name, dim, 3, &p, err));
    TRY(tensor_reserve(t, be, 3, (int64_t[]){ dim[0], dim[2], dim[1] }, err));
    rc = tensor_import(&file, be, p, 3, dim, err);
    if (!rc)
        rc = be->ops->transpose(be, t, &file, 0, err);
    tensor_release(&file);
    return rc;
}

static int load_convs(struct bert *b, struct model *m, struct err *err)
{
    const struct bert_config *c = &b->config->bert;
    char name[96];

    for (int i = 0; i < c->n_convs; i++) {
        snprintf(name, sizeof(name),
                 "feature_extractor.conv_layers.%d.conv.weight", i);
        TRY(load_conv(&b->conv[i], m, b->be, name,
                      (int64_t[]){ c->conv_dim[i], i ? c->conv_dim[i - 1] : 1,
                                   c->conv_kernel[i] }, err));
    }
    return block_norm_init(&b->group, m, b->be,
                           "feature_extractor.conv_layers.0.layer_norm",
                           c->conv_dim[0], err);
}

static int load_pos(struct bert *b, struct model *m, struct err *err)
{
    const struct bert_config *c = &b->config->bert;
    int64_t d = b->config->dim, taps = c->pos_kernel, in = d / c->pos_groups;
    struct tensor v = {0}, g = {0}, norm = {0};
    const float *p[3] = { NULL };
    int rc;

    TRY(model_tensor(m, "encoder.pos_conv_embed.conv.weight_v",
                     (int64_t[]){ d, in, taps }, 3, &p[0], err));
    TRY(model_tensor(m, "encoder.pos_conv_embed.conv.weight_g",
                     (int64_t[]){ 1, 1, taps }, 3, &p[1], err));
    TRY(model_tensor(m, "encoder.pos_conv_embed.conv.bias", &d, 1, &p[2], err));
    TRY(tensor_import(&b->pos_bias, b->be, p[2], 1, &d, err));
    TRY(tensor_reserve(&b->pos, b->be, 3, (int64_t[]){ d, taps, in }, err));
    TRY(tensor_reserve(&norm, b->be, 1, &taps, err));
    rc = tensor_import(&v, b->be, p[0], 3, (int64_t[]){ d, in, taps }, err);
    if (!rc)
        rc = tensor_import(&g, b->be, p[1], 1, &taps, err);
    if (!rc)
        rc = b->be->ops->weight_norm(b->be, &b->pos, &norm, &v, &g, err);
    tensor_release(&v);
    tensor_release(&g);
    tensor_release(&norm);
    return rc;
}

static int load_layer(struct bert *b, struct model *m, int index,
                      struct err *err)
{
    struct layer *l = &b->layer[index];
    int64_t d = b->config->dim, f = b->config->ffn;
    const struct { struct block_linear *l; const char *name; int64_t out, in; }
    linear[] = {
        { &l->q, "attention.q_proj", d, d },
        { &l->k, "attention.k_proj", d, d },
        { &l->v, "attention.v_proj", d, d },
        { &l->out, "attention.out_proj", d, d },
        { &l->up, "feed_forward.intermediate_dense", f, d },
        { &l->down, "feed_forward.output_dense", d, f },
    };
    char name[128];

    for (size_t i = 0; i < ARRAY_LEN(linear); i++) {
        snprintf(name, sizeof(name), "encoder.layers.%d.%s", index,
                 linear[i].name);
        TRY(block_linear_init(linear[i].l, m, b->be, name, linear[i].out,
                              linear[i].in, err));
    }
    snprintf(name, sizeof(name), "encoder.layers.%d.layer_norm", index);
    TRY(block_norm_init(&l->attn_norm, m, b->be, name, d, err));
    snprintf(name, sizeof(name), "encoder.layers.%d.final_layer_norm", index);
    return block_norm_init(&l->ffn_norm, m, b->be, name, d, err);
}

static int load(struct bert *b, struct model *m, struct err *err)
{
    const struct bert_config *c = &b->config->bert;
    int64_t width = c->conv_dim[c->n_convs - 1];

    TRY(load_convs(b, m, err));
    TRY(block_norm_init(&b->project_norm, m, b->be,
                        "feature_projection.layer_norm", width, err));
    TRY(block_linear_init(&b->project, m, b->be,
                          "feature_projection.projection", b->config->dim,
                          width, err));
    TRY(load_pos(b, m, err));
    if (c->norm == BERT_POST_NORM)
        TRY(block_norm_init(&b->norm, m, b->be, "encoder.layer_norm",
                            b->config->dim, err));
    for (int i = 0; i < b->config->layers; i++)
        TRY(load_layer(b, m, i, err));
    return 0;
}

int bert_new(struct bert **out, struct model *m, struct backend *be,
             struct err *err)
{
    struct bert *b = xcalloc(1, sizeof(*b));
    int rc;

    b->be = be;
    b->config = &m->config.encoder;
    b->layer = xcalloc((size_t)b->config->layers, sizeof(*b->layer));
    rc = load(b, m, err);
    if (rc) {
        bert_free(b);
        return rc;
    }
    *out = b;
    return 0;
}

static void layer_release(struct layer *l)
{
    block_linear_release(&l->q);
    block_linear_release(&l->k);
    block_linear_release(&l->v);
    block_linear_release(&l->out);
    block_linear_release(&l->up);
    block_linear_release(&l->down);
    block_norm_release(&l->attn_norm);
    block_norm_release(&l->ffn_norm);
}

static void work_release(struct bert *b)
{
    struct tensor *work[] = {
        &b->pos, &b->pos_bias, &b->wave, &b->piece[0], &b->piece[1], &b->mean,
        &b->inv_std, &b->scale, &b->shift, &b->h, &b->q, &b->k, &b->v, &b->wide
    };

    for (size_t i = 0; i < ARRAY_LEN(work); i++)
        tensor_release(work[i]);
}

void bert_free(struct bert *b)
{
    if (!b)
        return;
    for (int i = 0; i < BERT_MAX_CONVS; i++)
        tensor_release(&b->conv[i]);
    block_norm_release(&b->group);
    block_norm_release(&b->project_norm);
    block_linear_release(&b->project);
    block_norm_release(&b->norm);
    for (int i = 0; i < b->config->layers; i++)
        layer_release(&b->layer[i]);
    free(b->layer);
    work_release(b);
    free(b);
}

/* ---- extractor ---- */

int64_t bert_frames(const struct bert_config *c, int64_t n)
{
    for (int i = 0; i < c->n_convs; i++)
        n = n < c->conv_kernel[i]
                ? 0 : (n - c->conv_kernel[i]) / c->conv_stride[i] + 1;
    return n;
}

/* Samples that n states reach over. */
static int64_t samples_for(const struct bert_config *c, int64_t n)
{
    for (int i = c->n_convs - 1; i >= 0; i--)
        n = (n - 1) * c->conv_stride[i] + c->conv_kernel[i];
    return n;
}

static int convolve(struct bert *b, struct tensor *y, const struct tensor *x,
                    int i, struct err *err)
{
    const struct bert_config *c = &b->config->bert;
    int64_t time = (x->dim[1] - c->conv_kernel[i]) / c->conv_stride[i] + 1;

    TRY(tensor_reserve(y, b->be, 3, (int64_t[]){ 1, time, c->conv_dim[i] },
                       err));
    return b->be->ops->conv1d(b->be, y, x, &b->conv[i], c->conv_stride[i],
                              err);
}

/* Mean and sum of squared differences of n frames, of which the pieces are
 * joined (Chan, Golub and LeVeque 1979). */
struct moments {
    double n, mean, squares;
};

static void join(struct moments *m, double n, double mean, double inv_std)
{
    double squares = (1 / (inv_std * inv_std) - norm_eps) * n;
    double d = mean - m->mean, all = m->n + n;

    m->squares += (squares > 0 ? squares : 0) + d * d * m->n * n / all;
    m->mean += d * n / all;
    m->n = all;
}

/* Moments of each channel of the first layer's frames. */
static int measure(struct bert *b, struct moments *m, const float *samples,
                   int64_t time, struct err *err)
{
    const struct bert_config *c = &b->config->bert;
    int64_t width = c->conv_dim[0], frames, most = 1;
    float *host = xcalloc((size_t)(2 * width), sizeof(*host));
    int rc = 0;

    for (int i = 1; i < c->n_convs; i++)
        most *= c->conv_stride[i];
    most *= PIECE;
    frames = (time - c->conv_kernel[0]) / c->conv_stride[0] + 1;
    for (int64_t t = 0; t < frames && !rc; t += most) {
        int64_t n = frames - t < most ? frames - t : most;
        int64_t len = (n - 1) * c->conv_stride[0] + c->conv_kernel[0];

        rc = tensor_reserve(&b->wave, b->be, 3, (int64_t[]){ 1, len, 1 }, err);
        if (!rc)
            rc = tensor_upload(&b->wave, samples + t * c->conv_stride[0], err);
        if (!rc)
            rc = convolve(b, &b->piece[0], &b->wave, 0, err);
        if (!rc)
            rc = b->be->ops->group_norm(b->be, &b->piece[0], &b->mean,
                                        &b->inv_std, &b->piece[0],
                                        &b->group.weight, &b->group.bias,
                                        (int)width, norm_eps, err);
        if (!rc)
            rc = tensor_download(host, &b->mean, err);
        if (!rc)
            rc = tensor_download(host + width, &b->inv_std, err);
        for (int64_t i = 0; i < width && !rc; i++)
            join(&m[i], (double)n, host[i], host[width + i]);
    }
    free(host);
    return rc;
}

/* The group norm over all of the time as a factor and a shift by channel. */
static int set_scale(struct bert *b, const float *samples, int64_t time,
                     struct err *err)
{
    int64_t width = b->config->bert.conv_dim[0];
    int64_t dim[2] = { 1, width };
    struct moments *m = xcalloc((size_t)width, sizeof(*m));
    float *gamma = xcalloc((size_t)(2 * width), sizeof(*gamma));
    float *beta = gamma + width;
    int rc = tensor_reserve(&b->mean, b->be, 2, dim, err);

    if (!rc)
        rc = tensor_reserve(&b->inv_std, b->be, 2, dim, err);
    if (!rc)
        rc = measure(b, m, samples, time, err);
    if (!rc)
        rc = tensor_download(gamma, &b->group.weight, err);
    if (!rc)
        rc = tensor_download(beta, &b->group.bias, err);
    for (int64_t i = 0; i < width && !rc; i++) {
        double s = gamma[i] / sqrt(m[i].squares / m[i].n + norm_eps);

        gamma[i] = (float)s;
        beta[i] = (float)(beta[i] - m[i].mean * s);
    }
    if (!rc)
        rc = tensor_reserve(&b->scale, b->be, 2, dim, err);
    if (!rc)
        rc = tensor_reserve(&b->shift, b->be, 1, dim + 1, err);
    if (!rc)
        rc = tensor_upload(&b->scale, gamma, err);
    if (!rc)
        rc = tensor_upload(&b->shift, beta, err);
    free(m);
    free(gamma);
    return rc;
}

/* x (n, D) of the samples that its states reach over. */
static int extract(struct bert *b, struct tensor *x, const float *samples,
                   struct err *err)
{
    const struct backend_ops *ops = b->be->ops;
    const struct bert_config *c = &b->config->bert;
    int64_t len = samples_for(c, x->dim[0]);
    struct tensor *y = &b->piece[0], *z = &b->piece[1], *t;
    struct matmul_opts plain = {0};

    TRY(tensor_reserve(&b->wave, b->be, 3, (int64_t[]){ 1, len, 1 }, err));
    TRY(tensor_upload(&b->wave, samples, err));
    TRY(convolve(b, z, &b->wave, 0, err));
    TRY(tensor_reserve(y, b->be, 3, z->dim, err));
    TRY(ops->depthwise(b->be, y, z, &b->scale, &b->shift, ACT_NONE, err));
    TRY(ops->act(b->be, y, y, ACT_GELU, err));
    for (int i = 1; i < c->n_convs; i++) {
        TRY(convolve(b, z, y, i, err));
        TRY(ops->act(b->be, z, z, ACT_GELU, err));
        t = y;
        y = z;
        z = t;
    }
    TRY(block_norm_forward(&b->project_norm, y, y, err));
    return block_linear_forward(&b->project, x, y, plain, err);
}

static int add_position(struct bert *b, struct tensor *x, struct err *err)
{
    const struct backend_ops *ops = b->be->ops;

    TRY(tensor_reserve(&b->h, b->be, 3, x->dim, err));
    TRY(ops->conv1d_grouped(b->be, &b->h, x, &b->pos, &b->pos_bias,
                            b->config->bert.pos_groups, err));
    TRY(ops->act(b->be, &b->h, &b->h, ACT_GELU, err));
    TRY(ops->axpby(b->be, x, 1, &b->h, 1, err));
    if (b->config->bert.norm == BERT_PRE_NORM)
        return 0;
    return block_norm_forward(&b->norm, x, x, err);
}

int bert_front(struct bert *b, struct tensor *x, const float *samples,
               int64_t time, struct err *err)
{
    const struct bert_config *c = &b->config->bert;
    int64_t frames = bert_frames(c, time), d = b->config->dim, hop = 1;
    struct tensor whole = tensor_view(x, 0, 3, (int64_t[]){ 1, frames, d });

    for (int i = 0; i < c->n_convs; i++)
        hop *= c->conv_stride[i];
    TRY(set_scale(b, samples, time, err));
    for (int64_t t = 0; t < frames; t += PIECE) {
        int64_t n = frames - t < PIECE ? frames - t : PIECE;
        struct tensor part = tensor_view(x, t * d, 2, (int64_t[]){ n, d });

        TRY(extract(b, &part, samples + t * hop, err));
    }
    return add_position(b, &whole, err);
}

/* ---- transformer ---- */

/* x += attention(h) */
static int attend(struct bert *b, const struct layer *l, struct tensor *x,
                  const struct tensor *h, struct err *err)
{
    struct matmul_opts plain = {0}, add = { .accumulate = 1 };

    TRY(block_linear_forward(&l->q, &b->q, h, plain, err));
    TRY(block_linear_forward(&l->k, &b->k, h, plain, err));
    TRY(block_linear_forward(&l->v, &b->v, h, plain, err));
    TRY(b->be->ops->attention(b->be, &b->q, &b->q, &b->k, &b->v,
                              b->config->heads, err));
    return block_linear_forward(&l->out, x, &b->q, add, err);
}

/* x += down(gelu(up(h))) */
static int feed(struct bert *b, const struct layer *l, struct tensor *x,
                const struct tensor *h, struct err *err)
{
    struct matmul_opts gelu = { .act = ACT_GELU }, add = { .accumulate = 1 };

    TRY(block_linear_forward(&l->up, &b->wide, h, gelu, err));
    return block_linear_forward(&l->down, x, &b->wide, add, err);
}

int bert_layer(struct bert *b, int k, struct tensor *x, struct err *err)
{
    const struct layer *l = &b->layer[k];
    struct tensor *same[4] = { &b->h, &b->q, &b->k, &b->v };

    for (int i = 0; i < 4; i++)
        TRY(tensor_reserve_narrow(same[i], b->be, 3, x->dim, err));
    TRY(tensor_reserve_narrow(&b->wide, b->be, 3, (int64_t[]){ x->dim[0],
                              x->dim[1], b->config->ffn }, err));
    if (b->config->bert.norm == BERT_PRE_NORM) {
        TRY(block_norm_forward(&l->attn_norm, &b->h, x, err));
        TRY(attend(b, l, x, &b->h, err));
        TRY(block_norm_forward(&l->ffn_norm, &b->h, x, err));
        return feed(b, l, x, &b->h, err);
    }
    TRY(attend(b, l, x, x, err));
    TRY(block_norm_forward(&l->attn_norm, x, x, err));
    TRY(feed(b, l, x, x, err));
    return block_norm_forward(&l->ffn_norm, x, x, err);
}
