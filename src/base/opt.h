/* opt.h - command line options from a table: values out, help text out.
 *
 * Long options as in GNU tools (--name value, --name=value, unambiguous
 * beginnings), short ones bundled; options and operands may mix; "--" ends the
 * options; a lone "-" is an operand. */
#ifndef BASE_OPT_H
#define BASE_OPT_H

#include "base/err.h"
#include "base/strbuf.h"

enum { OPT_MOST_GIVEN = 64 }; /* no command has so many */

enum opt_kind {
    OPT_FLAG,   /* int *: set to 1 */
    OPT_COUNT,  /* int *: one more each time */
    OPT_INT,    /* int *: within min..max */
    OPT_DOUBLE, /* double *: within min..max */
    OPT_TIME,   /* double *: seconds within min..max, of 90, 1:30, 90s, 2m... */
    OPT_SIZE,   /* double *: GB within min..max, of 4, 4G, 500M... */
    OPT_STRING, /* const char **: borrowed from argv */
    OPT_CHOICE, /* const char **: one of the words in choices */
    OPT_LIST,   /* struct opt_list *: may be given several times */
    OPT_END
};

struct opt_list {
    const char **item; /* n strings borrowed from argv; free(item) */
    int n;
};

struct opt {
    char letter;          /* 0: none */
    const char *name;     /* long name */
    enum opt_kind kind;
    void *value;
    const char *arg;      /* shown in help: "FILE"; NULL for flags */
    const char *help;     /* one line or more; no final full stop */
    double min, max;      /* of numbers, times and sizes */
    const char *choices;  /* "json|text", OPT_CHOICE */
};

/* Whether a value follows it. */
int opt_takes_value(const struct opt *o);

/* Which options were given, each once, with its last value as it was written
 * (NULL: it takes none); borrowed from the tables and argv. */
struct opt_given {
    struct {
        const char *name, *value;
    } v[OPT_MOST_GIVEN];
    int n;
};

/* Reads argv[1..argc-1] by several tables (each ends with OPT_END; the array of
 * tables with NULL). Operands are moved to the front of argv[0..]; *n is their
 * number. given may be NULL. Returns 0 or ERR_ARG with one line that says what
 * is wrong. */
int opt_parse(const struct opt *const *tables, int argc, char **argv, int *n,
              struct opt_given *given, struct err *err);

/* The first of names ("window|hop") that was given; NULL: none was. */
const char *opt_first_given(const struct opt_given *given, const char *names);

/* Appends "  -x, --name ARG   help" lines, wrapped at 80 columns. */
void opt_help(struct strbuf *out, const struct opt *table);

#endif
