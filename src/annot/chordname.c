/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "annot/chordname.h"

#include <string.h>

#include "base/limits.h"
#include "base/xalloc.h"

#define TRIAD(a, b) (1u | 1u << (a) | 1u << (b))
#define TETRAD(a, b, c) (TRIAD(a, b) | 1u << (c))

/* Notes of each shorthand; with reduce, those of `base` and the degrees `more`
 * instead. No notes: mir_eval has none for it. */
static const struct quality {
    const char *name;
    unsigned bits, base;
    unsigned char more[3];
} qualities[] = {
    { "maj", TRIAD(4, 7), TRIAD(4, 7), { 0 } },
    { "min", TRIAD(3, 7), TRIAD(3, 7), { 0 } },
    { "dim", TRIAD(3, 6), TRIAD(3, 6), { 0 } },
    { "aug", TRIAD(4, 8), TRIAD(4, 8), { 0 } },
    { "1", 1u, 1u, { 0 } },
    { "5", TRIAD(0, 7), TRIAD(0, 7), { 0 } },
    { "sus2", TRIAD(2, 7), TRIAD(2, 7), { 0 } },
    { "sus4", TRIAD(5, 7), TRIAD(5, 7), { 0 } },
    { "maj6", TETRAD(4, 7, 9), TETRAD(4, 7, 9), { 0 } },
    { "min6", TETRAD(3, 7, 9), TETRAD(3, 7, 9), { 0 } },
    { "7", TETRAD(4, 7, 10), TETRAD(4, 7, 10), { 0 } },
    { "maj7", TETRAD(4, 7, 11), TETRAD(4, 7, 11), { 0 } },
    { "min7", TETRAD(3, 7, 10), TETRAD(3, 7, 10), { 0 } },
    { "dim7", TETRAD(3, 6, 9), TETRAD(3, 6, 9), { 0 } },
    { "hdim7", TETRAD(3, 6, 10), TETRAD(3, 6, 10), { 0 } },
    { "minmaj7", TETRAD(3, 7, 11), TRIAD(3, 7), { 7 } },
    { "aug7", 0, 0, { 0 } },
    { "9", TETRAD(4, 7, 10), TETRAD(4, 7, 10), { 9 } },
    { "maj9", TETRAD(4, 7, 11), TETRAD(4, 7, 11), { 9 } },
    { "min9", TETRAD(3, 7, 10), TETRAD(3, 7, 10), { 9 } },
    { "11", TETRAD(4, 7, 10), TETRAD(4, 7, 10), { 9, 11 } },
    { "maj11", 0, 0, { 0 } },
    { "min11", TETRAD(3, 7, 10), TETRAD(3, 7, 10), { 9, 11 } },
    { "13", TETRAD(4, 7, 10), TETRAD(4, 7, 10), { 9, 11, 13 } },
    { "maj13", TETRAD(4, 7, 11), TETRAD(4, 7, 11), { 9, 11, 13 } },
    { "min13", TETRAD(3, 7, 10), TETRAD(3, 7, 10), { 9, 11, 13 } },
};

/* A scale degree as written: two of them are one if all three agree. */
struct degree {
    bool omit;
    long shift; /* sharps minus flats */
    int number; /* 1..13 */
};

struct degrees {
    struct degree at[LIMIT_CHORD_DEGREES + 3]; /* + what a shorthand implies */
    int n;
};

/* Skips a run of b or of # and returns it as semitones. */
static long accidentals(const char **s)
{
    const char *begin = *s;
    char c = *begin;

    if (c != 'b' && c != '#')
        return 0;
    while (**s == c)
        (*s)++;
    return c == 'b' ? begin - *s : *s - begin;
}

static int semitones(const struct degree *d)
{
    static const int above[] = { 0, 2, 4, 5, 7, 9, 11 };
    int n = d->number - 1;

    return n / 7 * 12 + above[n % 7];
}

static int mod12(long v)
{
    return (int)((v % 12 + 12) % 12);
}

static int bad(struct err *err, const char *label, const char *what)
{
    return err_set(err, ERR_FORMAT, "chord '%.80s': %s", label, what);
}

/* Accidentals and a number, greedily: 10 to 13 before 1. */
static bool read_degree(const char **s, struct degree *d)
{
    d->shift = accidentals(s);
    if (**s < '1' || **s > '9')
        return false;
    d->number = *(*s)++ - '0';
    if (d->number == 1 && **s >= '0' && **s <= '3')
        d->number = 10 + *(*s)++ - '0';
    return true;
}

static void degrees_add(struct degrees *ds, struct degree d)
{
    for (int i = 0; i < ds->n; i++)
        if (ds->at[i].omit == d.omit && ds->at[i].shift == d.shift &&
            ds->at[i].number == d.number)
            return;
    ds->at[ds->n++] = d;
}

