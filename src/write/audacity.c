/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "write/audacity.h"

#include <math.h>
#include <stdio.h>

#include "write/text.h"

static void add(struct strbuf *out, double start, double end,
                const char *label)
{
    strbuf_addf(out, "%.6f\t%.6f\t", start + 0.0, end + 0.0);
    write_text_label(out, label);
    strbuf_addch(out, '\n');
}

static void add_beats(struct strbuf *out, const struct beats *b)
{
    char position[16];

    for (size_t i = 0; i < b->n; i++) {
        snprintf(position, sizeof(position), "%d", b->v[i].position);
        add(out, b->v[i].time, b->v[i].time, b->v[i].position ? position : "");
    }
}

static void add_segments(struct strbuf *out, const struct segments *s)
{
    for (size_t i = 0; s && i < s->n; i++)
        add(out, s->v[i].start, s->v[i].end, s->v[i].label);
}

static void add_tags(struct strbuf *out, const struct tags *t, double start,
                     double end)
{
    for (size_t i = 0; i < t->n; i++) {
        struct strbuf text = STRBUF_INIT;

        strbuf_addf(&text, "%s %.2f", t->v[i].label, t->v[i].score);
        add(out, start, end, text.s);
        strbuf_release(&text);
    }
}

int write_audacity(struct strbuf *out, const struct result *r, struct err *err)
{
    double end = r->start + (isfinite(r->duration) ? r->duration : 0);

    (void)err;
    if (r->beats)
        add_beats(out, r->beats);
    add_segments(out, r->chords);
    add_segments(out, r->structure);
    if (r->key && r->key_over_time)
        add_segments(out, r->key_over_time);
    else if (r->key && r->key->label)
        add(out, r->start, end, r->key->label);
    if (r->tags)
        add_tags(out, r->tags, r->start, end);
    return 0;
}
