/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The encoder's forward pass of windows of noise. */
#include "kbench.h"

#include <stdint.h>
#include <stdlib.h>

#include "base/xalloc.h"
#include "model/encoder.h"
#include "model/model.h"
#include "tensor/backend.h"

/* The mean of channel 0 over the frames of x (n, dim). */
static double first_channel(const float *x, int64_t n, int dim)
{
    double sum = 0;

    for (int64_t t = 0; t < n; t++)
        sum += (double)x[t * dim];
    return sum / (double)n;
}

/* Runs the passes on time frames of mel and reports; only the last hidden state
 * is asked for. */
static int passes(struct encoder *e, const struct model_config *c,
                  int64_t batch, int64_t time, int repeat, struct err *err)
{
    int64_t frames = encoder_frames(e, time) * batch;
    size_t dim = (size_t)c->encoder.dim, bands = (size_t)c->mel.bands;
    float **hidden = xcalloc((size_t)c->encoder.layers + 1, sizeof(*hidden));
    float *mel = xcalloc((size_t)(batch * time) * bands, sizeof(*mel));
    float *last = xcalloc((size_t)frames * dim, sizeof(*last));
    double *runs = xcalloc((size_t)repeat, sizeof(*runs));
    struct encoder_out out = { hidden, NULL };
    int rc = 0;

    hidden[c->encoder.layers] = last;
    kbench_noise(mel, (size_t)(batch * time) * bands);
    for (int i = -1; i < repeat && !rc; i++) { /* the first warms up */
        double start = kbench_now();

        rc = encoder_forward(e, &out, mel, batch, time, err);
        if (i >= 0)
            runs[i] = kbench_now() - start;
    }
    if (!rc)
        kbench_report("encoder", runs, repeat,
                      first_channel(last, frames, c->encoder.dim));
    free(runs);
    free(last);
    free(mel);
    free(hidden);
    return rc;
}

int kbench_encoder(int argc, char **argv, struct err *err)
{
    struct backend *be = NULL;
    struct encoder *e = NULL;
    struct model *m = NULL;
    struct kbench_options o;
    int seconds, repeat, rc;

    TRY(kbench_number(argv[1], 1, 600, "SECONDS", &seconds, err));
    TRY(kbench_number(argv[2], 1, MAX_REPEAT, "REPEAT", &repeat, err));
    TRY(kbench_options(&o, argc - 3, argv + 3, err));
    rc = kbench_open(&be, &o, err);
    if (!rc)
        rc = model_open(&m, argv[0], err);
    if (!rc)
        rc = encoder_new(&e, m, be, err);
    if (!rc)
        rc = passes(e, &m->config, o.batch, (int64_t)seconds *
                    m->config.sample_rate / m->config.mel.hop, repeat, err);
    encoder_free(e);
    model_free(m);
    backend_close(be);
    return rc;
}
