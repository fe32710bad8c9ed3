/* score.h - one annotation scored against another, whatever the task. */
#ifndef EVAL_SCORE_H
#define EVAL_SCORE_H

#include <stddef.h>

#include "annot/annot.h"
#include "base/err.h"

enum score_task {
    SCORE_BEATS,
    SCORE_CHORDS,
    SCORE_STRUCTURE,
    SCORE_KEY,
    SCORE_TEMPO,
    SCORE_TAG, /* of a collection, not of a pair: see tagset.h */
    SCORE_TASKS
};

enum { SCORE_MOST = 32 }; /* scores of a task */

struct score_names {
    const char *task;         /* "beats" */
    const char *const *names; /* (k), mir_eval's where it has the score */
    size_t k;
    size_t lead; /* the score that papers quote */
};
extern const struct score_names score_names[SCORE_TASKS];

/* What a file says about one task; the rest is empty. A zeroed struct can be
 * released. */
struct labels {
    struct beats beats;
    struct segments spans; /* chords, or parts of a song */
    struct key key;
    struct {
        double bpm[2]; /* 0 is not known; a single tempo is { bpm, 0 } */
        double weight; /* salience of bpm[0], 0..1 */
    } tempo;
    struct tags tags;
};
void labels_release(struct labels *l);

/* The scores (score_names[task].k) of est against ref; NaN where undefined.
 *
 * beats: eval_beat.h with events before trim_s left out, and "Downbeat
 * F-measure", the F-measure of the beats at position 1, if both sides have
 * positions (a side without beats counts as one that has). structure:
 * eval_segment.h; those that compare labels are undefined if a side has
 * segments but no labels. key: the weighted score, and "Accuracy", 1 for the
 * same key, else 0; an estimate without a key counts as X. tempo: eval_tempo.h.
 * task is not SCORE_TAG.
 *
 * Returns 0, or what the metric returns. */
int score_pair(double *out, enum score_task task, const struct labels *ref,
               const struct labels *est, double trim_s, struct err *err);

#endif
