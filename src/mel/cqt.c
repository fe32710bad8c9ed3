/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mel/cqt.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "mel/fft.h"

enum {
    BLOCK = 1 << 17,         /* samples transformed at once */
    FOLD = 64,               /* the rate of the short transforms is 1/FOLD */
    SHORT = BLOCK / FOLD,
    LONGEST = 61440,         /* samples of a filter: less than half a block */
    ZEROS = 32               /* of the window's spectrum, kept either side */
};

struct filter {
    int first, n;  /* bins of the block's spectrum */
    size_t at;     /* of its n weights */
    int odd;       /* its window lies half a sample late */
};

struct cqt {
    struct cqt_config config;
    struct fft *whole, *part;
    float *weight;            /* of all filters */
    float *turn;              /* (BLOCK / 2 + 1, 2): exp(i pi k / BLOCK) */
    float *in, *spectrum;     /* (BLOCK), (BLOCK / 2 + 1, 2) */
    float *folded, *moment;   /* (SHORT, 2) */
    int margin;               /* samples that a frame needs on either side */
    struct filter filter[];   /* (bins) */
};

static double frequency(const struct cqt_config *c, int bin)
{
    return c->f_min * pow(2, (double)bin / c->per_octave);
}

static double length(const struct cqt_config *c, int bin)
{
    double q = 1 / (pow(2, 1.0 / c->per_octave) - 1);

    return ceil(q * c->rate / frequency(c, bin));
}

/* Sum of cos(w r) over the l + 1 points r = -l/2 .. l/2, the ends by half. */
static double cosines(double w, double l)
{
    return fabs(w) < 1e-9 ? l : sin(l * w / 2) / tan(w / 2);
}

/* Spectrum of the Hann window of l samples about its middle. */
static double hann(double w, double l)
{
    double step = 2 * M_PI / l;

    return 0.5 * cosines(w, l) +
           0.25 * (cosines(w - step, l) + cosines(w + step, l));
}

static float *floats(size_t n)
{
    size_t bytes = (n * sizeof(float) + FFT_ALIGN - 1) / FFT_ALIGN * FFT_ALIGN;

    return aligned_alloc(FFT_ALIGN, bytes);
}

/* Sets where the filters lie; returns how many weights they have. */
static size_t place(struct cqt *c)
{
    size_t used = 0;

    for (int b = 0; b < c->config.bins; b++) {
        struct filter *f = &c->filter[b];
        double l = length(&c->config, b);
        double mid = frequency(&c->config, b) / c->config.rate * BLOCK;
        double half = ZEROS * (double)BLOCK / l;
        int first = (int)fmax(ceil(mid - half), 0);
        int last = (int)fmin(floor(mid + half), BLOCK / 2);

        *f = (struct filter){ first, last - first + 1, used,
                              (int)fmod(l, 2) };
        used += (size_t)f->n;
    }
    return used;
}

/* The weights undo the two transforms' gain (BLOCK); 2 / sqrt(l) is nnAudio's
 * norm 1 (the window sums to l / 2) times sqrt(l). */
static void fill(struct cqt *c)
{
    for (int b = 0; b < c->config.bins; b++) {
        const struct filter *f = &c->filter[b];
        double l = length(&c->config, b);
        double w0 = 2 * M_PI * frequency(&c->config, b) / c->config.rate;

        for (int i = 0; i < f->n; i++) {
            double w = 2 * M_PI * (f->first + i) / BLOCK - w0;

            c->weight[f->at + (size_t)i] =
                (float)(hann(w, l) * 2 / sqrt(l) / BLOCK);
        }
    }
    for (int k = 0; k <= BLOCK / 2; k++) {
        c->turn[2 * k] = (float)cos(M_PI * k / BLOCK);
        c->turn[2 * k + 1] = (float)sin(M_PI * k / BLOCK);
    }
}

static int check(const struct cqt_config *c, struct err *err)
{
    if (c->rate < 1000 || c->rate > 1000000 || c->bins < 1 || c->bins > 4096 ||
        c->per_octave < 24 || c->per_octave > 4096)
        return err_set(err, ERR_ARG, "a constant-Q transform of %d bins, %d an "
                       "octave, at %d Hz", c->bins, c->per_octave, c->rate);
    if (c->hop < FOLD || c->hop > 16384 || c->hop % FOLD)
        return err_set(err, ERR_ARG, "a constant-Q transform with a hop of %d "
                       "samples, not a multiple of %d up to 16384", c->hop,
                       FOLD);
    if (!(c->f_min > 0) || !(length(c, 0) <= LONGEST) ||
        !(frequency(c, c->bins) < c->rate / 2.0))
        return err_set(err, ERR_ARG, "a constant-Q transform of %d bins, %d an "
                       "octave, cannot start at %g Hz", c->bins, c->per_octave,
                       c->f_min);
    return 0;
}

