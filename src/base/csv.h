/* csv.h - tables of text, a row at a time (RFC 4180).
 *
 * Fields stand between commas (or another separator) and may be in double
 * quotes, within which "" is a quote and separators and newlines are text. Rows
 * end in LF or CRLF; the last may lack its end; a byte order mark is passed
 * over. Empty lines are passed over too. */
#ifndef BASE_CSV_H
#define BASE_CSV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/err.h"
#include "base/strbuf.h"

/* Declared with csv_open or csv_open_text; a zeroed struct can be released. */
struct csv {
    char **field; /* of the row last read: n strings, owned by the table */
    size_t n;
    int line;     /* where that row begins */
    const char *name;
    /* private */
    FILE *f;
    unsigned char start[3]; /* first bytes of f, start_at of start_n taken */
    int start_at, start_n;
    const char *at, *end;
    int next_line;
    char sep;
    struct strbuf row;
    size_t *offset;
    size_t cap, field_cap;
};

/* Opens a file; name is borrowed until release. ERR_IO. */
int csv_open(struct csv *c, const char *path, char sep, struct err *err);

/* A table in memory, which the caller keeps until release. */
void csv_open_text(struct csv *c, const char *text, size_t len,
                   const char *name, char sep);
void csv_release(struct csv *c);

/* Reads a row. *more is false, and n is 0, behind the last one. ERR_FORMAT with
 * "NAME:LINE: " for a quote without its partner, text behind a closing quote, a
 * zero byte, or more than the limits (limits.h); ERR_IO. */
int csv_next(struct csv *c, bool *more, struct err *err);

/* The number of the column that the row last read (a header) names, or -1. */
int csv_column(const struct csv *c, const char *name);

/* Field i of the row last read, "" if the row has not so many (or i is -1). */
const char *csv_field(const struct csv *c, int i);

/* Sets err to "NAME:LINE: what" of the row last read. Returns ERR_FORMAT. */
int csv_bad(const struct csv *c, struct err *err, const char *what);

#endif
