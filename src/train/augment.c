/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "train/augment.h"

#include <math.h>
#include <stdlib.h>

#include "base/rng.h"

enum {
    CROSSINGS = 24, /* of the sinc, to a side */
    STEPS = 512,    /* table entries between two of them */
    TABLE = CROSSINGS * STEPS
};

/* Kaiser's beta for 80 dB; with it the transition is 0.105 of the Nyquist
 * frequency to each side of the cutoff, which is placed so that it ends there
 * (J. Kaiser, "Nonrecursive digital filter design", 1974). */
static const double BETA = 7.857, CUTOFF = 0.895;

struct augment_filter {
    float h[TABLE + 2]; /* one side: h[i] is at i / STEPS crossings */
};

/* ---- draws ---- */

static const uint64_t STREAM = 0x6175676d00000000u;

/* Number j of example k, in [0, 1). */
static double draw(uint64_t seed, uint64_t k, unsigned j)
{
    uint32_t r[4];

    rng_block(r, seed, STREAM + k, j);
    return r[0] * 0x1p-32;
}

/* A part of at most share, anywhere in 0..1. */
static void draw_part(double part[2], double share, double size, double place)
{
    size *= share;
    part[0] = place * (1 - size);
    part[1] = part[0] + size;
}

void augment_draw(struct augment *a, const struct augment_options *o,
                  uint64_t seed, uint64_t k)
{
    double semitones = 0;

    *a = (struct augment){ .speed = 1 };
    if (draw(seed, k, 0) < o->speed) {
        a->transpose = (int)(draw(seed, k, 1) * (2 * o->semitones + 1)) -
                       o->semitones;
        semitones = a->transpose + o->detune * (2 * draw(seed, k, 2) - 1);
        a->speed = exp2(semitones / 12);
    }
    a->level = o->level * (2 * draw(seed, k, 3) - 1);
    for (unsigned i = 0; i < AUGMENT_EQ; i++)
        a->eq[i] = o->eq * (2 * draw(seed, k, 4 + i) - 1);
    a->noise = draw(seed, k, 8) < o->noise;
    a->noise_at = o->noise_low +
                  (o->noise_high - o->noise_low) * draw(seed, k, 9);
    draw_part(a->band, o->band, draw(seed, k, 10), draw(seed, k, 11));
    draw_part(a->time, o->time, draw(seed, k, 12), draw(seed, k, 13));
    a->mix = draw(seed, k, 14) < o->mix;
    a->mix_at = o->mix_low + (o->mix_high - o->mix_low) * draw(seed, k, 15);
    a->mix_song = draw(seed, k, 16);
    a->mix_place = draw(seed, k, 17);
}

/* ---- speed ---- */

/* The modified Bessel function of order 0, by its series. */
static double bessel(double x)
{
    double term = 1, sum = 1;

    for (int k = 1; term > 1e-12 * sum; k++) {
        term *= x / (2 * k) * (x / (2 * k));
        sum += term;
    }
    return sum;
}

int augment_filter_new(struct augment_filter **out, struct err *err)
{
    struct augment_filter *f = malloc(sizeof(*f));

    if (!f)
        return err_set(err, ERR_NOMEM, "no memory for a filter");
    f->h[0] = 1;
    for (int i = 1; i < TABLE + 2; i++) {
        double x = (double)i / STEPS, edge = x / CROSSINGS;

        f->h[i] = edge >= 1 ? 0
                : (float)(sin(M_PI * x) / (M_PI * x) / bessel(BETA) *
                          bessel(BETA * sqrt(1 - edge * edge)));
    }
    *out = f;
    return 0;
}

void augment_filter_free(struct augment_filter *f)
{
    free(f);
}

/* The filter for one speed: row p has the taps for places p / PHASES behind a
 * sample; between two rows, the taps lie on a line to -90 dB. */
enum { PHASES = 256 };

struct bank {
    int reach;  /* samples to a side */
    float *row; /* (PHASES + 1, 2 reach) */
};

