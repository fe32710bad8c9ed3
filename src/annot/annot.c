/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "annot/annot.h"

#include <math.h>
#include <stdlib.h>

#include "base/xalloc.h"

void beats_init(struct beats *b)
{
    *b = (struct beats){0};
}

void beats_release(struct beats *b)
{
    free(b->v);
    beats_init(b);
}

void beats_append(struct beats *b, double time, int position,
                  double confidence)
{
    ARRAY_GROW(b->v, b->n, b->cap);
    b->v[b->n++] = (struct beat){ time, position, confidence };
}

void segments_init(struct segments *s)
{
    *s = (struct segments){0};
}

void segments_release(struct segments *s)
{
    for (size_t i = 0; i < s->n; i++)
        free(s->v[i].label);
    free(s->v);
    segments_init(s);
}

void segments_append(struct segments *s, double start, double end,
                     const char *label, double confidence)
{
    ARRAY_GROW(s->v, s->n, s->cap);
    s->v[s->n++] = (struct segment){ start, end, xstrdup(label), confidence,
                                      0 };
}

void key_init(struct key *k)
{
    *k = (struct key){ NULL, NAN };
}

void key_release(struct key *k)
{
    free(k->label);
    key_init(k);
}

void key_set(struct key *k, const char *label, double confidence)
{
    char *copy = xstrdup(label);

    free(k->label);
    *k = (struct key){ copy, confidence };
}

void tags_init(struct tags *t)
{
    *t = (struct tags){0};
}

void tags_release(struct tags *t)
{
    for (size_t i = 0; i < t->n; i++)
        free(t->v[i].label);
    free(t->v);
    tags_init(t);
}

void tags_append(struct tags *t, const char *label, double score)
{
    ARRAY_GROW(t->v, t->n, t->cap);
    t->v[t->n++] = (struct tag){ xstrdup(label), score };
}