int cqt_new(struct cqt **out, const struct cqt_config *config,
            struct err *err)
{
    struct cqt *c;
    size_t weights;
    int rc;

    TRY(check(config, err));
    c = calloc(1, sizeof(*c) + (size_t)config->bins * sizeof(*c->filter));
    if (!c)
        return err_set(err, ERR_NOMEM, "no memory for a constant-Q transform");
    c->config = *config;
    c->margin = (int)length(config, 0) / 2 + 1;
    weights = place(c);
    rc = fft_new(&c->whole, BLOCK, err);
    if (!rc)
        rc = fft_new_complex(&c->part, SHORT, err);
    c->weight = floats(weights);
    c->turn = floats(BLOCK + 2);
    c->in = floats(BLOCK);
    c->spectrum = floats(BLOCK + 2);
    c->folded = floats(2 * SHORT);
    c->moment = floats(2 * SHORT);
    if (!rc && (!c->weight || !c->turn || !c->in || !c->spectrum ||
                !c->folded || !c->moment))
        rc = err_set(err, ERR_NOMEM, "no memory for a constant-Q transform");
    if (rc) {
        cqt_free(c);
        return rc;
    }
    fill(c);
    *out = c;
    return 0;
}

void cqt_free(struct cqt *c)
{
    if (!c)
        return;
    fft_free(c->whole);
    fft_free(c->part);
    free(c->weight);
    free(c->turn);
    free(c->in);
    free(c->spectrum);
    free(c->folded);
    free(c->moment);
    free(c);
}

size_t cqt_frames(const struct cqt *c, size_t n)
{
    return n ? 1 + n / (size_t)c->config.hop : 0;
}

/* folded = the conjugate of spectrum times filter, bins taken modulo SHORT: a
 * forward transform of it is the conjugate of the filtered signal. */
static void filter_spectrum(struct cqt *c, const struct filter *f)
{
    const float *w = c->weight + f->at, *x = c->spectrum + 2 * f->first;
    const float *t = c->turn;

    memset(c->folded, 0, 2 * SHORT * sizeof(*c->folded));
    for (int i = 0; i < f->n;) {
        int at = (f->first + i) % SHORT;
        int n = SHORT - at < f->n - i ? SHORT - at : f->n - i;
        float *to = c->folded + 2 * at;

        if (f->odd)
            for (int k = 0; k < n; k++, i++) {
                float re = t[2 * i] * x[2 * i] + t[2 * i + 1] * x[2 * i + 1];
                float im = t[2 * i] * x[2 * i + 1] - t[2 * i + 1] * x[2 * i];

                to[2 * k] += w[i] * re;
                to[2 * k + 1] -= w[i] * im;
            }
        else
            for (int k = 0; k < n; k++, i++) {
                to[2 * k] += w[i] * x[2 * i];
                to[2 * k + 1] -= w[i] * x[2 * i + 1];
            }
    }
}

/* Frames whose centres lie in the block at sample margin and every hop, count
 * of them, to out (count, bins). */
static void transform_block(struct cqt *c, size_t first, size_t count,
                            float *out)
{
    size_t bins = (size_t)c->config.bins;
    size_t step = (size_t)c->config.hop / FOLD;

    fft_real(c->whole, c->spectrum, c->in);
    for (size_t b = 0; b < bins; b++) {
        filter_spectrum(c, &c->filter[b]);
        fft_complex(c->part, c->moment, c->folded);
        for (size_t t = 0; t < count; t++) {
            const float *z = c->moment + 2 * (first / FOLD + t * step);

            out[t * bins + b] = sqrtf(z[0] * z[0] + z[1] * z[1]);
        }
    }
}

/* Each block is laid so that its first frame is at sample lead, which the short
 * transform meets. */
void cqt_clip(struct cqt *c, const float *x, size_t n, float *out)
{
    size_t frames = cqt_frames(c, n), hop = (size_t)c->config.hop;
    size_t lead = ((size_t)c->margin + FOLD - 1) / FOLD * FOLD;
    size_t most = (BLOCK - (size_t)c->margin - lead) / hop;

    for (size_t t = 0; t < frames;) {
        size_t count = frames - t < most ? frames - t : most;
        size_t centre = t * hop;
        size_t from = centre > lead ? centre - lead : 0;
        size_t zeros = from + lead - centre;
        size_t have = n - from < BLOCK - zeros ? n - from : BLOCK - zeros;

        memset(c->in, 0, BLOCK * sizeof(*c->in));
        memcpy(c->in + zeros, x + from, have * sizeof(*x));
        transform_block(c, lead, count, out + t * (size_t)c->config.bins);
        t += count;
    }
}
