/* common.cuh - what the files of the CUDA backend share.
 *
 * Each operation is one file, read from the top: kernels, launchers, the
 * functions of struct backend_ops. No kernel adds floats atomically, so every
 * result is the same at each run. The files compile for the host too, with
 * tests/emu in place of CUDA's headers: hence LAUNCH for <<<>>>, SHARED1 and
 * SHARED2 for arrays in shared memory, UNROLL and LOOP (not unrolled) for
 * pragmas. */
#ifndef TENSOR_CUDA_COMMON_CUH
#define TENSOR_CUDA_COMMON_CUH

#include <assert.h>
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>
#include <stdint.h>

extern "C" {
#include "base/err.h"
#include "tensor/backend.h"
}

/* What is done to a matrix operand before it is multiplied; sums are f32. */
typedef __nv_bfloat16 bf16;
typedef __half f16;

/* Work memory on the device, each grown as needed and kept until close. */
enum {
    CUDA_BUF_X, CUDA_BUF_Y,  /* operands in 16 bit */
    CUDA_BUF_SUMS,           /* partial sums */
    CUDA_BUF_HOST,           /* what an operation got from the host */
    CUDA_BUF_BIAS,           /* a scaled bias */
    CUDA_BUF_BLAS,           /* cuBLASLt's */
    CUDA_BUF_DNN,            /* cuDNN's */
    CUDA_BUF_WORK,           /* whatever else one operation needs */
    CUDA_BUFS
};
struct cuda_mem {
    void *data;
    size_t size;
};

/* n values of data in 16 bit, as a product wanted them; right until more work
 * is launched (gemm.cu). */
struct cuda_ready {
    const float *data;
    int64_t n;
    enum precision precision;
    uint64_t launched;
    void *copy;
};

struct blas;    /* blas.cuh */
struct dnn;     /* dnn.cuh */
struct fft;     /* fft.cuh */
struct group;   /* group.cu: the other processes' devices */
struct weights; /* gemm.cu: 16-bit copies */

struct cuda {
    struct backend base;
    int device, arch, sms; /* number; 90 for sm_90; multiprocessors */
    size_t shared;         /* bytes a block may ask for */
    cudaStream_t stream;   /* all work is done in this order */
    uint64_t launched;     /* how much of what may change a tensor */
    struct cuda_ready ready;
    struct cuda_mem buf[CUDA_BUFS];
    struct cuda_mem pinned; /* host memory that copies go through */
    cudaEvent_t copied;     /* pinned may be written again */
    struct blas *blas;
    struct weights *weights;
    struct dnn *dnn; /* NULL: not yet asked for */
    struct fft *fft; /* NULL: not yet asked for */
    struct group *group; /* NULL: alone */
    struct cuda_mem rotary; /* act.cu: cosines and sines, (time, d) */
    int64_t rotary_time, rotary_d;
    float rotary_base;
};

static inline struct cuda *cuda_of(struct backend *be)
{
    return (struct cuda *)be;
}

/* Operands of products and images are 16 bit wide. */
static inline int cuda_is_16(const struct cuda *c)
{
    return c->base.precision == PRECISION_BF16 ||
           c->base.precision == PRECISION_FP16;
}

/* ERR_NOMEM or ERR_DEVICE with what failed, if e is not success. */
int cuda_check(cudaError_t e, const char *what, struct err *err);

/* At least size bytes, aligned to 256, of work memory CUDA_BUF_...; what was in
 * it is lost. */
int cuda_buf(struct cuda *c, int which, size_t size, void **out,
             struct err *err);

/* size bytes from the host to the device and back, in the stream's order.
 * Upload takes a copy of the host's data at once; download waits. */
int cuda_upload(struct cuda *c, void *dev, const void *host, size_t size,
                struct err *err);
int cuda_download(struct cuda *c, void *host, const void *dev, size_t size,
                  struct err *err);

/* 16-bit copies of the weights in these n floats are wrong from now on
 * (gemm.cu). */
void cuda_drop_copies(struct cuda *c, const float *data, int64_t n);
void cuda_drop_all_copies(struct cuda *c);

/* y = act(y) in place; the n values are then ready for a product (gemm.cu). */
int cuda_act_ready(struct cuda *c, float *y, int64_t n, enum act act,
                   struct err *err);
/* y (n) = x (n) in the 16 bit of the backend's precision (gemm.cu). */
int cuda_narrow(struct cuda *c, void *y, const float *x, int64_t n,
                struct err *err);
/* sum[i] = scale * the sum over the rows of x (rows, n) + keep * sum[i], in a
 * fixed order (gemm.cu). */
int cuda_column_sums(struct cuda *c, float *sum, const float *x, int64_t rows,
                     int64_t n, float scale, float keep, struct err *err);

/* Dynamic shared memory beyond 48 KiB has to be asked for, once a kernel. */
template <class F>
static inline int cuda_allow_shared(F kernel, size_t size, struct err *err)
{
    return size <= 48 << 10 ? 0 : cuda_check(
        cudaFuncSetAttribute(kernel,
                             cudaFuncAttributeMaxDynamicSharedMemorySize,
                             (int)size), "shared memory", err);
}

/* Runs kernel (a template's instance through a variable, for its commas);
 * 0 or ERR_DEVICE. c and err are those of the caller. */
