/* pack.cuh - neighbouring values as one load and one store. */
#ifndef TENSOR_CUDA_PACK_CUH
#define TENSOR_CUDA_PACK_CUH

#include "tensor/cuda/common.cuh"

/* N values of V, N a power of two and N * sizeof(V) at most 16. */
template <class V, int N> struct alignas(N * sizeof(V)) pack {
    V v[N];
};

/* The address is a multiple of the pack's size: the device demands it. */
template <class P, class V> __device__ __forceinline__ void pack_check(V *p)
{
#ifndef __CUDACC__
    if ((uintptr_t)p % sizeof(P))
        emu::fail("a pack at an address that is no multiple of its size");
#endif
}

template <int N, class V>
__device__ __forceinline__ pack<V, N> pack_at(const V *p)
{
    pack_check<pack<V, N>>(p);
    return *reinterpret_cast<const pack<V, N> *>(p);
}
template <int N, class V>
__device__ __forceinline__ void pack_put(V *p, pack<V, N> v)
{
    pack_check<pack<V, N>>(p);
    *reinterpret_cast<pack<V, N> *>(p) = v;
}

/* N values as floats, and from floats, as few packs. */
template <int N, class V>
__device__ __forceinline__ void values_at(float v[N], const V *p)
{
    enum { M = N * sizeof(V) > 16 ? 16 / (int)sizeof(V) : N };

    UNROLL for (int i = 0; i < N; i += M) {
        pack<V, M> in = pack_at<M>(p + i);

        UNROLL for (int j = 0; j < M; j++)
            v[i + j] = to_float(in.v[j]);
    }
}
template <int N, class V>
__device__ __forceinline__ void values_put(V *p, const float v[N])
{
    enum { M = N * sizeof(V) > 16 ? 16 / (int)sizeof(V) : N };

    UNROLL for (int i = 0; i < N; i += M) {
        pack<V, M> out;

        UNROLL for (int j = 0; j < M; j++)
            out.v[j] = from_float<V>(v[i + j]);
        pack_put(p + i, out);
    }
}

/* Whether rows of n values of V at p can be read 16 bytes at a time. */
template <class V> static inline bool pack_fits(const V *p, int64_t n)
{
    return (uintptr_t)p % 16 == 0 && n % (16 / (int64_t)sizeof(V)) == 0;
}

/* Whether n values of each of these, a tensor's data or NULL, can be read and
 * written 8 at a time. */
static inline bool pack_fits_8(int64_t n, const struct tensor *a,
                               const struct tensor *b,
                               const struct tensor *d = NULL)
{
    uintptr_t at = (uintptr_t)a->data | (uintptr_t)b->data |
                   (d ? (uintptr_t)d->data : 0);

    return at % 16 == 0 && n % 8 == 0;
}

#endif
