/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "model/block.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const float norm_eps = 1e-5f;
static const float rotary_base = 10000;

/* ---- weights ---- */

static int load(struct tensor *t, struct model *m, struct backend *be,
                const char *name, const char *part, int ndim,
                const int64_t *dim, struct err *err)
{
    char full[256];
    const float *p = NULL;

    snprintf(full, sizeof(full), "%s.%s", name, part);
    TRY(model_tensor(m, full, dim, ndim, &p, err));
    return tensor_import(t, be, p, ndim, dim, err);
}

int block_norm_init(struct block_norm *n, struct model *m, struct backend *be,
                    const char *name, int64_t dim, struct err *err)
{
    TRY(load(&n->weight, m, be, name, "weight", 1, &dim, err));
    return load(&n->bias, m, be, name, "bias", 1, &dim, err);
}

int block_linear_init(struct block_linear *l, struct model *m,
                      struct backend *be, const char *name, int64_t out,
                      int64_t in, struct err *err)
{
    int64_t dim[2] = { out, in };

    TRY(load(&l->weight, m, be, name, "weight", 2, dim, err));
    return load(&l->bias, m, be, name, "bias", 1, dim, err);
}

/* Names below "conformer.layers.N." */
static const char *sub(char *buf, size_t size, int index, const char *part)
{
    snprintf(buf, size, "conformer.layers.%d.%s", index, part);
    return buf;
}

/* Inference only: batch norm behind the depthwise convolution scales its taps
 * and shifts the sum. */
static int fold_taps(struct block *b, struct model *m, struct backend *be,
                     int index, int64_t dim, int64_t taps, struct err *err)
{
    static const char *const parts[4] = { "weight", "bias", "running_mean",
                                          "running_var" };
    const float *w = NULL, *bn[4] = { NULL };
    char name[128];
    float *host;
    int rc;

    TRY(model_tensor(m, sub(name, sizeof(name), index,
                            "conv_module.depthwise_conv.weight"),
                     (int64_t[]){ dim, 1, taps }, 3, &w, err));
    for (int i = 0; i < 4; i++) {
        char part[64];

        snprintf(part, sizeof(part), "conv_module.batch_norm.%s", parts[i]);
        TRY(model_tensor(m, sub(name, sizeof(name), index, part), &dim, 1,
                         &bn[i], err));
    }
    TRY(tensor_reserve(&b->taps, be, 2, (int64_t[]){ taps, dim }, err));
    TRY(tensor_reserve(&b->shift, be, 1, &dim, err));
    host = malloc((size_t)(dim * (taps + 1)) * sizeof(*host));
    if (!host)
        return err_set(err, ERR_NOMEM, "no memory for layer %d", index);
    for (int64_t c = 0; c < dim; c++) {
        double s = bn[0][c] / sqrt((double)bn[3][c] + 1e-5);

        for (int64_t k = 0; k < taps; k++)
            host[k * dim + c] = (float)(w[c * taps + k] * s);
        host[taps * dim + c] = (float)(bn[1][c] - bn[2][c] * s);
    }
    rc = tensor_upload(&b->taps, host, err);
    if (!rc)
        rc = tensor_upload(&b->shift, host + taps * dim, err);
    free(host);
    return rc;
}

static int conv_init(struct block *b, struct model *m, struct backend *be,
                     int index, struct err *err)
{
    const struct encoder_config *c = &m->config.encoder;
    int64_t d = c->dim;
    const float *p = NULL;
    char n[128];

    TRY(block_norm_init(&b->conv_norm, m, be,
                        sub(n, sizeof(n), index, "conv_module.layer_norm"), d,
                        err));
    TRY(model_tensor(m, sub(n, sizeof(n), index,
                            "conv_module.pointwise_conv1.weight"),
                     (int64_t[]){ 2 * d, d, 1 }, 3, &p, err));
    TRY(tensor_import(&b->expand, be, p, 2, (int64_t[]){ 2 * d, d }, err));
    TRY(model_tensor(m, sub(n, sizeof(n), index,
                            "conv_module.pointwise_conv2.weight"),
                     (int64_t[]){ d, d, 1 }, 3, &p, err));
    TRY(tensor_import(&b->mix, be, p, 2, (int64_t[]){ d, d }, err));
    return fold_taps(b, m, be, index, d, c->kernel, err);
}

static int ffn_init(struct block_ffn *f, struct model *m, struct backend *be,
                    int index, int which, struct err *err)
{
    const struct encoder_config *c = &m->config.encoder;
    char n[128], part[64];

    snprintf(part, sizeof(part), "ffn%d_layer_norm", which);
    TRY(block_norm_init(&f->norm, m, be, sub(n, sizeof(n), index, part), c->dim,
                        err));
    snprintf(part, sizeof(part), "ffn%d.intermediate_dense", which);
    TRY(block_linear_init(&f->up, m, be, sub(n, sizeof(n), index, part), c->ffn,
                          c->dim, err));
    snprintf(part, sizeof(part), "ffn%d.output_dense", which);
    return block_linear_init(&f->down, m, be, sub(n, sizeof(n), index, part),
                             c->dim, c->ffn, err);
}

int block_init(struct block *b, struct model *m, struct backend *be, int index,
               struct err *err)
{
    int64_t d = m->config.encoder.dim;
    struct block_linear *lin[4] = { &b->q, &b->k, &b->v, &b->out };
    static const char *const part[4] = {
        "self_attn.linear_q", "self_attn.linear_k", "self_attn.linear_v",
        "self_attn.linear_out"
    };
    char n[128];

