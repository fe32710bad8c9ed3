/* rvq.h - residual vector quantisation (Zeghidour et al. 2021, arXiv
 * 2107.03312, section III-C): each stage names the centre nearest to what the
 * stages before left over. */
#ifndef TOKEN_RVQ_H
#define TOKEN_RVQ_H

#include <stdint.h>
#include "base/err.h"
#include "token/cluster.h"

struct rvq; /* immutable once made: threads may share one */

/* centers (stages, codes, dim), copied. ERR_ARG if a size is not positive,
 * ERR_NOMEM. */
int rvq_new(struct rvq **out, const float *centers, int stages, int codes,
            int dim, struct err *err);
void rvq_free(struct rvq *q); /* NULL is allowed */

/* token (n, stages) for each row of x (n, dim), which is overwritten by what is
 * left over. */
void rvq_tokens(const struct rvq *q, int32_t *token, float *x, int64_t n);

/* Finds centers (stages, codes, dim) of x (n, dim), stage after stage; x is
 * overwritten by what is left over. config is that of one stage; stage s uses
 * the random streams config->stream + 2 s and the next. As cluster_fit. */
int rvq_fit(float *centers, float *x, int64_t n, int stages,
            const struct cluster_config *config, struct err *err);

#endif
