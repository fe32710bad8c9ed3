/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tensor/cuda/cuda.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tensor/cuda/blas.cuh"
#include "tensor/cuda/common.cuh"
#include "tensor/cuda/dnn.cuh"
#include "tensor/cuda/fft.cuh"

/* What mfm reads of the module without loading it (tensor/module.c): an ELF
 * note of owner "mfm", type 1. */
extern "C" {
extern const uint32_t mfm_cuda_note[];
__attribute__((section(".note.mfm"), used, aligned(4)))
const uint32_t mfm_cuda_note[] = {
    4, 12, 1, 0x006d666d, CUDART_VERSION,
#ifdef __CUDACC__
    0,
#else
    1, /* emulated */
#endif
    MODULE_INTERFACE
};
}

int cuda_check(cudaError_t e, const char *what, struct err *err)
{
    if (e == cudaSuccess)
        return 0;
    if (e == cudaErrorMemoryAllocation)
        return err_set(err, ERR_NOMEM, "%s: the device is out of memory", what);
    return err_set(err, ERR_DEVICE, "%s: CUDA: %s", what,
                   cudaGetErrorString(e));
}

/* ---- memory: the driver's pool keeps what was freed, so that no step but the
 * first ones waits for an allocation ---- */

static int take(struct cuda *c, size_t size, void **out, struct err *err)
{
    cudaError_t e = cudaMallocAsync(out, size, c->stream);

    if (e == cudaErrorMemoryAllocation) {
        size_t left = 0, all = 0;

        cudaGetLastError();
        cudaMemGetInfo(&left, &all);
        return err_set(err, ERR_NOMEM, "%zu MiB do not fit on the device "
                       "(%zu of %zu MiB are free): make the batch, the window "
                       "or the crop smaller", size >> 20, left >> 20,
                       all >> 20);
    }
    return cuda_check(e, "memory", err);
}

int cuda_buf(struct cuda *c, int which, size_t size, void **out,
             struct err *err)
{
    struct cuda_mem *b = &c->buf[which];

    if (b->size < size) {
        if (which == CUDA_BUF_X)
            c->ready.data = NULL; /* its copy goes, even where this fails */
        if (b->data)
            cudaFreeAsync(b->data, c->stream);
        b->data = NULL;
        b->size = 0;
        TRY(take(c, size, &b->data, err));
        b->size = size;
    }
    *out = b->data;
    return 0;
}

static int cuda_alloc(struct backend *be, float **out, int64_t n,
                      struct err *err)
{
    void *p = NULL;

    TRY(take(cuda_of(be), (size_t)n * sizeof(float), &p, err));
    *out = (float *)p;
    cuda_drop_copies(cuda_of(be), *out, n);
    return 0;
}

static void cuda_free(struct backend *be, float *p)
{
    cudaFreeAsync(p, cuda_of(be)->stream);
}

/* ---- copies: through memory that the device reads by itself ---- */

static const size_t PINNED = 8 << 20; /* bytes */

static int need_pinned(struct cuda *c, struct err *err)
{
    if (c->pinned.data)
        return 0;
    TRY(cuda_check(cudaMallocHost(&c->pinned.data, PINNED), "pinned memory",
                   err));
    c->pinned.size = PINNED;
    return 0;
}

int cuda_upload(struct cuda *c, void *dev, const void *host, size_t size,
                struct err *err)
{
    TRY(need_pinned(c, err));
    c->launched++;
    for (size_t at = 0; at < size; at += PINNED) {
        size_t n = size - at < PINNED ? size - at : PINNED;

        TRY(cuda_check(cudaEventSynchronize(c->copied), "upload", err));
        memcpy(c->pinned.data, (const char *)host + at, n);
        TRY(cuda_check(cudaMemcpyAsync((char *)dev + at, c->pinned.data, n,
                                       cudaMemcpyHostToDevice, c->stream),
                       "upload", err));
        TRY(cuda_check(cudaEventRecord(c->copied, c->stream), "upload", err));
    }
    return 0;
}

int cuda_download(struct cuda *c, void *host, const void *dev, size_t size,
                  struct err *err)
{
    TRY(need_pinned(c, err));
    for (size_t at = 0; at < size; at += PINNED) {
        size_t n = size - at < PINNED ? size - at : PINNED;

        TRY(cuda_check(cudaMemcpyAsync(c->pinned.data, (const char *)dev + at,
                                       n, cudaMemcpyDeviceToHost, c->stream),
                       "download", err));
        TRY(cuda_check(cudaStreamSynchronize(c->stream), "download", err));
        memcpy((char *)host + at, c->pinned.data, n);
    }
    return 0;
}

