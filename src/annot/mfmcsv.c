/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "annot/mfmcsv.h"

#include <math.h>
#include <string.h>

#include "annot/keytext.h"
#include "annot/lines.h"
#include "base/csv.h"
#include "base/limits.h"

static const double max_time = LIMIT_TIME; /* s */
static const char header[] = "task,start,end,label,confidence";
enum { TASK, START, END, LABEL, CONFIDENCE };

bool mfmcsv_is(const char *text)
{
    size_t n = sizeof(header) - 1;

    return !strncmp(text, header, n) &&
           text[n + strspn(text + n, "\r")] == '\n';
}

/* NaN where the field is empty. */
static int number(double *v, const struct csv *c, int column, double max,
                  struct err *err)
{
    const char *s = csv_field(c, column);

    *v = NAN;
    if (!*s)
        return 0;
    return lines_number(v, s) && fabs(*v) <= max
               ? 0 : csv_bad(c, err, "not a number that can be");
}

static int take_beat(struct annotation *out, const struct csv *c, double start,
                     double confidence, struct err *err)
{
    const char *label = csv_field(c, LABEL);
    int position = 0;

    if (isnan(start) || (*label && !lines_position(&position, label)))
        return csv_bad(c, err, "not a beat: a start and a position");
    beats_append(&out->beats, start, position, confidence);
    return 0;
}

static int take_span(struct annotation *out, const struct csv *c, double start,
                     double end, double confidence, struct err *err)
{
    if (!(start < end))
        return csv_bad(c, err, "its end does not come after its start");
    segments_append(&out->spans, start, end, csv_field(c, LABEL), confidence);
    return 0;
}

static int take_tempo(struct annotation *out, const struct csv *c,
                      struct err *err)
{
    double bpm;

    TRY(number(&bpm, c, LABEL, 1e4, err));
    if (!(bpm > 0))
        return csv_bad(c, err, "not a tempo in beats per minute");
    out->tempo.bpm[0] = bpm;
    return 0;
}

static int take_key(struct annotation *out, const struct csv *c,
                    double confidence, struct err *err)
{
    if (keytext_parse(&out->keys, csv_field(c, LABEL), err))
        return err_prefix(err, "%s:%d", c->name, c->line);
    if (out->keys.n)
        key_set(&out->key, out->keys.v[0].label, confidence);
    return 0;
}

/* *taken: the row is of the task. */
static int take_row(struct annotation *out, const struct csv *c,
                    enum annot_task task, bool *taken, struct err *err)
{
    const char *what = csv_field(c, TASK);
    double start, end, confidence;

    *taken = !strcmp(what, annot_task_names[task]);
    if (!*taken && (task != ANNOT_KEY || strcmp(what, "key_over_time")))
        return 0;
    if (c->n != CONFIDENCE + 1)
        return csv_bad(c, err, "not five fields");
    TRY(number(&start, c, START, max_time, err));
    TRY(number(&end, c, END, max_time, err));
    TRY(number(&confidence, c, CONFIDENCE, 1, err));
    if (confidence < 0)
        return csv_bad(c, err, "a confidence below 0");
    if (isnan(start) && isnan(end) && !*csv_field(c, LABEL))
        return 0; /* it found nothing */
    switch (task) {
    case ANNOT_BEATS:
        return take_beat(out, c, start, confidence, err);
    case ANNOT_TEMPO:
        return take_tempo(out, c, err);
    case ANNOT_KEY:
        if (*taken)
            return take_key(out, c, confidence, err);
        return take_span(out, c, start, end, confidence, err);
    case ANNOT_TAGS:
        tags_append(&out->tags, csv_field(c, LABEL),
                    isnan(confidence) ? 1 : confidence);
        return 0;
    default:
        return take_span(out, c, start, end, confidence, err);
    }
}

int mfmcsv_parse(struct annotation *out, const char *text, size_t len,
                 const char *name, enum annot_task task, struct err *err)
{
    bool more = true, any = false, taken = false;
    struct csv c;
    int rc;

    csv_open_text(&c, text, len, name, ',');
    rc = csv_next(&c, &more, err); /* the header */
    while (!rc && !(rc = csv_next(&c, &more, err)) && more) {
        rc = take_row(out, &c, task, &taken, err);
        any |= taken;
    }
    csv_release(&c);
    if (!rc && !any)
        rc = err_set(err, ERR_FORMAT, "%s: no row of %s", name,
                     annot_task_names[task]);
    if (task == ANNOT_TEMPO)
        out->tempo.weight = 1;
    if (!rc)
        annotation_sort(out);
    return rc;
}
