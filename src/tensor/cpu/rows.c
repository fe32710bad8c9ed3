/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <assert.h>

#include "tensor/cpu/private.h"

int cpu_replace_rows(struct backend *be, struct tensor *x,
                     const uint8_t *hidden, const struct tensor *v,
                     struct err *err)
{
    int64_t rows = tensor_rows(x), n = tensor_cols(x);

    (void)be;
    (void)err;
    assert(tensor_count(v) == n);
    for (int64_t r = 0; r < rows; r++)
        if (hidden[r])
            memcpy(x->data + r * n, v->data, (size_t)n * sizeof(float));
    return 0;
}

int cpu_replace_rows_backward(struct backend *be, struct tensor *dx,
                              struct tensor *dv, const uint8_t *hidden,
                              struct err *err)
{
    int64_t rows = tensor_rows(dx), n = tensor_cols(dx);

    (void)be;
    (void)err;
    assert(tensor_count(dv) == n);
    for (int64_t r = 0; r < rows; r++) {
        float *d = dx->data + r * n;

        if (!hidden[r])
            continue;
        for (int64_t i = 0; i < n; i++) {
            dv->data[i] += d[i];
            d[i] = 0;
        }
    }
    return 0;
}
