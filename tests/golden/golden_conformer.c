/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "golden.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/xalloc.h"
#include "model/convert.h"
#include "model/encoder.h"
#include "token/quant.h"

/* The references are float32 values of a float64 evaluation; ours is float32
 * throughout and shows 2e-7 to 4e-7. */
static const double tolerance_hidden = 1e-5;
/* From sound on: 2e-3 dB of the mel over a deviation of about 10 dB. */
static const double tolerance_sound = 2e-4;

struct check {
    struct golden *g;
    struct model *model;
    struct backend *be;
    struct encoder *encoder;
    struct safetensors want;
    int64_t batch, time, frames; /* windows, mel frames, states */
};

/* Converts the checkpoint to a temporary model file and opens it. */
static int open_model(struct check *c, struct err *err)
{
    char out[] = "/tmp/golden-XXXXXX";
    char *in = xstrdup(golden_path(c->g, "model.pt"));
    char *stats = xstrdup(golden_path(c->g, "stats.json"));
    char *config = xstrdup(golden_path(c->g, "config.json"));
    struct convert job = { .in = in, .out = out, .name = "golden",
                           .stats = stats, .config = config };
    int fd = mkstemp(out);
    int rc = fd < 0 ? err_sys(err, "%s", out) : convert_run(&job, err);

    if (!rc)
        rc = model_open(&c->model, out, err);
    if (fd >= 0) {
        close(fd);
        unlink(out);
    }
    free(in);
    free(stats);
    free(config);
    return rc;
}

static const struct stored *find(struct check *c, const char *name,
                                 int64_t count)
{
    const struct stored *t = safetensors_find(&c->want, name);

    if (t && stored_count(t) == count)
        return t;
    golden_broken(c->g, name, t ? "another shape" : "missing");
    return NULL;
}

static void check_states(struct check *c, const float *mel, const char *prefix,
                         double tolerance)
{
    int layers = c->model->config.encoder.layers;
    size_t states = (size_t)(c->batch * c->frames);
    size_t n = states * (size_t)c->model->config.encoder.dim;
    size_t codes = model_has(c->model, "linear.weight")
                       ? (size_t)c->model->config.tokens[0].codes : 0;
    float **hidden = xcalloc((size_t)layers + 1, sizeof(*hidden));
    float *logits = codes ? xcalloc(states * codes, sizeof(*logits)) : NULL;
    struct encoder_out out = { hidden, logits };
    struct err err = {0};
    char name[64], what[128];

    for (int k = 0; k <= layers; k++)
        hidden[k] = xcalloc(n, sizeof(**hidden));
    if (encoder_forward(c->encoder, &out, mel, c->batch, c->time, &err))
        golden_broken(c->g, "forward", err.msg);
    for (int k = 0; k <= layers + (codes ? 1 : 0); k++) {
        size_t count = k <= layers ? n : states * codes;
        const struct stored *t;

        snprintf(name, sizeof(name), k <= layers ? "hidden.%d" : "logits", k);
        snprintf(what, sizeof(what), "%s%s", prefix, name);
        t = find(c, name, (int64_t)count);
        if (t)
            golden_states(c->g, what, k <= layers ? hidden[k] : logits,
                          (const float *)t->data, states, count / states,
                          tolerance);
    }
    for (int k = 0; k <= layers; k++)
        free(hidden[k]);
    free(hidden);
    free(logits);
}

/* Tokens that differ; the references allow a tie in the seventh digit, but none
 * is known. */
static void check_tokens(struct check *c, const float *mel)
{
    const char *const base = "quantizer_melspec_2048_0.";
    const struct token_config *k = &c->model->config.tokens[0];
    int width = k->stack * c->model->config.mel.bands, differ = 0;
    int64_t n = c->batch * c->time / k->stack;
    const struct stored *t = find(c, "tokens", n);
    const float *projection, *codebook;
    struct quant *q = NULL;
    struct err err = {0};
    int32_t *token;
    char name[2][64];

    if (!t)
        return;
    snprintf(name[0], sizeof(name[0]), "%srandom_projection", base);
    snprintf(name[1], sizeof(name[1]), "%scodebook", base);
    if (model_tensor(c->model, name[0], (int64_t[]){ width, k->dim }, 2,
                     &projection, &err) ||
        model_tensor(c->model, name[1], (int64_t[]){ k->codes, k->dim }, 2,
                     &codebook, &err) ||
        quant_new(&q, projection, codebook, width, k->dim, k->codes, &err)) {
        golden_broken(c->g, "tokens", err.msg);
        return;
    }
    token = xcalloc((size_t)n, sizeof(*token));
    quant_tokens(q, token, mel, n);
    for (int64_t i = 0; i < n; i++)
        differ += token[i] != ((const int32_t *)t->data)[i];
    golden_report(c->g, "tokens that differ", differ, 0);
    free(token);
    quant_free(q);
}

/* The mel of in0.wav, in1.wav.., normalised; NULL if there are too few. */
static float *mel_of_sounds(struct check *c)
{
    const struct mel_settings *m = &c->model->config.mel;
    size_t count = (size_t)(c->time * m->bands);
    float *all = xcalloc((size_t)c->batch * count, sizeof(*all));

    for (int64_t b = 0; b < c->batch; b++) {
        char name[32];
        struct err err = {0};
        float *mel = NULL;
        size_t frames = 0;

        snprintf(name, sizeof(name), "in%d.wav", (int)b);
        if (golden_mel(golden_path(c->g, name), m->hop, &mel, &frames, &err) ||
            frames != (size_t)c->time) {
            golden_broken(c->g, name, *err.msg ? err.msg : "another length");
            free(mel);
            free(all);
            return NULL;
        }
        for (size_t i = 0; i < count; i++)
            all[(size_t)b * count + i] = (float)((mel[i] - m->mean) / m->std);
        free(mel);
    }
    return all;
}

static void check_forward(struct check *c)
{
    const struct stored *mel = safetensors_find(&c->want, "mel_normalised");
    float *own;

    if (!mel || mel->ndim != 3 ||
        mel->dim[2] != c->model->config.mel.bands) {
        golden_broken(c->g, "mel_normalised", "missing or misshapen");
        return;
    }
    c->batch = mel->dim[0];
    c->time = mel->dim[1];
    c->frames = encoder_frames(c->encoder, c->time);
    if (!c->g->bf16)
        check_tokens(c, (const float *)mel->data);
    check_states(c, (const float *)mel->data, "", tolerance_hidden);
    own = mel_of_sounds(c);
    if (own)
        check_states(c, own, "from sound, ", tolerance_sound);
    free(own);
}

void check_conformer(struct golden *g)
{
    struct check c = { .g = g };
    struct err err = {0};
    int rc = open_model(&c, &err);

    if (!rc)
        rc = safetensors_open(&c.want, golden_path(g, "forward.safetensors"),
                              &err);
    if (!rc)
        rc = backend_open(&c.be, g->device, 0, &err);
    if (!rc && g->bf16)
        rc = backend_set_precision(c.be, PRECISION_BF16, &err);
    if (!rc)
        rc = encoder_new(&c.encoder, c.model, c.be, &err);
    if (rc)
        golden_broken(g, "model", err.msg);
    else
        check_forward(&c);
    if (!rc && !g->bf16 && golden_has(g, "train.safetensors"))
        check_train(g, c.model);
    encoder_free(c.encoder);
    backend_close(c.be);
    model_free(c.model);
    safetensors_release(&c.want);
}
