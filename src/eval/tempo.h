/* tempo.h - scores of two tempi, slow and fast, as people tap them. */
#ifndef EVAL_TEMPO_H
#define EVAL_TEMPO_H

#include "base/err.h"

enum eval_tempo_score {
    EVAL_TEMPO_P_SCORE, /* hits weighted by how salient each tempo is */
    EVAL_TEMPO_ONE,     /* 1 if a reference tempo was hit */
    EVAL_TEMPO_BOTH,    /* 1 if both were */
    EVAL_TEMPO_COUNT
};

/* mir_eval's name of each score. */
extern const char *const eval_tempo_names[EVAL_TEMPO_COUNT];

/* mir_eval 0.8 tempo.detection (M. McKinney et al., JNMR 2007): a reference
 * tempo is hit by an estimate within 8 % of it; one of 0 cannot be hit. weight
 * is the salience of ref[0], 1 - weight that of ref[1]. Returns 0, or ERR_ARG
 * if a tempo is negative or not finite, both references are 0, or weight is
 * outside 0..1. */
int eval_tempo(double out[EVAL_TEMPO_COUNT], const double ref[2], double weight,
               const double est[2], struct err *err);

#endif
