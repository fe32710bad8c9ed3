/* quant.h - random-projection quantiser of BEST-RQ (Chiu et al. 2022, section
 * 3.1): a stack of mel frames becomes a token id. */
#ifndef TOKEN_QUANT_H
#define TOKEN_QUANT_H

#include <stdint.h>
#include "base/err.h"

struct quant; /* immutable once made: threads may share one */

/* projection (width, dim) and codebook (codes, dim), row-major, copied; the
 * rows of the codebook are normalised to length 1 here. ERR_ARG if a size is
 * not positive, ERR_NOMEM. */
int quant_new(struct quant **out, const float *projection,
              const float *codebook, int width, int dim, int codes,
              struct err *err);
void quant_free(struct quant *q); /* NULL is allowed */

/* Draws projection (width, dim) ~ N(0, 2 / (width + dim)) (Xavier) and codebook
 * (codes, dim) ~ N(0, 1), as BEST-RQ does; codebook number number of several
 * has numbers of its own. Philox and Box-Muller. */
void quant_draw(float *projection, float *codebook, int width, int dim,
                int codes, uint64_t seed, int number);

/* token[i] for each row of x (n, width): x is projected, and the code with the
 * smallest angle to the result is taken, the lower id on a tie. width is that
 * of the stack: frames one after another, 128 bands each, normalised mel. */
void quant_tokens(const struct quant *q, int32_t *token, const float *x,
                  int64_t n);

#endif
