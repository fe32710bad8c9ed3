/* kmeans.h - tokens by the nearest of a set of centres (HuBERT: Hsu et al.
 * 2021, arXiv 2106.07447, section II-A). cluster.h finds the centres. */
#ifndef TOKEN_KMEANS_H
#define TOKEN_KMEANS_H

#include <stdint.h>
#include "base/err.h"

struct kmeans; /* immutable once made: threads may share one */

/* centers (codes, dim), row-major, copied. ERR_ARG if a size is not positive,
 * ERR_NOMEM. */
int kmeans_new(struct kmeans **out, const float *centers, int codes, int dim,
               struct err *err);
/* The same, but tokens are taken by the largest dot product. */
int kmeans_new_dot(struct kmeans **out, const float *centers, int codes,
                   int dim, struct err *err);
void kmeans_free(struct kmeans *k); /* NULL is allowed */

/* The same centres and other values, as clustering moves them. */
void kmeans_set(struct kmeans *k, const float *centers);

/* token[i] for each row of x (n, dim): the centre at the smallest Euclidean
 * distance, the lower id on a tie. Found by |c|^2 / 2 - x.c in float, so that
 * among centres whose squared distances agree to about 1e-6 of |x| |c| either
 * may be taken. A row's token does not depend on the others, nor on threads. */
void kmeans_tokens(const struct kmeans *k, int32_t *token, const float *x,
                   int64_t n);

#endif
