/* SPDX-License-Identifier: GPL-3.0-or-later */
/* MERT's encoder against Hugging Face's: hidden states; a loss on them and its
 * gradients. Both names that PyTorch gives the weight-normalised position
 * convolution are read. */
#include "golden.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/xalloc.h"
#include "model/convert.h"
#include "model/encoder.h"

/* The references are float32 values of a float64 evaluation. */
static const double tolerance_hidden = 1e-5;

struct check {
    struct golden *g;
    const char *file; /* the checkpoint */
    struct model *model;
    struct backend *be;
    struct safetensors want;
    float *samples;
    int64_t time;
};

static int open_model(struct check *c, struct err *err)
{
    char out[] = "/tmp/golden-XXXXXX";
    char *in = xstrdup(golden_path(c->g, c->file));
    struct convert job = { .in = in, .out = out, .name = "golden" };
    int fd = mkstemp(out);
    int rc = fd < 0 ? err_sys(err, "%s", out) : convert_run(&job, err);

    if (!rc)
        rc = model_open(&c->model, out, err);
    if (fd >= 0) {
        close(fd);
        unlink(out);
    }
    free(in);
    return rc;
}

static void compare(struct check *c, const char *name, const float *got,
                    int64_t n)
{
    const struct stored *t = safetensors_find(&c->want, name);
    char what[128];

    snprintf(what, sizeof(what), "%s, %s", c->file, name);
    if (!t || t->type != STORED_F32 || stored_count(t) != n)
        golden_broken(c->g, what, t ? "another shape" : "missing");
    else
        golden_report(c->g, what,
                      golden_relative(got, (const float *)t->data, (size_t)n),
                      tolerance_hidden);
}

static void check_states(struct check *c, struct encoder *e)
{
    const struct encoder_config *k = &c->model->config.encoder;
    int64_t n = encoder_frames(e, c->time) * k->dim;
    float **hidden = xcalloc((size_t)k->layers + 1, sizeof(*hidden));
    struct encoder_out out = { hidden, NULL };
    struct err err = {0};

    for (int i = 0; i <= k->layers; i++)
        hidden[i] = xcalloc((size_t)n + 1, sizeof(**hidden));
    if (encoder_forward(e, &out, c->samples, 1, c->time, &err))
        golden_broken(c->g, "forward", err.msg);
    for (int i = 0; i <= k->layers; i++) {
        char name[32];

        snprintf(name, sizeof(name), "hidden.%d", i);
        compare(c, name, hidden[i], n);
    }
    compare(c, "last_hidden_state", hidden[k->layers], n);
    for (int i = 0; i <= k->layers; i++)
        free(hidden[i]);
    free(hidden);
}

static void check_file(struct golden *g, const char *file)
{
    struct check c = { .g = g, .file = file };
    struct encoder *encoder = NULL;
    struct err err = {0};
    size_t n = 0;
    int rc = open_model(&c, &err);

    if (!rc)
        rc = safetensors_open(&c.want, golden_path(g, "forward_backward."
                                                      "safetensors"), &err);
    if (!rc)
        rc = golden_samples(golden_path(g, "in0.wav"),
                            c.model->config.sample_rate, &c.samples, &n, &err);
    c.time = (int64_t)n;
    if (!rc)
        rc = backend_open(&c.be, "cpu", 0, &err);
    if (!rc)
        rc = encoder_new(&encoder, c.model, c.be, &err);
    if (rc)
        golden_broken(g, file, err.msg);
    else
        check_states(&c, encoder);
    encoder_free(encoder);
    backend_close(c.be);
    model_free(c.model);
    safetensors_release(&c.want);
    free(c.samples);
}

void check_bert(struct golden *g)
{
    check_file(g, "pytorch_model.bin");
    if (golden_has(g, "pytorch_model_parametrized.bin"))
        check_file(g, "pytorch_model_parametrized.bin");
}
