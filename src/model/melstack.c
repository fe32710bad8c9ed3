/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "model/melstack.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_CONTEXT = 60, MOST_DIM = 65536 };

/* ---- configuration ---- */

int melstack_parse(struct encoder_config *e, const cJSON *o, int mel_bands,
                   struct err *err)
{
    e->context = 3;
    e->bands = mel_bands;
    TRY(json_double(o, "encoder", "context", 0, 1e-3, MOST_CONTEXT,
                    &e->context, err));
    TRY(json_int(o, "encoder", "bands", 0, 1, mel_bands, &e->bands, err));
    e->dim = (int)(melstack_context(e) * e->bands);
    e->layers = 0;
    return 0;
}

int melstack_check(const struct model_config *c, struct err *err)
{
    const struct encoder_config *e = &c->encoder;
    int64_t dim = melstack_context(e) * e->bands;
    double rate = (double)c->sample_rate / config_hop(c);

    if (fabs(rate - e->rate) > 1e-9 * rate)
        return err_set(err, ERR_FORMAT, "encoder.rate: %g, but sample_rate, "
                       "mel.hop and time_strides give %g", e->rate, rate);
    if (e->bands < 1 || c->mel.bands % e->bands)
        return err_set(err, ERR_FORMAT, "encoder.bands: %d, but the mel's %d "
                       "bands do not part into so many", e->bands,
                       c->mel.bands);
    if (dim != e->dim || dim < 2 || dim > MOST_DIM)
        return err_set(err, ERR_FORMAT, "encoder.context: %g s are %lld rows "
                       "of %d bands, and up to %d values are possible",
                       e->context, (long long)melstack_context(e), e->bands,
                       MOST_DIM);
    return 0;
}

void melstack_print(cJSON *o, const struct encoder_config *e)
{
    cJSON_AddNumberToObject(o, "context", e->context);
    cJSON_AddNumberToObject(o, "bands", e->bands);
    cJSON_AddItemToObject(o, "time_strides",
                          cJSON_CreateIntArray(e->time_strides, 2));
}

int64_t melstack_context(const struct encoder_config *e)
{
    int64_t n = llround(e->context * e->rate);

    return n < 1 ? 1 : n;
}

int64_t melstack_before(const struct encoder_config *e)
{
    return melstack_context(e) / 2;
}

struct encoder_config melstack_narrow(const struct encoder_config *e)
{
    struct encoder_config n = *e;

    n.context = 1 / e->rate;
    n.dim = e->bands;
    return n;
}

int64_t melstack_frames(const struct encoder_config *e, int64_t time)
{
    for (int i = 0; i < 2; i++)
        time = (time + e->time_strides[i] - 1) / e->time_strides[i];
    return time;
}

/* ---- states ---- */

void melstack_stack(float *out, const struct encoder_config *e,
                    const float *rows, int64_t n)
{
    for (int64_t t = 0; t < n; t++)
        memcpy(out + t * e->dim, rows + t * e->bands,
               (size_t)e->dim * sizeof(*out));
}

/* A row: the mean of frames frames of mel, band group by band group. */
static void average(float *row, const struct model_config *c, const float *mel,
                    int64_t frames)
{
    int all = c->mel.bands, group = all / c->encoder.bands;

    for (int j = 0; j < c->encoder.bands; j++) {
        double sum = 0;

        for (int64_t t = 0; t < frames; t++)
            for (int k = 0; k < group; k++)
                sum += mel[t * all + j * group + k];
        row[j] = (float)(sum / (double)(frames * group));
    }
}

int melstack_forward(float *out, const struct model_config *c,
                     const float *input, int64_t batch, int64_t time,
                     struct err *err)
{
    const struct encoder_config *e = &c->encoder;
    int64_t n = melstack_frames(e, time);
    int64_t stride = e->time_strides[0] * e->time_strides[1];
    float *rows = calloc((size_t)(n + melstack_context(e) - 1),
                         (size_t)e->bands * sizeof(*rows));
    float *own = rows ? rows + melstack_before(e) * e->bands : NULL;

    if (!rows)
        return err_set(err, ERR_NOMEM, "no memory for %lld frames of mel",
                       (long long)n);
    for (int64_t b = 0; b < batch; b++) {
        const float *mel = input + b * time * c->mel.bands;

        for (int64_t t = 0; t < n; t++) {
            int64_t left = time - t * stride;

            average(own + t * e->bands, c, mel + t * stride * c->mel.bands,
                    left < stride ? left : stride);
        }
        melstack_stack(out + b * n * e->dim, e, rows, n);
    }
    free(rows);
    return 0;
}
