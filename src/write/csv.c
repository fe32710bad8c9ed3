/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "write/csv.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "write/json.h"

static void add_number(struct strbuf *out, double x)
{
    if (isfinite(x))
        strbuf_addf(out, "%.6f", x + 0.0);
}

static void add_field(struct strbuf *out, const char *s)
{
    struct strbuf text = STRBUF_INIT;

    write_utf8(&text, s);
    if (!text.s[strcspn(text.s, ",\"\r\n")]) {
        strbuf_add(out, text.s, text.len);
    } else {
        strbuf_addch(out, '"');
        for (const char *p = text.s; *p; p++) {
            if (*p == '"')
                strbuf_addch(out, '"');
            strbuf_addch(out, *p);
        }
        strbuf_addch(out, '"');
    }
    strbuf_release(&text);
}

/* NAN where a time or the confidence is not known. */
static void add_row(struct strbuf *out, const char *task, double start,
                    double end, const char *label, double confidence)
{
    strbuf_addf(out, "%s,", task);
    add_number(out, start);
    strbuf_addch(out, ',');
    add_number(out, end);
    strbuf_addch(out, ',');
    add_field(out, label);
    strbuf_addch(out, ',');
    add_number(out, confidence);
    strbuf_addch(out, '\n');
}

/* The task ran and found nothing. */
static void add_nothing(struct strbuf *out, const char *task)
{
    add_row(out, task, NAN, NAN, "", NAN);
}

static void add_beats(struct strbuf *out, const struct result *r)
{
    char text[32];

    if (isfinite(r->tempo.bpm)) {
        snprintf(text, sizeof(text), "%.10g", round(r->tempo.bpm * 1e6) / 1e6);
        add_row(out, "tempo", NAN, NAN, text, r->tempo.confidence);
    } else {
        add_nothing(out, "tempo");
    }
    if (r->meter) {
        snprintf(text, sizeof(text), "%d", r->meter);
        add_row(out, "meter", NAN, NAN, text, NAN);
    }
    for (size_t i = 0; i < r->beats->n; i++) {
        const struct beat *b = &r->beats->v[i];

        snprintf(text, sizeof(text), "%d", b->position);
        add_row(out, "beats", b->time, NAN, b->position ? text : "",
                b->confidence);
    }
    if (!r->beats->n)
        add_nothing(out, "beats");
}

static void add_segments(struct strbuf *out, const char *task,
                         const struct segments *s)
{
    for (size_t i = 0; s && i < s->n; i++)
        add_row(out, task, s->v[i].start, s->v[i].end, s->v[i].label,
                s->v[i].confidence);
    if (s && !s->n)
        add_nothing(out, task);
}

int write_csv(struct strbuf *out, const struct result *r, struct err *err)
{
    (void)err;
    strbuf_addstr(out, "task,start,end,label,confidence\n");
    if (r->beats)
        add_beats(out, r);
    add_segments(out, "chords", r->chords);
    add_segments(out, "structure", r->structure);
    if (r->key && r->key->label)
        add_row(out, "key", r->start, r->start + r->duration, r->key->label,
                r->key->confidence);
    else if (r->key)
        add_nothing(out, "key");
    if (r->key)
        add_segments(out, "key_over_time", r->key_over_time);
    for (size_t i = 0; r->tags && i < r->tags->n; i++)
        add_row(out, "tags", NAN, NAN, r->tags->v[i].label,
                r->tags->v[i].score);
    if (r->tags && !r->tags->n)
        add_nothing(out, "tags");
    return 0;
}
