/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "model/encoder.h"

#include <stdlib.h>

#include "base/xalloc.h"
#include "model/block.h"
#include "model/frontend.h"

struct encoder {
    struct backend *be;
    const struct encoder_config *config; /* the model's */
    int bands;
    struct frontend frontend;
    struct block *block;
    struct block_norm final;
    struct block_linear predict; /* empty if the model has none */
    struct block_work work;
    struct tensor mel, x, last, logits;
};

/* The layer that predicts tokens; as many outputs as the file says. */
static int init_predict(struct encoder *e, struct model *m, struct err *err)
{
    const struct stored *t = NULL;
    int64_t any[2] = { -1, e->config->dim };

    TRY(model_stored(m, "linear.weight", any, 2, &t, err));
    return block_linear_init(&e->predict, m, e->be, "linear", t->dim[0],
                             t->dim[1], err);
}

int encoder_new(struct encoder **out, struct model *m, struct backend *be,
                struct err *err)
{
    const struct encoder_config *c = &m->config.encoder;
    struct encoder *e;
    int rc;

    if (c->type == ENCODER_NONE)
        return err_set(err, ERR_UNSUPPORTED, "%s: holds tokens only, no "
                       "encoder: give a model with -m", m->path);
    e = xcalloc(1, sizeof(*e));
    e->be = be;
    e->config = c;
    e->bands = m->config.mel.bands;
    e->block = xcalloc((size_t)c->layers, sizeof(*e->block));
    rc = frontend_init(&e->frontend, m, be, err);
    for (int i = 0; !rc && i < c->layers; i++)
        rc = block_init(&e->block[i], m, be, i, err);
    if (!rc)
        rc = block_norm_init(&e->final, m, be, "conformer.layer_norm", c->dim,
                             err);
    if (!rc && model_has(m, "linear.weight"))
        rc = init_predict(e, m, err);
    if (rc) {
        encoder_free(e);
        return rc;
    }
    *out = e;
    return 0;
}

void encoder_free(struct encoder *e)
{
    if (!e)
        return;
    frontend_release(&e->frontend);
    for (int i = 0; i < e->config->layers; i++)
        block_release(&e->block[i]);
    free(e->block);
    tensor_release(&e->final.weight);
    tensor_release(&e->final.bias);
    tensor_release(&e->predict.weight);
    tensor_release(&e->predict.bias);
    block_work_release(&e->work);
    tensor_release(&e->mel);
    tensor_release(&e->x);
    tensor_release(&e->last);
    tensor_release(&e->logits);
    free(e);
}

int64_t encoder_frames(const struct encoder *e, int64_t time)
{
    return frontend_frames(&e->frontend, time);
}

int encoder_stride(const struct encoder *e)
{
    return e->frontend.stride[0] * e->frontend.stride[1];
}

/* x (B, T', D), window by window: their images would not fit side by side. */
static int front(struct encoder *e, const float *mel, int64_t batch,
                 int64_t time, struct err *err)
{
    int64_t frames = encoder_frames(e, time), d = e->config->dim;
    int64_t bands = e->bands;

    TRY(tensor_reserve(&e->mel, e->be, 2, (int64_t[]){ time, bands }, err));
    TRY(tensor_reserve(&e->x, e->be, 3, (int64_t[]){ batch, frames, d }, err));
    for (int64_t b = 0; b < batch; b++) {
        struct tensor x = tensor_view(&e->x, b * frames * d, 2,
                                      (int64_t[]){ frames, d });

        TRY(tensor_upload(&e->mel, mel + b * time * bands, err));
        TRY(frontend_forward(&e->frontend, &x, &e->mel, err));
    }
    return 0;
}

static int predict(struct encoder *e, const struct encoder_out *out,
                   struct err *err)
{
    struct matmul_opts plain = {0};

    if (!e->predict.weight.data)
        return err_set(err, ERR_UNSUPPORTED, "the model holds no linear layer "
                       "that predicts tokens");
    TRY(tensor_reserve(&e->logits, e->be, 3, (int64_t[]){ e->x.dim[0],
                       e->x.dim[1], e->predict.weight.dim[0] }, err));
    TRY(e->be->ops->matmul(e->be, &e->logits, &e->last, &e->predict.weight,
                           &e->predict.bias, plain, err));
    return tensor_download(out->logits, &e->logits, err);
}

/* Index of the last state that is wanted. */
static int deepest(const struct encoder *e, const struct encoder_out *out)
{
    int k = e->config->layers;

    if (out->logits)
        return k;
    while (k > 0 && !(out->hidden && out->hidden[k]))
        k--;
    return k;
}

int encoder_forward(struct encoder *e, const struct encoder_out *out,
                    const float *mel, int64_t batch, int64_t time,
                    struct err *err)
{
    int last = deepest(e, out), layers = e->config->layers;

    TRY(front(e, mel, batch, time, err));
    for (int k = 0;; k++) {
        const struct tensor *x = &e->x;

        if (k == layers) {
            TRY(tensor_reserve(&e->last, e->be, 3, e->x.dim, err));
            TRY(e->be->ops->layer_norm(e->be, &e->last, &e->x, &e->final.weight,
                                       &e->final.bias, 1e-5f, err));
            x = &e->last;
        }
        if (out->hidden && out->hidden[k])
            TRY(tensor_download(out->hidden[k], x, err));
        if (k == last)
            break;
        TRY(block_forward(&e->block[k], &e->work, &e->x, e->config->heads,
                          err));
    }
    return out->logits ? predict(e, out, err) : 0;
}
