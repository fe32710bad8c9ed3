/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "train/augment.h"

#include <math.h>
#include <stdlib.h>

#include "base/rng.h"
#include "mel/mel.h"

enum {
    CROSSINGS = 24, /* of the sinc, to a side */
    STEPS = 512,    /* table entries between two of them */
    TABLE = CROSSINGS * STEPS,
    LANES = 16,     /* floats of the widest vectors */
    LONGEST = 256,  /* taps at the highest speed, and more */
    PIECE = 1024,   /* samples made of one conversion */
    MOST_BANDS = 4096 /* as a model may have */
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
        a->speed = round(exp2(semitones / 12) * AUGMENT_PLACES) /
                   AUGMENT_PLACES;
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

/* The filter for one speed: row p has the taps for places p / AUGMENT_PLACES
 * behind a sample. */
struct bank {
    int reach;  /* samples to a side */
    int taps;   /* 2 reach and more, whole vectors of them */
    float *row; /* (AUGMENT_PLACES, taps) */
};

/* The filter is width times as wide as that of its own Nyquist frequency. */
static int make_bank(struct bank *b, const struct augment_filter *f,
                     double width)
{
    b->reach = (int)ceil(CROSSINGS * width) + 1;
    b->taps = (2 * b->reach + LANES - 1) / LANES * LANES;
    b->row = malloc(AUGMENT_PLACES * (size_t)b->taps * sizeof(*b->row));
    for (int p = 0; b->row && p < AUGMENT_PLACES; p++)
        for (int k = 0; k < b->taps; k++) {
            double at = fabs(k - b->reach + 1 - (double)p / AUGMENT_PLACES) *
                        (STEPS / width);
            int i = at < TABLE ? (int)at : TABLE;
            double part = at < TABLE ? at - i : 0;

            b->row[p * b->taps + k] = (float)(
                (f->h[i] + part * (f->h[i + 1] - f->h[i])) / (32768 * width));
        }
    return b->row != NULL;
}

static inline float dot(const float *h, const float *x, int n)
{
    float sum = 0;

    #pragma omp simd reduction(+:sum)
    for (int k = 0; k < n; k++)
        sum += h[k] * x[k];
    return sum;
}

static int64_t floor_places(int64_t place)
{
    return place >= 0 ? place / AUGMENT_PLACES
                      : -((AUGMENT_PLACES - 1 - place) / AUGMENT_PLACES);
}

static void copy_samples(float *out, int64_t n, const int16_t *pcm,
                         int64_t count, int64_t first)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = first + i >= 0 && first + i < count
               ? (float)pcm[first + i] / 32768 : 0;
}

/* In pieces, of which the samples are converted once. at and step are in
 * places. */
static void resample(const struct bank *b, float *out, int64_t n,
                     const int16_t *pcm, int64_t count, int64_t at,
                     int64_t step)
{
    float x[PIECE * AUGMENT_FASTEST + LONGEST];

    for (int64_t i = 0; i < n; i += PIECE) {
        int64_t end = i + PIECE < n ? i + PIECE : n;
        int64_t first = floor_places(at + i * step) - b->reach + 1;
        int64_t last = floor_places(at + (end - 1) * step) - b->reach + 1;

        for (int64_t k = first; k < last + b->taps; k++)
            x[k - first] = k >= 0 && k < count ? pcm[k] : 0;
        for (int64_t j = i; j < end; j++) {
            int64_t place = at + j * step, sample = floor_places(place);
            const float *h = b->row + (place - sample * AUGMENT_PLACES) *
                                      b->taps;

            out[j] = dot(h, x + sample - b->reach + 1 - first, b->taps);
        }
    }
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
    resample(&b, out, n, pcm, count, llround(start * AUGMENT_PLACES),
             llround(speed * AUGMENT_PLACES));
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

/* dB in place, each band louder by its gain, over a floor of that power. */
static void add_noise(float *x, const float *gain, int bands, float power)
{
    mel_power(x, (size_t)bands);
    for (int b = 0; b < bands; b++)
        x[b] = x[b] * gain[b] + power;
    mel_db(x, (size_t)bands);
}

void augment_mel(float *mel, int64_t frames, int bands,
                 const struct augment *a, double mean, double std)
{
    float noise = powf(10, (float)(mean + a->noise_at * std) / 10);
    float gain[MOST_BANDS];
    uint8_t hide[MOST_BANDS];

    for (int b = 0; b < bands; b++) {
        gain[b] = (float)gain_at(a, b, bands);
        if (a->noise)
            gain[b] = powf(10, gain[b] / 10);
        hide[b] = (uint8_t)masked(a->band, b, bands);
    }
    for (int64_t t = 0; t < frames; t++) {
        float *x = mel + t * bands;
        int all = masked(a->time, t, frames);

        if (a->noise)
            add_noise(x, gain, bands, noise);
        for (int b = 0; !a->noise && b < bands; b++)
            x[b] += gain[b];
        for (int b = 0; b < bands; b++)
            if (all || hide[b])
                x[b] = (float)mean;
    }
}
