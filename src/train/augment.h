/* augment.h - the same music in other ways, with its labels moving along.
 *
 * On the samples: another speed, by resampling, so that tempo and pitch change
 * together (2^(s / 12) for s semitones); labels follow by struct excerpt
 * (target.h). On the mel, in dB before it is normalised: level, a smooth random
 * equaliser, a noise floor, and a masked band and stretch of time (SpecAugment,
 * Park et al. 2019, without its warping). And another song, more quietly: its
 * labels do not count. */
#ifndef TRAIN_AUGMENT_H
#define TRAIN_AUGMENT_H

#include <stdint.h>

#include "base/err.h"

enum {
    AUGMENT_EQ = 4,
    AUGMENT_PLACES = 512, /* between two samples; speeds are so many of them */
    AUGMENT_FASTEST = 4
};

struct augment_options {
    double speed;     /* probability of another speed */
    int semitones;    /* at most this many up or down, 0..12 */
    double detune;    /* and besides at most so much of a semitone, 0..0.5 */
    double level;     /* dB, at most, up or down */
    double eq;        /* dB, at most, of each of AUGMENT_EQ cosines over the
                         bands */
    double noise;     /* probability of a noise floor */
    double noise_low, noise_high; /* which is so many standard deviations of
                         the corpus from its mean */
    double band;      /* share of the bands that is masked, at most */
    double time;      /* share of the time that is masked, at most */
    double mix;       /* probability that another song is heard too */
    double mix_low, mix_high; /* whose power is so many dB below this one's */
};
#define AUGMENT_OPTIONS_INIT \
    { 0.5, 3, 0.25, 6, 4, 0.5, -2.5, -0.5, 0.12, 0.08, 0, -20, -6 }
/* As recorded. */
#define AUGMENT_OPTIONS_NONE { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, -20, -6 }

/* What one example goes through. */
struct augment {
    double speed;  /* seconds of the song in one of the example */
    int transpose; /* semitones up, what labels go by: log2(speed) rounded */
    double level, eq[AUGMENT_EQ]; /* dB */
    int noise;
    double noise_at;              /* standard deviations from the mean */
    double band[2], time[2];      /* masked from, to: 0..1 */
    int mix;                      /* another song is added: */
    double mix_at;                /* dB, its power to that of this one */
    double mix_song, mix_place;   /* 0..1: which, and where in it */
};

/* Draws those of example k: a function of (o, seed, k) alone. */
void augment_draw(struct augment *a, const struct augment_options *o,
                  uint64_t seed, uint64_t k);

/* Table of an interpolating filter; read only, shared by threads. */
struct augment_filter;
int augment_filter_new(struct augment_filter **out, struct err *err);
void augment_filter_free(struct augment_filter *f); /* NULL is allowed */

/* out[i] (n) = the recording pcm (count samples, 0 outside) at sample
 * start + i * speed, in [-1, 1], band-limited: a sinc under a Kaiser window, 24
 * zero crossings to a side, exact to -80 dB up to 0.8 of the lower Nyquist
 * frequency and 80 dB down from it on. start and speed, 0.25..AUGMENT_FASTEST,
 * are rounded to 1 / AUGMENT_PLACES (by 0.02 semitones at most where
 * augment_draw draws them); at speed 1 samples are copied, start rounded.
 * ERR_NOMEM. */
int augment_samples(const struct augment_filter *f, float *out, int64_t n,
                    const int16_t *pcm, int64_t count, double start,
                    double speed, struct err *err);

/* Adds other (n) to x (n) with the power that a->mix_at says. Nothing is added
 * where one of them is silent. */
void augment_mix(float *x, const float *other, int64_t n,
                 const struct augment *a);

/* Changes mel (frames, bands up to 4096), dB, in place; mean and std are the
 * corpus's (struct mel_settings), and masked parts become mean, which is 0
 * after normalisation. */
void augment_mel(float *mel, int64_t frames, int bands,
                 const struct augment *a, double mean, double std);

#endif
