/* protocol.h - the heads that a model gets for each task: classes, rate and
 * window of the paper (Won, Hung, Le, ICASSP 2024, section 4), of the notes
 * that came with its public code, and mfm's own.
 *
 *              own           paper         release
 *   beats      50 Hz         20 Hz         50 Hz, 6 s (300 rows)
 *   chords     8 Hz          8 Hz          16 Hz, 12 s (192)
 *   structure  5 Hz          5 Hz          8 Hz, 24 s (192)
 *   key        0.5 Hz        0.5 Hz        0.5 Hz, 12 s (6)
 *   tag        clip          clip          clip, 29.1 s (1)
 *
 * All have a hidden layer of 512 with ReLU. */
#ifndef TRAIN_PROTOCOL_H
#define TRAIN_PROTOCOL_H

#include "base/err.h"
#include "model/config.h"

enum protocol { PROTOCOL_OWN, PROTOCOL_PAPER, PROTOCOL_RELEASE };

/* "own", "paper", "release", NULL. */
extern const char *const protocol_names[];

/* What one protocol says of a task. */
struct protocol_task {
    const char *task;
    double rate;   /* of the outputs, Hz; 0: one for the clip */
    double window; /* s of an example; 0: the model's own window */
    int layer;     /* hidden state: -1 the last */
};

/* NULL for a task of another name. */
const struct protocol_task *protocol_find(enum protocol p, const char *task);

/* Sets *p by name; ERR_ARG lists the names. */
int protocol_parse(enum protocol *p, const char *name, struct err *err);

/* Gives m a head for a task, in place of one of that task that it may have;
 * pointers to heads of m are stale then. The tag head's classes are tags (n),
 * copied (not strings of m); others have those of the paper. Layer 7 of the
 * release is the last where m has fewer. ERR_ARG for an unknown task, and for
 * tag without tags. */
int protocol_head(struct model_config *m, enum protocol p, const char *task,
                  char *const *tags, int n, struct err *err);

#endif
