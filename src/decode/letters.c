/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "decode/letters.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

static const double of_changes = 0.3, of_label = 0.3, enough = 0.95;
static const double least_s = 0.3; /* a chord of a part lasts so long in it */

/* How much of a thing, a chord or a change between two, is in a part. */
struct item {
    int id;
    double amount;
};

struct items {
    struct item *v;
    size_t n, cap;
};

struct part {
    struct items chords, changes;
};

static void add(struct items *s, int id, double amount)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->v[i].id == id) {
            s->v[i].amount += amount;
            return;
        }
    ARRAY_GROW(s->v, s->n, s->cap);
    s->v[s->n++] = (struct item){ id, amount };
}

static double product(const struct items *a, const struct items *b)
{
    double sum = 0;

    for (size_t i = 0; i < a->n; i++)
        for (size_t k = 0; k < b->n; k++)
            if (a->v[i].id == b->v[k].id)
                sum += a->v[i].amount * b->v[k].amount;
    return sum;
}

static double cosine(const struct items *a, const struct items *b)
{
    double length = sqrt(product(a, a) * product(b, b));

    return length > 0 ? product(a, b) / length : 0;
}

/* Number of each chord's label, by the first that has it. */
static int *number_labels(const struct segments *chords)
{
    int *id = xcalloc(chords->n + 1, sizeof(*id));
    size_t *first = xcalloc(chords->n + 1, sizeof(*first)), n = 0;

    for (size_t i = 0; i < chords->n; i++) {
        size_t k = 0;

        while (k < n && strcmp(chords->v[first[k]].label, chords->v[i].label))
            k++;
        if (k == n)
            first[n++] = i;
        id[i] = (int)k;
    }
    free(first);
    return id;
}

/* *next is the first chord that may reach into the part or a later one. */
static void describe(struct part *p, const struct segment *g,
                     const struct segments *chords, const int *id, size_t *next)
{
    int last = -1;

    while (*next < chords->n && chords->v[*next].end <= g->start)
        ++*next;
    for (size_t i = *next; i < chords->n && chords->v[i].start < g->end; i++) {
        const struct segment *c = &chords->v[i];
        double length = fmin(g->end, c->end) - fmax(g->start, c->start);

        add(&p->chords, id[i], length);
        if (length <= least_s)
            continue;
        if (last >= 0)
            add(&p->changes, last << 12 | (id[i] & 0xfff), 1);
        last = id[i];
    }
}

static double in_common(const struct part *a, const struct part *b,
                        const char *label, const char *other)
{
    return (1 - of_changes) * cosine(&a->chords, &b->chords) +
           of_changes * cosine(&a->changes, &b->changes) +
           (strcmp(label, other) ? 0 : of_label);
}

/* The group that part i joins, or groups + 1. */
static int choose(const int *group, const struct segments *parts,
                  const struct part *p, size_t i, int groups)
{
    int best = groups + 1;
    double most = enough;

    for (int g = 1; g <= groups; g++) {
        double sum = 0, n = 0;

        for (size_t k = 0; k < i; k++)
            if (group[k] == g) {
                sum += in_common(&p[i], &p[k], parts->v[i].label,
                                 parts->v[k].label);
                n++;
            }
        if (sum / n > most) {
            best = g;
            most = sum / n;
        }
    }
    return best;
}

static void assign_by_label(int *group, const struct segments *parts)
{
    int groups = 0;

    for (size_t i = 0; i < parts->n; i++) {
        size_t k = 0;

        while (strcmp(parts->v[k].label, parts->v[i].label))
            k++;
        group[i] = k < i ? group[k] : ++groups;
    }
}

void letters_assign(int *group, const struct segments *parts,
                    const struct segments *chords)
{
    struct part *p;
    size_t next = 0;
    int *id, groups = 0;

    if (!chords || !chords->n) {
        assign_by_label(group, parts);
        return;
    }
    p = xcalloc(parts->n + 1, sizeof(*p));
    id = number_labels(chords);
    for (size_t i = 0; i < parts->n; i++) {
        describe(&p[i], &parts->v[i], chords, id, &next);
        group[i] = choose(group, parts, p, i, groups);
        groups = group[i] > groups ? group[i] : groups;
    }
    for (size_t i = 0; i < parts->n; i++) {
        free(p[i].chords.v);
        free(p[i].changes.v);
    }
    free(id);
    free(p);
}
