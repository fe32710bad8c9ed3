/* lines.h - a text of columns, cut up in place line by line.
 *
 * Columns stand between white space. Lines that begin with # are comments, one
 * that begins with a backslash (Audacity's frequency range) is skipped, CRLF
 * and a byte order mark are taken. As for mir_eval.io an empty line between
 * others is an error, unless gaps says otherwise; empty lines at the end are
 * not. */
#ifndef ANNOT_LINES_H
#define ANNOT_LINES_H

#include <stdbool.h>

#include "base/err.h"

enum lines_gaps {
    LINES_NO_GAPS,
    LINES_BLANK_GAPS, /* lines of blanks alone are skipped (beat_this) */
    LINES_GAPS        /* empty lines too */
};

struct lines {
    char *next;
    const char *name; /* of the file, for messages */
    int number;       /* of the line last read */
    enum lines_gaps gaps;
    bool comments; /* lines that begin with # are handed out too */
};

/* text is a string which the caller keeps and which is changed. */
void lines_init(struct lines *l, char *text, const char *name);

/* Sets *line to the next line with content, without the white space at its end;
 * to NULL behind the last. ERR_FORMAT. */
int lines_next(struct lines *l, char **line, struct err *err);

/* No content is left. */
bool lines_done(const struct lines *l);

/* Sets err to "NAME:LINE: what". Returns ERR_FORMAT. */
int lines_bad(const struct lines *l, struct err *err, const char *what);

/* Takes a column off *s; NULL if there is none. */
char *lines_column(char **s);

/* The word as a number: decimal and finite ("0x1", "nan" and "inf" are not).
 * False if it is none, or NULL. */
bool lines_number(double *out, const char *word);

/* A position in the bar: a whole number in 1..1000, or 0 (not known). */
bool lines_position(int *out, const char *word);

bool lines_only_space(const char *s);

#endif
