/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tensor/cuda/nccl.cuh"

#include <stdlib.h>
#include <string.h>

#ifdef HAVE_NCCL
#include <dlfcn.h>
#include <nccl.h>

/* The library is loaded by those who train on several GPUs; the module is of
 * use to the others without it. */
#define FUNCTIONS(F)                                                     \
    F(ncclGetUniqueId) F(ncclCommInitRank) F(ncclCommDestroy)            \
    F(ncclReduce) F(ncclBroadcast) F(ncclSend) F(ncclRecv)               \
    F(ncclGroupStart) F(ncclGroupEnd) F(ncclGetErrorString)
#define FIELD(name) decltype(&name) name##_;

static struct {
    int loaded;
    FUNCTIONS(FIELD)
} lib;

static int load(struct err *err)
{
    void *so;

    if (lib.loaded)
        return 0;
    so = dlopen("libnccl.so.2", RTLD_NOW | RTLD_LOCAL);
    if (!so)
        return err_set(err, ERR_UNSUPPORTED, "cannot load NCCL (%s): install "
                       "libnccl2", dlerror());
#define LOAD(name)                                                          \
    *(void **)&lib.name##_ = dlsym(so, #name);                              \
    if (!lib.name##_)                                                       \
        return err_set(err, ERR_UNSUPPORTED, "libnccl.so.2 has no " #name);
    FUNCTIONS(LOAD)
    lib.loaded = 1;
    return 0;
}

struct nccl {
    ncclComm_t comm;
};

static int check(ncclResult_t r, const char *what, struct err *err)
{
    return r == ncclSuccess ? 0 : err_set(err, ERR_DEVICE, "NCCL: %s: %s", what,
                                          lib.ncclGetErrorString_(r));
}

int nccl_id(struct group_id *id, struct err *err)
{
    ncclUniqueId u;

    static_assert(sizeof(u) <= sizeof(*id));
    TRY(load(err));
    TRY(check(lib.ncclGetUniqueId_(&u), "start", err));
    memcpy(id, &u, sizeof(u));
    return 0;
}

int nccl_open(struct nccl **out, const struct group_id *id, int rank, int size,
              struct err *err)
{
    ncclUniqueId u;
    struct nccl *n;
    int rc;

    TRY(load(err));
    n = (struct nccl *)calloc(1, sizeof(*n));
    if (!n)
        return err_set(err, ERR_NOMEM, "no memory for NCCL");
    memcpy(&u, id, sizeof(u));
    rc = check(lib.ncclCommInitRank_(&n->comm, size, u, rank), "start", err);
    if (rc)
        free(n);
    else
        *out = n;
    return rc;
}

void nccl_close(struct nccl *n)
{
    if (!n)
        return;
    lib.ncclCommDestroy_(n->comm);
    free(n);
}

int nccl_reduce(struct nccl *n, float *v, int64_t count, int root,
                cudaStream_t s, struct err *err)
{
    return check(lib.ncclReduce_(v, v, (size_t)count, ncclFloat32, ncclSum,
                                 root, n->comm, s), "reduce", err);
}

int nccl_broadcast(struct nccl *n, float *v, int64_t count, int root,
                   cudaStream_t s, struct err *err)
{
    return check(lib.ncclBroadcast_(v, v, (size_t)count, ncclFloat32, root,
                                    n->comm, s), "broadcast", err);
}

int nccl_send(struct nccl *n, const float *v, int64_t count, int to,
              cudaStream_t s, struct err *err)
{
    return check(lib.ncclSend_(v, (size_t)count, ncclFloat32, to, n->comm, s),
                 "send", err);
}

int nccl_receive(struct nccl *n, float *v, int64_t count, int from,
                 cudaStream_t s, struct err *err)
{
    return check(lib.ncclRecv_(v, (size_t)count, ncclFloat32, from, n->comm, s),
                 "receive", err);
}

int nccl_together(struct nccl *n, struct err *err)
{
    (void)n;
    return check(lib.ncclGroupStart_(), "group", err);
}

int nccl_end(struct nccl *n, struct err *err)
{
    (void)n;
    return check(lib.ncclGroupEnd_(), "group", err);
}

#else /* without nccl.h */

static int missing(struct err *err)
{
    return err_set(err, ERR_UNSUPPORTED, "this CUDA module was built without "
                   "NCCL, so training on several GPUs is not there: install "
                   "libnccl-dev and build it again");
}

int nccl_id(struct group_id *, struct err *err) { return missing(err); }
int nccl_open(struct nccl **, const struct group_id *, int, int,
              struct err *err)
{
    return missing(err);
}
void nccl_close(struct nccl *) {}
int nccl_reduce(struct nccl *, float *, int64_t, int, cudaStream_t,
                struct err *err)
{
    return missing(err);
}
int nccl_broadcast(struct nccl *, float *, int64_t, int, cudaStream_t,
                   struct err *err)
{
    return missing(err);
}
int nccl_send(struct nccl *, const float *, int64_t, int, cudaStream_t,
              struct err *err)
{
    return missing(err);
}
int nccl_receive(struct nccl *, float *, int64_t, int, cudaStream_t,
                 struct err *err)
{
    return missing(err);
}
int nccl_together(struct nccl *, struct err *err) { return missing(err); }
int nccl_end(struct nccl *, struct err *err) { return missing(err); }

#endif
