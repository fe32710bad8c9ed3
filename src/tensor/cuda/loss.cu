/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <math.h>

#include "tensor/cuda/common.cuh"

static __device__ float block_max(float v)
{
    SHARED1(float, part, 32);
    int warp = (int)threadIdx.x / 32, warps = (int)blockDim.x / 32;

    v = warp_max(v);
    __syncthreads();
    if (threadIdx.x % 32 == 0)
        part[warp] = v;
    __syncthreads();
    v = part[0];
    for (int i = 1; i < warps; i++)
        v = fmaxf(v, part[i]);
    return v;
}

/* What a row adds to struct loss_sum. */
struct row {
    double loss;
    int32_t rows, correct;
};

/* A block a row of n logits; in_shared: it fits into shared memory, else the
 * exponentials wait in dlogits. A thread reads only what it wrote. */
__global__ void entropy_rows(struct row *found, float *dlogits,
                             const float *logits, const int32_t *target,
                             int64_t n, float scale, int in_shared)
{
    SHARED_DYNAMIC(float, shared);
    const float *in = logits + blockIdx.x * n;
    float *out = dlogits + blockIdx.x * n, *e = in_shared ? shared : out;
    int32_t wanted = target[blockIdx.x];
    float top = -INFINITY, all = 0, hit, factor;

    if (wanted < 0) {
        for (int64_t i = threadIdx.x; i < n; i += blockDim.x)
            out[i] = 0;
        if (threadIdx.x == 0)
            found[blockIdx.x] = { 0, 0, 0 };
        return;
    }
    hit = in[wanted];
    for (int64_t i = threadIdx.x; i < n; i += blockDim.x) {
        float v = in[i];

        e[i] = v;
        top = fmaxf(top, v);
    }
    top = block_max(top);
    for (int64_t i = threadIdx.x; i < n; i += blockDim.x) {
        float v = expf(e[i] - top);

        e[i] = v;
        all += v;
    }
    all = block_sum(all);
    factor = scale / all;
    for (int64_t i = threadIdx.x; i < n; i += blockDim.x)
        out[i] = e[i] * factor - (i == wanted ? scale : 0);
    if (threadIdx.x == 0)
        found[blockIdx.x] = { log((double)all) + ((double)top - hit), 1,
                              hit >= top };
}

/* One block. */
__global__ void entropy_sum(struct loss_sum *sum, const struct row *found,
                            int64_t n)
{
    double loss = 0;
    int64_t rows = 0, correct = 0;

    for (int64_t i = threadIdx.x; i < n; i += blockDim.x) {
        loss += found[i].loss;
        rows += found[i].rows;
        correct += found[i].correct;
    }
    loss = block_sum(loss);
    rows = block_sum(rows);
    correct = block_sum(correct);
    if (threadIdx.x == 0)
        *sum = { loss, rows, correct };
}

/* Targets in host order on the device, and room for what rows find. */
static int prepare(struct cuda *c, const int32_t *target, int64_t rows,
                   void **dev_target, void **sum, struct row **found,
                   struct err *err)
{
    size_t size = (size_t)rows * sizeof(*target);
    size_t head = (sizeof(struct loss_sum) + 15) / 16 * 16;

    TRY(cuda_buf(c, CUDA_BUF_HOST, size, dev_target, err));
    TRY(cuda_upload(c, *dev_target, target, size, err));
    TRY(cuda_buf(c, CUDA_BUF_SUMS, head + (size_t)rows * sizeof(**found), sum,
                 err));
    *found = (struct row *)((char *)*sum + head);
    return 0;
}

int cuda_cross_entropy(struct backend *be, struct loss_sum *sum,
                       struct tensor *dlogits, const struct tensor *logits,
                       const int32_t *target, float scale, struct err *err)
{
    static const size_t most = 47 << 10; /* bytes of a row in shared memory */
    struct cuda *c = cuda_of(be);
    int64_t rows = tensor_rows(logits), n = tensor_cols(logits);
    size_t size = (size_t)n * sizeof(float), shared = size <= most ? size : 0;
    unsigned threads = n <= 256 ? 32 : n <= 2048 ? 128 : 256;
    void *dev_target, *dev_sum;
    struct row *found;

    assert(tensor_count(dlogits) == rows * n && n > 0);
    for (int64_t r = 0; r < rows; r++)
        assert(target[r] >= -1 && target[r] < n);
    *sum = {};
    if (!rows)
        return 0;
    TRY(prepare(c, target, rows, &dev_target, &dev_sum, &found, err));
    TRY(LAUNCH(entropy_rows, (unsigned)rows, threads, shared, found,
               dlogits->data, logits->data, (const int32_t *)dev_target, n,
               scale, shared > 0));
    TRY(LAUNCH(entropy_sum, 1, 1024, 0, (struct loss_sum *)dev_sum,
               (const struct row *)found, rows));
    return cuda_download(c, sum, dev_sum, sizeof(*sum), err);
}
