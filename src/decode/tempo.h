/* tempo.h - tempo and metre of tracked beats. */
#ifndef DECODE_TEMPO_H
#define DECODE_TEMPO_H

#include "annot/annot.h"

/* Tempo = 60 / the median interval between beats (the mean of the middle two
 * of an even number). Both NaN with fewer than two beats or a median of 0.
 *
 * Confidence = R * O. R is the share of intervals within 8 % of the median, the
 * tolerance of tempo evaluation. O is how sure the octave is: with the mean
 * activations e and o of even and odd beats, and m midway between beats, min(e,
 * o) / max(e, o) * (1 - m / max(e, o)): near 0 where every second beat alone,
 * or twice as many, would fit as well. act (n, 2) are the activations of the
 * beats at fps frames a second, whose times begin with frame 0; without them
 * (NULL) O is 1. */
struct tempo tempo_of_beats(const struct beats *b, const float *act, size_t n,
                            double fps);

/* Whether these are beats at all: their median confidence is at least 0.25. The
 * shipped model has it above 0.45 in 155 of 157 songs, and below 0.1 in noise
 * and hum; a decoder that looks for the likeliest beats finds some
 * everywhere. */
int beats_are_heard(const struct beats *b);

/* The most common number of beats of full bars (from a downbeat to the next;
 * ties: the shorter), 0 if there is no full bar. */
int meter_of_beats(const struct beats *b);

#endif
