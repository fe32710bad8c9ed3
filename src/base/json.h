/* json.h - cJSON with errors that name the field.
 *
 * Field getters take the object, the field's name and the path of the object
 * (as "encoder") for messages: "encoder.dim: not an integer in 1..65536". */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <cjson/cJSON.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "base/strbuf.h"

/* Parses text of len bytes (one value, nothing but white space behind it).
 * Returns 0 and sets *out, freed with cJSON_Delete; or ERR_FORMAT with the line
 * of the fault, also beyond the limits of limits.h: bytes, values, depth. */
int json_parse(cJSON **out, const char *text, size_t len, struct err *err);

/* Values one after another, as in NDJSON. */
struct json_text {
    const char *at, *end;
    const char *counted; /* private: where line is */
    int line; /* where the value last read begins, or its fault is */
};
struct json_text json_text_of(const char *text, size_t len);

/* Reads the value at t->at and moves that behind it; as json_parse, but
 * messages name no line. The lines of a text are counted once in all. */
int json_next(cJSON **out, struct json_text *t, struct err *err);

/* A whole file; messages begin with its name. */
int json_read(cJSON **out, const char *path, struct err *err);

/* An integer field in min..max. If the field is absent *out is left alone when
 * it is optional (required 0), else ERR_FORMAT. */
int json_int(const cJSON *obj, const char *path, const char *name, int required,
             int64_t min, int64_t max, int *out, struct err *err);
/* A finite number, same rules. */
int json_double(const cJSON *obj, const char *path, const char *name,
                int required, double min, double max, double *out,
                struct err *err);
/* A string, borrowed from obj; same rules. */
int json_string(const cJSON *obj, const char *path, const char *name,
                int required, const char **out, struct err *err);

/* A string that is one of words (ended by NULL); *out becomes its index. */
int json_word(const cJSON *obj, const char *path, const char *name,
              const char *const *words, int *out, struct err *err);

/* Appends the value on one line. Doubles are printed with the fewest digits
 * that read back equal; NaN and infinities as null. */
void json_print(struct strbuf *out, const cJSON *value);

#endif
