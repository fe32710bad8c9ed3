/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"
#include "dist/dist.h"

#ifdef HAVE_MPI
#define OMPI_SKIP_MPICXX 1
#include <mpi.h>
#include <stdlib.h>
#include <string.h>

#include "base/dynlib.h"
#include "base/xalloc.h"

enum { MOST = 1 << 28 }; /* values in a message: MPI counts in int */

/* Open MPI's library is loaded by those who need it: linked, it would take
 * longer than all else that a start of mfm does. */
#define FUNCTIONS(F)                                                          \
    F(MPI_Init_thread) F(MPI_Finalize) F(MPI_Comm_rank) F(MPI_Comm_size)      \
    F(MPI_Abort) F(MPI_Allreduce) F(MPI_Ireduce) F(MPI_Testall)               \
    F(MPI_Waitall) F(MPI_Send) F(MPI_Recv) F(MPI_Bcast)

static struct {
    FUNCTIONS(DYNLIB_FIELD)
    MPI_Comm world;
    MPI_Datatype f32, f64;
    MPI_Op sum;
} mpi;

#define FUNCTION(name) { #name, (void **)&mpi.name },

static int load(struct err *err)
{
    static const struct dynlib_symbol symbols[] = {
        FUNCTIONS(FUNCTION)
        { "ompi_mpi_comm_world", (void **)&mpi.world },
        { "ompi_mpi_float", (void **)&mpi.f32 },
        { "ompi_mpi_double", (void **)&mpi.f64 },
        { "ompi_mpi_op_sum", (void **)&mpi.sum },
    };

    return dynlib_load("libmpi.so.40", "libopenmpi3", symbols,
                       sizeof(symbols) / sizeof(*symbols), err);
}

struct mpi_dist {
    struct dist base;
    MPI_Request *request; /* begun by reduce */
    size_t n, cap;
};

static struct mpi_dist *of(struct dist *d)
{
    return (struct mpi_dist *)d;
}

/* By default MPI itself ends all processes where one of its functions fails,
 * with a line that says why; a status is for other settings of it. */
static int check(int status, const char *what, struct err *err)
{
    return status == MPI_SUCCESS
               ? 0 : err_set(err, ERR_DEVICE, "MPI: %s: error %d", what,
                             status);
}

static void mpi_close(struct dist *d)
{
    mpi.MPI_Finalize();
    free(of(d)->request);
    free(d);
}

static void mpi_abort(struct dist *d)
{
    (void)d;
    mpi.MPI_Abort(mpi.world, 1);
}

static int mpi_sum(struct dist *d, double *v, int64_t n, struct err *err)
{
    (void)d;
    return check(mpi.MPI_Allreduce(MPI_IN_PLACE, v, (int)n, mpi.f64, mpi.sum,
                                   mpi.world), "all-reduce", err);
}

static int mpi_reduce(struct dist *d, float *v, int64_t n, int root,
                      struct err *err)
{
    struct mpi_dist *m = of(d);
    int done;

    for (int64_t i = 0; i < n; i += MOST) {
        int some = n - i < MOST ? (int)(n - i) : MOST;
        int here = d->rank == root;

        ARRAY_GROW(m->request, m->n, m->cap);
        TRY(check(mpi.MPI_Ireduce(here ? MPI_IN_PLACE : v + i,
                                  here ? v + i : NULL, some, mpi.f32, mpi.sum,
                                  root, mpi.world, &m->request[m->n]),
                  "reduce", err));
        m->n++;
    }
    /* the library works on what was begun when it is called */
    return check(mpi.MPI_Testall((int)m->n, m->request, &done,
                                 MPI_STATUSES_IGNORE), "reduce", err);
}

static int mpi_wait(struct dist *d, struct err *err)
{
    struct mpi_dist *m = of(d);
    int n = (int)m->n;

    m->n = 0;
    return check(mpi.MPI_Waitall(n, m->request, MPI_STATUSES_IGNORE), "reduce",
                 err);
}

static int mpi_share(struct dist *d, float *all, const int64_t *first,
                     struct err *err)
{
    for (int r = 0; r < d->size; r++)
        for (int64_t i = first[r]; i < first[r + 1]; i += MOST) {
            int64_t left = first[r + 1] - i;

            TRY(check(mpi.MPI_Bcast(all + i, left < MOST ? (int)left : MOST,
                                    mpi.f32, r, mpi.world), "broadcast", err));
        }
    return 0;
}

static int mpi_gather(struct dist *d, float *all, const float *part,
                      const int64_t *first, struct err *err)
{
    int64_t own = first[d->rank];

    if (d->rank == 0)
        memcpy(all, part, (size_t)(first[1] - first[0]) * sizeof(*all));
    for (int r = 1; r < d->size; r++)
        for (int64_t i = first[r]; i < first[r + 1]; i += MOST) {
            int64_t left = first[r + 1] - i;
            int n = left < MOST ? (int)left : MOST, s = MPI_SUCCESS;

            if (d->rank == r)
                s = mpi.MPI_Send(part + (i - own), n, mpi.f32, 0, 0,
                                 mpi.world);
            else if (d->rank == 0)
                s = mpi.MPI_Recv(all + i, n, mpi.f32, r, 0, mpi.world,
                                 MPI_STATUS_IGNORE);
            TRY(check(s, "gather", err));
        }
    return 0;
}

static const struct dist_ops mpi_ops = {
    .name = "MPI", .close = mpi_close, .abort = mpi_abort, .sum = mpi_sum,
    .reduce = mpi_reduce, .wait = mpi_wait, .share = mpi_share,
    .gather = mpi_gather,
};

int dist_mpi_open(struct dist **out, struct err *err)
{
    struct mpi_dist *m;
    int have, s;

    TRY(load(err));
    TRY(check(mpi.MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &have),
              "start", err));
    m = xcalloc(1, sizeof(*m));
    m->base.ops = &mpi_ops;
    s = mpi.MPI_Comm_rank(mpi.world, &m->base.rank);
    if (s == MPI_SUCCESS)
        s = mpi.MPI_Comm_size(mpi.world, &m->base.size);
    if (s != MPI_SUCCESS) {
        free(m);
        return check(s, "start", err);
    }
    *out = &m->base;
    return 0;
}
#else
typedef int dist_without_mpi; /* an empty file is no C */
#endif