static int upload(struct backend *be, float *dev, const float *host, int64_t n,
                  struct err *err)
{
    cuda_drop_copies(cuda_of(be), dev, n);
    return cuda_upload(cuda_of(be), dev, host, (size_t)n * sizeof(float), err);
}

static int download(struct backend *be, float *host, const float *dev,
                    int64_t n, struct err *err)
{
    return cuda_download(cuda_of(be), host, dev, (size_t)n * sizeof(float),
                         err);
}

static int import(struct backend *be, struct tensor *t, const float *host,
                  struct err *err)
{
    int64_t n = tensor_count(t);

    TRY(cuda_alloc(be, &t->data, n ? n : 1, err));
    t->cap = n ? n : 1;
    return upload(be, t->data, host, n, err);
}

/* ---- opening ---- */

static int set_precision(struct backend *be, enum precision p, struct err *err)
{
    struct cuda *c = cuda_of(be);
    static const char *const names[] = { "f32", "bf16", "tf32", "fp16" };

    if ((p == PRECISION_BF16 || p == PRECISION_TF32) && c->arch < 80)
        return err_set(err, ERR_UNSUPPORTED, "--precision %s: this GPU (sm_%d) "
                       "is older than sm_80; fp16 and f32 work", names[p],
                       c->arch);
    cuda_drop_all_copies(c);
    be->narrow = p == PRECISION_BF16 || p == PRECISION_FP16;
    return 0;
}

static void cuda_close(struct backend *be)
{
    struct cuda *c = cuda_of(be);

    cudaSetDevice(c->device);
    if (c->stream)
        cudaStreamSynchronize(c->stream);
    cuda_group_leave(c);
    cuda_drop_all_copies(c);
    free(c->weights);
    blas_close(c->blas);
    dnn_close(c->dnn);
    fft_close(c->fft);
    for (int i = 0; i < CUDA_BUFS; i++)
        if (c->buf[i].data)
            cudaFreeAsync(c->buf[i].data, c->stream);
    if (c->rotary.data)
        cudaFreeAsync(c->rotary.data, c->stream);
    if (c->pinned.data)
        cudaFreeHost(c->pinned.data);
    if (c->copied)
        cudaEventDestroy(c->copied);
    if (c->stream) {
        cudaStreamSynchronize(c->stream);
        cudaStreamDestroy(c->stream);
    }
    free(c);
}

static const struct backend_ops ops = {
    .name = "cuda", .close = cuda_close, .set_precision = set_precision,
    .alloc = cuda_alloc, .free = cuda_free, .image_size = cuda_image_size,
    .import = import, .upload = upload, .download = download,
    .matmul = cuda_matmul, .conv2d_new = cuda_conv2d_new,
    .conv2d_free = cuda_conv2d_free, .conv2d = cuda_conv2d,
    .image_flatten = cuda_image_flatten, .layer_norm = cuda_layer_norm,
    .glu = cuda_glu, .rotary = cuda_rotary, .attention = cuda_attention,
    .depthwise = cuda_depthwise, .weights_changed = cuda_weights_changed,
    .matmul_dx = cuda_matmul_dx, .matmul_dw = cuda_matmul_dw,
    .matmul_backward = cuda_matmul_backward, .act = cuda_act,
    .act_backward = cuda_act_backward,
    .layer_norm_backward = cuda_layer_norm_backward,
    .glu_backward = cuda_glu_backward, .rotary_backward = cuda_rotary_backward,
    .attention_save = cuda_attention_save,
    .attention_backward = cuda_attention_backward,
    .depthwise_backward = cuda_depthwise_backward, .transpose = cuda_transpose,
    .batch_norm = cuda_batch_norm,
    .batch_norm_backward = cuda_batch_norm_backward,
    .image_conv = cuda_image_conv, .image_conv_dx = cuda_image_conv_dx,
    .image_conv_dw = cuda_image_conv_dw,
    .image_batch_norm = cuda_image_batch_norm,
    .image_normalise = cuda_image_normalise,
    .image_batch_norm_backward = cuda_image_batch_norm_backward,
    .image_add_relu = cuda_image_add_relu,
    .image_relu_backward = cuda_image_relu_backward,
    .image_rows = cuda_image_rows,
    .image_rows_backward = cuda_image_rows_backward, .pool = cuda_pool,
    .pool_backward = cuda_pool_backward, .dropout = cuda_dropout,
    .cross_entropy = cuda_cross_entropy, .replace_rows = cuda_replace_rows,
    .replace_rows_backward = cuda_replace_rows_backward, .axpby = cuda_axpby,
    .dot = cuda_dot, .adam = cuda_adam, .conv1d = cuda_conv1d,
    .conv1d_dx = cuda_conv1d_dx, .conv1d_dw = cuda_conv1d_dw,
    .conv1d_grouped = cuda_conv1d_grouped,
    .conv1d_grouped_backward = cuda_conv1d_grouped_backward,
    .group_norm = cuda_group_norm,
    .group_norm_backward = cuda_group_norm_backward,
    .weight_norm = cuda_weight_norm,
    .weight_norm_backward = cuda_weight_norm_backward,
    .mel = cuda_mel, .group_id = cuda_group_id, .group_join = cuda_group_join,
    .group_reduce = cuda_group_reduce, .group_wait = cuda_group_wait,
    .group_share = cuda_group_share, .group_gather = cuda_group_gather,
};

