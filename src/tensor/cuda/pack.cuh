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

/* Whether rows of n values of V at p can be read 16 bytes at a time. */
template <class V> static inline bool pack_fits(const V *p, int64_t n)
{
    return (uintptr_t)p % 16 == 0 && n % (16 / (int64_t)sizeof(V)) == 0;
}

#endif
