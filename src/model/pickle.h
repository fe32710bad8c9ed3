/* pickle.h - Python pickles read as plain data. Nothing is imported, called or
 * built: a name of a Python object stays a name, a call stays the name and the
 * arguments of the call. Protocol 2, the opcodes that torch.save writes.
 * Reference: Python's Lib/pickletools.py. */
#ifndef MODEL_PICKLE_H
#define MODEL_PICKLE_H

#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

enum pickle_kind {
    PICKLE_NONE,
    PICKLE_BOOL,   /* integer: 0 or 1 */
    PICKLE_INT,    /* integer; one beyond 64 bits is PICKLE_OPAQUE */
    PICKLE_FLOAT,  /* real */
    PICKLE_STRING, /* text, len; bytes too; not ended by 0 */
    PICKLE_TUPLE,  /* item[n] */
    PICKLE_LIST,   /* item[n] */
    PICKLE_DICT,   /* item[n] = key, value, key, value... (OrderedDict too) */
    PICKLE_GLOBAL, /* text, len: "module name" */
    PICKLE_PERSID, /* item[0]: what a storage is called */
    PICKLE_CALL,   /* item[0] (item[1]): the result of a call */
    PICKLE_OPAQUE  /* anything else */
};

struct pickle_value {
    enum pickle_kind kind;
    int64_t integer;
    double real;
    const char *text; /* in the pickle's bytes */
    size_t len;
    struct pickle_value **item; /* may be shared, may form cycles */
    size_t n, cap;
};

/* Owns all its values. A zeroed struct can be released. */
struct pickle {
    struct pickle_value *value;     /* the result */
    struct pickle_value **persid;   /* all PICKLE_PERSID, in order */
    size_t n_persid, cap_persid;
    size_t used;                    /* bytes up to and with STOP */
    struct pickle_chunk *chunk;
};

/* Reads one pickle from the start of data, which must stay while the values are
 * used. name is for messages, which give the offset in the pickle. ERR_FORMAT
 * for damage and for opcodes outside the list, ERR_UNSUPPORTED for protocols
 * above 3; memory is bounded by a constant
 * times size and by 4 million values. */
int pickle_read(struct pickle *p, const void *data, size_t size,
                const char *name, struct err *err);
void pickle_release(struct pickle *p);

/* Whether v is that text, or the name of that Python object ("torch Size"). */
int pickle_is_text(const struct pickle_value *v, const char *text);
int pickle_is_global(const struct pickle_value *v, const char *name);
/* The value of a key of a dict; NULL if v is none or lacks the key. */
struct pickle_value *pickle_get(const struct pickle_value *v, const char *key);

#endif
