/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What NCCL is asked for, between processes of one machine: each has a slot in
 * memory that they share, and all go through every call in the same order. */
#include "tensor/cuda/nccl.cuh"

#include <atomic>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MOST = 64, SLOT = 1 << 16 }; /* processes; floats */

struct table {
    std::atomic<int> joined, arrived, turn;
    float slot[MOST][SLOT];
};
struct nccl {
    struct table *t;
    int rank, size;
};

int nccl_id(struct group_id *id, struct err *err)
{
    int fd;

    memset(id, 0, sizeof(*id));
    snprintf((char *)id, sizeof(*id), "/mfm-emulated-%ld", (long)getpid());
    fd = shm_open((char *)id, O_CREAT | O_EXCL | O_RDWR, 0600);
    if (fd < 0 || ftruncate(fd, sizeof(struct table)))
        return err_set(err, ERR_DEVICE, "emulated NCCL: no shared memory");
    close(fd);
    return 0;
}

/* All processes are here. */
static void meet(struct nccl *n)
{
    struct table *t = n->t;
    int turn = t->turn;

    if (++t->arrived == n->size) {
        t->arrived = 0;
        t->turn++;
        return;
    }
    while (t->turn == turn)
        sched_yield();
}

int nccl_open(struct nccl **out, const struct group_id *id, int rank, int size,
              struct err *err)
{
    struct nccl *n = (struct nccl *)calloc(1, sizeof(*n));
    int fd = shm_open((const char *)id, O_RDWR, 0600);

    n->rank = rank;
    n->size = size;
    n->t = (struct table *)mmap(NULL, sizeof(*n->t), PROT_READ | PROT_WRITE,
                                MAP_SHARED, fd, 0);
    if (fd < 0 || size > MOST || n->t == MAP_FAILED) {
        free(n);
        return err_set(err, ERR_DEVICE, "emulated NCCL: no shared memory");
    }
    close(fd);
    meet(n);
    if (!rank)
        shm_unlink((const char *)id);
    *out = n;
    return 0;
}

void nccl_close(struct nccl *n)
{
    if (!n)
        return;
    munmap(n->t, sizeof(*n->t));
    free(n);
}

int nccl_reduce(struct nccl *n, float *v, int64_t count, int root,
                cudaStream_t, struct err *)
{
    for (int64_t at = 0; at < count; at += SLOT) {
        int64_t m = count - at < SLOT ? count - at : (int64_t)SLOT;

        memcpy(n->t->slot[n->rank], v + at, (size_t)m * sizeof(*v));
        meet(n);
        for (int64_t i = 0; i < m && n->rank == root; i++) {
            float sum = 0;

            for (int r = 0; r < n->size; r++)
                sum += n->t->slot[r][i];
            v[at + i] = sum;
        }
        meet(n);
    }
    return 0;
}

int nccl_broadcast(struct nccl *n, float *v, int64_t count, int root,
                   cudaStream_t, struct err *)
{
    for (int64_t at = 0; at < count; at += SLOT) {
        int64_t m = count - at < SLOT ? count - at : (int64_t)SLOT;

        if (n->rank == root)
            memcpy(n->t->slot[root], v + at, (size_t)m * sizeof(*v));
        meet(n);
        memcpy(v + at, n->t->slot[root], (size_t)m * sizeof(*v));
        meet(n);
    }
    return 0;
}

/* Between two processes: word of the table's slots of the one that sends. */
static std::atomic<int> *flag(struct nccl *n, int from)
{
    static_assert(sizeof(std::atomic<int>) == sizeof(float));
    return (std::atomic<int> *)&n->t->slot[from][SLOT - 1];
}

int nccl_send(struct nccl *n, const float *v, int64_t count, int,
              cudaStream_t, struct err *)
{
    std::atomic<int> *full = flag(n, n->rank);
    const int64_t piece = SLOT - 1;

    for (int64_t at = 0; at < count; at += piece) {
        int64_t m = count - at < piece ? count - at : piece;

        memcpy(n->t->slot[n->rank], v + at, (size_t)m * sizeof(*v));
        *full = 1;
        while (*full)
            sched_yield();
    }
    return 0;
}

int nccl_receive(struct nccl *n, float *v, int64_t count, int from,
                 cudaStream_t, struct err *)
{
    std::atomic<int> *full = flag(n, from);
    const int64_t piece = SLOT - 1;

    for (int64_t at = 0; at < count; at += piece) {
        int64_t m = count - at < piece ? count - at : piece;

        while (*full != 1)
            sched_yield();
        memcpy(v + at, n->t->slot[from], (size_t)m * sizeof(*v));
        *full = 0;
    }
    return 0;
}

/* Nothing has begun before all do: a call is done when it returns. The flags of
 * send and receive must not be what a sum left there. */
int nccl_together(struct nccl *n, struct err *)
{
    meet(n);
    *flag(n, n->rank) = 0;
    meet(n);
    return 0;
}

int nccl_end(struct nccl *, struct err *)
{
    return 0;
}
