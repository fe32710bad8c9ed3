/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "annot/annotation.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

const char *const annot_task_names[ANNOT_TAGS + 1] = {
    "beats", "chords", "structure", "key", "tempo", "tags"
};

void annotation_init(struct annotation *a)
{
    *a = (struct annotation){ .duration = NAN };
    key_init(&a->key);
}

void annotation_release(struct annotation *a)
{
    beats_release(&a->beats);
    segments_release(&a->spans);
    key_release(&a->key);
    tags_release(&a->keys);
    tags_release(&a->tags);
    free(a->error);
    annotation_init(a);
}

static void copy_tags(struct tags *out, const struct tags *t)
{
    for (size_t i = 0; i < t->n; i++)
        tags_append(out, t->v[i].label, t->v[i].score);
}

void annotation_copy(struct annotation *out, const struct annotation *a)
{
    annotation_init(out);
    for (size_t i = 0; i < a->beats.n; i++)
        beats_append(&out->beats, a->beats.v[i].time, a->beats.v[i].position,
                     a->beats.v[i].confidence);
    for (size_t i = 0; i < a->spans.n; i++) {
        segments_append(&out->spans, a->spans.v[i].start, a->spans.v[i].end,
                        a->spans.v[i].label, a->spans.v[i].confidence);
        out->spans.v[i].line = a->spans.v[i].line;
    }
    if (a->key.label)
        key_set(&out->key, a->key.label, a->key.confidence);
    copy_tags(&out->keys, &a->keys);
    copy_tags(&out->tags, &a->tags);
    out->tempo = a->tempo;
    memcpy(out->model, a->model, sizeof(out->model));
    out->duration = a->duration;
    out->error = a->error ? xstrdup(a->error) : NULL;
}

void annotation_close(struct annotation *a, double duration)
{
    struct segment *last;

    if (!a->spans.n)
        return;
    last = &a->spans.v[a->spans.n - 1];
    if (!isinf(last->end))
        return;
    last->end = duration;
    if (!(duration > last->start) || isinf(duration)) {
        free(last->label);
        a->spans.n--;
    }
}

/* What is sorted, with its place, which makes the order stable. */
struct place {
    double time;
    size_t index;
};

static int by_time(const void *a, const void *b)
{
    const struct place *x = a, *y = b;

    if (x->time != y->time)
        return x->time < y->time ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

static void sort_beats(struct beats *b)
{
    struct place *at = xcalloc(b->n, sizeof(*at));
    struct beat *v = xcalloc(b->n, sizeof(*v));

    for (size_t i = 0; i < b->n; i++)
        at[i] = (struct place){ b->v[i].time, i };
    qsort(at, b->n, sizeof(*at), by_time);
    for (size_t i = 0; i < b->n; i++)
        v[i] = b->v[at[i].index];
    free(b->v);
    free(at);
    b->v = v;
    b->cap = b->n;
}

static void sort_segments(struct segments *s)
{
    struct place *at = xcalloc(s->n, sizeof(*at));
    struct segment *v = xcalloc(s->n, sizeof(*v));

    for (size_t i = 0; i < s->n; i++)
        at[i] = (struct place){ s->v[i].start, i };
    qsort(at, s->n, sizeof(*at), by_time);
    for (size_t i = 0; i < s->n; i++)
        v[i] = s->v[at[i].index];
    free(s->v);
    free(at);
    s->v = v;
    s->cap = s->n;
}

void annotation_sort(struct annotation *a)
{
    bool sorted = true;

    for (size_t i = 1; i < a->beats.n; i++)
        sorted = sorted && a->beats.v[i - 1].time <= a->beats.v[i].time;
    if (!sorted)
        sort_beats(&a->beats);
    sorted = true;
    for (size_t i = 1; i < a->spans.n; i++)
        sorted = sorted && a->spans.v[i - 1].start <= a->spans.v[i].start;
    if (!sorted)
        sort_segments(&a->spans);
}
