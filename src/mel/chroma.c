/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mel/chroma.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A bin adds to a run of classes that may pass over the end of the octave. */
struct spread {
    int first, n;
    size_t at; /* of its n weights */
};

struct chroma {
    int classes, bins;
    float *weight;
    size_t used, cap;
    float *sum;             /* (2, classes): runs need not wrap */
    struct spread spread[]; /* (bins) */
};

/* Where bin k lies in classes above C0; librosa puts the bin of 0 Hz one and a
 * half octaves below the first. */
static double position(int rate, int n_fft, int classes, int k)
{
    double f = (double)(k ? k : 1) * rate / n_fft;
    double p = classes * log2(f / (440.0 / 16));

    return k ? p : p - 1.5 * classes;
}

/* The Gaussian of bin k at class c, in units of the peak. */
static double gauss(double at, double width, int classes, int c)
{
    double half = nearbyint(classes / 2.0); /* to even, as numpy rounds */
    double d = fmod(at - c + half + 10.0 * classes, classes);

    if (d < 0)
        d += classes;
    d = 2 * (d - half) / width;
    return exp(-0.5 * d * d);
}

static int keep(struct chroma *c, double w, struct err *err)
{
    if (c->used == c->cap) {
        size_t cap = c->cap ? 2 * c->cap : 4096;
        float *more = realloc(c->weight, cap * sizeof(*more));

        if (!more)
            return err_set(err, ERR_NOMEM, "no memory for chroma filters");
        c->weight = more;
        c->cap = cap;
    }
    c->weight[c->used++] = (float)w;
    return 0;
}

/* The run of bin k. Classes count from A in the formula; base_c turns them by
 * a quarter of an octave. */
static int make_spread(struct chroma *c, int rate, int n_fft, int k,
                       struct err *err)
{
    const double least = 1e-9;
    int n = c->classes, first = 0, len = n;
    double at = position(rate, n_fft, n, k);
    double width = fmax(position(rate, n_fft, n, k + 1) - at, 1);
    double sq = 0, octave = (at / n - 5) / 2;
    double gain = exp(-0.5 * octave * octave);
    struct spread *s = &c->spread[k];

    for (int i = 0; i < n; i++) {
        double w = gauss(at, width, n, i);

        sq += w * w;
    }
    if (gauss(at, width, n, (int)floor(at) + n / 2) < least) {
        first = (int)floor(at) - n / 2;
        while (gauss(at, width, n, first) < least)
            first++;
        while (len > 1 && gauss(at, width, n, first + len - 1) < least)
            len--;
    }
    s->at = c->used;
    s->n = len;
    s->first = ((first - 3 * (n / 12)) % n + n) % n;
    for (int i = 0; i < len; i++)
        TRY(keep(c, gauss(at, width, n, first + i) / sqrt(sq) * gain, err));
    return 0;
}

int chroma_new(struct chroma **out, int rate, int n_fft, int classes,
               struct err *err)
{
    struct chroma *c;
    int rc = 0, bins = n_fft / 2 + 1;

    if (rate < 1 || n_fft < 16 || n_fft > 1 << 20 || classes < 1 ||
        classes > 4096)
        return err_set(err, ERR_ARG, "chroma of %d classes at %d Hz from %d "
                       "samples", classes, rate, n_fft);
    c = calloc(1, sizeof(*c) + (size_t)bins * sizeof(*c->spread));
    if (!c)
        return err_set(err, ERR_NOMEM, "no memory for chroma filters");
    c->classes = classes;
    c->bins = bins;
    c->sum = malloc(2 * (size_t)classes * sizeof(*c->sum));
    if (!c->sum)
        rc = err_set(err, ERR_NOMEM, "no memory for chroma filters");
    for (int k = 0; k < bins && !rc; k++)
        rc = make_spread(c, rate, n_fft, k, err);
    if (rc) {
        chroma_free(c);
        return rc;
    }
    *out = c;
    return 0;
}

void chroma_free(struct chroma *c)
{
    if (!c)
        return;
    free(c->weight);
    free(c->sum);
    free(c);
}

void chroma_apply(struct chroma *c, const float *power, float *out)
{
    int n = c->classes;
    float most = 0;

    memset(c->sum, 0, 2 * (size_t)n * sizeof(*c->sum));
    for (int k = 0; k < c->bins; k++) {
        const struct spread *s = &c->spread[k];
        const float *w = c->weight + s->at;
        float *to = c->sum + s->first, p = power[k];

#pragma omp simd
        for (int i = 0; i < s->n; i++)
            to[i] += p * w[i];
    }
    for (int i = 0; i < n; i++) {
        out[i] = c->sum[i] + c->sum[n + i];
        most = out[i] > most ? out[i] : most;
    }
    if (most < FLT_MIN)
        most = 1;
    for (int i = 0; i < n; i++)
        out[i] /= most;
}
