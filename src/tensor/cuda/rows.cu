/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tensor/cuda/common.cuh"
#include "tensor/cuda/fold.cuh"

enum { LANES = 32, WARPS = 8 };

/* hidden (rows) on the device. */
static int upload_hidden(struct cuda *c, const uint8_t *hidden, int64_t rows,
                         const uint8_t **out, struct err *err)
{
    void *dev;

    TRY(cuda_buf(c, CUDA_BUF_HOST, (size_t)rows, &dev, err));
    *out = (const uint8_t *)dev;
    return cuda_upload(c, dev, hidden, (size_t)rows, err);
}

/* A warp a row. */
__global__ void rows_replace(float *x, const uint8_t *hidden, const float *v,
                             int64_t rows, int64_t n)
{
    int64_t r = (int64_t)blockIdx.x * WARPS + threadIdx.y;

    if (r < rows && hidden[r])
        for (int64_t i = threadIdx.x; i < n; i += LANES)
            x[r * n + i] = v[i];
}

int cuda_replace_rows(struct backend *be, struct tensor *x,
                      const uint8_t *hidden, const struct tensor *v,
                      struct err *err)
{
    struct cuda *c = cuda_of(be);
    int64_t rows = tensor_rows(x), n = tensor_cols(x);
    const uint8_t *dev;

    assert(tensor_count(v) == n);
    if (!rows)
        return 0;
    TRY(upload_hidden(c, hidden, rows, &dev, err));
    return LAUNCH(rows_replace, (unsigned)((rows + WARPS - 1) / WARPS),
                  dim3(LANES, WARPS), 0, x->data, dev, v->data, rows, n);
}

/* Block (x, y): LANES columns, the rows of part y; warps share the rows. */
__global__ void rows_take(float *part, float *dx, const uint8_t *hidden,
                          int64_t rows, int64_t n, int64_t step)
{
    SHARED2(float, sum, WARPS, LANES);
    int64_t col = (int64_t)blockIdx.x * LANES + threadIdx.x;
    int64_t from = blockIdx.y * step, to = from + step < rows ? from + step
                                                              : rows;
    float v = 0;

    for (int64_t r = from + threadIdx.y; r < to && col < n; r += WARPS)
        if (hidden[r]) {
            v += dx[r * n + col];
            dx[r * n + col] = 0;
        }
    sum[threadIdx.y][threadIdx.x] = v;
    __syncthreads();
    if (threadIdx.y)
        return;
    for (int i = 1; i < WARPS; i++)
        v += sum[i][threadIdx.x];
    if (col < n)
        part[blockIdx.y * n + col] = v;
}

int cuda_replace_rows_backward(struct backend *be, struct tensor *dx,
                               struct tensor *dv, const uint8_t *hidden,
                               struct err *err)
{
    struct cuda *c = cuda_of(be);
    int64_t rows = tensor_rows(dx), n = tensor_cols(dx);
    int64_t step = rows / 64 > 64 ? (rows + 63) / 64 : 64;
    int64_t parts = (rows + step - 1) / step;
    const uint8_t *dev;
    void *part;

    assert(tensor_count(dv) == n);
    if (!rows || !n)
        return 0;
    TRY(upload_hidden(c, hidden, rows, &dev, err));
    TRY(cuda_buf(c, CUDA_BUF_SUMS, (size_t)(parts * n) * sizeof(float), &part,
                 err));
    TRY(LAUNCH(rows_take,
               dim3((unsigned)((n + LANES - 1) / LANES), (unsigned)parts),
               dim3(LANES, WARPS), 0, (float *)part, dx->data, dev, rows, n,
               step));
    return cuda_fold(c, dv->data, (const float *)part, parts, n, err);
}
