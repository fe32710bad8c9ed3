/* dbn.h - beats and downbeats from activations, as madmom's
 * DBNDownBeatTrackingProcessor and DBNBeatTrackingProcessor decode them (Boeck,
 * Krebs, Widmer, ISMIR 2016 and 2014).
 *
 * Departures: activations of 2^-52 and less, and 1 - b - d below it, count as
 * 2^-52 (madmom takes the logarithm of 0, or of a negative number). */
#ifndef DECODE_DBN_H
#define DECODE_DBN_H

#include <stddef.h>
#include "annot/annot.h"
#include "base/err.h"

enum { DBN_MAX_BARS = 16, DBN_MAX_BEATS = 32 };

struct dbn_config {
    double fps;           /* frames a second, up to 1000; fractions allowed */
    int downbeats;        /* 0: beats only, bars are not used */
    int bars[DBN_MAX_BARS]; /* beats a bar to try, 1..DBN_MAX_BEATS each */
    int num_bars;
    double rare_cost; /* viterbi.h; 0 in madmom */
    double min_bpm, max_bpm;
    int num_tempi;        /* 0: one for each whole number of frames */
    double transition_lambda;  /* >= 0; higher: steadier tempo */
    double observation_lambda; /* > 1; a beat is 1/this of its interval wide */
    double threshold;     /* cut off both ends as far as below it; 0: no */
    int correct;          /* move beats to the highest activation near */
};

/* madmom's defaults: bars of 3 and 4, 55..215 BPM, 60 tempi, lambdas 100 and
 * 16, threshold 0.05, correct; beats only: all tempi and no threshold. */
void dbn_config_init(struct dbn_config *c, double fps, int downbeats);

/* Tries the n numbers of beats a bar in bar, up to DBN_MAX_BARS of them, in
 * place of those of c; n 0: leaves c alone. Those other than 3 and 4 must be
 * better by 0.02 in log probability a frame: in songs of tools/make-corpus that
 * are in 5 or 7 they are by 0.04 to 0.15, in others, with hardly any downbeats,
 * by up to 0.007. */
void dbn_config_bars(struct dbn_config *c, const int *bar, int n);

/* Decodes act (frames, 2) = (beat that is not a downbeat, downbeat), both
 * probabilities; beats only: their sum counts. Appends to out: time =
 * frame / fps, position 1.. in the bar (0 in beats only), confidence = the sum
 * of both activations in the beat's frame, at most 1. Nothing is appended where
 * frames is 0, nothing reaches the threshold, or all is 0; nor (as in madmom)
 * where only the very first frame reaches the threshold. ERR_ARG for an
 * activation that is not finite and for a config out of limits; ERR_NOMEM. */
int dbn_decode(struct beats *out, const float *act, size_t frames,
               const struct dbn_config *c, struct err *err);

#endif
