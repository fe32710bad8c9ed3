/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What cuDNN is asked for, as loops. It refuses 40 channels of y, a size of
 * check_parity_conv, so that what happens then is run as well. */
#include "tensor/cuda/dnn.cuh"

#include <stdlib.h>
#include <string.h>
#include <vector>

int dnn_here(struct cuda *c)
{
    const char *off = getenv("MFM_CUDNN");

    return c->base.precision != PRECISION_F32 && !(off && !strcmp(off, "0"));
}

void dnn_close(struct dnn *d)
{
    (void)d;
}

static float value(const struct cuda *c, const void *p, int64_t i)
{
    if (c->base.precision == PRECISION_BF16)
        return to_float(((const bf16 *)p)[i]);
    if (c->base.precision == PRECISION_FP16)
        return to_float(((const f16 *)p)[i]);
    return __uint_as_float((__float_as_uint(((const float *)p)[i]) + 0x1000) &
                           ~0x1fffu);
}

static void store(const struct cuda *c, void *p, int64_t i, double sum,
                  int accumulate)
{
    if (c->base.precision == PRECISION_BF16) {
        bf16 *to = (bf16 *)p + i;

        *to = from_float<bf16>((float)(sum + (accumulate ? to_float(*to) : 0)));
    } else if (c->base.precision == PRECISION_FP16) {
        f16 *to = (f16 *)p + i;

        *to = from_float<f16>((float)(sum + (accumulate ? to_float(*to) : 0)));
    } else {
        float *to = (float *)p + i;

        *to = (float)(sum + (accumulate ? *to : 0));
    }
}

/* Calls f(pixel of y, pixel of x, tap) for all that meet. */
template <class F> static void each(const struct dnn_conv *k, F f)
{
    for (int64_t b = 0; b < k->images; b++)
        for (int i = 0; i < k->y_h; i++)
            for (int j = 0; j < k->y_w; j++)
                for (int tap = 0; tap < 9; tap++) {
                    int h = i * k->stride_h + tap / 3 - 1;
                    int w = j * k->stride_w + tap % 3 - 1;

                    if (h >= 0 && h < k->x_h && w >= 0 && w < k->x_w)
                        f((b * k->y_h + i) * k->y_w + j,
                          (b * k->x_h + h) * k->x_w + w, tap);
                }
}

int dnn_run(struct cuda *c, const struct dnn_conv *k, int *done,
             struct err *err)
{
    int64_t n = k->c_out, m = k->c_in, all = n * 9 * m;
    void *out = k->pass == DNN_FORWARD ? k->y : k->pass == DNN_DX ? k->x : k->w;
    std::vector<double> sum;

    (void)err;
    *done = k->c_out != 40;
    if (!*done)
        return 0;
    if (k->pass != DNN_DW)
        all = k->pass == DNN_FORWARD
            ? (int64_t)k->images * k->y_h * k->y_w * n
            : (int64_t)k->images * k->x_h * k->x_w * m;
    sum.resize((size_t)all);
    each(k, [&](int64_t y, int64_t x, int tap) {
        for (int64_t o = 0; o < n; o++)
            for (int64_t i = 0; i < m; i++) {
                int64_t at = (o * 9 + tap) * m + i;

                if (k->pass == DNN_FORWARD)
                    sum[(size_t)(y * n + o)] += (double)value(
                        c, k->x, x * m + i) * value(c, k->w, at);
                else if (k->pass == DNN_DX)
                    sum[(size_t)(x * m + i)] += (double)value(
                        c, k->y, y * n + o) * value(c, k->w, at);
                else
                    sum[(size_t)at] += (double)value(c, k->x, x * m + i) *
                                       value(c, k->y, y * n + o);
            }
    });
    for (int64_t i = 0; i < all; i++)
        store(c, out, i, sum[(size_t)i], k->accumulate);
    return 0;
}
