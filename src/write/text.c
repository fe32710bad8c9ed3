/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "write/text.h"

#include "write/json.h"

void write_text_label(struct strbuf *out, const char *label)
{
    size_t begin = out->len;

    write_utf8(out, label);
    for (size_t i = begin; i < out->len; i++)
        if ((unsigned char)out->s[i] < 0x20 || out->s[i] == 0x7f)
            out->s[i] = ' ';
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
            write_text_label(out, s->v[i].label);
        }
        strbuf_addch(out, '\n');
    }
}

void write_text_key(struct strbuf *out, const struct key *k)
{
    if (!k->label)
        return;
    write_text_label(out, k->label);
    strbuf_addch(out, '\n');
}

void write_text_tags(struct strbuf *out, const struct tags *t)
{
    for (size_t i = 0; i < t->n; i++) {
        write_text_label(out, t->v[i].label);
        strbuf_addf(out, "\t%.6f\n", t->v[i].score);
    }
}

static void add_task(struct strbuf *out, const struct result *r, enum task task)
{
    switch (task) {
    case TASK_BEATS: write_text_beats(out, r->beats); break;
    case TASK_CHORDS: write_text_segments(out, r->chords); break;
    case TASK_STRUCTURE: write_text_segments(out, r->structure); break;
    case TASK_KEY:
        if (r->key_over_time)
            write_text_segments(out, r->key_over_time);
        else
            write_text_key(out, r->key);
        break;
    default: write_text_tags(out, r->tags);
    }
}

int write_text(struct strbuf *out, const struct result *r, struct err *err)
{
    int n = 0;

    (void)err;
    for (int t = 0; t < TASKS; t++)
        n += result_has(r, (enum task)t);
    for (int t = 0; t < TASKS; t++) {
        if (!result_has(r, (enum task)t))
            continue;
        if (n > 1)
            strbuf_addf(out, "# %s\n", task_names[t]);
        add_task(out, r, (enum task)t);
    }
    return 0;
}
