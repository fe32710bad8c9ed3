/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Hidden states in bf16 beside those in f32. */
#include "kbench.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/npy.h"
#include "base/xalloc.h"
#include "model/encoder.h"

struct input {
    float *x; /* (time, width) as the encoder takes it */
    int64_t time;
};

/* Mel as "mfm embed --layer mel" writes it, and no more of it than asked for.
 */
static int read_mel(struct input *in, const struct model_config *c,
                    const char *path, struct err *err)
{
    struct npy a;
    int rc;

    TRY(npy_read(&a, path, err));
    if (a.ndim != 2 || a.dim[1] != c->mel.bands || c->encoder.type ==
        ENCODER_BERT)
        rc = err_set(err, ERR_FORMAT, "%s: not mel (T, %d) for an encoder that "
                     "hears it", path, c->mel.bands);
    else
        rc = npy_floats(&a, &in->x, err);
    if (!rc && a.dim[0] < in->time)
        in->time = a.dim[0];
    for (int64_t i = 0; !rc && i < in->time * c->mel.bands; i++)
        in->x[i] = (float)((in->x[i] - c->mel.mean) / c->mel.std);
    npy_release(&a);
    return rc;
}

/* All hidden states, one behind the other, in *out (malloced). */
static int run(float **out, struct model *m, const struct input *in,
               enum precision p, int64_t *frames, struct err *err)
{
    const struct encoder_config *c = &m->config.encoder;
    size_t layers = (size_t)c->layers + 1;
    float **hidden = xcalloc(layers, sizeof(*hidden));
    struct encoder_out wanted = { hidden, NULL };
    struct backend *be = NULL;
    struct encoder *e = NULL;
    int rc = backend_open(&be, "cpu", 0, err);

    if (!rc)
        rc = backend_set_precision(be, p, err);
    if (!rc)
        rc = encoder_new(&e, m, be, err);
    if (!rc) {
        *frames = encoder_frames(e, in->time);
        *out = xcalloc(layers * (size_t)(*frames * c->dim), sizeof(**out));
        for (size_t k = 0; k < layers; k++)
            hidden[k] = *out + (int64_t)k * *frames * c->dim;
        rc = encoder_forward(e, &wanted, in->x, 1, in->time, err);
    }
    encoder_free(e);
    backend_close(be);
    free(hidden);
    return rc;
}

/* Of layer k: the mean of the frames' cosines, and the smallest. */
static void report(int k, const float *a, const float *b, int64_t n, int dim)
{
    double sum = 0, least = 1;

    for (int64_t t = 0; t < n; t++, a += dim, b += dim) {
        double ab = 0, aa = 0, bb = 0, cosine;

        for (int j = 0; j < dim; j++) {
            ab += (double)a[j] * b[j];
            aa += (double)a[j] * a[j];
            bb += (double)b[j] * b[j];
        }
        cosine = ab / sqrt(aa * bb);
        sum += cosine;
        if (!(cosine >= least))
            least = cosine;
    }
    printf("{\"layer\": %d, \"mean\": %.6f, \"least\": %.6f}\n", k,
           sum / (double)n, least);
}

int kbench_bf16(int argc, char **argv, struct err *err)
{
    struct input in = { NULL, 0 };
    float *state[2] = { NULL, NULL };
    const struct model_config *c;
    struct model *m = NULL;
    int64_t frames = 0, each;
    int seconds, rc;

    TRY(kbench_number(argv[1], 1, 600, "SECONDS", &seconds, err));
    TRY(model_open(&m, argv[0], err));
    c = &m->config;
    each = c->encoder.type == ENCODER_BERT ? 1 : c->mel.bands;
    in.time = (int64_t)seconds * c->sample_rate / (each > 1 ? c->mel.hop : 1);
    rc = argc > 2 ? read_mel(&in, c, argv[2], err) : 0;
    if (argc <= 2) {
        in.x = xcalloc((size_t)(in.time * each), sizeof(*in.x));
        kbench_noise(in.x, (size_t)(in.time * each));
    }
    for (int i = 0; i < 2 && !rc; i++)
        rc = run(&state[i], m, &in, i ? PRECISION_BF16 : PRECISION_F32, &frames,
                 err);
    each = frames * c->encoder.dim;
    for (int k = 0; k <= c->encoder.layers && !rc; k++)
        report(k, state[0] + k * each, state[1] + k * each, frames,
               c->encoder.dim);
    free(state[0]);
    free(state[1]);
    free(in.x);
    model_free(m);
    return rc;
}
