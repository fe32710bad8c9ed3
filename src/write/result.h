/* result.h - what is known of one input, for the writers. */
#ifndef WRITE_RESULT_H
#define WRITE_RESULT_H

#include <stddef.h>
#include <stdint.h>

#include "annot/annot.h"

enum task {
    TASK_BEATS, TASK_CHORDS, TASK_STRUCTURE, TASK_KEY, TASK_TAG, TASKS
};

extern const char *const task_names[TASKS]; /* as in model files: "tag" */

/* What was heard, for pages: n samples of one channel. Borrowed. */
struct sound {
    const int16_t *x;
    size_t n;
    int rate; /* Hz */
};

/* All pointers are borrowed. A task that was not run is NULL; a task that ran
 * and found nothing is there and empty. */
struct result {
    const char *file;         /* as the user named it; any bytes */
    const char *error;        /* not NULL: the input failed, nothing else is
                                 written but file */
    double start;             /* s: where in the file it begins; times are of
                                 the file, so none is before it */
    double duration;          /* seconds from start on, NaN if not known */
    const char *model_name;   /* NULL: no model was used */
    const char *model_sha256; /* hexadecimal, or NULL */
    const char *version;      /* of mfm */
    const struct beats *beats;
    struct tempo tempo;       /* these two are written with beats */
    int meter;                /* 0: not known */
    const struct segments *chords, *structure;
    const int *letter;        /* of each part of structure 1 is A, 2 is B...;
                                 NULL: not known */
    const struct key *key;
    const struct segments *key_over_time; /* written with key */
    const struct tags *tags;
    const struct sound *sound; /* NULL: not kept */
};

/* Whether task was run. */
int result_has(const struct result *r, enum task task);

/* out = r without the tasks other than task. */
void result_only(struct result *out, const struct result *r, enum task task);

#endif
