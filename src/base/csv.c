/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/csv.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/xalloc.h"

static int get(struct csv *c)
{
    if (c->start_at < c->start_n)
        return c->start[c->start_at++];
    c->start_at = c->start_n = 0;
    if (c->f)
        return getc_unlocked(c->f);
    return c->at < c->end ? (unsigned char)*c->at++ : EOF;
}

static void unget(struct csv *c, int ch)
{
    if (ch == EOF)
        return;
    if (c->start_at)
        c->start_at--;
    else if (c->f)
        ungetc(ch, c->f);
    else
        c->at--;
}

static void init(struct csv *c, const char *name, char sep)
{
    *c = (struct csv){ .name = name, .sep = sep, .next_line = 1 };
    strbuf_init(&c->row);
}

int csv_open(struct csv *c, const char *path, char sep, struct err *err)
{
    init(c, path, sep);
    c->f = fopen(path, "rb");
    if (!c->f)
        return err_sys(err, "%s: cannot open", path);
    /* read to find the mark, and the table's own where it is none */
    c->start_n = (int)fread(c->start, 1, sizeof(c->start), c->f);
    if (c->start_n == 3 && !memcmp(c->start, "\xef\xbb\xbf", 3))
        c->start_n = 0;
    return 0;
}

void csv_open_text(struct csv *c, const char *text, size_t len,
                   const char *name, char sep)
{
    init(c, name, sep);
    c->at = text;
    c->end = text + len;
    if (len >= 3 && !memcmp(text, "\xef\xbb\xbf", 3))
        c->at += 3;
}

void csv_release(struct csv *c)
{
    if (c->f)
        fclose(c->f);
    free(c->offset);
    free(c->field);
    if (c->row.s)
        strbuf_release(&c->row);
    *c = (struct csv){ 0 };
}

int csv_bad(const struct csv *c, struct err *err, const char *what)
{
    return err_set(err, ERR_FORMAT, "%s:%d: %s", c->name, c->line, what);
}

/* Behind the opening quote; ends behind the closing one. */
static int quoted(struct csv *c, struct err *err)
{
    for (;;) {
        int ch = get(c);

        if (ch == EOF)
            return csv_bad(c, err, "a \" in this row has no partner");
        if (ch == '"') {
            ch = get(c);
            if (ch != '"') {
                unget(c, ch);
                return 0;
            }
        }
        c->next_line += ch == '\n';
        if (c->row.len >= LIMIT_CSV_ROW)
            return csv_bad(c, err, "this row is longer than 16 MiB");
        if (!ch)
            return csv_bad(c, err, "holds a zero byte: not a text file");
        strbuf_addch(&c->row, (char)ch);
    }
}

/* Reads a field and what ends it (the separator, '\n' or EOF) into *stop. */
static int field(struct csv *c, int *stop, struct err *err)
{
    int ch = get(c), was_quoted = ch == '"';

    if (was_quoted) {
        TRY(quoted(c, err));
        ch = get(c);
    }
    for (; ch != c->sep && ch != '\n' && ch != EOF; ch = get(c)) {
        if (ch == '\r') {
            ch = get(c);
            if (ch == '\n' || ch == EOF)
                break;
            unget(c, ch);
            ch = '\r';
        }
        if (was_quoted)
            return csv_bad(c, err, "text behind a closing \": a \" within "
                                   "quotes is written \"\"");
        if (!ch)
            return csv_bad(c, err, "holds a zero byte: not a text file");
        if (c->row.len >= LIMIT_CSV_ROW)
            return csv_bad(c, err, "this row is longer than 16 MiB");
        strbuf_addch(&c->row, (char)ch);
    }
    strbuf_addch(&c->row, 0);
    *stop = ch;
    return 0;
}

/* Passes over empty lines; false at the end. A lone CR counts as one. */
static bool skip_empty(struct csv *c)
{
    for (;;) {
        int ch = get(c);

        if (ch == '\r')
            continue;
        if (ch != '\n') {
            unget(c, ch);
            return ch != EOF;
        }
        c->next_line++;
    }
}

int csv_next(struct csv *c, bool *more, struct err *err)
{
    int stop = EOF;

    c->n = 0;
    strbuf_reset(&c->row);
    *more = skip_empty(c);
    c->line = c->next_line;
    while (*more) {
        if (c->n == LIMIT_CSV_FIELDS)
            return csv_bad(c, err, "this row has more than 4096 fields");
        ARRAY_GROW(c->offset, c->n, c->cap);
        c->offset[c->n++] = c->row.len;
        TRY(field(c, &stop, err));
        if (stop != c->sep)
            break;
    }
    c->next_line += stop == '\n';
    if (c->f && ferror(c->f))
        return err_sys(err, "%s: cannot read", c->name);
    if (c->n > c->field_cap) {
        c->field_cap = c->n;
        c->field = xreallocarray(c->field, c->n, sizeof(*c->field));
    }
    for (size_t i = 0; i < c->n; i++)
        c->field[i] = c->row.s + c->offset[i];
    return 0;
}

int csv_column(const struct csv *c, const char *name)
{
    for (size_t i = 0; i < c->n; i++)
        if (!strcmp(c->field[i], name))
            return (int)i;
    return -1;
}

const char *csv_field(const struct csv *c, int i)
{
    return i >= 0 && (size_t)i < c->n ? c->field[i] : "";
}
