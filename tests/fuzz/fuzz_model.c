/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any bytes as a model file: refused, or an encoder and heads that can be made
 * of it, and if they are small, run. */
#include <math.h>

#include "base/log.h"
#include "fuzz.h"
#include "model/encoder.h"
#include "model/model.h"

enum { FRAMES = 64, MAX_DIM = 64, MAX_LAYERS = 4 };

static void run(struct encoder *e, const struct model_config *c)
{
    int64_t time = encoder_hears_sound(e) ? 2000 : FRAMES;
    size_t n = (size_t)(time * encoder_width(e));
    int64_t frames = encoder_frames(e, time);
    float *hidden[MAX_LAYERS + 1] = { NULL }, *x;
    struct encoder_out out = { hidden, NULL };
    struct err err;

    if (frames < 1 || c->encoder.dim > MAX_DIM ||
        c->encoder.layers > MAX_LAYERS)
        return;
    x = xcalloc(n, sizeof(*x));
    for (size_t i = 0; i < n; i++)
        x[i] = (float)(i % 7) / 7 - 0.5f;
    for (int k = 0; k <= c->encoder.layers; k++)
        hidden[k] = xcalloc((size_t)(frames * c->encoder.dim),
                            sizeof(**hidden));
    encoder_forward(e, &out, x, 1, time, &err);
    for (int k = 0; k <= MAX_LAYERS; k++)
        free(hidden[k]);
    free(x);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct backend *be;
    char *path = fuzz_file("model.safetensors", data, size);
    struct encoder *e = NULL;
    struct model *m = NULL;
    struct err err;

    log_set_level(LOG_ERROR);
    if (!be)
        need(!backend_open(&be, "cpu", 1, &err));
    if (model_open(&m, path, &err)) {
        need(!m && *err.msg);
    } else {
        need(strlen(model_sha256(m)) == 64);
        if (!encoder_new(&e, m, be, &err))
            run(e, &m->config);
        encoder_free(e);
        model_free(m);
    }
    free(path);
    return 0;
}