    TRY(ffn_init(&b->ffn[0], m, be, index, 1, err));
    TRY(block_norm_init(&b->attn_norm, m, be,
                        sub(n, sizeof(n), index, "self_attn_layer_norm"), d,
                        err));
    for (int i = 0; i < 4; i++)
        TRY(block_linear_init(lin[i], m, be, sub(n, sizeof(n), index, part[i]),
                              d, d, err));
    TRY(conv_init(b, m, be, index, err));
    TRY(ffn_init(&b->ffn[1], m, be, index, 2, err));
    return block_norm_init(&b->final, m, be,
                           sub(n, sizeof(n), index, "final_layer_norm"), d,
                           err);
}

void block_norm_release(struct block_norm *n)
{
    tensor_release(&n->weight);
    tensor_release(&n->bias);
}

void block_linear_release(struct block_linear *l)
{
    tensor_release(&l->weight);
    tensor_release(&l->bias);
}

void block_release(struct block *b)
{
    for (int i = 0; i < 2; i++) {
        block_norm_release(&b->ffn[i].norm);
        block_linear_release(&b->ffn[i].up);
        block_linear_release(&b->ffn[i].down);
    }
    block_norm_release(&b->attn_norm);
    block_linear_release(&b->q);
    block_linear_release(&b->k);
    block_linear_release(&b->v);
    block_linear_release(&b->out);
    block_norm_release(&b->conv_norm);
    tensor_release(&b->expand);
    tensor_release(&b->taps);
    tensor_release(&b->shift);
    tensor_release(&b->mix);
    block_norm_release(&b->final);
}

void block_work_release(struct block_work *w)
{
    tensor_release(&w->h);
    tensor_release(&w->r);
    tensor_release(&w->q);
    tensor_release(&w->k);
    tensor_release(&w->v);
    tensor_release(&w->wide);
}

/* ---- forward ---- */

static const struct matmul_opts plain = {0};
static const struct matmul_opts residual = { .accumulate = 1 };
static const struct matmul_opts half_residual = { .scale = 0.5f,
                                                  .accumulate = 1 };
static const struct matmul_opts swish = { .act = ACT_SWISH };

int block_norm_forward(const struct block_norm *n, struct tensor *y,
                       const struct tensor *x, struct err *err)
{
    return x->be->ops->layer_norm(x->be, y, x, &n->weight, &n->bias, norm_eps,
                                  err);
}

int block_linear_forward(const struct block_linear *l, struct tensor *y,
                         const struct tensor *x, struct matmul_opts opts,
                         struct err *err)
{
    return x->be->ops->matmul(x->be, y, x, &l->weight, &l->bias, opts, err);
}

static int ffn_forward(const struct block_ffn *f, struct block_work *w,
                       struct tensor *x, struct err *err)
{
    TRY(block_norm_forward(&f->norm, &w->h, x, err));
    TRY(tensor_reserve_narrow(&w->wide, x->be, 3, (int64_t[]){ x->dim[0],
                              x->dim[1], f->up.weight.dim[0] }, err));
    TRY(block_linear_forward(&f->up, &w->wide, &w->h, swish, err));
    return block_linear_forward(&f->down, x, &w->wide, half_residual, err);
}

static int attn_forward(const struct block *b, struct block_work *w,
                        struct tensor *x, int heads, struct err *err)
{
    const struct backend_ops *ops = x->be->ops;

    TRY(block_norm_forward(&b->attn_norm, &w->h, x, err));
    TRY(ops->rotary(x->be, &w->r, &w->h, heads, rotary_base, err));
    TRY(block_linear_forward(&b->q, &w->q, &w->r, plain, err));
    TRY(block_linear_forward(&b->k, &w->k, &w->r, plain, err));
    TRY(block_linear_forward(&b->v, &w->v, &w->h, plain, err));
    TRY(ops->attention(x->be, &w->q, &w->q, &w->k, &w->v, heads, err));
    return block_linear_forward(&b->out, x, &w->q, residual, err);
}

static int conv_forward(const struct block *b, struct block_work *w,
                        struct tensor *x, struct err *err)
{
    const struct backend_ops *ops = x->be->ops;

    TRY(block_norm_forward(&b->conv_norm, &w->h, x, err));
    TRY(tensor_reserve_narrow(&w->wide, x->be, 3, (int64_t[]){ x->dim[0],
                              x->dim[1], 2 * x->dim[2] }, err));
    TRY(ops->matmul(x->be, &w->wide, &w->h, &b->expand, NULL, plain, err));
    TRY(ops->glu(x->be, &w->h, &w->wide, err));
    TRY(ops->depthwise(x->be, &w->r, &w->h, &b->taps, &b->shift, ACT_SWISH,
                       err));
    return ops->matmul(x->be, x, &w->r, &b->mix, NULL, residual, err);
}

int block_forward(const struct block *b, struct block_work *w,
                  struct tensor *x, int heads, struct err *err)
{
    struct tensor *same[5] = { &w->h, &w->r, &w->q, &w->k, &w->v };

    for (int i = 0; i < 5; i++)
        TRY(tensor_reserve_narrow(same[i], x->be, 3, x->dim, err));
    TRY(ffn_forward(&b->ffn[0], w, x, err));
    TRY(attn_forward(b, w, x, heads, err));
    TRY(conv_forward(b, w, x, err));
    TRY(ffn_forward(&b->ffn[1], w, x, err));
    return block_norm_forward(&b->final, x, x, err);
}
