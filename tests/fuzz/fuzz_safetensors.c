/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any bytes: refused, or tensors that lie within them. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "model/config.h"
#include "model/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct safetensors st = {0};
    struct err err = {0};

    if (safetensors_parse(&st, data, size, "fuzz", &err))
        return 0;
    for (size_t i = 0; i < st.n; i++) {
        const struct stored *t = &st.tensor[i];
        float *f;

        if (t->data < data || t->data + stored_bytes(t) > data + size ||
            safetensors_find(&st, t->name) != t)
            abort();
        f = malloc((size_t)stored_count(t) * sizeof(*f) + 1);
        if (f)
            stored_floats(t, f, &err);
        free(f);
    }
    if (safetensors_meta(&st, "mfm")) {
        struct model_config c;
        struct strbuf sb = STRBUF_INIT;

        if (!config_parse_text(&c, safetensors_meta(&st, "mfm"), &err)) {
            config_print(&c, &sb);
            config_release(&c);
            if (config_parse_text(&c, sb.s, &err))
                abort();
            config_release(&c);
        }
        strbuf_release(&sb);
    }
    safetensors_release(&st);
    return 0;
}
