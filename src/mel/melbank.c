/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mel/melbank.h"

#include <math.h>
#include <stdlib.h>

/* A filter is zero outside a short run of bins: only the runs are kept. */
struct filter {
    int first, n;        /* bins */
    const float *weight; /* (n) */
};

struct melbank {
    int bands;
    float *weights;
    struct filter filter[]; /* (bands) */
};

/* Slaney's scale: 15 mel at 1 kHz, and 27 more at 6.4 kHz. */
static double hz_to_mel(enum melbank_scale scale, double f)
{
    if (scale == MELBANK_HTK)
        return 2595 * log10(1 + f / 700);
    return f < 1000 ? f * 3 / 200 : 15 + log(f / 1000) * 27 / log(6.4);
}

static double mel_to_hz(enum melbank_scale scale, double mel)
{
    if (scale == MELBANK_HTK)
        return 700 * (pow(10, mel / 2595) - 1);
    return mel < 15 ? mel * 200 / 3 : 1000 * exp((mel - 15) * log(6.4) / 27);
}

/* Point i of the bands + 2. */
static double point(const struct melbank_config *c, int i)
{
    double lo = hz_to_mel(c->scale, c->f_min);
    double hi = hz_to_mel(c->scale, c->f_max);

    return mel_to_hz(c->scale, lo + (hi - lo) * i / (c->bands + 1));
}

/* Writes the non-zero weights of band b to w and returns how many. */
static int make_filter(const struct melbank_config *c, int b, int *first,
                       float *w)
{
    double lo = point(c, b), mid = point(c, b + 1), hi = point(c, b + 2);
    double height = c->scale == MELBANK_SLANEY ? 2 / (hi - lo) : 1;
    int n = 0;

    for (int k = 0; k <= c->n_fft / 2; k++) {
        double f = (double)k * c->rate / c->n_fft;
        double up = (f - lo) / (mid - lo), down = (hi - f) / (hi - mid);
        double x = up < down ? up : down;

        if (!(x > 0)) /* NaN where two points coincide */
            continue;
        if (!n)
            *first = k;
        w[n++] = (float)(x * height);
    }
    return n;
}

static int check(const struct melbank_config *c, struct err *err)
{
    if (c->rate < 1 || c->n_fft < 2 || c->n_fft > 1 << 20)
        return err_set(err, ERR_ARG, "mel bands at %d Hz from %d samples",
                       c->rate, c->n_fft);
    if (c->bands < 1 || c->bands > 4096)
        return err_set(err, ERR_ARG, "%d mel bands, not 1 to 4096", c->bands);
    if (!(c->f_min >= 0 && c->f_min < c->f_max && c->f_max < 1e9))
        return err_set(err, ERR_ARG, "mel bands from %g to %g Hz", c->f_min,
                       c->f_max);
    return 0;
}

int melbank_new(struct melbank **out, const struct melbank_config *config,
                struct err *err)
{
    size_t bands, bins, used = 0;
    struct melbank *m;

    TRY(check(config, err));
    bands = (size_t)config->bands;
    bins = (size_t)config->n_fft / 2 + 1;
    m = calloc(1, sizeof(*m) + bands * sizeof(*m->filter));
    /* A bin lies in two bands at most. */
    if (m)
        m->weights = malloc(2 * bins * sizeof(*m->weights));
    if (!m || !m->weights) {
        melbank_free(m);
        return err_set(err, ERR_NOMEM, "no memory for %zu mel bands", bands);
    }
    m->bands = config->bands;
    for (int b = 0; b < config->bands; b++) {
        struct filter *f = &m->filter[b];

        f->weight = m->weights + used;
        f->n = make_filter(config, b, &f->first, m->weights + used);
        used += (size_t)f->n;
    }
    *out = m;
    return 0;
}

void melbank_free(struct melbank *m)
{
    if (!m)
        return;
    free(m->weights);
    free(m);
}

/* Four sums, because one would wait for each addition: the runs are too short
 * for the vectoriser (three times as fast as its code). */
static float dot(const float *w, const float *p, int n)
{
    float a = 0, b = 0, c = 0, d = 0;
    int k = 0;

    for (; k + 4 <= n; k += 4) {
        a += w[k] * p[k];
        b += w[k + 1] * p[k + 1];
        c += w[k + 2] * p[k + 2];
        d += w[k + 3] * p[k + 3];
    }
    for (; k < n; k++)
        a += w[k] * p[k];
    return (a + c) + (b + d);
}

void melbank_apply(const struct melbank *m, const float *power, float *out)
{
    for (int b = 0; b < m->bands; b++) {
        const struct filter *f = &m->filter[b];

        out[b] = dot(f->weight, power + f->first, f->n);
    }
}
