/* SPDX-License-Identifier: GPL-3.0-or-later */
/* .npy arrays from a stream: any bytes. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/npy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    FILE *f = size ? fmemopen((void *)data, size, "rb") : NULL;
    struct npy a;
    float *v = NULL;

    if (!f)
        return 0;
    if (!npy_read_stream(&a, f, "fuzz", 0, NULL)) {
        if (!npy_floats(&a, &v, NULL))
            free(v);
        npy_release(&a);
    }
    fclose(f);
    return 0;
}
