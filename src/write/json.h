/* json.h - a result as one JSON object. */
#ifndef WRITE_JSON_H
#define WRITE_JSON_H

#include <cjson/cJSON.h>
#include "base/err.h"
#include "base/strbuf.h"
#include "write/result.h"

/* Appends {file, start (if it is not 0), duration, model {name, sha256}, mfm}
 * and, for each task that was run, tempo {bpm, confidence}, meter and beats
 * [{time, position, confidence}]; chords and structure [{start, end, label,
 * confidence}], of parts with their letter; key {label, confidence, over_time};
 * tags [{label, score}]. A failed input is {file, error}. Numbers are rounded
 * to 6 decimals; what is not known (NaN, position 0, label "") is null. Text
 * that is not UTF-8 (file names may be anything) gets U+FFFD for each byte that
 * does not belong.
 *
 * On one line, or with pretty on many; ends in a newline. ERR_NOMEM. */
int write_json(struct strbuf *out, const struct result *r, int pretty,
               struct err *err);

/* The two, as the formats have them. */
int write_json_pretty(struct strbuf *out, const struct result *r,
                      struct err *err);
int write_json_line(struct strbuf *out, const struct result *r,
                    struct err *err);

/* Appends s with U+FFFD for each byte that does not belong. */
void write_utf8(struct strbuf *out, const char *s);

/* The parts, for other formats that are JSON: a number with 6 decimals, or null
 * if it is not finite; a string in UTF-8, or null if it is empty or NULL; the
 * model, or null. */
cJSON *write_json_number(double x);
cJSON *write_json_text(const char *s);
cJSON *write_json_model(const struct result *r);

/* Appends an object, which it deletes, and a newline. ERR_NOMEM. */
int write_json_print(struct strbuf *out, cJSON *o, int pretty,
                     struct err *err);

/* The object itself, for commands that add fields of their own; the caller
 * deletes it. */
cJSON *write_json_object(const struct result *r);

#endif
