/* annotation.h - what one recording's labels say for one task. */
#ifndef ANNOT_ANNOTATION_H
#define ANNOT_ANNOTATION_H

#include "annot/annot.h"

enum annot_task {
    ANNOT_BEATS,
    ANNOT_CHORDS,
    ANNOT_STRUCTURE,
    ANNOT_KEY,
    ANNOT_TEMPO,
    ANNOT_TAGS
};

/* "beats", "chords", "structure", "key", "tempo", "tags". */
extern const char *const annot_task_names[ANNOT_TAGS + 1];

/* Two tempi in beats per minute and the salience of the first in 0..1, as for
 * eval_tempo. A single tempo is { bpm, 0 } with weight 1. */
struct tempi {
    double bpm[2];
    double weight;
};

/* Only the members of the task are filled; the rest is empty. Labels are as the
 * annotators wrote them (section.h maps structure), keys in keyname.h's
 * spelling. */
struct annotation {
    struct beats beats;    /* BEATS; downbeats are not annotated if no position
                              is 1 */
    struct segments spans; /* CHORDS, STRUCTURE; KEY over time where the file
                              has it. The last may end at INFINITY where the
                              file does not say when: annotation_close */
    struct key key;        /* KEY; label NULL: the piece has no key, or its key
                              is not known. Confidence in 0..1 or NaN. Of
                              several over time the longest */
    struct tags keys;      /* KEY: every key that the annotator names as
                              possible, key first, each with score 1 */
    struct tempi tempo;    /* TEMPO */
    struct tags tags;      /* TAGS */
    char model[65];        /* sha256 of mfm's model whose labels they are; "" if
                              it is not known */
    double duration;       /* of the recording in s, NaN if the file has none */
    char *error;           /* NULL; or why this song of many has no labels */
};

void annotation_init(struct annotation *a);
void annotation_release(struct annotation *a); /* leaves it as _init does */

/* Initialises out with all that is in a. */
void annotation_copy(struct annotation *out, const struct annotation *a);

/* Ends a last segment that is open (INFINITY) at duration, in s; removes it if
 * duration is NaN or does not come after its start. For Harmonix 0539 and 0603,
 * which end without "end", and for lists of boundaries. */
void annotation_close(struct annotation *a, double duration);

/* Puts beats and spans in order of time; beats at one time, and spans of one
 * start, stay as they were. */
void annotation_sort(struct annotation *a);

#endif
