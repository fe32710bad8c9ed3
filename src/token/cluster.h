/* cluster.h - k-means: finds the centres that kmeans.h takes tokens by.
 *
 * Seeding is k-means++ (Arthur, Vassilvitskii 2007); then Lloyd's iteration, or
 * for many vectors mini-batches (Sculley 2010) and two rounds of Lloyd's at
 * the end. A centre that loses all its vectors is put on the vector that is
 * farthest from the others. Sums are made in double and in a fixed order: the
 * result is the same to the bit for any number of threads. */
#ifndef TOKEN_CLUSTER_H
#define TOKEN_CLUSTER_H

#include <stdint.h>
#include "base/err.h"

struct cluster_config {
    int codes, dim;
    int rounds;      /* at most: of Lloyd's, or mini-batches */
    int64_t batch;   /* vectors in a mini-batch; 0: Lloyd's iteration */
    int64_t seeding; /* vectors, evenly spread, that k-means++ looks at; 0: all,
                        as where there are fewer */
    uint64_t seed, stream; /* rng.h: streams stream and stream + 1 are used */
};

/* Centres of x (n, dim) into centers (codes, dim). ERR_ARG if there are fewer
 * vectors than codes or a size is not positive; ERR_NOMEM. */
int cluster_fit(float *centers, const float *x, int64_t n,
                const struct cluster_config *config, struct err *err);

/* Lloyd's iteration from the centres given, until no vector changes its centre
 * or after rounds. *inertia (or NULL): sum of the squared distances to the last
 * centres. */
int cluster_lloyd(float *centers, const float *x, int64_t n, int codes, int dim,
                  int rounds, double *inertia, struct err *err);

#endif
