/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tensor/cuda/dnn.cuh"

#include <stdlib.h>
#include <string.h>

#ifdef HAVE_CUDNN
#include <cudnn.h>
#include <dlfcn.h>
#include <pthread.h>

/* Loaded, not linked: without it, conv.cu does the same, slower. */
#define FUNCTIONS(F)                                                     \
    F(cudnnCreate) F(cudnnDestroy) F(cudnnSetStream)                     \
    F(cudnnCreateTensorDescriptor) F(cudnnDestroyTensorDescriptor)       \
    F(cudnnSetTensor4dDescriptor) F(cudnnCreateFilterDescriptor)         \
    F(cudnnDestroyFilterDescriptor) F(cudnnSetFilter4dDescriptor)        \
    F(cudnnCreateConvolutionDescriptor)                                  \
    F(cudnnDestroyConvolutionDescriptor)                                 \
    F(cudnnSetConvolution2dDescriptor) F(cudnnSetConvolutionMathType)    \
    F(cudnnGetConvolutionForwardWorkspaceSize)                           \
    F(cudnnGetConvolutionBackwardDataWorkspaceSize)                      \
    F(cudnnGetConvolutionBackwardFilterWorkspaceSize)                    \
    F(cudnnConvolutionForward) F(cudnnConvolutionBackwardData)           \
    F(cudnnConvolutionBackwardFilter) F(cudnnGetErrorString)
#define FIELD(name) decltype(&name) name##_;

/* Written once, by load under pthread_once. */
static struct {
    FUNCTIONS(FIELD)
} lib;
static int loaded;
static pthread_once_t load_once = PTHREAD_ONCE_INIT;

/* The same at each run, and all on tensor cores. */
static const cudnnConvolutionFwdAlgo_t FORWARD =
    CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM;
static const cudnnConvolutionBwdDataAlgo_t BACKWARD_DATA =
    CUDNN_CONVOLUTION_BWD_DATA_ALGO_1;
static const cudnnConvolutionBwdFilterAlgo_t BACKWARD_FILTER =
    CUDNN_CONVOLUTION_BWD_FILTER_ALGO_1;

enum { MAX_SHAPES = 64 };

/* What cuDNN said to one shape. */
struct shape {
    struct dnn_conv key; /* without addresses */
    enum precision precision;
    int refused;
    size_t work;
};

struct dnn {
    int absent; /* nothing to ask; the rest is not set */
    cudnnHandle_t handle;
    cudnnTensorDescriptor_t x, y;
    cudnnFilterDescriptor_t w;
    cudnnConvolutionDescriptor_t conv;
    struct shape shape[MAX_SHAPES];
    int shapes;
};

