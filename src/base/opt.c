/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/opt.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/suggest.h"
#include "base/xalloc.h"

int opt_takes_value(const struct opt *o)
{
    return o->kind != OPT_FLAG && o->kind != OPT_COUNT;
}

/* " (did you mean --NAME?)", or "". */
static void hint(char *out, size_t size, const char *dashes, const char *word,
                 const char *const *names, size_t n)
{
    const char *name = suggest_name(word, names, n);

    *out = '\0';
    if (name)
        snprintf(out, size, " (did you mean %s%s?)", dashes, name);
}

static int is_choice(const char *choices, const char *word)
{
    size_t n = strlen(word);

    for (const char *c = choices; c; c = strchr(c, '|')) {
        if (*c == '|')
            c++;
        if (!strncmp(c, word, n) && (!c[n] || c[n] == '|'))
            return n > 0;
    }
    return 0;
}

static int bad_choice(const struct opt *o, const char *s, struct err *err)
{
    char *words = xstrdup(o->choices), *save = NULL, text[100];
    const char *name[32];
    size_t n = 0;

    for (char *w = strtok_r(words, "|", &save); w && n < ARRAY_LEN(name);
         w = strtok_r(NULL, "|", &save))
        name[n++] = w;
    hint(text, sizeof(text), "", s, name, n);
    free(words);
    return err_set(err, ERR_ARG, "--%s: '%s' is not one of %s%s", o->name, s,
                   o->choices, text);
}

/* "90", "1.5", "1:30", "1:02:03.5", and with a unit "90s", "2m", "1h", "500ms".
 * Returns 0 if it is none of them. */
static int read_time(double *out, const char *s)
{
    static const struct {
        const char *name;
        double seconds;
    } units[] = { { "", 1 }, { "s", 1 }, { "ms", 1e-3 }, { "m", 60 },
                  { "min", 60 }, { "h", 3600 } };
    int negative = *s == '-', colons = 0;
    double sum = 0, v;
    char *end;

    for (s += negative;; s = end + 1, colons++) {
        if (!(*s >= '0' && *s <= '9') && (*s != '.' || colons))
            return 0;
        v = strtod(s, &end);
        if (end == s || (colons && v >= 60))
            return 0;
        sum = sum * 60 + v;
        if (*end != ':')
            break;
        if (colons == 2 || v != floor(v))
            return 0;
    }
    for (size_t i = 0; i < ARRAY_LEN(units); i++)
        if (!strcmp(end, units[i].name) && (i == 0 || !colons)) {
            *out = (negative ? -1 : 1) * sum * units[i].seconds;
            return 1;
        }
    return 0;
}

/* In GB, which is what a number alone means. */
static int read_size(double *out, const char *s)
{
    static const char units[] = "kMGT";
    char *end;
    const char *unit;

    *out = strtod(s, &end);
    if (end == s)
        return 0;
    unit = *end ? strchr(units, *end == 'K' ? 'k' : *end) : "G";
    if (!unit || (*end && end[1] && strcmp(end + 1, "B")))
        return 0;
    if (*end)
        *out *= pow(1000, (double)(unit - units) - 2);
    return 1;
}

static int set_measure(const struct opt *o, const char *s, struct err *err)
{
    int is_time = o->kind == OPT_TIME;
    double v = 0;

    if (!(is_time ? read_time(&v, s) : read_size(&v, s)))
        return err_set(err, ERR_ARG, is_time
                       ? "--%s: '%s' is not a time, as 90, 1:30, 90s, 2m or "
                         "1h" : "--%s: '%s' is not a size, as 4G or 500M",
                       o->name, s);
    if (!(v >= o->min && v <= o->max))
        return err_set(err, ERR_ARG, "--%s: '%s' is not within %.10g..%.10g "
                       "%s", o->name, s, o->min, o->max, is_time ? "s" : "GB");
    *(double *)o->value = v;
    return 0;
}

static int set_number(const struct opt *o, const char *s, struct err *err)
{
    char *end;
    double v;

    errno = 0;
    v = strtod(s, &end);
    if (end == s || *end || !isfinite(v) || v < o->min || v > o->max ||
        (o->kind == OPT_INT && v != floor(v)))
        return err_set(err, ERR_ARG, "--%s: '%s' is not %s in %.10g..%.10g",
                       o->name, s,
                       o->kind == OPT_INT ? "an integer" : "a number",
                       o->min, o->max);
    if (o->kind == OPT_INT)
        *(int *)o->value = (int)v;
    else
        *(double *)o->value = v;
    return 0;
}

static void note_given(struct opt_given *given, const char *name,
                       const char *value)
{
    int i = 0;

    while (i < given->n && strcmp(given->v[i].name, name))
        i++;
    if (i == OPT_MOST_GIVEN)
        return;
    given->v[i].name = name;
    given->v[i].value = value;
    given->n += i == given->n;
}

const char *opt_first_given(const struct opt_given *given, const char *names)
{
    for (int i = 0; i < given->n; i++)
        if (is_choice(names, given->v[i].name))
            return given->v[i].name;
    return NULL;
}

/* argv as it is read. */
struct parse {
    const struct opt *const *tables;
    int argc;
    char **argv;
    struct opt_given *given; /* NULL: not wanted */
};

