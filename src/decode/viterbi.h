/* viterbi.h - the most probable path through the beats of bars (the HMM of
 * Boeck, Krebs, Widmer, "Joint beat and downbeat tracking with recurrent neural
 * networks", ISMIR 2016; result and tie-breaking as madmom's
 * HiddenMarkovModel.viterbi, by another way).
 *
 * Inside a beat a state has one predecessor. So scores are kept for the first
 * state of each interval only, the rest of the beat is a difference of two
 * prefix sums, and back-pointers exist for beat boundaries only. Long inputs
 * are decoded in blocks: the state at the start of each block is kept and the
 * back-pointers of a block are computed again when the trace reaches it, so
 * memory grows with the square root of the length. */
#ifndef DECODE_VITERBI_H
#define DECODE_VITERBI_H

#include <stddef.h>
#include "base/err.h"
#include "decode/barspace.h"

struct viterbi_config {
    const struct bar_space *space;
    const int *bars;           /* (num_bars) beats a bar, one HMM each */
    int num_bars;
    double observation_lambda; /* > 1 */
    int sum;                   /* 1: the activation is the sum of the columns
                                  (beats only); 0: (beat, downbeat) */
    double rare_cost;          /* what bars of other than 3 and 4 beats must be
                                  better by, in log probability a frame */
    /* for tests: */
    size_t block;              /* frames of a block; 0: chosen */
    int narrow;                /* 1: not the widest vectors */
};

/* A beat on the path: frames start .. the next one's start - 1. The first may
 * have begun before frame 0: then skip of its positions are missing. */
struct bar_step {
    size_t start;
    int beat;     /* in the bar, 0.. */
    int interval; /* frames, the whole beat */
    int skip;
};

struct bar_path {
    struct bar_step *v;
    size_t n, cap;
    int bar;      /* the HMM that won: index into bars */
    double score; /* its natural log probability, less the cost */
};

/* Decodes act (frames, 2), all finite, frames > 0. On success the caller
 * releases out; ERR_NOMEM else. */
int viterbi_decode(struct bar_path *out, const float *act, size_t frames,
                   const struct viterbi_config *cfg, struct err *err);
void bar_path_release(struct bar_path *p);

#endif
