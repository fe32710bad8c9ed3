/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tensor/backend.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "tensor/cpu/cpu.h"
#include "tensor/module.h"

/* ---- devices ---- */

int backend_check_device(const char *device, struct err *err)
{
    const char *n = device + 5;

    if (!strcmp(device, "auto") || !strcmp(device, "cpu") ||
        !strcmp(device, "cuda"))
        return 0;
    if (!strncmp(device, "cuda:", 5) && *n && strlen(n) <= 4 &&
        strspn(n, "0123456789") == strlen(n))
        return 0;
    return err_set(err, ERR_ARG, "--device: '%.40s' is not one of auto, cpu, "
                   "cuda and cuda:N (N from 0)", device);
}

static int open_cuda(struct backend **out, const char *device, int nth,
                     struct err *err)
{
    struct module m = {0};
    int have;

    TRY(module_load(&m, err));
    if (device[4])
        return m.open(out, atoi(device + 5), err);
    have = m.count();
    return m.open(out, have ? nth % have : 0, err);
}

/* Whatever mfm can do with it: what the NVIDIA driver shows, there or in
 * Windows' Linux. */
static int is_gpu_there(void)
{
    return !access("/dev/nvidia0", F_OK) || !access("/proc/driver/nvidia/gpus",
                                                    F_OK) ||
           !access("/dev/dxg", F_OK);
}

/* What keeps a device that is there from being used is worth a line; that there
 * is none is not. */
static int open_auto(struct backend **out, int nth, int threads,
                     struct err *err)
{
    struct err first = {0}, why = {0};
    struct module m = {0};
    int have = 0;

    if (!is_gpu_there() && !module_has_driver()) {
        log_debug("no NVIDIA driver; computing on the CPU");
        return backend_cpu_open(out, threads, err);
    }
    if (!module_load(&m, &first)) {
        have = m.count();
        for (int i = 0; i < have; i++)
            if (!m.open(out, (nth + i) % have, i ? &why : &first))
                return 0;
        if (!have)
            m.open(out, 0, &first);
    }
    if (have || is_gpu_there())
        log_warn("%s; computing on the CPU", first.msg);
    else
        log_debug("%s; computing on the CPU", first.msg);
    return backend_cpu_open(out, threads, err);
}

int backend_cuda_devices(void)
{
    struct module m = {0};

    return module_load(&m, NULL) ? 0 : m.count();
}

int backend_open_nth(struct backend **out, const char *device, int nth,
                     int threads, struct err *err)
{
    TRY(backend_check_device(device, err));
    if (!strcmp(device, "cpu"))
        return backend_cpu_open(out, threads, err);
    return *device == 'a' ? open_auto(out, nth, threads, err)
                          : open_cuda(out, device, nth, err);
}

int backend_open(struct backend **out, const char *device, int threads,
                 struct err *err)
{
    return backend_open_nth(out, device, 0, threads, err);
}

void backend_close(struct backend *be)
{
    if (be)
        be->ops->close(be);
}

/* ---- precision ---- */

static const char *const precisions[] = { "f32", "bf16", "tf32", "fp16" };

const char *precision_name(enum precision p)
{
    return precisions[p];
}

int backend_set_precision(struct backend *be, enum precision p, struct err *err)
{
    TRY(be->ops->set_precision(be, p, err));
    be->precision = p;
    return 0;
}

int backend_choose_precision(struct backend *be, const char *name, int training,
                             struct err *err)
{
    for (int p = PRECISION_F32; p <= PRECISION_FP16; p++)
        if (!strcmp(name, precisions[p]))
            return backend_set_precision(be, (enum precision)p, err);
    if (strcmp(name, "auto"))
        return err_set(err, ERR_ARG, "--precision: '%.40s' is not one of auto, "
                       "f32, tf32, bf16 and fp16", name);
    if (!strcmp(be->ops->name, "cpu"))
        return backend_set_precision(be, PRECISION_F32, err);
    if (!backend_set_precision(be, PRECISION_BF16, NULL))
        return 0;
    return backend_set_precision(be, training ? PRECISION_F32 : PRECISION_FP16,
                                 err);
}
