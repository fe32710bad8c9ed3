/* labels.h - which files of a folder have labels for a task, by their names. */
#ifndef CMD_LABELS_H
#define CMD_LABELS_H

#include "annot/annotation.h"

/* How well a file name suits the task, by its extension: 1 is best, 0 is not at
 * all. Up to LABELS_SPECIFIC the extension says what the labels are; beyond it,
 * as .txt, it does not. */
enum { LABELS_SPECIFIC = 4 };
int labels_rank(enum annot_task task, const char *name);

/* NULL, or what an extension says that is of another task alone: "structure" of
 * song.seg where task is beats. */
const char *labels_of_other(enum annot_task task, const char *name);

#endif
