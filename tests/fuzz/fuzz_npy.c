/* SPDX-License-Identifier: GPL-3.0-or-later */
/* .npy arrays from a stream: any bytes are refused, or give as many numbers or
 * strings as the shape says. */
#include "base/npy.h"
#include "fuzz.h"

static void check(const struct npy *a)
{
    char **text;
    float *v;

    if (!npy_floats(a, &v, NULL))
        free(v);
    if (npy_strings(a, &text, "fuzz", NULL))
        return;
    for (int64_t i = 0; i < a->count; i++) {
        need(strlen(text[i]) <= (size_t)a->size);
        free(text[i]);
    }
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    FILE *f = size ? fmemopen((void *)data, size, "rb") : NULL;
    struct npy a;

    if (!f)
        return 0;
    if (!npy_read_stream(&a, f, "fuzz", 0, NULL)) {
        check(&a);
        npy_release(&a);
    }
    fclose(f);
    return 0;
}