/* The filter is width times as wide as that of its own Nyquist frequency. */
static int make_bank(struct bank *b, const struct augment_filter *f,
                     double width)
{
    b->reach = (int)ceil(CROSSINGS * width) + 1;
    b->row = malloc((PHASES + 1) * 2 * (size_t)b->reach * sizeof(*b->row));
    for (int p = 0; b->row && p <= PHASES; p++)
        for (int k = 0; k < 2 * b->reach; k++) {
            double at = fabs(k - b->reach + 1 - (double)p / PHASES) *
                        (STEPS / width);
            int i = at < TABLE ? (int)at : TABLE;
            double part = at < TABLE ? at - i : 0;

            b->row[p * 2 * b->reach + k] = (float)(
                (f->h[i] + part * (f->h[i + 1] - f->h[i])) / (32768 * width));
        }
    return b->row != NULL;
}

static float sample_at(const struct bank *b, const int16_t *pcm, int64_t count,
                       double at)
{
    int64_t base = (int64_t)floor(at), first = base - b->reach + 1;
    double phase = (at - (double)base) * PHASES;
    int p = (int)phase, from = first < 0 ? (int)-first : 0;
    int to = count - first < 2 * b->reach ? (int)(count - first)
                                          : 2 * b->reach;
    const float *h = b->row + (size_t)p * 2 * (size_t)b->reach;
    const float *g = h + 2 * b->reach;
    float low = 0, high = 0, part = (float)(phase - p);

    #pragma omp simd reduction(+:low, high)
    for (int k = from; k < to; k++) {
        low += h[k] * pcm[first + k];
        high += g[k] * pcm[first + k];
    }
    return low + part * (high - low);
}

static void copy_samples(float *out, int64_t n, const int16_t *pcm,
                         int64_t count, int64_t first)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = first + i >= 0 && first + i < count
               ? (float)pcm[first + i] / 32768 : 0;
}

int augment_samples(const struct augment_filter *f, float *out, int64_t n,
                    const int16_t *pcm, int64_t count, double start,
                    double speed, struct err *err)
{
    struct bank b;

    if (speed == 1) {
        copy_samples(out, n, pcm, count, llround(start));
        return 0;
    }
    if (!make_bank(&b, f, (speed > 1 ? speed : 1) / CUTOFF))
        return err_set(err, ERR_NOMEM, "no memory for a filter");
    for (int64_t i = 0; i < n; i++) {
        double at = start + (double)i * speed;

        out[i] = at > -b.reach && at < (double)count + b.reach
               ? sample_at(&b, pcm, count, at) : 0;
    }
    free(b.row);
    return 0;
}

/* ---- two songs ---- */

static double power(const float *x, int64_t n)
{
    double sum = 0;

    for (int64_t i = 0; i < n; i++)
        sum += (double)x[i] * x[i];
    return sum;
}

void augment_mix(float *x, const float *other, int64_t n,
                 const struct augment *a)
{
    double have = power(x, n), more = power(other, n);
    float gain;

    if (have <= 0 || more <= 0)
        return;
    gain = (float)sqrt(have / more * pow(10, a->mix_at / 10));
    for (int64_t i = 0; i < n; i++)
        x[i] += gain * other[i];
}

/* ---- mel ---- */

static double gain_at(const struct augment *a, int band, int bands)
{
    double gain = a->level;

    for (int m = 0; m < AUGMENT_EQ; m++)
        gain += a->eq[m] * cos(M_PI * (m + 1) * (band + 0.5) / bands);
    return gain;
}

static int masked(const double part[2], int64_t i, int64_t n)
{
    double middle = ((double)i + 0.5) / (double)n;

    return middle >= part[0] && middle < part[1];
}

void augment_mel(float *mel, int64_t frames, int bands,
                 const struct augment *a, double mean, double std)
{
    float noise = powf(10, (float)(mean + a->noise_at * std) / 10);

    for (int b = 0; b < bands; b++) {
        float gain = (float)gain_at(a, b, bands);
        int band_masked = masked(a->band, b, bands);

        for (int64_t t = 0; t < frames; t++) {
            float *x = mel + t * bands + b;

            *x += gain;
            if (a->noise)
                *x = 10 * log10f(powf(10, *x / 10) + noise);
            if (band_masked || masked(a->time, t, frames))
                *x = (float)mean;
        }
    }
}
