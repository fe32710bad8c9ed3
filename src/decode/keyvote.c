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

/* Of songs in major and in minor, in thousandths, by the semitones from the
 * tonic to the root, major and minor triads by turns: how the duration of the
 * chords is shared out, and how often a song begins with each. */
static const short heard[2][24] = {
    { 331, 8, 5, 2, 17, 62, 10, 3, 10, 45, 156, 11,
      4, 4, 165, 6, 14, 2, 20, 87, 29, 4, 3, 2 },
    { 45, 306, 5, 2, 3, 7, 96, 2, 2, 2, 50, 82,
      3, 2, 56, 73, 123, 3, 2, 4, 123, 3, 3, 2 }
};
static const short begins[2][24] = {
    { 716, 5, 3, 1, 6, 10, 3, 1, 1, 10, 92, 3,
      1, 1, 65, 1, 8, 1, 19, 36, 12, 5, 1, 1 },
    { 139, 583, 2, 2, 2, 2, 53, 2, 6, 2, 45, 36,
      2, 2, 6, 6, 75, 2, 2, 2, 19, 2, 2, 2 }
};

static const double chords_weigh = 3, first_weighs = 0.5, first_s = 2;

/* Parts of the song, and of its first chords, by chordname_triad; all 0 where
 * there are none. */
struct shares {
    double all[24], first[24];
};

/* The mean of n frames from first on. */
static void mean_triads(double mean[24], const struct posterior *chords,
                        size_t first, size_t n)
{
    const struct classes *c = &chords->classes;

    memset(mean, 0, 24 * sizeof(*mean));
    for (int k = 0; k < c->n && n; k++) {
        int triad = chordname_triad(c->label[k]);

        if (triad >= 0 && triad < 24)
            mean[triad] += frames_mean(chords->prob, c->n, k, first, first + n);
    }
}

/* none: the class of no chord, or -1. */
static int is_chord(const struct posterior *chords, int none, size_t frame)
{
    return none < 0 ||
           chords->prob[frame * (size_t)chords->classes.n + (size_t)none] < 0.5;
}

static int find_shares(struct shares *s, const struct posterior *chords,
                       struct err *err)
{
    size_t n = frames_used(&chords->frames), i = 0, end;
    int none = classes_find(&chords->classes, "N");

    TRY(frames_check(&chords->frames, chords->prob, chords->classes.n,
                     "chords", err));
    while (i < n && !is_chord(chords, none, i))
        i++;
    for (end = i; end < n && is_chord(chords, none, end) &&
         (double)(end - i) < first_s * chords->frames.rate; end++)
        ;
    mean_triads(s->all, chords, 0, n);
    mean_triads(s->first, chords, i, end - i);
    return 0;
}

static double log_likelihood(const short table[2][24], int key,
                             const double share[24])
{
    double sum = 0;

    for (int t = 0; t < 24; t++)
        sum += share[t] * log(table[key & 1][(t - (key & ~1) + 24) % 24] / 1e3);
    return sum;
}

static int is_none(const struct classes *classes, int c)
{
    return !strcmp(classes->label[c], "N");
}

/* Makes p, the means of the classes, those of song and chords together. */
static void weigh(double *p, const struct classes *classes,
                  const struct shares *s)
{
    double sum = 0;

    for (int c = 0; c < classes->n; c++) {
        int key = keyname_number(classes->label[c]);

        if (key >= 0 && key < 24) /* no share is above 1: no underflow */
            p[c] *= exp(chords_weigh * log_likelihood(heard, key, s->all) +
                        first_weighs * log_likelihood(begins, key, s->first));
        sum += is_none(classes, c) ? 0 : p[c];
    }
    for (int c = 0; c < classes->n && sum > 0; c++)
        p[c] /= sum;
}

int key_vote(struct key *out, const float *prob, const struct frames *f,
             const struct classes *classes, const struct posterior *chords,
             struct err *err)
{
    struct shares s;
    size_t n;
    double *p;
    int best = -1, none = -1;

    TRY(frames_check(f, prob, classes->n, "keys", err));
    if (chords)
        TRY(find_shares(&s, chords, err));
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
        weigh(p, classes, &s);
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
    return chords_decode(out, prob, f, classes, CHORDS_STAY, 1, err);
}
