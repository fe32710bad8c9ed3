/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"
#include "dist/dist.h"

#include <stdlib.h>
#include <string.h>

/* How many processes the starter says there are. */
static int started(void)
{
    static const char *const names[] = {
        "OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"
    };
    int most = 1;

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        const char *s = getenv(names[i]);

        if (s && atoi(s) > most)
            most = atoi(s);
    }
    return most;
}

int dist_open(struct dist **out, struct err *err)
{
    int n = started();

    *out = NULL;
    if (n == 1)
        return 0;
#ifdef HAVE_MPI
    TRY(dist_mpi_open(out, err));
    if ((*out)->size == n)
        return 0;
    n = (*out)->size;
    dist_close(*out);
    *out = NULL;
    return err_set(err, ERR_UNSUPPORTED, "started as one of several processes, "
                   "but MPI sees %d: with Slurm, srun --mpi=pmix", n);
#else
    return err_set(err, ERR_UNSUPPORTED, "started as one of %d processes, but "
                   "this mfm was built without MPI: install libopenmpi-dev and "
                   "configure again", n);
#endif
}

void dist_close(struct dist *d)
{
    if (d)
        d->ops->close(d);
}

/* The id goes to all as a sum to which the others add nothing. */
int dist_use_device(struct dist *d, struct backend *be, struct err *err)
{
    enum { BYTES = sizeof(struct group_id) };
    struct group_id id = {0};
    double v[BYTES + 1] = {0};
    int rc = 0;

    if (!d || !be->ops->group_join)
        return 0;
    if (!d->rank)
        rc = be->ops->group_id(be, &id, err);
    for (int i = 0; i < BYTES; i++)
        v[i] = id.byte[i];
    v[BYTES] = rc != 0;
    TRY(d->ops->sum(d, v, BYTES + 1, err));
    if (rc)
        return rc;
    if (v[BYTES] > 0)
        return err_set(err, ERR_DEVICE, "process 0 could not begin a group of "
                       "GPUs");
    for (int i = 0; i < BYTES; i++)
        id.byte[i] = (unsigned char)v[i];
    TRY(be->ops->group_join(be, &id, d->rank, d->size, err));
    d->device = be;
    return 0;
}

void dist_abort(struct dist *d)
{
    if (d)
        d->ops->abort(d);
}

int dist_rank(const struct dist *d)
{
    return d ? d->rank : 0;
}

int dist_size(const struct dist *d)
{
    return d ? d->size : 1;
}

int dist_local_rank(void)
{
    static const char *const names[] = {
        "OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID", "SLURM_LOCALID"
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        const char *s = getenv(names[i]);

        if (s && atoi(s) >= 0)
            return atoi(s);
    }
    return 0;
}

int dist_sum(struct dist *d, double *v, int64_t n, struct err *err)
{
    return d ? d->ops->sum(d, v, n, err) : 0;
}

int dist_reduce(struct dist *d, float *v, int64_t n, int root,
                struct err *err)
{
    if (!d || !n)
        return 0;
    return d->device ? d->device->ops->group_reduce(d->device, v, n, root, err)
                     : d->ops->reduce(d, v, n, root, err);
}

int dist_wait(struct dist *d, struct err *err)
{
    if (!d)
        return 0;
    return d->device ? d->device->ops->group_wait(d->device, err)
                     : d->ops->wait(d, err);
}

void dist_divide(const struct dist *d, int64_t n, int64_t *first)
{
    int size = dist_size(d);

    for (int r = 0; r < size; r++)
        first[r] = n / 16 * r / size * 16;
    first[size] = n;
}

int dist_share(struct dist *d, float *all, const int64_t *first,
               struct err *err)
{
    if (!d)
        return 0;
    return d->device ? d->device->ops->group_share(d->device, all, first, err)
                     : d->ops->share(d, all, first, err);
}

int dist_gather(struct dist *d, float *all, const float *part,
                const int64_t *first, struct err *err)
{
    if (d && d->device)
        return d->device->ops->group_gather(d->device, all, part, first, err);
    if (d)
        return d->ops->gather(d, all, part, first, err);
    memcpy(all, part, (size_t)first[1] * sizeof(*all));
    return 0;
}
