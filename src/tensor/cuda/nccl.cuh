/* nccl.cuh - what the group operations ask of NCCL; the tests' emulation
 * answers through memory that processes share (tests/emu/nccl_emu.cc). Sizes
 * are numbers of floats on the device; all but the last two functions only
 * begin what they do, in stream s. */
#ifndef TENSOR_CUDA_NCCL_CUH
#define TENSOR_CUDA_NCCL_CUH

#include "tensor/cuda/common.cuh"

struct nccl;

int nccl_id(struct group_id *id, struct err *err);
int nccl_open(struct nccl **out, const struct group_id *id, int rank, int size,
              struct err *err);
void nccl_close(struct nccl *n); /* NULL is allowed */

/* v of root becomes the sum of all; the others keep theirs. */
int nccl_reduce(struct nccl *n, float *v, int64_t count, int root,
                cudaStream_t s, struct err *err);
/* v of all becomes that of root. */
int nccl_broadcast(struct nccl *n, float *v, int64_t count, int root,
                   cudaStream_t s, struct err *err);
int nccl_send(struct nccl *n, const float *v, int64_t count, int to,
              cudaStream_t s, struct err *err);
int nccl_receive(struct nccl *n, float *v, int64_t count, int from,
                 cudaStream_t s, struct err *err);
/* What is begun between these two goes on side by side. */
int nccl_together(struct nccl *n, struct err *err);
int nccl_end(struct nccl *n, struct err *err);

#endif
