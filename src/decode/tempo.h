/* tempo.h - tempo and metre of tracked beats. */
#ifndef DECODE_TEMPO_H
#define DECODE_TEMPO_H

#include "annot/annot.h"

/* Tempo = 60 / the median interval between beats (the mean of the middle two
 * of an even number). Confidence = the share of intervals within 8 % of the
 * median, the tolerance of tempo evaluation. Both NaN with fewer than two beats
 * or a median of 0. */
struct tempo tempo_of_beats(const struct beats *b);

/* The most common number of beats of full bars (from a downbeat to the next;
 * ties: the shorter), 0 if there is no full bar. */
int meter_of_beats(const struct beats *b);

#endif
