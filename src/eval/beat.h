/* beat.h - scores of beat (and downbeat) times.
 *
 * Numbers of mir_eval 0.8 beat.evaluate, after M. Davies, N. Degara, M.
 * Plumbley, "Evaluation Methods for Musical Audio Beat Tracking Algorithms",
 * C4DM-TR-09-06, 2009. Times are in seconds and in increasing order; equal
 * times are allowed. Scores are in [0, 1]; Cemgil's can pass 1 where references
 * coincide. */
#ifndef EVAL_BEAT_H
#define EVAL_BEAT_H

#include <stddef.h>

#include "base/err.h"

enum eval_beat_score {
    EVAL_BEAT_F,           /* hits within +-0.07 s, bounds included */
    EVAL_BEAT_CEMGIL,      /* Gaussian of the error, sigma 0.04 s */
    EVAL_BEAT_CEMGIL_BEST, /* the same, best of five metric levels */
    EVAL_BEAT_GOTO,        /* 0 or 1: a quarter of the piece tracked well */
    EVAL_BEAT_P_SCORE,     /* correlation within 0.2 of the median interval */
    EVAL_BEAT_CML_C,       /* longest correct run, annotated metric level */
    EVAL_BEAT_CML_T,       /* all correct beats, annotated metric level */
    EVAL_BEAT_AML_C,       /* the same two, best of five metric levels: */
    EVAL_BEAT_AML_T,       /* as is, off-beat, double, odd half, even half */
    EVAL_BEAT_INFORMATION, /* gain of the error histogram, 41 bins */
    EVAL_BEAT_COUNT
};

/* mir_eval's names in the order of the enum, for tables that have more rows. */
#define EVAL_BEAT_NAMES                                              \
    "F-measure", "Cemgil", "Cemgil Best Metric Level", "Goto",       \
    "P-score", "Correct Metric Level Continuous",                    \
    "Correct Metric Level Total", "Any Metric Level Continuous",     \
    "Any Metric Level Total", "Information gain"

/* mir_eval's name of each score. */
extern const char *const eval_beat_names[EVAL_BEAT_COUNT];

/* mir_eval's evaluate drops what comes before 5 s on both sides. */
#define EVAL_BEAT_TRIM_S 5.0

/* All scores of est (m) against ref (n), both without the events before trim_s
 * (EVAL_BEAT_TRIM_S, or -INFINITY to keep all). All are 0 if a side is empty;
 * the P-score, the continuity scores and the information gain are also 0 if a
 * side has one event. The P-score is NaN (mir_eval raises) if all references
 * fall into one slot of 10 ms, the information gain if no error is defined
 * because beats coincide. Returns 0, or ERR_ARG for times that
 * match_check_events refuses. */
int eval_beat(double out[EVAL_BEAT_COUNT], const double *ref, size_t n,
              const double *est, size_t m, double trim_s, struct err *err);

/* The F-measure alone (for downbeats: pass the downbeats of both sides), with
 * its precision and recall; these may be NULL. Same rules and errors. */
int eval_beat_f(double *f, double *precision, double *recall, const double *ref,
                size_t n, const double *est, size_t m, double trim_s,
                struct err *err);

#endif
