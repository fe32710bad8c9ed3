/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "write/text.h"

static void add_label(struct strbuf *out, const char *label)
{
    for (; *label; label++) {
        unsigned char c = (unsigned char)*label;

        strbuf_addch(out, c < 0x20 || c == 0x7f ? ' ' : *label);
    }
}

void write_text_beats(struct strbuf *out, const struct beats *b)
{
    int positions = 1;

    for (size_t i = 0; i < b->n; i++)
        positions &= b->v[i].position > 0;
    for (size_t i = 0; i < b->n; i++) {
        strbuf_addf(out, "%.6f", b->v[i].time);
        if (positions)
            strbuf_addf(out, "\t%d", b->v[i].position);
        strbuf_addch(out, '\n');
    }
}

void write_text_segments(struct strbuf *out, const struct segments *s)
{
    int labels = 0;

    for (size_t i = 0; i < s->n; i++)
        labels |= *s->v[i].label != 0;
    for (size_t i = 0; i < s->n; i++) {
        strbuf_addf(out, "%.6f\t%.6f", s->v[i].start, s->v[i].end);
        if (labels) {
            strbuf_addch(out, '\t');
            add_label(out, s->v[i].label);
        }
        strbuf_addch(out, '\n');
    }
}

void write_text_key(struct strbuf *out, const struct key *k)
{
    if (!k->label)
        return;
    add_label(out, k->label);
    strbuf_addch(out, '\n');
}

void write_text_tags(struct strbuf *out, const struct tags *t)
{
    for (size_t i = 0; i < t->n; i++) {
        add_label(out, t->v[i].label);
        strbuf_addf(out, "\t%.6f\n", t->v[i].score);
    }
}