#ifdef __CUDACC__
#define LAUNCH(kernel, grid, block, shared, ...)                      \
    (c->launched++,                                                   \
     kernel<<<(grid), (block), (shared), c->stream>>>(__VA_ARGS__),   \
     cuda_check(cudaGetLastError(), #kernel, err))
#define SHARED1(type, name, n) __shared__ type name[n]
#define SHARED2(type, name, n, m) __shared__ type name[n][m]
#define SHARED_DYNAMIC(type, name)                            \
    extern __shared__ __align__(16) unsigned char shared_[];  \
    type *name = reinterpret_cast<type *>(shared_)
#define UNROLL _Pragma("unroll")
#define LOOP _Pragma("unroll 1")
#else
#define LAUNCH(kernel, grid, block, shared, ...)                          \
    (c->launched++, emu::launch(#kernel, (grid), (block), (shared),       \
                 [&] { (kernel)(__VA_ARGS__); }), (void)c, (void)err, 0)
#define SHARED1(type, name, n) static thread_local emu::shared<type, n> name
#define SHARED2(type, name, n, m) \
    static thread_local emu::shared<type, n, m> name
#define SHARED_DYNAMIC(type, name) \
    type *name = reinterpret_cast<type *>(emu::dynamic_shared())
#define UNROLL
#define LOOP
#endif

/* Returns call, an expression with V as the type of the values of tensor t,
 * which may be narrow (tensor/tensor.h): float, bf16 or f16. */
#define CUDA_VALUES_CALL(c, t, call)                  \
    do {                                              \
        if (!(t)->narrow) {                           \
            typedef float V;                          \
            return call;                              \
        }                                             \
        if ((c)->base.precision == PRECISION_BF16) {  \
            typedef bf16 V;                           \
            return call;                              \
        }                                             \
        typedef f16 V;                                \
        return call;                                  \
    } while (0)

/* Blocks for a loop over n items, each thread taking every so-many-th one
 * (FOR_EACH): enough to fill the device. */
enum { BLOCK = 256 };
static inline unsigned cuda_grid(const struct cuda *c, int64_t n)
{
    int64_t need = (n + BLOCK - 1) / BLOCK, most = (int64_t)c->sms * 16;

    return (unsigned)(need < 1 ? 1 : need < most ? need : most);
}
#define FOR_EACH(i, n)                                                  \
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;    \
         i < (n); i += (int64_t)gridDim.x * blockDim.x)

/* ---- numbers ---- */

template <class T> __device__ T from_float(float v);
template <> __device__ __forceinline__ float from_float<float>(float v)
{
    return v;
}
template <> __device__ __forceinline__ bf16 from_float<bf16>(float v)
{
    return __float2bfloat16_rn(v);
}
template <> __device__ __forceinline__ f16 from_float<f16>(float v)
{
    return __float2half_rn(v);
}
__device__ __forceinline__ float to_float(float v) { return v; }
__device__ __forceinline__ float to_float(bf16 v)
{
    return __bfloat162float(v);
}
__device__ __forceinline__ float to_float(f16 v) { return __half2float(v); }

__device__ __forceinline__ float sigmoid(float x)
{
    return 1.0f / (1.0f + expf(-x));
}

__device__ __forceinline__ float act_value(float x, int act)
{
    switch (act) {
    case ACT_RELU:
        return x > 0 ? x : 0;
    case ACT_SWISH:
        return x * sigmoid(x);
    case ACT_GELU:
        return 0.5f * x * (1.0f + erff(x * 0.707106781f));
    default:
        return x;
    }
}

/* What is rounded to a V next: for 16 bit with the hardware's own exponential,
 * right to 1e-5 of itself, and 0 of what overflowed downwards. */
template <class V>
__device__ __forceinline__ float sigmoid_for(float x)
{
    return __fdividef(1.0f, 1.0f + __expf(-x));
}
template <> __device__ __forceinline__ float sigmoid_for<float>(float x)
{
    return sigmoid(x);
}
template <class V>
__device__ __forceinline__ float act_value_for(float x, int act)
{
    float y = act == ACT_SWISH ? x * sigmoid_for<V>(x) : act_value(x, act);

    return x < -80.0f && act != ACT_NONE ? 0 : y;
}
template <>
__device__ __forceinline__ float act_value_for<float>(float x, int act)
{
    return act_value(x, act);
}

__device__ __forceinline__ float act_slope(float x, int act)
{
    switch (act) {
    case ACT_RELU:
        return x > 0 ? 1.0f : 0.0f;
    case ACT_SWISH: {
        float s = sigmoid(x);

        return s * (1.0f + x * (1.0f - s));
    }
    case ACT_GELU:
        return 0.5f * (1.0f + erff(x * 0.707106781f)) +
               x * 0.398942280f * expf(-0.5f * x * x);
    default:
        return 1.0f;
    }
}

/* ---- reductions; all threads call, all get the result ---- */

template <class T> __device__ __forceinline__ T warp_sum(T v)
{
    for (int i = 16; i > 0; i /= 2)
        v += __shfl_xor_sync(0xffffffffu, v, i);
    return v;
}

__device__ __forceinline__ float warp_max(float v)
{
    for (int i = 16; i > 0; i /= 2)
        v = fmaxf(v, __shfl_xor_sync(0xffffffffu, v, i));
    return v;
}

/* Over a block of whole warps, threads in x. Two calls may follow each
 * other. */
template <class T> __device__ T block_sum(T v)
{
    SHARED1(T, part, 32);
    int warp = (int)threadIdx.x / 32, warps = (int)blockDim.x / 32;
    T sum = 0;

    v = warp_sum(v);
    __syncthreads();
    if (threadIdx.x % 32 == 0)
        part[warp] = v;
    __syncthreads();
    for (int i = 0; i < warps; i++)
        sum += part[i];
    return sum;
}

/* ---- the operations, by file: see struct backend_ops ---- */
#include "tensor/cuda/ops.cuh"

#endif
