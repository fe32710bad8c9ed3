/* mfmjson.h - mfm's own results, JSON or a line each (NDJSON), as estimates. */
#ifndef ANNOT_MFMJSON_H
#define ANNOT_MFMJSON_H

#include <cjson/cJSON.h>
#include <stdbool.h>

#include "annot/annotation.h"
#include "base/err.h"

/* Whether an object has one of the keys that every result of mfm has besides
 * its file: mfm, error, or a task's. */
bool mfmjson_is(const cJSON *root);

/* Takes the labels of a task: beats; chords; structure; key (with over_time
 * into spans); tempo.bpm; tags. name is for messages. null is what is not
 * known: position 0, label "", a confidence of NaN, a tempo of 0. Of a failed
 * input ({file, error}) out->error gets the text and the rest is empty. Returns
 * 0; ERR_FORMAT naming the field, also where the task is not in it. */
int mfmjson_parse(struct annotation *out, const cJSON *root, const char *name,
                  enum annot_task task, struct err *err);

/* The recording that a result is of, or "". Borrowed. */
const char *mfmjson_file(const cJSON *root);

#endif
