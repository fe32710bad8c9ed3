/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any bytes: refused, or tensors whose every element can be read. The bytes are
 * tried as a bare pickle too, which a mutation reaches more easily than the one
 * within a container. */
#include "base/log.h"
#include "fuzz.h"
#include "model/pickle.h"
#include "model/torchfile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct torchfile *tf = NULL;
    struct pickle p = {0};
    struct err err = {0};
    struct stored t;

    log_set_level(LOG_ERROR);
    if (!pickle_read(&p, data, size, "fuzz", &err))
        pickle_release(&p);
    if (torchfile_parse(&tf, data, size, "fuzz", &err))
        return 0;
    for (size_t i = 0; i < torchfile_count(tf); i++) {
        float *f;

        if (torchfile_load(tf, i, &t, &err) || stored_count(&t) > 1 << 20)
            continue;
        f = malloc((size_t)stored_count(&t) * sizeof(*f) + 1);
        if (f)
            stored_floats(&t, f, &err);
        free(f);
    }
    torchfile_free(tf);
    return 0;
}
