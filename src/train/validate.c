/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "train/validate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "model/encoder.h"

/* Of the crops: no seed of a run is as large. */
static const uint64_t valid_seed = 0x76616c6964617465;

static int fill(struct validate *v, struct loader *l, struct err *err)
{
    struct batch_data b;

    TRY(loader_next(l, 0, &b, err));
    memcpy(v->input, b.part[SAMPLE_INPUT], VALIDATE_CROPS *
           (size_t)v->values * sizeof(*v->input));
    memcpy(v->target, b.part[SAMPLE_TARGETS], VALIDATE_CROPS *
           (size_t)(v->c.streams * v->c.frames) * sizeof(*v->target));
    return 0;
}

int validate_init(struct validate *v, const struct validate_config *c,
                  struct err *err)
{
    struct loader_config l = {
        .corpus = c->corpus, .seed = valid_seed, .batch = VALIDATE_CROPS,
        .count = VALIDATE_CROPS, .crop = c->crop, .threads = c->threads,
        .prepare = sampler_prepare, .ctx = c->sampler
    };
    struct loader *loader = NULL;
    int rc;

    memset(v, 0, sizeof(*v));
    v->c = *c;
    sampler_parts(c->sampler, l.part_bytes);
    v->values = (int64_t)(l.part_bytes[SAMPLE_INPUT] / sizeof(float));
    v->input = malloc(VALIDATE_CROPS * l.part_bytes[SAMPLE_INPUT]);
    v->target = malloc(VALIDATE_CROPS * l.part_bytes[SAMPLE_TARGETS]);
    if (!v->input || !v->target)
        return err_set(err, ERR_NOMEM, "no memory for %d crops of validation",
                       VALIDATE_CROPS);
    rc = loader_new(&loader, &l, err);
    if (!rc)
        rc = fill(v, loader, err);
    loader_free(loader);
    return rc;
}

void validate_release(struct validate *v)
{
    free(v->input);
    free(v->target);
    memset(v, 0, sizeof(*v));
}

struct totals {
    double loss;
    int64_t right, rows;
};

/* One row of n logits. */
static void score(struct totals *t, const float *z, int n, int32_t target)
{
    double sum = 0;
    int best = 0;

    for (int c = 1; c < n; c++)
        best = z[c] > z[best] ? c : best;
    for (int c = 0; c < n; c++)
        sum += exp((double)z[c] - z[best]);
    t->loss += log(sum) + z[best] - z[target];
    t->right += best == target;
    t->rows++;
}

static int run_crop(struct validate *v, struct encoder *e, int64_t i,
                    float *logits, int width, struct totals *t,
                    struct err *err)
{
    struct encoder_out out = { NULL, logits };
    const int32_t *target = v->target + i * v->c.streams * v->c.frames;

    TRY(encoder_forward(e, &out, v->input + i * v->values, 1, v->c.time, err));
    for (int64_t f = 0; f < v->c.frames; f++) {
        const float *z = logits + f * width;

        for (int k = 0; k < v->c.streams; z += v->c.codes[k++]) {
            int32_t want = target[k * v->c.frames + f];

            if (want >= 0)
                score(t, z, v->c.codes[k], want);
        }
    }
    return 0;
}

/* Entropy and commonest share of stream k's tokens, as parts of a mean. */
static void count_stream(const struct validate *v, int k,
                         struct validate_result *r)
{
    int codes = v->c.codes[k];
    int64_t *count = xcalloc((size_t)codes, sizeof(*count)), n = 0, most = 0;
    double entropy = 0;

    for (int64_t i = 0; i < VALIDATE_CROPS; i++)
        for (int64_t f = 0; f < v->c.frames; f++) {
            int32_t want = v->target[(i * v->c.streams + k) * v->c.frames + f];

            n += want >= 0;
            if (want >= 0)
                count[want]++;
        }
    for (int c = 0; c < codes; c++) {
        double p = (double)count[c] / (double)n;

        most = count[c] > most ? count[c] : most;
        entropy -= p > 0 ? p * log(p) : 0;
    }
    r->unigram += entropy / v->c.streams;
    r->commonest += (double)most / (double)n / v->c.streams;
    free(count);
}

int validate_run(struct validate *v, const char *model, struct backend *be,
                 struct validate_result *r, struct err *err)
{
    struct totals t = {0};
    struct encoder *e = NULL;
    struct model *m = NULL;
    float *logits;
    int width = 0, rc = model_open(&m, model, err);

    memset(r, 0, sizeof(*r));
    for (int k = 0; k < v->c.streams; k++) {
        count_stream(v, k, r);
        width += v->c.codes[k];
    }
    logits = xcalloc((size_t)v->c.frames * (size_t)width, sizeof(*logits));
    be->ops->weights_changed(be); /* a file may be mapped where one was */
    if (!rc)
        rc = encoder_new(&e, m, be, err);
    for (int64_t i = 0; i < VALIDATE_CROPS && !rc; i++)
        rc = run_crop(v, e, i, logits, width, &t, err);
    r->loss = t.loss / (double)t.rows;
    r->accuracy = (double)t.right / (double)t.rows;
    encoder_free(e);
    model_free(m);
    free(logits);
    be->ops->weights_changed(be);
    return rc;
}
