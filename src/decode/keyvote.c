/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "decode/keyvote.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "annot/chordname.h"
#include "annot/keyname.h"
#include "base/xalloc.h"
#include "decode/chords.h"

/* Is class c the most probable in each of n frames? */
static int is_everything(const float *prob, size_t n, int classes, int c)
{
    for (size_t i = 0; i < n; i++, prob += classes)
        for (int k = 0; k < classes; k++)
            if (prob[k] > prob[c])
                return 0;
    return 1;
}

/* How the duration of a song's chords is shared out, in thousandths, by the
 * semitones from the tonic to the root: major and minor triads by turns. */
static const short heard[2][24] = {
    { 331, 8, 5, 2, 17, 62, 10, 3, 10, 45, 156, 11,
      4, 4, 165, 6, 14, 2, 20, 87, 29, 4, 3, 2 },   /* in major */
    { 45, 306, 5, 2, 3, 7, 96, 2, 2, 2, 50, 82,
      3, 2, 56, 73, 123, 3, 2, 4, 123, 3, 3, 2 }    /* in minor */
};

enum { CHORDS_WEIGH = 4 };

/* Parts of the song, by chordname_triad. */
static int share_of_triads(double share[24], const struct posterior *chords,
                           struct err *err)
{
    const struct classes *c = &chords->classes;
    size_t n = frames_used(&chords->frames);

    TRY(frames_check(&chords->frames, chords->prob, c->n, "chords", err));
    memset(share, 0, 24 * sizeof(*share));
    for (int k = 0; k < c->n && n; k++) {
        int triad = chordname_triad(c->label[k]);

        if (triad >= 0 && triad < 24)
            share[triad] += frames_mean(chords->prob, c->n, k, 0, n);
    }
    return 0;
}

static double log_likelihood(int key, const double share[24])
{
    double sum = 0;

    for (int t = 0; t < 24; t++)
        sum += share[t] * log(heard[key & 1][(t - (key & ~1) + 24) % 24] / 1e3);
    return sum;
}

static int is_none(const struct classes *classes, int c)
{
    return !strcmp(classes->label[c], "N");
}

/* Makes p, the means of the classes, those of song and chords together. */
static void weigh(double *p, const struct classes *classes,
                  const double share[24])
{
    double sum = 0;

    for (int c = 0; c < classes->n; c++) {
        int key = keyname_number(classes->label[c]);

        if (key >= 0 && key < 24) /* no share is above 1: no underflow */
            p[c] *= exp(CHORDS_WEIGH * log_likelihood(key, share));
        sum += is_none(classes, c) ? 0 : p[c];
    }
    for (int c = 0; c < classes->n && sum > 0; c++)
        p[c] /= sum;
}

int key_vote(struct key *out, const float *prob, const struct frames *f,
             const struct classes *classes, const struct posterior *chords,
             struct err *err)
{
    size_t n;
    double share[24], *p;
    int best = -1, none = -1;

    TRY(frames_check(f, prob, classes->n, "keys", err));
    if (chords)
        TRY(share_of_triads(share, chords, err));
    n = frames_used(f);
    if (!n)
        return 0;
    p = xcalloc((size_t)classes->n, sizeof(*p));
    for (int c = 0; c < classes->n; c++) {
        p[c] = frames_mean(prob, classes->n, c, 0, n);
        if (is_none(classes, c) && is_everything(prob, n, classes->n, c))
            none = c;
    }
    if (chords && none < 0)
        weigh(p, classes, share);
    for (int c = 0; c < classes->n; c++)
        if ((!is_none(classes, c) || c == none) &&
            (best < 0 || p[c] > p[best]))
            best = c;
    if (best >= 0)
        key_set(out, classes->label[best], p[best]);
    free(p);
    return 0;
}

int key_over_time(struct segments *out, const float *prob,
                  const struct frames *f, const struct classes *classes,
                  struct err *err)
{
    return chords_decode(out, prob, f, classes, CHORDS_STAY, err);
}
