/* cuda_runtime.h - the part of CUDA that mfm's kernels use, on the host, so
 * that machines without a GPU run every kernel: found before CUDA's own header
 * when the .cu files are compiled as C++ (MFM_EMULATED).
 *
 * One block runs after the other, each of its threads on a stack of its own,
 * which is left only at barriers, shuffles and matrix products of a warp. What
 * a kernel does wrong ends the program with a line that names kernel, block and
 * thread:
 *  - threads of a block at different barriers, or gone, while others wait; the
 *    same for the lanes of a warp;
 *  - an index outside an array in shared memory (SHARED1, SHARED2), or past the
 *    end of dynamic shared memory; each block finds it full of NaN;
 *  - an address past the end of an allocation, or freed (a page that is not
 *    there: SIGSEGV); new memory is full of NaN.
 * Copies to shared memory that were not waited for have not happened.
 *
 * Environment: EMU_DEVICES (1), EMU_ARCH (90), EMU_MEMORY (bytes of a device),
 * EMU_SHARED (bytes that a block may ask for: 64 KiB, as sm_75),
 * EMU_DRIVER (13000; 0: there is none).
 */
#ifndef TESTS_EMU_CUDA_RUNTIME_H
#define TESTS_EMU_CUDA_RUNTIME_H

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>

#define CUDART_VERSION 13000
#define __global__
#define __device__
#define __host__
#define __constant__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __grid_constant__
#define __align__(n) __attribute__((aligned(n)))

struct dim3 {
    unsigned x, y, z;
    dim3(unsigned a = 1, unsigned b = 1, unsigned c = 1) : x(a), y(b), z(c) {}
};
struct float2 { float x, y; };
struct float4 { float x, y, z, w; };
struct uint2 { unsigned x, y; };
struct uint4 { unsigned x, y, z, w; };
struct double2 { double x, y; };
static inline float2 make_float2(float x, float y) { return { x, y }; }
static inline float4 make_float4(float x, float y, float z, float w)
{
    return { x, y, z, w };
}
static inline uint2 make_uint2(unsigned x, unsigned y) { return { x, y }; }
static inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w)
{
    return { x, y, z, w };
}
static inline double2 make_double2(double x, double y) { return { x, y }; }

namespace emu {

extern thread_local dim3 thread_idx, block_idx, block_dim, grid_dim;
extern thread_local unsigned block_number; /* of all that were ever run */

/* Ends the program with the place in the kernel. */
[[noreturn]] void fail(const char *fmt, ...)
    __attribute__((format(printf, 1, 2)));

/* Runs body once for each thread of the grid. */
void launch(const char *name, dim3 grid, dim3 block, size_t shared,
            const std::function<void()> &body);

void barrier(int line);
unsigned lane(); /* of the running thread in its warp */
/* All lanes of the warp hand in size bytes; the result points to those of lane
 * 0, the others follow 64 bytes apart, until the warp's next but one call. */
enum { LANE_BYTES = 64 };
const char *exchange(const void *mine, size_t size, int line);

void *dynamic_shared();
void copy_later(void *to, const void *from, size_t size); /* cp.async */
void copy_commit();
void copy_wait(int groups);

/* Arrays in shared memory. */
template <class T, int... N> struct shared;
template <class T, int N> struct shared<T, N> {
    T v[N];
    unsigned owner = 0;
    template <class I> T &operator[](I i)
    {
        fresh();
        if (i < (I)0 || (long long)i >= N)
            fail("index %lld of a shared array of %d", (long long)i, N);
        return v[i];
    }
    operator T *() { fresh(); return v; }
    void fresh()
    {
        if (owner == block_number)
            return;
        memset((void *)v, 0xff, sizeof(v));
        owner = block_number;
    }
};
template <class T, int N, int M> struct shared<T, N, M> {
    shared<T, M> v[N];
    template <class I> shared<T, M> &operator[](I i)
    {
        if (i < (I)0 || (long long)i >= N)
            fail("row %lld of a shared array of %d", (long long)i, N);
        return v[i];
    }
};

template <class T> T from_lane(T v, unsigned source, int line)
{
    static_assert(sizeof(T) <= LANE_BYTES);
    const char *all = exchange(&v, sizeof(v), line);
    T out;

    memcpy(&out, all + LANE_BYTES * source, sizeof(out));
    return out;
}

} /* namespace emu */

#define threadIdx emu::thread_idx
#define blockIdx emu::block_idx
#define blockDim emu::block_dim
#define gridDim emu::grid_dim
enum { warpSize = 32 };

