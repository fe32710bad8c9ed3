/* vocab.h - chords of a model in a smaller vocabulary. */
#ifndef DECODE_VOCAB_H
#define DECODE_VOCAB_H

#include "base/err.h"
#include "decode/frames.h"

/* "majmin" is maj, min and N; "sevenths" has 7, maj7 and min7 besides. A class
 * of the model counts for the chord of the vocabulary that has its root and,
 * for majmin, its third and fifth (as mir_eval reduces), for sevenths all of
 * its notes; others (sus4, dim...) for none. */
struct vocab {
    struct classes classes; /* of the vocabulary; labels as "C:maj" */
    char **label;           /* the same, owned */
    int *of;                /* for each class of the model one of these, or
                               -1 */
    int n;                  /* classes of the model */
};

/* A zeroed struct can be released. ERR_ARG where the model has no such chords;
 * the message says what it has. */
int vocab_init(struct vocab *v, const struct classes *model, const char *name,
               struct err *err);
void vocab_release(struct vocab *v);

/* Sums prob (n, classes of the model) into *out (n, classes of the vocabulary),
 * which the caller frees. ERR_NOMEM. */
int vocab_fold(const struct vocab *v, const float *prob, size_t n, float **out,
               struct err *err);

#endif