static int set_value(const struct parse *p, const struct opt *o, const char *s,
                     struct err *err)
{
    if (p->given)
        note_given(p->given, o->name, s);
    switch (o->kind) {
    case OPT_FLAG:
        *(int *)o->value = 1;
        return 0;
    case OPT_COUNT:
        ++*(int *)o->value;
        return 0;
    case OPT_INT:
    case OPT_DOUBLE:
        return set_number(o, s, err);
    case OPT_TIME:
    case OPT_SIZE:
        return set_measure(o, s, err);
    case OPT_CHOICE:
        if (!is_choice(o->choices, s))
            return bad_choice(o, s, err);
        /* fall through */
    case OPT_STRING:
        *(const char **)o->value = s;
        return 0;
    case OPT_LIST: {
        struct opt_list *l = o->value;

        l->item = xreallocarray(l->item, (size_t)l->n + 1, sizeof(*l->item));
        l->item[l->n++] = s;
        return 0;
    }
    default:
        return 0;
    }
}

static int unknown(const struct opt *const *tables, const char *word,
                   size_t len, struct err *err)
{
    const char *name[200];
    char given[80], text[100];
    size_t n = 0;

    for (; *tables; tables++)
        for (const struct opt *o = *tables; o->kind != OPT_END; o++)
            if (n < ARRAY_LEN(name))
                name[n++] = o->name;
    snprintf(given, sizeof(given), "%.*s", (int)len, word);
    hint(text, sizeof(text), "--", given, name, n);
    return err_set(err, ERR_ARG, "unknown option --%s%s", given, text);
}

/* The option with this long name, or the only one that begins with it. */
static int find_long(const struct opt *const *tables, const char *name,
                     size_t len, const struct opt **out, struct err *err)
{
    const struct opt *hit = NULL;

    for (const struct opt *const *t = tables; *t; t++)
        for (const struct opt *o = *t; o->kind != OPT_END; o++) {
            if (strncmp(o->name, name, len))
                continue;
            if (!o->name[len]) {
                *out = o;
                return 0;
            }
            if (hit)
                return err_set(err, ERR_ARG, "--%.*s: could be --%s or --%s",
                               (int)len, name, hit->name, o->name);
            hit = o;
        }
    if (!hit || !len)
        return unknown(tables, name, len, err);
    *out = hit;
    return 0;
}

static const struct opt *find_letter(const struct opt *const *tables, char c)
{
    for (; *tables; tables++)
        for (const struct opt *o = *tables; o->kind != OPT_END; o++)
            if (o->letter == c)
                return o;
    return NULL;
}

static int parse_long(const struct parse *p, int *i, struct err *err)
{
    const char *arg = p->argv[*i] + 2, *eq = strchr(arg, '=');
    const struct opt *o = NULL;

    TRY(find_long(p->tables, arg, eq ? (size_t)(eq - arg) : strlen(arg), &o,
                  err));
    if (!opt_takes_value(o)) {
        if (eq)
            return err_set(err, ERR_ARG, "--%s takes no value", o->name);
        return set_value(p, o, NULL, err);
    }
    if (eq)
        return set_value(p, o, eq + 1, err);
    if (*i + 1 >= p->argc)
        return err_set(err, ERR_ARG, "--%s needs %s", o->name, o->arg);
    return set_value(p, o, p->argv[++*i], err);
}

static int parse_letters(const struct parse *p, int *i, struct err *err)
{
    for (const char *c = p->argv[*i] + 1; *c; c++) {
        const struct opt *o = find_letter(p->tables, *c);

        if (!o)
            return err_set(err, ERR_ARG, "unknown option -%c", *c);
        if (!opt_takes_value(o)) {
            TRY(set_value(p, o, NULL, err));
            continue;
        }
        if (c[1])
            return set_value(p, o, c + 1, err);
        if (*i + 1 >= p->argc)
            return err_set(err, ERR_ARG, "-%c needs %s", *c, o->arg);
        return set_value(p, o, p->argv[++*i], err);
    }
    return 0;
}

int opt_parse(const struct opt *const *tables, int argc, char **argv, int *n,
              struct opt_given *given, struct err *err)
{
    const struct parse p = { tables, argc, argv, given };
    int only_operands = 0;

    *n = 0;
    for (int i = 1; i < argc; i++) {
        char *a = argv[i];

        if (only_operands || a[0] != '-' || !a[1])
            argv[(*n)++] = a;
        else if (!strcmp(a, "--"))
            only_operands = 1;
        else if (a[1] == '-')
            TRY(parse_long(&p, &i, err));
        else
            TRY(parse_letters(&p, &i, err));
    }
    return 0;
}

void opt_help(struct strbuf *out, const struct opt *table)
{
    enum { COLUMN = 30, WIDTH = 79 };

    for (const struct opt *o = table; o->kind != OPT_END; o++) {
        size_t start = out->len, col;
        const char *p = o->help;

        if (o->letter)
            strbuf_addf(out, "  -%c, --%s", o->letter, o->name);
        else
            strbuf_addf(out, "      --%s", o->name);
        if (opt_takes_value(o))
            strbuf_addf(out, " %s", o->arg);
        col = out->len - start;
        if (col + 2 > COLUMN) {
            strbuf_addch(out, '\n');
            col = 0;
        }
        while (*p) {
            size_t room, n = strlen(p);

            while (col++ < COLUMN)
                strbuf_addch(out, ' ');
            room = WIDTH - COLUMN;
            if (n > room)
                for (n = room; n > 1 && p[n] != ' ';)
                    n--;
            strbuf_add(out, p, n);
            strbuf_addch(out, '\n');
            p += n;
            while (*p == ' ')
                p++;
            col = 0;
        }
    }
}
