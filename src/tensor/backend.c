/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tensor/backend.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "tensor/cpu/cpu.h"
#include "tensor/cuda/cuda.h"

/* ---- the CUDA module: loaded when it is asked for, and kept ---- */

static const char module_name[] = "mfm-cuda.so";

/* Where it is: MFM_CUDA_MODULE, beside the program, in the library's folder.
 * NULL if nowhere. */
static const char *find_module(char *buf, size_t size)
{
    const char *own = getenv("MFM_CUDA_MODULE");
    ssize_t n;

    if (own)
        return own;
    n = readlink("/proc/self/exe", buf, size - sizeof(module_name) - 1);
    while (n > 0 && buf[n - 1] != '/')
        n--;
    if (n > 0) {
        memcpy(buf + n, module_name, sizeof(module_name));
        if (!access(buf, R_OK))
            return buf;
    }
    snprintf(buf, size, "%s/%s", MFM_LIBDIR, module_name);
    return access(buf, R_OK) ? NULL : buf;
}

struct module {
    __typeof__(backend_cuda_open) *open;
    __typeof__(backend_cuda_count) *count;
};

static int load_module(struct module *m, struct err *err)
{
    char buf[4096];
    const char *path = find_module(buf, sizeof(buf));
    void *lib;

    if (!path)
        return err_set(err, ERR_UNSUPPORTED, "CUDA is not built in (there is "
                       "no %s): use --device cpu", module_name);
    lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!lib)
        return err_set(err, ERR_UNSUPPORTED, "cannot load the CUDA module "
                       "(%s): install CUDA's libraries, or use --device cpu",
                       dlerror());
    *(void **)&m->open = dlsym(lib, "backend_cuda_open");
    *(void **)&m->count = dlsym(lib, "backend_cuda_count");
    if (!m->open || !m->count)
        return err_set(err, ERR_UNSUPPORTED, "%s is not mfm's CUDA module",
                       path);
    return 0;
}

static int open_cuda(struct backend **out, const char *device, struct err *err)
{
    struct module m = {0};
    char *end = NULL;
    long n = 0;

    if (device[4]) {
        n = strtol(device + 5, &end, 10);
        if (!device[5] || *end || n < 0 || n > 1023)
            return err_set(err, ERR_ARG, "--device: '%s' is not cuda:N, N "
                           "from 0", device);
    }
    TRY(load_module(&m, err));
    return m.open(out, (int)n, err);
}

/* What keeps a device that is there from being used is worth a line; that there
 * is none, or no module, is not. */
static int open_auto(struct backend **out, int threads, struct err *err)
{
    struct err why = {0};
    struct module m = {0};

    if (load_module(&m, &why)) {
        log_debug("%s", why.msg);
    } else if (m.count() > 0) {
        if (!m.open(out, 0, &why))
            return 0;
        log_warn("%s; using the CPU", why.msg);
    }
    return backend_cpu_open(out, threads, err);
}

int backend_cuda_devices(void)
{
    struct module m = {0};

    return load_module(&m, NULL) ? 0 : m.count();
}

int backend_open(struct backend **out, const char *device, int threads,
                 struct err *err)
{
    if (!strcmp(device, "cpu"))
        return backend_cpu_open(out, threads, err);
    if (!strcmp(device, "auto"))
        return open_auto(out, threads, err);
    if (!strncmp(device, "cuda", 4) && (!device[4] || device[4] == ':'))
        return open_cuda(out, device, err);
    return err_set(err, ERR_ARG, "--device: '%s' is not auto, cpu or cuda[:N]",
                   device);
}

void backend_close(struct backend *be)
{
    if (be)
        be->ops->close(be);
}

int backend_set_precision(struct backend *be, enum precision p, struct err *err)
{
    TRY(be->ops->set_precision(be, p, err));
    be->precision = p;
    return 0;
}
