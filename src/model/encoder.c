/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "model/encoder.h"

#include <assert.h>
#include <stdlib.h>

#include "base/xalloc.h"
#include "model/bert.h"
#include "model/block.h"
#include "model/frontend.h"
#include "model/melstack.h"

struct encoder {
    struct backend *be;
    const struct model_config *model;
    const struct encoder_config *config; /* the model's */
    struct bert *bert;         /* NULL: another type */
    struct frontend frontend;  /* of the Conformer, as the next two */
    struct block *block;
    struct block_work work;
    struct block_norm final;   /* empty if there is none */
    struct block_linear predict; /* empty if the model has none */
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

static int init_conformer(struct encoder *e, struct model *m, struct err *err)
{
    const struct encoder_config *c = e->config;

    if (c->type == ENCODER_MEL)
        return 0;
    e->block = xcalloc((size_t)c->layers, sizeof(*e->block));
    TRY(frontend_init(&e->frontend, m, e->be, err));
    for (int i = 0; i < c->layers; i++)
        TRY(block_init(&e->block[i], m, e->be, i, err));
    return block_norm_init(&e->final, m, e->be, "conformer.layer_norm", c->dim,
                           err);
}

static int init_bert(struct encoder *e, struct model *m, struct err *err)
{
    TRY(bert_new(&e->bert, m, e->be, err));
    if (e->config->bert.norm == BERT_POST_NORM)
        return 0;
    return block_norm_init(&e->final, m, e->be, "encoder.layer_norm",
                           e->config->dim, err);
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
    e->model = &m->config;
    e->config = &m->config.encoder;
    rc = e->config->type == ENCODER_BERT ? init_bert(e, m, err)
                                         : init_conformer(e, m, err);
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
    bert_free(e->bert);
    frontend_release(&e->frontend);
    for (int i = 0; e->block && i < e->config->layers; i++)
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

int encoder_hears_sound(const struct encoder *e)
{
    return e->bert != NULL;
}

int encoder_width(const struct encoder *e)
{
    return e->bert ? 1 : e->model->mel.bands;
}

int64_t encoder_frames(const struct encoder *e, int64_t time)
{
    if (e->config->type == ENCODER_MEL)
        return melstack_frames(e->config, time);
    return e->bert ? bert_frames(&e->config->bert, time)
                   : frontend_frames(&e->frontend, time);
}

int encoder_stride(const struct encoder *e)
{
    return config_hop(e->model) / (e->bert ? 1 : e->model->mel.hop);
}

int encoder_windows(const struct encoder *e)
{
    return e->be->windows;
}

/* A batch of windows, on the host or on the device. */
struct windows {
    const float *host; /* (batch, time, width), or NULL: */
    const struct tensor *mel;
    int64_t step; /* rows of it from one to the next */
    int64_t batch, time;
};

static int front_window(struct encoder *e, struct tensor *x,
                        const struct windows *w, int64_t b, struct err *err)
{
    int64_t width = encoder_width(e), dim[2] = { w->time, width };
    struct tensor mel;

    if (e->bert)
        return bert_front(e->bert, x, w->host + b * w->time, w->time, err);
    if (w->host) {
        TRY(tensor_reserve(&e->mel, e->be, 2, dim, err));
        TRY(tensor_upload(&e->mel, w->host + b * w->time * width, err));
        return frontend_forward(&e->frontend, x, &e->mel, err);
    }
    mel = tensor_view(w->mel, b * w->step * width, 2, dim);
    return frontend_forward(&e->frontend, x, &mel, err);
}

/* x (B, T', D), window by window: their images would not fit side by side. */
static int front(struct encoder *e, const struct windows *w, struct err *err)
{
    int64_t frames = encoder_frames(e, w->time), d = e->config->dim;

    TRY(tensor_reserve(&e->x, e->be, 3, (int64_t[]){ w->batch, frames, d },
                       err));
    for (int64_t b = 0; b < w->batch; b++) {
        struct tensor x = tensor_view(&e->x, b * frames * d, 2,
                                      (int64_t[]){ frames, d });

        TRY(front_window(e, &x, w, b, err));
    }
    return 0;
}

static int predict(struct encoder *e, const struct encoder_out *out,
                   struct err *err)
{
    struct matmul_opts plain = {0};

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

static int run_block(struct encoder *e, int k, struct err *err)
{
    if (e->bert)
        return bert_layer(e->bert, k, &e->x, err);
    return block_forward(&e->block[k], &e->work, &e->x, e->config->heads, err);
}

/* The last state of all. */
static int finish(struct encoder *e, struct err *err)
{
    TRY(tensor_reserve(&e->last, e->be, 3, e->x.dim, err));
    if (!e->final.weight.data)
        return e->be->ops->axpby(e->be, &e->last, 1, &e->x, 0, err);
    return block_norm_forward(&e->final, &e->last, &e->x, err);
}

static int check_logits(const struct encoder *e, const struct encoder_out *out,
                        struct err *err)
{
    if (!out->logits || e->predict.weight.data)
        return 0;
    return err_set(err, ERR_UNSUPPORTED, "the model holds no linear layer that "
                   "predicts tokens");
}

static int forward(struct encoder *e, const struct encoder_out *out,
                   const struct windows *w, struct err *err)
{
    int last = deepest(e, out), layers = e->config->layers;

    TRY(check_logits(e, out, err));
    TRY(front(e, w, err));
    for (int k = 0;; k++) {
        const struct tensor *x = &e->x;

        if (k == layers) {
            TRY(finish(e, err));
            x = &e->last;
        }
        if (out->hidden && out->hidden[k])
            TRY(tensor_download(out->hidden[k], x, err));
        if (k == last)
            break;
        TRY(run_block(e, k, err));
    }
    return out->logits ? predict(e, out, err) : 0;
}

int encoder_forward(struct encoder *e, const struct encoder_out *out,
                    const float *input, int64_t batch, int64_t time,
                    struct err *err)
{
    struct windows w = { .host = input, .batch = batch, .time = time };

    if (e->config->type != ENCODER_MEL)
        return forward(e, out, &w, err);
    TRY(check_logits(e, out, err));
    return out->hidden && out->hidden[0]
               ? melstack_forward(out->hidden[0], e->model, input, batch, time,
                                  err) : 0;
}

int encoder_forward_mel(struct encoder *e, const struct encoder_out *out,
                        const struct tensor *mel, int64_t step, int64_t batch,
                        int64_t time, struct err *err)
{
    struct windows w = { .mel = mel, .step = step, .batch = batch,
                         .time = time };

    assert(e->config->type == ENCODER_CONFORMER);
    assert(tensor_rows(mel) >= (batch - 1) * step + time);
    return forward(e, out, &w, err);
}
