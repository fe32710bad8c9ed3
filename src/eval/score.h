/* score.h - one annotation scored against another, whatever the task. */
#ifndef EVAL_SCORE_H
#define EVAL_SCORE_H

#include <stddef.h>

#include "annot/annotation.h"
#include "base/err.h"

enum { SCORE_TASKS = ANNOT_TAGS + 1 };
enum { SCORE_MOST = 32 }; /* scores of a task */

struct score_names {
    const char *task;         /* "beats" */
    const char *const *names; /* (k), mir_eval's where it has the score */
    size_t k;
    size_t lead; /* the score that papers quote */
};
extern const struct score_names score_names[SCORE_TASKS]; /* by task */

/* The scores (score_names[task].k) of est against ref; NaN where undefined.
 *
 * beats: eval_beat.h with events before trim_s left out, and "Downbeat
 * F-measure", the F-measure of the beats at position 1, if both sides have
 * positions (a side without beats counts as one that has). structure:
 * eval_segment.h, on the labels as they are; those that compare labels are
 * undefined if a side has segments but no labels. Only the frame accuracy is
 * taken on functions (section.h) where a label is none; it is undefined if a
 * side has no label that names a function ("A", "B"). key: the weighted score,
 * and "Accuracy", 1 for the same key, else 0; an estimate without a key counts
 * as X. tempo: eval_tempo.h. task is not ANNOT_TAGS: see tagset.h. No segment
 * is open: see score_close.
 *
 * Returns 0, or what the metric returns. */
int score_pair(double *out, enum annot_task task, const struct annotation *ref,
               const struct annotation *est, double trim_s, struct err *err);

/* Ends a last segment that is open (annotation_close): the reference where the
 * recording does, by either side; the estimate there or, if that is not known,
 * with the reference. */
void score_close(struct annotation *ref, struct annotation *est);

#endif
