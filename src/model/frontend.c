/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "model/frontend.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

/* ---- weights ---- */

struct norm {
    const float *weight, *bias, *mean, *var;
};

static int get(struct model *m, const char *prefix, const char *name, int ndim,
               const int64_t *dim, const float **out, struct err *err)
{
    char full[256];

    snprintf(full, sizeof(full), "%s.%s", prefix, name);
    return model_tensor(m, full, dim, ndim, out, err);
}

static int get_norm(struct model *m, const char *prefix, int64_t n,
                    struct norm *out, struct err *err)
{
    int64_t d[1] = { n };

    TRY(get(m, prefix, "weight", 1, d, &out->weight, err));
    TRY(get(m, prefix, "bias", 1, d, &out->bias, err));
    TRY(get(m, prefix, "running_mean", 1, d, &out->mean, err));
    return get(m, prefix, "running_var", 1, d, &out->var, err);
}

/* Inference only: bn(conv(x)) is a convolution with scaled weights. The file
 * has kernels as (band, time); images here are (time, band). */
static int fold(struct frontend *f, struct conv2d **out, const float *w,
                const float *b, const struct norm *bn, int c_in, int stride_t,
                int stride_b, struct err *err)
{
    size_t per = (size_t)c_in * 9, n = (size_t)f->channels * per;
    float *fw = malloc((n + (size_t)f->channels) * sizeof(*fw)), *fb = fw + n;
    int rc;

    if (!fw)
        return err_set(err, ERR_NOMEM, "no memory for %zu weights", n);
    for (size_t o = 0; o < (size_t)f->channels; o++) {
        double s = bn->weight[o] / sqrt((double)bn->var[o] + 1e-5);

        fb[o] = (float)((b[o] - (double)bn->mean[o]) * s + bn->bias[o]);
        for (size_t i = 0; i < per; i += 9)
            for (int t = 0; t < 3; t++)
                for (int k = 0; k < 3; k++)
                    fw[o * per + i + (size_t)(t * 3 + k)] =
                        (float)(s * w[o * per + i + (size_t)(k * 3 + t)]);
    }
    rc = f->be->ops->conv2d_new(f->be, out, fw, fb, f->channels, c_in, stride_t,
                                stride_b, err);
    free(fw);
    return rc;
}

static int init_conv(struct frontend *f, struct model *m, int module, int which,
                     struct err *err)
{
    int c_in = module || which == 1 ? f->channels : 1;
    int64_t dim[4] = { f->channels, c_in, 3, 3 };
    int stride_t = which == 1 ? 1 : f->stride[module];
    const float *w = NULL, *b = NULL;
    struct norm bn = {0};
    char name[64];

    snprintf(name, sizeof(name), "conv.conv.%d.conv%d", module, which + 1);
    TRY(get(m, name, "weight", 4, dim, &w, err));
    TRY(get(m, name, "bias", 1, dim, &b, err));
    snprintf(name, sizeof(name), "conv.conv.%d.bn%d", module, which + 1);
    TRY(get_norm(m, name, f->channels, &bn, err));
    return fold(f, &f->conv[module][which], w, b, &bn, c_in, stride_t,
                which == 1 ? 1 : 2, err);
}

int frontend_init(struct frontend *f, struct model *m, struct backend *be,
                  struct err *err)
{
    const struct encoder_config *c = &m->config.encoder;
    int bands = m->config.mel.bands;
    int64_t dim[2] = { c->dim, (int64_t)c->conv_dim * (bands / 4) };
    const float *w = NULL, *b = NULL;

    if (bands % 4)
        return err_set(err, ERR_UNSUPPORTED, "%s: %d mel bands are not a "
                       "multiple of 4", m->path, bands);
    f->be = be;
    f->channels = c->conv_dim;
    f->bands = bands;
    for (int i = 0; i < FRONTEND_MODULES; i++) {
        f->stride[i] = c->time_strides[i];
        for (int k = 0; k < 3; k++)
            TRY(init_conv(f, m, i, k, err));
    }
    /* the largest images are (2 n, bands / 2, channels) */
    f->piece = be->image_bytes / ((int64_t)f->stride[1] * (f->bands / 2) *
                              f->channels * (int64_t)sizeof(float));
    f->piece = f->piece > FRONTEND_LEAST ? f->piece : FRONTEND_LEAST;
    TRY(model_tensor(m, "conv.linear.weight", dim, 2, &w, err));
    TRY(model_tensor(m, "conv.linear.bias", dim, 1, &b, err));
    TRY(tensor_import(&f->weight, be, w, 2, dim, err));
    return tensor_import(&f->bias, be, b, 1, dim, err);
}

