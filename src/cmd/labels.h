/* labels.h - label files of any task, as `mfm eval` takes them: text, and what
 * mfm itself writes. */
#ifndef CMD_LABELS_H
#define CMD_LABELS_H

#include "base/err.h"
#include "base/json.h"
#include "eval/score.h"

/* Reads path: a name in .json or .ndjson is one JSON object of mfm; anything
 * else the task's text format (annot/lab.h; of the parts of a song a .seg file
 * has labels of one column; a tempo file has one line of one tempo, or of two
 * and the weight of the first). Returns 0, or an error that names file and
 * line; *out is then empty. The caller releases *out. */
int labels_read(struct labels *out, enum score_task task, const char *path,
                struct err *err);

/* The same from one object of mfm's JSON; name is for messages. ERR_FORMAT if
 * the object lacks the task's key or has a value of a wrong kind,
 * ERR_UNSUPPORTED if it is that of an input that failed. */
int labels_from_json(struct labels *out, enum score_task task,
                     const cJSON *object, const char *name, struct err *err);

/* How well a file name suits the task, by its extension: 1 is best, 0 is not at
 * all. Up to LABELS_SPECIFIC the extension says what the labels are; beyond it,
 * as .txt, it does not. */
enum { LABELS_SPECIFIC = 4 };
int labels_rank(enum score_task task, const char *name);

#endif
