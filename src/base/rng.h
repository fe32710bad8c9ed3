/* rng.h - random numbers that are a function of (seed, stream, index).
 *
 * Philox4x32-10 of J. Salmon, M. Moraes, R. Dror, D. Shaw, "Parallel Random
 * Numbers: As Easy as 1, 2, 3", SC 2011. Nothing is kept between calls, so any
 * number of threads draw the same numbers in any order. */
#ifndef BASE_RNG_H
#define BASE_RNG_H

#include <stdint.h>

/* Block number counter (4 words) under key (2 words): 4 words of 32 random
 * bits. */
void rng_philox(uint32_t out[4], const uint32_t counter[4],
                const uint32_t key[2]);

/* The numbers 4 * block .. 4 * block + 3 of a stream, each below 2^32. */
void rng_block(uint32_t out[4], uint64_t seed, uint64_t stream,
               uint64_t block);

/* FNV-1a of a text, as a stream or to tell names apart. */
uint64_t rng_name(const char *s);

#endif