int backend_cuda_count(void)
{
    int n = 0;

    return cudaGetDeviceCount(&n) == cudaSuccess ? n : 0;
}

/* A driver, as new as the CUDA that the module was built with, and devices. */
static int find_driver(int *have, struct err *err)
{
    int driver = 0, runtime = 0;
    cudaError_t e = cudaGetDeviceCount(have);

    cudaDriverGetVersion(&driver);
    cudaRuntimeGetVersion(&runtime);
    if (e != cudaSuccess && !driver)
        return err_set(err, ERR_UNSUPPORTED, "there is no NVIDIA driver: "
                       "install one for CUDA %d, or use --device cpu",
                       runtime / 1000);
    if (e == cudaErrorInsufficientDriver || driver < runtime / 1000 * 1000)
        return err_set(err, ERR_UNSUPPORTED, "the NVIDIA driver is for CUDA "
                       "%d.%d, mfm was built with %d.%d: update the driver, or "
                       "use --device cpu", driver / 1000, driver % 1000 / 10,
                       runtime / 1000, runtime % 1000 / 10);
    if (e != cudaSuccess || !*have)
        return err_set(err, ERR_UNSUPPORTED, "there is no CUDA device (%s): "
                       "use --device cpu",
                       cudaGetErrorString(e == cudaSuccess ? cudaErrorNoDevice
                                                           : e));
    return 0;
}

/* What stands in the way of device n, in one line. */
static int find_device(int n, struct cudaDeviceProp *p, struct err *err)
{
    int have = 0;

    TRY(find_driver(&have, err));
    if (n < 0 || n >= have)
        return err_set(err, ERR_UNSUPPORTED, "there is no device cuda:%d: "
                       "%d %s there, from cuda:0 on", n, have,
                       have > 1 ? "are" : "is");
    TRY(cuda_check(cudaGetDeviceProperties(p, n), "device", err));
    if (p->major * 10 + p->minor < 75)
        return err_set(err, ERR_UNSUPPORTED, "cuda:%d, %s, is of sm_%d%d: mfm "
                       "needs sm_75 (Turing, 2018) or newer: use --device cpu",
                       n, p->name, p->major, p->minor);
    return cuda_check(cudaSetDevice(n), "device", err);
}

static int set_up(struct cuda *c, struct err *err)
{
    cudaMemPool_t pool;
    uint64_t keep = UINT64_MAX;

    TRY(cuda_check(cudaStreamCreateWithFlags(&c->stream, cudaStreamNonBlocking),
                   "stream", err));
    TRY(cuda_check(cudaEventCreateWithFlags(&c->copied,
                                            cudaEventDisableTiming),
                   "event", err));
    TRY(cuda_check(cudaDeviceGetDefaultMemPool(&pool, c->device),
                   "memory pool", err));
    TRY(cuda_check(cudaMemPoolSetAttribute(pool,
                                           cudaMemPoolAttrReleaseThreshold,
                                           &keep), "memory pool", err));
    return blas_open(&c->blas, err);
}

int backend_cuda_open(struct backend **out, int n, struct err *err)
{
    struct cudaDeviceProp p = {};
    struct cuda *c;
    int rc;

    TRY(find_device(n, &p, err));
    c = (struct cuda *)calloc(1, sizeof(*c));
    if (!c)
        return err_set(err, ERR_NOMEM, "no memory for a backend");
    c->base.ops = &ops;
    c->base.windows = 8;
    c->base.image_bytes = 1 << 30;
    c->device = n;
    c->arch = p.major * 10 + p.minor;
    c->sms = p.multiProcessorCount;
    c->shared = p.sharedMemPerBlockOptin;
    snprintf(c->base.device, sizeof(c->base.device),
             "cuda:%d %.90s, sm_%d, %.1f GiB", n, p.name, c->arch,
             (double)p.totalGlobalMem / (1 << 30));
    rc = set_up(c, err);
    if (rc) {
        cuda_close(&c->base);
        return rc;
    }
    *out = &c->base;
    return 0;
}