/* "(" has been read; ends behind ")". */
static int read_degrees(struct degrees *ds, const char **s, const char *label,
                        struct err *err)
{
    do {
        struct degree d = { 0 };

        if (**s == '*') {
            d.omit = true;
            (*s)++;
        }
        if (!read_degree(s, &d))
            return bad(err, label, "a scale degree is b.. or #.. and 1 to 13");
        if (ds->n == LIMIT_CHORD_DEGREES)
            return bad(err, label, "more than 64 scale degrees");
        degrees_add(ds, d);
    } while (*(*s)++ == ',');
    if ((*s)[-1] != ')')
        return bad(err, label, "the list of degrees needs a ')' behind it");
    return 0;
}

static const struct quality *find_quality(const char *name, size_t len)
{
    for (size_t i = 0; i < ARRAY_LEN(qualities); i++)
        if (strlen(qualities[i].name) == len &&
            !memcmp(qualities[i].name, name, len))
            return qualities + i;
    return NULL;
}

/* The notes of a shorthand (NULL: none) with the degrees added and removed. The
 * root always sounds before that. */
static unsigned notes(const struct quality *q, struct degrees *ds, bool reduce)
{
    unsigned bits = q ? reduce ? q->base : q->bits : 0;
    int count[12];

    for (int i = 0; q && reduce && i < 3 && q->more[i]; i++)
        degrees_add(ds, (struct degree){ .number = q->more[i] });
    for (int i = 0; i < 12; i++)
        count[i] = i == 0 || (bits >> i & 1);
    for (int i = 0; i < ds->n; i++) {
        long at = semitones(&ds->at[i]) + ds->at[i].shift;

        if (at < 12 || reduce)
            count[mod12(at)] += ds->at[i].omit ? -1 : 1;
    }
    bits = 0;
    for (int i = 0; i < 12; i++)
        bits |= (unsigned)(count[i] > 0) << i;
    return bits;
}

/* What stands behind ":": sets *q and *ds. */
static int read_quality(const struct quality **q, struct degrees *ds,
                        const char **s, const char *label, struct err *err)
{
    size_t len = strcspn(*s, "(/");

    *q = find_quality(*s, len);
    if (!*q && !(len == 0 && **s == '('))
        return bad(err, label, "no such shorthand behind ':' (as maj, min7)");
    *s += len;
    if (**s == '(') {
        (*s)++;
        TRY(read_degrees(ds, s, label, err));
    }
    return 0;
}

int chordname_parse(struct chordname *out, const char *label, bool reduce,
                    struct err *err)
{
    static const int above_c[] = { 9, 11, 0, 2, 4, 5, 7 }; /* A to G */
    const struct quality *q = qualities;                   /* maj */
    struct degrees ds = { .n = 0 };
    struct degree bass = { .number = 1 };
    const char *s = label;
    int root;

    *out = (struct chordname){ -1, -1, 0 };
    if (!strcmp(label, "N"))
        return 0;
    out->bits = CHORDNAME_ALL;
    if (!strcmp(label, "X"))
        return 0;
    if (*s < 'A' || *s > 'G')
        return bad(err, label, "it begins with a root A to G, or is N or X");
    root = above_c[*s++ - 'A'];
    root = mod12(root + accidentals(&s));
    if (*s == ':') {
        s++;
        TRY(read_quality(&q, &ds, &s, label, err));
    }
    if (*s == '/') {
        s++;
        if (!read_degree(&s, &bass))
            return bad(err, label, "a scale degree must follow '/'");
    }
    if (*s)
        return bad(err, label, "what should end there goes on");
    if (q && !q->bits)
        return err_set(err, ERR_UNSUPPORTED, "chord '%.80s': no notes are "
                       "defined for %s, write its degrees in brackets",
                       label, q->name);
    out->root = root;
    out->bass = mod12(semitones(&bass) + bass.shift);
    out->bits = notes(q, &ds, reduce) | 1u << out->bass;
    return 0;
}

int chordname_triad(const char *label)
{
    const unsigned maj = TRIAD(4, 7), min = TRIAD(3, 7);
    struct chordname c;
    unsigned triad;

    if (chordname_parse(&c, label, false, NULL))
        return -1;
    if (c.root < 0)
        return c.bits ? -1 : 24;
    triad = c.bits & 0xff; /* from the root to the fifth */
    return triad == maj ? 2 * c.root : triad == min ? 2 * c.root + 1 : -1;
}

bool chordname_is_x(const struct chordname *c)
{
    return c->root < 0 && c->bits;
}

bool chordname_equal(const struct chordname *a, const struct chordname *b)
{
    return a->root == b->root && a->bass == b->bass && a->bits == b->bits;
}
