/* segment.h - scores of song structure: boundaries and labels.
 *
 * Numbers of mir_eval 0.8 segment.evaluate. Both sides are made to start at 0,
 * the estimate to end with the reference; what is missing is filled with
 * "__T_MIN" or "__T_MAX". Sources: boundaries D. Turnbull et al., ISMIR 2007;
 * pairs M. Levy, M. Sandler, TASLP 2008; over- and under-segmentation H.
 * Lukashevich, ISMIR 2008; V-measure A. Rosenberg, J. Hirschberg, 2007;
 * adjusted mutual information N. X. Vinh, J. Epps, J. Bailey, JMLR 2010. */
#ifndef EVAL_SEGMENT_H
#define EVAL_SEGMENT_H

#include "base/err.h"
#include "eval/spans.h"

enum eval_segment_score {
    EVAL_SEGMENT_P05, /* boundaries within 0.5 s, the first and last included */
    EVAL_SEGMENT_R05,
    EVAL_SEGMENT_F05,
    EVAL_SEGMENT_P3, /* within 3 s */
    EVAL_SEGMENT_R3,
    EVAL_SEGMENT_F3,
    EVAL_SEGMENT_REF_TO_EST, /* median distance to the nearest, seconds */
    EVAL_SEGMENT_EST_TO_REF,
    EVAL_SEGMENT_PAIR_P, /* pairs of frames of one label on both sides */
    EVAL_SEGMENT_PAIR_R,
    EVAL_SEGMENT_PAIR_F,
    EVAL_SEGMENT_RAND,
    EVAL_SEGMENT_ARI, /* Rand index, adjusted for chance */
    EVAL_SEGMENT_MI,  /* mutual information, nats */
    EVAL_SEGMENT_AMI, /* adjusted for chance, by the greater entropy */
    EVAL_SEGMENT_NMI, /* normalised by the geometric mean of entropies */
    EVAL_SEGMENT_NCE_OVER, /* 1 - conditional entropy / log2 of labels */
    EVAL_SEGMENT_NCE_UNDER,
    EVAL_SEGMENT_NCE_F,
    EVAL_SEGMENT_V_P, /* 1 - conditional entropy / entropy */
    EVAL_SEGMENT_V_R,
    EVAL_SEGMENT_V_F,
    EVAL_SEGMENT_P05_TRIMMED, /* less the first and last of each side */
    EVAL_SEGMENT_R05_TRIMMED,
    EVAL_SEGMENT_F05_TRIMMED,
    EVAL_SEGMENT_P3_TRIMMED,
    EVAL_SEGMENT_R3_TRIMMED,
    EVAL_SEGMENT_F3_TRIMMED,
    EVAL_SEGMENT_ACCURACY, /* frames of 0.2 s with equal labels */
    EVAL_SEGMENT_COUNT
};

/* mir_eval's name of each score; "... trimmed" for detection with trim=True
 * which is taken on the intervals as they are given (as mir_eval's detection
 * called by itself, not through evaluate), "Frame accuracy" for the last. */
extern const char *const eval_segment_names[EVAL_SEGMENT_COUNT];

/* All scores of est against ref. Labels are compared without the case of ASCII
 * letters (mir_eval folds other letters too); frames that no interval covers
 * count as "none", and where intervals overlap the later one holds. Frame i of
 * length s is taken at i * s in single precision, as mir_eval does.
 *
 * Pairwise scores and the Rand index are NaN without a pair to judge (fewer
 * than two frames, or, for precision or recall, no two frames alike on that
 * side); the accuracy is NaN below 0.2 s; detection is 0 if trimming leaves
 * nothing. The adjusted mutual information is 0/0, hence noise, if every frame
 * has its own label on both sides.
 *
 * Returns 0, or ERR_ARG for intervals that span_list_init refuses, an empty
 * reference or one that ends before 0 s, or more than 1024 different labels on
 * a side. */
int eval_segment(double out[EVAL_SEGMENT_COUNT], const struct eval_spans *ref,
                 const struct eval_spans *est, struct err *err);

/* The frame accuracy alone, as in eval_segment; NaN below 0.2 s. */
int eval_frame_accuracy(double *out, const struct eval_spans *ref,
                          const struct eval_spans *est, struct err *err);

#endif