#define __syncthreads() emu::barrier(__LINE__)
#define __syncwarp() ((void)emu::from_lane(0, 0, __LINE__))
#define __shfl_sync(mask, v, from) \
    emu::from_lane(v, (unsigned)(from) & 31, __LINE__)
#define __shfl_xor_sync(mask, v, x) \
    emu::from_lane(v, emu::lane() ^ (unsigned)(x), __LINE__)
#define __shfl_down_sync(mask, v, n)                                     \
    emu::from_lane(v, emu::lane() + (n) > 31 ? emu::lane()               \
                                             : emu::lane() + (n), __LINE__)

/* Arithmetic. */
static inline float rsqrtf(float x) { return 1.0f / sqrtf(x); }
static inline double rsqrt(double x) { return 1.0 / sqrt(x); }
#define __expf expf /* glibc has these names, but does not tell C++ */
#define __logf logf
static inline float __fdividef(float x, float y) { return x / y; }
template <class T> static inline T __ldg(const T *p) { return *p; }
static inline unsigned __umulhi(unsigned a, unsigned b)
{
    return (unsigned)((uint64_t)a * b >> 32);
}
static inline unsigned __float_as_uint(float f)
{
    unsigned u;
    memcpy(&u, &f, 4);
    return u;
}
static inline float __uint_as_float(unsigned u)
{
    float f;
    memcpy(&f, &u, 4);
    return f;
}
static inline int __float_as_int(float f) { return (int)__float_as_uint(f); }

/* ---- the runtime's functions ---- */

typedef enum cudaError {
    cudaSuccess = 0, cudaErrorInvalidValue = 1, cudaErrorMemoryAllocation = 2,
    cudaErrorInsufficientDriver = 35, cudaErrorNoDevice = 100,
    cudaErrorInvalidDevice = 101
} cudaError_t;
typedef struct emu_stream *cudaStream_t;
typedef struct emu_event *cudaEvent_t;
typedef struct emu_pool *cudaMemPool_t;
enum cudaMemcpyKind {
    cudaMemcpyHostToDevice = 1, cudaMemcpyDeviceToHost = 2,
    cudaMemcpyDeviceToDevice = 3, cudaMemcpyDefault = 4
};
enum cudaDeviceAttr { cudaDevAttrMemoryPoolsSupported = 115 };
enum cudaMemPoolAttr { cudaMemPoolAttrReleaseThreshold = 4 };
enum cudaFuncAttribute { cudaFuncAttributeMaxDynamicSharedMemorySize = 8 };
enum { cudaStreamNonBlocking = 1, cudaEventDisableTiming = 2 };
struct cudaDeviceProp {
    char name[256];
    size_t totalGlobalMem, sharedMemPerBlockOptin;
    int major, minor, multiProcessorCount;
};

cudaError_t cudaGetDeviceCount(int *n);
cudaError_t cudaDriverGetVersion(int *v);
cudaError_t cudaRuntimeGetVersion(int *v);
cudaError_t cudaSetDevice(int n);
cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *p, int n);
cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t *pool, int n);
cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t pool, cudaMemPoolAttr a,
                                    void *value);
cudaError_t cudaMemPoolTrimTo(cudaMemPool_t pool, size_t keep);
cudaError_t cudaMemGetInfo(size_t *left, size_t *all);
cudaError_t cudaMallocAsync(void **p, size_t size, cudaStream_t s);
cudaError_t cudaFreeAsync(void *p, cudaStream_t s);
cudaError_t cudaMallocHost(void **p, size_t size);
cudaError_t cudaFreeHost(void *p);
cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t size,
                            cudaMemcpyKind kind, cudaStream_t s);
cudaError_t cudaMemsetAsync(void *p, int value, size_t size, cudaStream_t s);
cudaError_t cudaStreamCreateWithFlags(cudaStream_t *s, unsigned flags);
cudaError_t cudaStreamDestroy(cudaStream_t s);
cudaError_t cudaStreamSynchronize(cudaStream_t s);
cudaError_t cudaEventCreateWithFlags(cudaEvent_t *e, unsigned flags);
cudaError_t cudaEventDestroy(cudaEvent_t e);
cudaError_t cudaEventRecord(cudaEvent_t e, cudaStream_t s);
cudaError_t cudaEventSynchronize(cudaEvent_t e);
cudaError_t cudaStreamWaitEvent(cudaStream_t s, cudaEvent_t e,
                                unsigned flags = 0);
cudaError_t cudaGetLastError(void);
const char *cudaGetErrorString(cudaError_t e);
template <class F>
cudaError_t cudaFuncSetAttribute(F, cudaFuncAttribute, int)
{
    return cudaSuccess;
}

#endif
