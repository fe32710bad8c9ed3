/* frames.h - labelled intervals as frames, and how two such labellings share
 * them. Helper of segment.c. */
#ifndef EVAL_FRAMES_H
#define EVAL_FRAMES_H

#include <stddef.h>

#include "eval/spans.h"

/* How many frames fall to label i of one side and label j of the other. Only
 * labels that occur count. A zeroed struct can be released. */
struct contingency {
    size_t rows, cols; /* labels of ref and est; 0 without frames */
    double *at;        /* (rows, cols) frames */
    double *row, *col; /* (rows), (cols) sums */
    double total;      /* frames */
    double same;       /* frames whose labels are equal */
};

/* Both sides as frames of size_s over 0..end of ref: frame i is at i * size_s
 * rounded to float (mir_eval samples so), and takes the label of the last
 * interval with start <= frame <= end. Labels are compared without the case of
 * ASCII letters; no interval is "none". Returns 0, or ERR_ARG for more than
 * 1024 labels on a side. */
int contingency_init(struct contingency *c, const struct span_list *ref,
                     const struct span_list *est, double size_s,
                     struct err *err);
void contingency_release(struct contingency *c);

#endif
