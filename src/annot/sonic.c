/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "annot/sonic.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "annot/keytext.h"
#include "annot/lines.h"
#include "base/csv.h"
#include "base/xalloc.h"

/* Numbers of columns, -1 where there is none. */
struct layout {
    int time, end, duration, label, position;
    bool header;
};

static int named(const struct csv *c, const char *name, const char *other)
{
    for (size_t i = 0; i < c->n; i++)
        if (!strcasecmp(c->field[i], name) ||
            (other && !strcasecmp(c->field[i], other)))
            return (int)i;
    return -1;
}

static bool is_number(const char *field)
{
    double v;

    return lines_number(&v, field);
}

/* From the first row and the length of the longest. */
static int find_layout(struct layout *y, const char *text, size_t len,
                       const char *name, struct err *err)
{
    struct csv c;
    bool more = true;
    size_t longest = 0;
    int rc;

    *y = (struct layout){ 0, -1, -1, -1, -1, false };
    csv_open_text(&c, text, len, name, ',');
    rc = csv_next(&c, &more, err);
    if (!rc && more && !is_number(c.field[0])) {
        *y = (struct layout){ named(&c, "time", "start"),
                              named(&c, "end", NULL),
                              named(&c, "duration", NULL),
                              named(&c, "label", NULL),
                              named(&c, "position", NULL), true };
        if (y->time < 0)
            rc = csv_bad(&c, err, "neither a time in seconds nor a header "
                                  "with TIME");
    }
    for (; !rc && more && !y->header; rc = csv_next(&c, &more, err))
        if (c.n > longest)
            longest = c.n;
    if (longest == 2)
        y->label = 1;
    if (longest > 2)
        y->duration = 2;
    if (longest > 3)
        y->label = longest > 4 ? 4 : 3;
    csv_release(&c);
    return rc;
}

struct row {
    double time, end; /* end is INFINITY for an instant */
    const char *label, *position;
};

static int read_row(struct row *r, const struct csv *c,
                    const struct layout *y, struct err *err)
{
    double duration;

    *r = (struct row){ .end = INFINITY, .label = csv_field(c, y->label),
                       .position = csv_field(c, y->position) };
    if (!lines_number(&r->time, csv_field(c, y->time)))
        return csv_bad(c, err, "the time is not a number of seconds");
    if (y->end >= 0 && !lines_number(&r->end, csv_field(c, y->end)))
        return csv_bad(c, err, "the end is not a number of seconds");
    if (y->duration >= 0) {
        if (!lines_number(&duration, csv_field(c, y->duration)))
            return csv_bad(c, err, "the duration is not a number of seconds");
        r->end = r->time + duration;
    }
    return 0;
}

static int take_beat(struct annotation *out, const struct csv *c,
                     const struct row *r, struct err *err)
{
    struct beats *b = &out->beats;
    int position = 0;

    if (b->n && r->time < b->v[b->n - 1].time)
        return csv_bad(c, err, "earlier than the row above it: sort by time");
    if (!lines_position(&position, r->position))
        lines_position(&position, r->label);
    beats_append(b, r->time, position, NAN);
    return 0;
}

static int take_span(struct annotation *out, const struct csv *c,
                     const struct row *r, const char *label, struct err *err)
{
    struct segments *s = &out->spans;
    struct segment *last = s->n ? &s->v[s->n - 1] : NULL;

    if (r->end <= r->time)
        return csv_bad(c, err, "the end does not come after the start");
    if (last && (r->time < last->start ||
                 (isinf(last->end) && r->time == last->start)))
        return csv_bad(c, err, "not later than the row above it: sort by "
                               "time");
    if (last && isinf(last->end))
        last->end = r->time;
    if (label && strcasecmp(label, "end"))
        segments_append(s, r->time, r->end, label, NAN);
    return 0;
}

static int take_key(struct annotation *out, const struct csv *c,
                    const struct row *r, struct err *err)
{
    struct tags keys = { 0 };
    int rc = keytext_parse(&keys, r->label, err);

    if (rc)
        err_prefix(err, "%s:%d", c->name, c->line);
    else
        rc = take_span(out, c, r, keys.n ? keys.v[0].label : NULL, err);
    tags_release(&keys);
    return rc;
}

static int take(struct annotation *out, const struct csv *c,
                const struct row *r, enum annot_task task, struct err *err)
{
    switch (task) {
    case ANNOT_BEATS:
        return take_beat(out, c, r, err);
    case ANNOT_CHORDS:
    case ANNOT_STRUCTURE:
        return take_span(out, c, r, r->label, err);
    case ANNOT_KEY:
        return take_key(out, c, r, err);
    default:
        return err_set(err, ERR_UNSUPPORTED, "%s: a table of times, which has "
                       "no %s", c->name, annot_task_names[task]);
    }
}

int sonic_parse(struct annotation *out, const char *text, size_t len,
                const char *name, enum annot_task task, struct err *err)
{
    struct layout y;
    struct row r;
    struct csv c;
    bool more, first = true;
    int rc = 0;

    TRY(find_layout(&y, text, len, name, err));
    csv_open_text(&c, text, len, name, ',');
    while (!rc && !(rc = csv_next(&c, &more, err)) && more) {
        if (!first || !y.header)
            rc = read_row(&r, &c, &y, err);
        if (!rc && (!first || !y.header))
            rc = take(out, &c, &r, task, err);
        first = false;
    }
    if (!rc && task == ANNOT_KEY)
        keytext_choose(out);
    csv_release(&c);
    return rc;
}
