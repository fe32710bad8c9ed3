/* dist.h - the processes that train one model together, each on its part of
 * every batch. One table of operations: none (one process) or MPI; what lies on
 * GPUs goes from one to the other (NCCL, by the backend's group operations).
 *
 * NULL stands for one process that is alone: every function takes it. All
 * processes call the same functions in the same order; each call that moves
 * values waits for the others, dist_reduce aside. A process that fails calls
 * dist_abort, or the others would wait for ever. Only one thread calls. */
#ifndef DIST_DIST_H
#define DIST_DIST_H

#include <stdint.h>
#include "base/err.h"
#include "tensor/backend.h"

struct dist;

struct dist_ops {
    const char *name;
    void (*close)(struct dist *d);
    void (*abort)(struct dist *d);
    int (*sum)(struct dist *d, double *v, int64_t n, struct err *err);
    int (*reduce)(struct dist *d, float *v, int64_t n, int root,
                  struct err *err);
    int (*wait)(struct dist *d, struct err *err);
    int (*share)(struct dist *d, float *all, const int64_t *first,
                 struct err *err);
    int (*gather)(struct dist *d, float *all, const float *part,
                  const int64_t *first, struct err *err);
};

struct dist {
    const struct dist_ops *ops;
    int rank, size;
    struct backend *device; /* dist_use_device; NULL: memory is the host's */
};

/* As mpirun or srun started this process: *out is NULL where it is alone.
 * ERR_UNSUPPORTED where it is one of several but mfm was built without MPI, the
 * library is not there, or the starter does not connect them. */
int dist_open(struct dist **out, struct err *err);
void dist_close(struct dist *d);
/* Each process has opened its backend: where that is a device with memory of
 * its own, reduce, share and gather take addresses on it from now on. be is
 * borrowed until both are closed. */
int dist_use_device(struct dist *d, struct backend *be, struct err *err);
/* Ends all processes; does not return unless d is NULL. */
void dist_abort(struct dist *d);

int dist_rank(const struct dist *d); /* 0 .. size - 1 */
int dist_size(const struct dist *d);
/* This process's number, 0.., among those that one mpirun or srun started on
 * this machine; 0 where it is alone. Whether dist_open was called or not. */
int dist_local_rank(void);

/* v (n) becomes the sum over all processes, the same bits in each. */
int dist_sum(struct dist *d, double *v, int64_t n, struct err *err);

/* Begins to sum v (n) over all processes into that of process root; the others'
 * v is what it was. v is in use until dist_wait, which ends all that was
 * begun. */
int dist_reduce(struct dist *d, float *v, int64_t n, int root,
                struct err *err);
int dist_wait(struct dist *d, struct err *err);

/* n values in size parts of neighbours, at multiples of 16: process r has first
 * [r] .. first[r + 1] - 1 (size + 1 numbers). */
void dist_divide(const struct dist *d, int64_t n, int64_t *first);

/* Each process gives its part of all to all the others. */
int dist_share(struct dist *d, float *all, const int64_t *first,
               struct err *err);
/* Process 0 gets every part, in all (NULL elsewhere). */
int dist_gather(struct dist *d, float *all, const float *part,
                const int64_t *first, struct err *err);

/* ---- for dist.c: mpi.c ---- */
int dist_mpi_open(struct dist **out, struct err *err);

#endif
