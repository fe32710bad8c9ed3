/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any bytes: refused, or tensors that lie within them. */
#include "fuzz.h"
#include "model/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct safetensors st = {0};
    struct err err = {0};

    if (safetensors_parse(&st, data, size, "fuzz", &err))
        return 0;
    for (size_t i = 0; i < st.n; i++) {
        const struct stored *t = &st.tensor[i];
        float *f;

        need(t->data >= data && t->data + stored_bytes(t) <= data + size &&
             safetensors_find(&st, t->name) == t);
        f = malloc((size_t)stored_count(t) * sizeof(*f) + 1);
        if (f)
            stored_floats(t, f, &err);
        free(f);
    }
    safetensors_release(&st);
    return 0;
}
