/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The devices of several processes, over NCCL. Sums of gradients run in a
 * stream of their own while the backward pass goes on. */
#include <stdlib.h>

#include "tensor/cuda/common.cuh"
#include "tensor/cuda/nccl.cuh"

struct group {
    struct nccl *nccl;
    cudaStream_t stream;
    cudaEvent_t ready, done; /* what was computed; what was communicated */
    int rank, size;
};

int cuda_group_id(struct backend *be, struct group_id *id, struct err *err)
{
    (void)be;
    return nccl_id(id, err);
}

static int set_up(struct group *g, const struct group_id *id, struct err *err)
{
    TRY(cuda_check(cudaStreamCreateWithFlags(&g->stream, cudaStreamNonBlocking),
                   "stream", err));
    TRY(cuda_check(cudaEventCreateWithFlags(&g->ready, cudaEventDisableTiming),
                   "event", err));
    TRY(cuda_check(cudaEventCreateWithFlags(&g->done, cudaEventDisableTiming),
                   "event", err));
    return nccl_open(&g->nccl, id, g->rank, g->size, err);
}

int cuda_group_join(struct backend *be, const struct group_id *id, int rank,
                    int size, struct err *err)
{
    struct cuda *c = cuda_of(be);

    assert(!c->group && rank >= 0 && rank < size);
    c->group = (struct group *)calloc(1, sizeof(*c->group));
    if (!c->group)
        return err_set(err, ERR_NOMEM, "no memory for a group");
    c->group->rank = rank;
    c->group->size = size;
    return set_up(c->group, id, err);
}

void cuda_group_leave(struct cuda *c)
{
    struct group *g = c->group;

    if (!g)
        return;
    nccl_close(g->nccl);
    if (g->ready)
        cudaEventDestroy(g->ready);
    if (g->done)
        cudaEventDestroy(g->done);
    if (g->stream)
        cudaStreamDestroy(g->stream);
    free(g);
    c->group = NULL;
}

/* The group's stream goes on behind what the backend's has been given. */
static int follow(struct cuda *c, struct err *err)
{
    TRY(cuda_check(cudaEventRecord(c->group->ready, c->stream), "event", err));
    return cuda_check(cudaStreamWaitEvent(c->group->stream, c->group->ready),
                      "event", err);
}

int cuda_group_reduce(struct backend *be, float *v, int64_t n, int root,
                      struct err *err)
{
    struct cuda *c = cuda_of(be);

    TRY(follow(c, err));
    return nccl_reduce(c->group->nccl, v, n, root, c->group->stream, err);
}

int cuda_group_wait(struct backend *be, struct err *err)
{
    struct cuda *c = cuda_of(be);

    TRY(cuda_check(cudaEventRecord(c->group->done, c->group->stream), "event",
                   err));
    return cuda_check(cudaStreamWaitEvent(c->stream, c->group->done), "event",
                      err);
}

int cuda_group_share(struct backend *be, float *all, const int64_t *first,
                     struct err *err)
{
    struct cuda *c = cuda_of(be);
    struct group *g = c->group;

    TRY(follow(c, err));
    TRY(nccl_together(g->nccl, err));
    for (int r = 0; r < g->size; r++)
        if (first[r + 1] > first[r])
            TRY(nccl_broadcast(g->nccl, all + first[r], first[r + 1] - first[r],
                               r, g->stream, err));
    TRY(nccl_end(g->nccl, err));
    return cuda_group_wait(be, err);
}

int cuda_group_gather(struct backend *be, float *all, const float *part,
                      const int64_t *first, struct err *err)
{
    struct cuda *c = cuda_of(be);
    struct group *g = c->group;

    TRY(follow(c, err));
    TRY(nccl_together(g->nccl, err));
    for (int r = 1; r < g->size; r++) {
        int64_t n = first[r + 1] - first[r];

        if (n && g->rank == 0)
            TRY(nccl_receive(g->nccl, all + first[r], n, r, g->stream, err));
        else if (n && g->rank == r)
            TRY(nccl_send(g->nccl, part, n, 0, g->stream, err));
    }
    TRY(nccl_end(g->nccl, err));
    if (g->rank == 0)
        TRY(cuda_check(cudaMemcpyAsync(all, part,
                                       (size_t)first[1] * sizeof(*all),
                                       cudaMemcpyDeviceToDevice, g->stream),
                       "copy", err));
    return cuda_group_wait(be, err);
}
