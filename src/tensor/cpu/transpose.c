/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <assert.h>

#include "tensor/cpu/private.h"

enum { TILE = 32 };

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* y (c, r) of x (r, c), both at most TILE, in rows of y_stride and x_stride. */
CPU_CLONES
static void tile(float *y, const float *x, int64_t r, int64_t c,
                 int64_t y_stride, int64_t x_stride, int accumulate)
{
    for (int64_t j = 0; j < c; j++) {
        if (accumulate) {
            #pragma omp simd
            for (int64_t i = 0; i < r; i++)
                y[j * y_stride + i] += x[i * x_stride + j];
        } else {
            #pragma omp simd
            for (int64_t i = 0; i < r; i++)
                y[j * y_stride + i] = x[i * x_stride + j];
        }
    }
}

void cpu_turn(float *y, int64_t y_stride, const float *x, int64_t x_stride,
              int64_t rows, int64_t cols, int accumulate)
{
    for (int64_t c = 0; c < cols; c += TILE)
        for (int64_t r = 0; r < rows; r += TILE)
            tile(y + c * y_stride + r, x + r * x_stride + c,
                 least(rows - r, TILE), least(cols - c, TILE), y_stride,
                 x_stride, accumulate);
}

int cpu_transpose(struct backend *be, struct tensor *y, const struct tensor *x,
                  int accumulate, struct err *err)
{
    int64_t cols = tensor_cols(x), rows = x->dim[x->ndim - 2];
    int64_t n = tensor_count(x) / (rows * cols);

    (void)be;
    (void)err;
    assert(x->ndim >= 2 && y->ndim == x->ndim);
    assert(y->dim[y->ndim - 2] == cols && tensor_cols(y) == rows);
    assert(y->data != x->data);
    #pragma omp parallel for
    for (int64_t i = 0; i < n; i++)
        cpu_turn(y->data + i * rows * cols, rows, x->data + i * rows * cols,
                 cols, rows, cols, accumulate);
    return 0;
}
