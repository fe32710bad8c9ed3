/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tensor/backend.h"

#include <string.h>

#include "tensor/cpu/cpu.h"

int backend_open(struct backend **out, const char *device, int threads,
                 struct err *err)
{
    if (!strcmp(device, "cpu") || !strcmp(device, "auto"))
        return backend_cpu_open(out, threads, err);
    if (!strncmp(device, "cuda", 4) && (!device[4] || device[4] == ':'))
        return err_set(err, ERR_UNSUPPORTED,
                       "this mfm is built without CUDA: use --device cpu");
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
