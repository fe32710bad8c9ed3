/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any bytes as a model file: refused, or an encoder, heads and tokens that can
 * be made of it, and if they are small, run. */
#include <math.h>

#include "base/log.h"
#include "fuzz.h"
#include "head/head.h"
#include "model/encoder.h"
#include "model/model.h"
#include "train/tokens.h"

enum { FRAMES = 64, MAX_DIM = 64, MAX_LAYERS = 4 };

/* Each head on what the encoder gave. */
static void run_heads(struct model *m, struct backend *be, float *const *hidden,
                      int64_t frames)
{
    const struct model_config *c = &m->config;

    for (int i = 0; i < c->n_heads; i++) {
        const char *task[1] = { c->heads[i].task };
        const float *state[MAX_LAYERS + 1];
        const struct scores *scores;
        struct heads *h = NULL;
        const int *layer;
        struct err err;
        int n;

        if (heads_new(&h, m, be, task, 1, c->encoder.rate, &err))
            continue;
        layer = heads_layers(h, &n);
        for (int k = 0; k < n; k++)
            state[k] = hidden[layer[k]];
        if (!heads_push(h, state, frames, &err) &&
            !heads_finish(h, 0, &scores, &err))
            need(scores->n >= 0 && scores->width > 0);
        heads_free(h);
    }
}

static void run(struct encoder *e, struct model *m, struct backend *be)
{
    const struct model_config *c = &m->config;
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
    if (!encoder_forward(e, &out, x, 1, time, &err))
        run_heads(m, be, hidden, frames);
    for (int k = 0; k <= MAX_LAYERS; k++)
        free(hidden[k]);
    free(x);
}

static void run_tokens(struct model *m)
{
    struct tokenizer *t = NULL;
    struct err err;

    if (!tokens_from_model(&t, m, &err))
        for (int i = 0; i < tokenizer_streams(t); i++)
            need(tokenizer_codes(t, i) > 0);
    tokenizer_free(t);
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
            run(e, m, be);
        encoder_free(e);
        run_tokens(m);
        model_free(m);
    }
    free(path);
    return 0;
}
