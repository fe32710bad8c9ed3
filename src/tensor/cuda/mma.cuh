/* mma.cuh - tensor cores and copies to shared memory, in a warp's own terms
 * (PTX ISA, "Warp level matrix multiply-accumulate instructions"). 16-bit
 * operands T (bf16 needs sm_80, f16 sm_75), f32 sums.
 *
 * With g = lane / 4 and t = lane % 4 the lane holds, of
 *   A (16, 16): a[0] = A[g][2t, 2t+1], a[1] = A[g+8][..], a[2], a[3] the same 8
 *               columns further
 *   B (16, 8):  b[0] = B[2t, 2t+1][g], b[1] the same 8 rows further
 *   D (16, 8):  d[0], d[1] = D[g][2t, 2t+1], d[2], d[3] = D[g+8][..]
 * the lower column (row) in the lower half of a word. */
#ifndef TENSOR_CUDA_MMA_CUH
#define TENSOR_CUDA_MMA_CUH

#include "tensor/cuda/common.cuh"

#ifdef __CUDACC__

/* d += a b */
template <class T>
__device__ __forceinline__ void mma_16x8x16(float d[4], const uint32_t a[4],
                                            const uint32_t b[2]);
template <>
__device__ __forceinline__ void mma_16x8x16<bf16>(float d[4],
                                                  const uint32_t a[4],
                                                  const uint32_t b[2])
{
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 800
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
                 "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]),
                   "r"(b[1]));
#else
    __trap(); /* backend_set_precision refuses bf16 before sm_80 */
#endif
}
template <>
__device__ __forceinline__ void mma_16x8x16<f16>(float d[4],
                                                 const uint32_t a[4],
                                                 const uint32_t b[2])
{
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 800
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
                 "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]),
                   "r"(b[1]));
#else
    for (int i = 0; i < 2; i++)
        asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 "
                     "{%0,%1,%2,%3}, {%4,%5}, {%6}, {%0,%1,%2,%3};"
                     : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                     : "r"(a[2 * i]), "r"(a[2 * i + 1]), "r"(b[i]));
#endif
}

/* The same with tf32 (sm_80): A (16, 8), B (8, 8), one value to a word. a[0] =
 * A[g][t], a[1] = A[g+8][t], a[2], a[3] the same 4 columns further; b[0] =
 * B[t][g], b[1] 4 rows further. */
__device__ __forceinline__ void mma_16x8x8_tf32(float d[4], const uint32_t a[4],
                                                const uint32_t b[2])
{
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 800
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "
                 "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]),
                   "r"(b[1]));
#else
    __trap();
#endif
}
/* An f32 rounded to tf32; mma_16x8x8_tf32 truncates. */
__device__ __forceinline__ uint32_t tf32_rounded(uint32_t f)
{
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 800
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(f) : "f"(__uint_as_float(f)));
#endif
    return f;
}

__device__ __forceinline__ uint32_t shared_address(const void *p)
{
    return (uint32_t)__cvta_generic_to_shared(p);
}

/* Four (two) 8 x 8 matrices of 16-bit values; lane i gives the address, a
 * multiple of 16, of row i % 8 of matrix i / 8. Word m of the lane is row g,
 * columns 2t, 2t+1 of matrix m; transposed: rows 2t, 2t+1 of column g. */
__device__ __forceinline__ void ldmatrix_x4(uint32_t r[4], const void *row)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(shared_address(row)));
}
__device__ __forceinline__ void ldmatrix_x4_trans(uint32_t r[4],
                                                  const void *row)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 "
                 "{%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(shared_address(row)));
}

/* 16 bytes from global to shared memory, there after the wait; zeros where not
 * (from is not read then). Both addresses are multiples of 16. */
__device__ __forceinline__ void copy16(void *to, const void *from, bool there)
{
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;"
                 :: "r"(shared_address(to)), "l"(from), "r"(there ? 16 : 0));
#else
    *(uint4 *)to = there ? *(const uint4 *)from : make_uint4(0, 0, 0, 0);
#endif
}
__device__ __forceinline__ void copy_commit()
{
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.commit_group;");
#endif
}
/* Waits for this thread's copies but those of the last N commits. */
template <int N> __device__ __forceinline__ void copy_wait()
{
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.wait_group %0;" :: "n"(N));
#endif
}

#else /* the host: tests/emu */

#include <mma_emu.h>

template <class T>
static inline void mma_16x8x16(float d[4], const uint32_t a[4],
                               const uint32_t b[2])
{
    emu::mma_16x8x16<T>(d, a, b, __LINE__);
}
static inline void mma_16x8x8_tf32(float d[4], const uint32_t a[4],
                                   const uint32_t b[2])
{
    emu::mma_16x8x8_tf32(d, a, b, __LINE__);
}
static inline uint32_t tf32_rounded(uint32_t f)
{
    return (f + 0x1000) & ~0x1fffu;
}
static inline void ldmatrix_x4(uint32_t r[4], const void *row)
{
    emu::ldmatrix(r, 4, row, 0, __LINE__);
}
static inline void ldmatrix_x4_trans(uint32_t r[4], const void *row)
{
    emu::ldmatrix(r, 4, row, 1, __LINE__);
}
static inline void copy16(void *to, const void *from, bool there)
{
    if ((uintptr_t)to % 16 || (there && (uintptr_t)from % 16))
        emu::fail("copy16 of an address that is no multiple of 16");
    emu::copy_later(to, there ? from : nullptr, 16);
}
static inline void copy_commit() { emu::copy_commit(); }
template <int N> static inline void copy_wait() { emu::copy_wait(N); }

#endif
#endif
