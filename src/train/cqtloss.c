/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "train/cqtloss.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

void cqtloss_describe(int dim, struct params *p)
{
    float bound = (float)(1 / sqrt(dim));
    int64_t d[2] = { CQTLOSS_BINS, dim };

    params_add(p, "cqt.weight", PARAM_TRAINED, INIT_UNIFORM, bound, 2, d);
    params_add(p, "cqt.bias", PARAM_TRAINED, INIT_UNIFORM, bound, 1, d);
}

int cqtloss_init(struct cqtloss *q, struct params *p, int threads,
                 struct err *err)
{
    struct cqt_config c = CQT_CONFIG_INIT;

    memset(q, 0, sizeof(*q));
    q->p = p;
    q->weight = params_index(p, "cqt.weight");
    q->bias = params_index(p, "cqt.bias");
    q->threads = threads;
    q->run = xcalloc((size_t)threads, sizeof(*q->run));
    q->frames = xcalloc((size_t)threads, sizeof(*q->frames));
    q->room = xcalloc((size_t)threads, sizeof(*q->room));
    for (int i = 0; i < threads; i++)
        TRY(cqt_new(&q->run[i], &c, err));
    return 0;
}

void cqtloss_release(struct cqtloss *q)
{
    for (int i = 0; i < q->threads; i++) {
        cqt_free(q->run[i]);
        free(q->frames[i]);
    }
    free(q->run);
    free(q->frames);
    free(q->room);
    free(q->host);
    tensor_release(&q->out);
    memset(q, 0, sizeof(*q));
}

size_t cqtloss_bytes(int64_t frames)
{
    return (size_t)frames * CQTLOSS_BINS * sizeof(float);
}

int cqtloss_target(struct cqtloss *q, int thread, const float *x, int64_t n,
                   int64_t frames, float *out, struct err *err)
{
    size_t need = cqt_frames(q->run[thread], (size_t)n) * CQTLOSS_BINS;

    if (need > q->room[thread]) {
        free(q->frames[thread]);
        q->room[thread] = 0;
        q->frames[thread] = malloc(need * sizeof(float));
        if (!q->frames[thread])
            return err_set(err, ERR_NOMEM, "no memory for a spectrum of %lld "
                           "samples", (long long)n);
        q->room[thread] = need;
    }
    cqt_clip(q->run[thread], x, (size_t)n, q->frames[thread]);
    memcpy(out, q->frames[thread], cqtloss_bytes(frames));
    return 0;
}

void cqtloss_begin(struct cqtloss *q, double weight, int64_t rows,
                   double loss_scale)
{
    q->loss = 0;
    q->scale = rows ? weight / (double)rows / CQTLOSS_BINS : 0;
    q->loss_scale = loss_scale;
}

/* In place of the predictions: the gradient by them. */
static void errors(struct cqtloss *q, const float *want, const int32_t *hide,
                   int64_t rows)
{
    for (int64_t r = 0; r < rows; r++) {
        float *v = q->host + r * CQTLOSS_BINS;

        for (int i = 0; i < CQTLOSS_BINS; i++) {
            double d = hide[r] < 0 ? 0
                                   : (double)v[i] - want[r * CQTLOSS_BINS + i];

            q->loss += q->scale * d * d;
            v[i] = (float)(2 * q->scale * q->loss_scale * d);
        }
    }
}

int cqtloss_pass(struct cqtloss *q, struct tensor *dhidden,
                 const struct tensor *hidden, const float *want,
                 const int32_t *hide, struct err *err)
{
    struct backend *be = q->p->be;
    struct tensor w = params_value(q->p, q->weight);
    struct tensor b = params_value(q->p, q->bias);
    struct tensor dw = params_grad(q->p, q->weight);
    struct tensor db = params_grad(q->p, q->bias);
    struct matmul_opts plain = {0}, add = { .accumulate = 1 };
    int64_t rows = tensor_rows(hidden);
    size_t need = (size_t)rows * CQTLOSS_BINS;

    if (need > q->cap) {
        free(q->host);
        q->cap = 0;
        q->host = malloc(need * sizeof(*q->host));
        if (!q->host)
            return err_set(err, ERR_NOMEM, "no memory for %lld spectra",
                           (long long)rows);
        q->cap = need;
    }
    TRY(tensor_reserve(&q->out, be, 2, (int64_t[]){ rows, CQTLOSS_BINS }, err));
    TRY(be->ops->matmul(be, &q->out, hidden, &w, &b, plain, err));
    TRY(tensor_download(q->host, &q->out, err));
    errors(q, want, hide, rows);
    TRY(tensor_upload(&q->out, q->host, err));
    TRY(be->ops->matmul_dw(be, &dw, &db, &q->out, hidden, 1, err));
    return be->ops->matmul_dx(be, dhidden, &q->out, &w, add, err);
}
