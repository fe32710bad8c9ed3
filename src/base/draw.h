/* draw.h - the random numbers of one training sample (rng.h), each a function
 * of (seed, step, sample, purpose, index) alone. */
#ifndef BASE_DRAW_H
#define BASE_DRAW_H

#include <stddef.h>
#include <stdint.h>

/* Sample number sample of the global batch of a step. */
struct draw {
    uint64_t seed;
    uint64_t step;   /* below 2^56 */
    uint32_t sample;
};

/* Purposes do not share numbers; those of rng_block with a stream below 2^56
 * are not among these either. */
enum draw_purpose { DRAW_CROP = 1, DRAW_MASK, DRAW_SPAN, DRAW_NOISE, DRAW_MIX };

/* Words 4 * block .. 4 * block + 3. */
void draw_words(uint32_t out[4], const struct draw *d, enum draw_purpose p,
                uint32_t block);

/* A number in [0, 1) of 53 bits. */
double draw_unit(uint32_t high, uint32_t low);

/* Number i, a double in [0, 1), of those that words 2 i and 2 i + 1 make. */
double draw_uniform(const struct draw *d, enum draw_purpose p, uint32_t i);

/* out[j] = value number first + j of N(0, 1) (G. Box and M. Muller, "A Note on
 * the Generation of Random Normal Deviates", 1958); first + n <= 2^34. */
void draw_normals(float *out, uint64_t first, size_t n, const struct draw *d,
                  enum draw_purpose p);

#endif