static void load(void)
{
    void *so = dlopen("libcudnn.so.9", RTLD_NOW | RTLD_LOCAL);

    if (!so)
        return;
#define LOAD(name)                                  \
    *(void **)&lib.name##_ = dlsym(so, #name);      \
    if (!lib.name##_)                               \
        return;
    FUNCTIONS(LOAD)
    loaded = 1;
}

static int start(struct cuda *c, struct dnn *d)
{
    pthread_once(&load_once, load);
    if (!loaded || lib.cudnnCreate_(&d->handle))
        return 0;
    if (lib.cudnnSetStream_(d->handle, c->stream) ||
        lib.cudnnCreateTensorDescriptor_(&d->x) ||
        lib.cudnnCreateTensorDescriptor_(&d->y) ||
        lib.cudnnCreateFilterDescriptor_(&d->w) ||
        lib.cudnnCreateConvolutionDescriptor_(&d->conv)) {
        lib.cudnnDestroy_(d->handle);
        return 0;
    }
    return 1;
}

int dnn_here(struct cuda *c)
{
    const char *off = getenv("MFM_CUDNN");

    if (c->base.precision == PRECISION_F32 || (off && !strcmp(off, "0")))
        return 0;
    if (!c->dnn) {
        c->dnn = (struct dnn *)calloc(1, sizeof(*c->dnn));
        if (!c->dnn)
            return 0;
        c->dnn->absent = !start(c, c->dnn);
    }
    return !c->dnn->absent;
}

void dnn_close(struct dnn *d)
{
    if (d && !d->absent) {
        lib.cudnnDestroyTensorDescriptor_(d->x);
        lib.cudnnDestroyTensorDescriptor_(d->y);
        lib.cudnnDestroyFilterDescriptor_(d->w);
        lib.cudnnDestroyConvolutionDescriptor_(d->conv);
        lib.cudnnDestroy_(d->handle);
    }
    free(d);
}

/* 0: cuDNN takes it. */
static int describe(struct cuda *c, const struct dnn_conv *k)
{
    struct dnn *d = c->dnn;
    cudnnDataType_t type = c->base.precision == PRECISION_BF16
        ? CUDNN_DATA_BFLOAT16
        : c->base.precision == PRECISION_FP16 ? CUDNN_DATA_HALF
                                              : CUDNN_DATA_FLOAT;
    cudnnTensorFormat_t order = CUDNN_TENSOR_NHWC;

    return lib.cudnnSetTensor4dDescriptor_(d->x, order, type, k->images,
                                           k->c_in, k->x_h, k->x_w) ||
           lib.cudnnSetTensor4dDescriptor_(d->y, order, type, k->images,
                                           k->c_out, k->y_h, k->y_w) ||
           lib.cudnnSetFilter4dDescriptor_(d->w, type, order, k->c_out,
                                           k->c_in, 3, 3) ||
           lib.cudnnSetConvolution2dDescriptor_(
               d->conv, 1, 1, k->stride_h, k->stride_w, 1, 1,
               CUDNN_CROSS_CORRELATION, CUDNN_DATA_FLOAT) ||
           lib.cudnnSetConvolutionMathType_(d->conv, CUDNN_TENSOR_OP_MATH);
}

static cudnnStatus_t ask_size(struct dnn *d, enum dnn_pass pass, size_t *size)
{
    switch (pass) {
    case DNN_FORWARD:
        return lib.cudnnGetConvolutionForwardWorkspaceSize_(
            d->handle, d->x, d->w, d->conv, d->y, FORWARD, size);
    case DNN_DX:
        return lib.cudnnGetConvolutionBackwardDataWorkspaceSize_(
            d->handle, d->w, d->y, d->conv, d->x, BACKWARD_DATA, size);
    default:
        return lib.cudnnGetConvolutionBackwardFilterWorkspaceSize_(
            d->handle, d->x, d->y, d->conv, d->w, BACKWARD_FILTER, size);
    }
}

/* What is known of this shape; the descriptors are set. NULL: not to be had. */
static struct shape *shape_of(struct cuda *c, const struct dnn_conv *k)
{
    struct dnn *d = c->dnn;
    struct shape *s = d->shape, made = { *k, c->base.precision, 0, 0 };

    made.key.x = made.key.y = made.key.w = NULL;
    if (describe(c, k))
        return NULL;
    for (int i = 0; i < d->shapes; i++, s++)
        if (!memcmp(&s->key, &made.key, sizeof(s->key)) &&
            s->precision == made.precision)
            return s;
    if (d->shapes == MAX_SHAPES)
        d->shapes = 0;
    made.refused = ask_size(d, k->pass, &made.work) != CUDNN_STATUS_SUCCESS;
    d->shape[d->shapes] = made;
    return &d->shape[d->shapes++];
}

static cudnnStatus_t go(struct dnn *d, const struct dnn_conv *k, void *work,
                        size_t size)
{
    float one = 1, beta = k->accumulate ? 1 : 0;

    switch (k->pass) {
    case DNN_FORWARD:
        return lib.cudnnConvolutionForward_(
            d->handle, &one, d->x, k->x, d->w, k->w, d->conv, FORWARD, work,
            size, &beta, d->y, k->y);
    case DNN_DX:
        return lib.cudnnConvolutionBackwardData_(
            d->handle, &one, d->w, k->w, d->y, k->y, d->conv, BACKWARD_DATA,
            work, size, &beta, d->x, k->x);
    default:
        return lib.cudnnConvolutionBackwardFilter_(
            d->handle, &one, d->x, k->x, d->y, k->y, d->conv, BACKWARD_FILTER,
            work, size, &beta, d->w, k->w);
    }
}

/* What does not fit is refused: conv.cu's kernels want less. */
static int find_work(struct cuda *c, struct shape *s, void **work,
                     struct err *err)
{
    int rc = s->work ? cuda_buf(c, CUDA_BUF_DNN, s->work, work, err) : 0;

    if (rc != ERR_NOMEM)
        return rc;
    s->refused = 1;
    return 0;
}

int dnn_run(struct cuda *c, const struct dnn_conv *k, int *done,
             struct err *err)
{
    struct shape *s = shape_of(c, k);
    void *work = NULL;
    cudnnStatus_t rc;

    *done = 0;
    if (!s || s->refused)
        return 0;
    TRY(find_work(c, s, &work, err));
    if (s->refused)
        return 0;
    c->launched++;
    rc = go(c->dnn, k, work, s->work);
    if (rc == CUDNN_STATUS_SUCCESS) {
        *done = 1;
        return 0;
    }
    /* some of it may have been added, and would be once more */
    if (k->accumulate &&
        CUDNN_STATUS_CATEGORY(rc) == CUDNN_STATUS_EXECUTION_FAILED)
        return err_set(err, ERR_DEVICE, "cuDNN: %s (MFM_CUDNN=0 does without)",
                       lib.cudnnGetErrorString_(rc));
    /* refused before anything ran, unless the device itself has failed */
    s->refused = 1;
    return cuda_check(cudaGetLastError(), lib.cudnnGetErrorString_(rc), err);
}

#else

int dnn_here(struct cuda *c)
{
    (void)c;
    return 0;
}

int dnn_run(struct cuda *c, const struct dnn_conv *d, int *done,
             struct err *err)
{
    (void)c;
    (void)d;
    (void)err;
    *done = 0;
    return 0;
}

void dnn_close(struct dnn *d)
{
    free(d);
}

#endif
