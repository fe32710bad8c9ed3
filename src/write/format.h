/* format.h - the formats of results, by the names of --format. A new one is a
 * function and a line in formats.def. */
#ifndef WRITE_FORMAT_H
#define WRITE_FORMAT_H

#include "base/err.h"
#include "base/strbuf.h"
#include "write/result.h"

struct format {
    const char *name;
    const char *suffix;       /* of a file with all tasks, ".json"; or NULL: */
    const char *task[TASKS];  /* each task has a file of its own, or none */
    int needs_sound;          /* result.sound is used where it is there */
    /* Appends all tasks of r. */
    int (*write)(struct strbuf *out, const struct result *r, struct err *err);
};

/* NULL: there is none of this name. */
const struct format *format_find(const char *name);

/* Whether results may stand one after another in a stream, as ndjson. */
int format_is_json(const struct format *f);

/* "json|ndjson|...", all of them. */
const char *format_names(void);

#endif
