/* target.h - what the labels of a song ask of a head for each of its rows.
 *
 * A row of a head is about the time i / rate .. (i + 1) / rate of an excerpt
 * (head/head.h). For each output it gets the weight of the evidence for it
 * (yes) and, of outputs with a sigmoid, against it (no):
 *
 *   softmax   loss = -sum_c yes_c log p_c
 *   sigmoid   loss = -sum_c yes_c log s_c + no_c log(1 - s_c)
 *
 * so that soft targets and class weights are both in it: a target t with weight
 * w is yes = w t, a positive weight w+ and a negative one w- make
 * yes = w+ t, no = w- (1 - t). A row that is all 0 does not count. */
#ifndef TRAIN_TARGET_H
#define TRAIN_TARGET_H

#include <stddef.h>
#include <stdint.h>

#include "annot/annotation.h"
#include "base/err.h"
#include "model/config.h"

/* A zeroed struct can be released and reserved. */
struct target {
    int64_t n; /* rows */
    int width; /* outputs of the head, the boundary last */
    float *yes, *no; /* (n, width) */
    int64_t cap;     /* floats in each */
};

/* Part of a song, in s of it: start included, end not. */
struct stretch {
    double start, end;
};

/* Which stretch of a song, played how. Times of labels are on the song. */
struct excerpt {
    double start;    /* s, where row 0 begins */
    double speed;    /* seconds of the song that pass in one second: > 0 */
    int transpose;   /* semitones up, of chords and keys */
    double from, to; /* s of the song that the labels speak of; rows whose
                        middle is outside do not count */
    const struct stretch *sure; /* NULL, or n_sure, ascending and apart: nor do
                        rows whose middle is in none of them */
    size_t n_sure;
};

struct target_options {
    double beat, downbeat, none; /* weights of the classes, > 0 */
    double widen;    /* of a beat, that the rows beside it get: 0..1 */
    double boundary; /* weight of boundaries against the rest */
    double reach;    /* s of the excerpt, half the base of their triangle */
};
/* The recipe that trained the model that ships. */
#define TARGET_OPTIONS_INIT { 4, 8, 1, 0.5, 3, 0.5 }

/* The labels that a head of this task learns from: an enum annot_task; -1 for a
 * task of another name. */
int target_task(const char *task);

/* Whether targets can be made for a head: ERR_ARG names the task or the class.
 * beats needs the classes beat and none (downbeat if it has it); those of
 * chords are major and minor triads and N; of key majors, minors and N; of
 * structure and tag, any. */
int target_check(const struct head_config *h, struct err *err);

/* Gives t n rows for h; they are all 0. ERR_NOMEM. */
int target_reserve(struct target *t, const struct head_config *h, int64_t n,
                   struct err *err);
void target_release(struct target *t);

/* Writes rows first .. first + n - 1 of t, reserved for h, which target_check
 * accepted. a NULL (no labels of this kind): they do not count.
 *
 * beats      the row nearest to i / rate = time of a beat, with its neighbours;
 *            of a beat whose position is not known three quarters are a beat
 *            and a quarter is a downbeat
 * chords     the chord at the row's middle as a major or minor triad
 *            (mir_eval's majmin); no count for others, X and gaps
 * structure  the function (annot/section.h) at the middle; boundaries are the
 *            starts and ends inside the song, a triangle of +-reach around each
 *            that is 1 where i / rate is its time
 * key        the key over time if a says it, else that of the song, which may
 *            be N; several possible ones share. No count for modes other than
 *            major and minor
 * tag        1 or 0 for each, no count for one with a score of NaN; one that
 *            tells the tempo (slow, medium, fast) does not count where the
 *            speed is off by more than half a semitone */
void target_fill(struct target *t, int64_t first, int64_t n,
                 const struct head_config *h, const struct annotation *a,
                 const struct excerpt *x, const struct target_options *o);

/* Sums of the weights of the classes and of the boundary (0 without one), what
 * a mean loss is divided by. */
void target_weight(const struct target *t, const struct head_config *h,
                   double *classes, double *boundary);

#endif