static void release_images(struct frontend *f)
{
    for (int i = 0; i < FRONTEND_MODULES; i++)
        for (int k = 0; k < 2; k++)
            tensor_release(&f->image[i][k]);
}

void frontend_release(struct frontend *f)
{
    for (int i = 0; i < FRONTEND_MODULES; i++) {
        for (int k = 0; k < 3; k++)
            if (f->conv[i][k])
                f->be->ops->conv2d_free(f->be, f->conv[i][k]);
    }
    release_images(f);
    tensor_release(&f->flat);
    tensor_release(&f->weight);
    tensor_release(&f->bias);
    memset(f, 0, sizeof(*f));
}

/* ---- forward ---- */

static int64_t ceil_div(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

int64_t frontend_frames(const struct frontend *f, int64_t time)
{
    for (int i = 0; i < FRONTEND_MODULES; i++)
        time = ceil_div(time, f->stride[i]);
    return time;
}

/* y = relu(bn3(conv3(x)) + bn2(conv2(relu(bn1(conv1(x)))))) */
static int module_forward(struct frontend *f, int module,
                          const struct tensor *x, struct err *err)
{
    const struct backend_ops *ops = f->be->ops;
    struct conv2d **conv = f->conv[module];
    struct tensor *a = &f->image[module][0], *y = &f->image[module][1];
    int64_t h = ceil_div(x->dim[0], f->stride[module]);
    int64_t w = ceil_div(x->dim[1], 2);

    TRY(tensor_reserve_image(a, f->be, h, w, f->channels, err));
    TRY(tensor_reserve_image(y, f->be, h, w, f->channels, err));
    TRY(ops->conv2d(f->be, a, x, conv[0], ACT_RELU, 0, err));
    TRY(ops->conv2d(f->be, y, x, conv[2], ACT_NONE, 0, err));
    return ops->conv2d(f->be, y, a, conv[1], ACT_RELU, 1, err);
}

/* A piece that does not begin (end) where the mel does sees zeros where its
 * neighbour's frames should be, and what they touch is wrong. How many output
 * rows that spoils: a strided convolution spoils the rows whose window reaches
 * a spoilt row or the padding, the second convolution one more. */
static int64_t spoilt_rows(const struct frontend *f, int at_end)
{
    int64_t n = 0;

    for (int i = 0; i < FRONTEND_MODULES; i++) {
        if (f->stride[i] == 1)
            n++;
        else
            n = at_end ? (n + 1) / 2 : ceil_div(n + 1, 2);
        n++;
    }
    return n;
}

/* Output rows first..first+n-1 from their piece of the mel. */
static int piece_forward(struct frontend *f, const struct tensor *mel,
                         int64_t first, int64_t n, struct err *err)
{
    int64_t stride = f->stride[0] * f->stride[1], time = mel->dim[0];
    int64_t lead = spoilt_rows(f, 0), tail = spoilt_rows(f, 1);
    int64_t from = first > lead ? first - lead : 0, to = first + n + tail;
    int64_t end = to * stride < time ? to * stride : time;
    int64_t dim[3] = { end - from * stride, f->bands, 1 };
    struct tensor in = tensor_view(mel, from * stride * f->bands, 3, dim), out;

    TRY(module_forward(f, 0, &in, err));
    TRY(module_forward(f, 1, &f->image[0][1], err));
    dim[0] = n;
    dim[1] = tensor_cols(&f->flat);
    out = tensor_view(&f->flat, first * dim[1], 2, dim);
    return f->be->ops->image_flatten(f->be, &out, &f->image[1][1], first - from,
                                     err);
}

/* All pieces, of much the same length. */
static int pieces_forward(struct frontend *f, const struct tensor *mel,
                          int64_t frames, struct err *err)
{
    int64_t n = ceil_div(frames, ceil_div(frames, f->piece));

    for (int64_t first = 0; first < frames; first += n)
        TRY(piece_forward(f, mel, first,
                          frames - first < n ? frames - first : n, err));
    return 0;
}

int frontend_forward(struct frontend *f, struct tensor *x,
                     const struct tensor *mel, struct err *err)
{
    int64_t frames = frontend_frames(f, mel->dim[0]);
    struct matmul_opts plain = {0};
    int rc;

    TRY(tensor_reserve(&f->flat, f->be, 2,
                       (int64_t[]){ frames, tensor_cols(&f->weight) }, err));
    while ((rc = pieces_forward(f, mel, frames, err)) == ERR_NOMEM &&
           f->piece > FRONTEND_LEAST) {
        release_images(f);
        f->piece /= 2;
        log_info("memory is short: %lld frames at a time",
                 (long long)f->piece);
    }
    TRY(rc);
    return f->be->ops->matmul(f->be, x, &f->flat, &f->weight, &f->bias, plain,
                              err);
}
