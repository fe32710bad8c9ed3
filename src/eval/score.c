/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "eval/score.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "annot/section.h"
#include "base/xalloc.h"
#include "eval/beat.h"
#include "eval/chord.h"
#include "eval/key.h"
#include "eval/segment.h"
#include "eval/tempo.h"

static const char *const beat_names[] = {
    EVAL_BEAT_NAMES, "Downbeat F-measure",
};
static const char *const key_names[] = { "Weighted Score", "Accuracy" };
static const char *const tag_names[] = { "average_precision", "roc_auc" };

const struct score_names score_names[SCORE_TASKS] = {
    { "beats", beat_names, ARRAY_LEN(beat_names), EVAL_BEAT_F },
    { "chords", eval_chord_names, EVAL_CHORD_COUNT, EVAL_CHORD_MAJMIN },
    { "structure", eval_segment_names, EVAL_SEGMENT_COUNT, EVAL_SEGMENT_F05 },
    { "key", key_names, ARRAY_LEN(key_names), 0 },
    { "tempo", eval_tempo_names, EVAL_TEMPO_COUNT, EVAL_TEMPO_P_SCORE },
    { "tag", tag_names, ARRAY_LEN(tag_names), 0 },
};

/* ---- beats ---- */

/* The times of all beats, or of the downbeats; the caller frees. */
static double *times(const struct beats *b, bool downbeats, size_t *n)
{
    double *t = xcalloc(b->n + 1, sizeof(*t));

    *n = 0;
    for (size_t i = 0; i < b->n; i++)
        if (!downbeats || b->v[i].position == 1)
            t[(*n)++] = b->v[i].time;
    return t;
}

static bool has_positions(const struct beats *b)
{
    for (size_t i = 0; i < b->n; i++)
        if (b->v[i].position > 0)
            return true;
    return b->n == 0;
}

static int score_beats(double *out, const struct beats *ref,
                       const struct beats *est, double trim_s, struct err *err)
{
    size_t n, m;
    double *r = times(ref, false, &n), *e = times(est, false, &m);
    int rc = eval_beat(out, r, n, e, m, trim_s, err);

    free(r);
    free(e);
    out[EVAL_BEAT_COUNT] = NAN;
    if (rc || !has_positions(ref) || !has_positions(est))
        return rc;
    r = times(ref, true, &n);
    e = times(est, true, &m);
    rc = eval_beat_f(out + EVAL_BEAT_COUNT, NULL, NULL, r, n, e, m, trim_s,
                     err);
    free(r);
    free(e);
    return rc;
}

/* ---- chords and structure ---- */

/* Columns of the segments; labels are borrowed. Released by free_spans. */
static struct eval_spans spans_of(const struct segments *s)
{
    double *start = xcalloc(s->n + 1, sizeof(*start));
    double *end = xcalloc(s->n + 1, sizeof(*end));
    const char **label = xcalloc(s->n + 1, sizeof(*label));

    for (size_t i = 0; i < s->n; i++) {
        start[i] = s->v[i].start;
        end[i] = s->v[i].end;
        label[i] = s->v[i].label;
    }
    return (struct eval_spans){ start, end, label, s->n };
}

static void free_spans(struct eval_spans *s)
{
    free((void *)s->start);
    free((void *)s->end);
    free((void *)s->label);
}

static bool no_labels(const struct segments *s)
{
    for (size_t i = 0; i < s->n; i++)
        if (*s->v[i].label)
            return false;
    return s->n > 0;
}

/* The segments with their functions; labels are static. */
static struct eval_spans functions_of(const struct segments *s)
{
    struct eval_spans f = spans_of(s);
    size_t n = 0;

    for (size_t i = 0; i < f.n; i++) {
        const char *function = section_function(f.label[i]);

        if (!function)
            continue; /* "end" */
        ((double *)f.start)[n] = f.start[i];
        ((double *)f.end)[n] = f.end[i];
        ((const char **)f.label)[n++] = function;
    }
    f.n = n;
    return f;
}

static bool names_functions(const struct segments *s)
{
    for (size_t i = 0; i < s->n; i++)
        if (section_names(s->v[i].label))
            return true;
    return s->n == 0;
}

static bool are_functions(const struct segments *s)
{
    for (size_t i = 0; i < s->n; i++) {
        const char *function = section_function(s->v[i].label);

        if (!function || strcasecmp(function, s->v[i].label))
            return false;
    }
    return true;
}

/* *out is the frame accuracy of the labels as they are. */
static int score_functions(double *out, const struct segments *ref,
                           const struct segments *est, struct err *err)
{
    struct eval_spans r, e;
    int rc;

    if (are_functions(ref) && are_functions(est))
        return 0;
    *out = NAN;
    if (!names_functions(ref) || !names_functions(est))
        return 0;
    r = functions_of(ref);
    e = functions_of(est);
    rc = r.n ? eval_frame_accuracy(out, &r, &e, err) : 0;
    free_spans(&r);
    free_spans(&e);
    return rc;
}

static int score_segments(double *out, enum annot_task task,
                          const struct segments *ref,
                          const struct segments *est, struct err *err)
{
    struct eval_spans r = spans_of(ref), e = spans_of(est);
    int rc = task == ANNOT_CHORDS ? eval_chord(out, &r, &e, err)
                                  : eval_segment(out, &r, &e, err);

    free_spans(&r);
    free_spans(&e);
    if (rc || task == ANNOT_CHORDS)
        return rc;
    for (int i = EVAL_SEGMENT_PAIR_P; i <= EVAL_SEGMENT_V_F; i++)
        if (no_labels(ref) || no_labels(est))
            out[i] = NAN;
    return score_functions(out + EVAL_SEGMENT_ACCURACY, ref, est, err);
}

/* ---- the others ---- */

static int has_key(const struct key *k)
{
    return k->label && strcmp(k->label, "N") != 0;
}

static int score_key(double *out, const struct key *ref, const struct key *est,
                     struct err *err)
{
    if (!has_key(ref))
        return err_set(err, ERR_ARG, "there is no reference key");
    TRY(eval_key(out, ref->label, has_key(est) ? est->label : "X", err));
    out[1] = out[0] == 1; /* no other relation earns 1 */
    return 0;
}

int score_pair(double *out, enum annot_task task, const struct annotation *ref,
               const struct annotation *est, double trim_s, struct err *err)
{
    switch (task) {
    case ANNOT_BEATS:
        return score_beats(out, &ref->beats, &est->beats, trim_s, err);
    case ANNOT_CHORDS:
    case ANNOT_STRUCTURE:
        return score_segments(out, task, &ref->spans, &est->spans, err);
    case ANNOT_KEY:
        return score_key(out, &ref->key, &est->key, err);
    case ANNOT_TEMPO:
        return eval_tempo(out, ref->tempo.bpm, ref->tempo.weight,
                          est->tempo.bpm, err);
    default:
        return err_set(err, ERR_ARG, "tags are scored over a collection");
    }
}

void score_close(struct annotation *ref, struct annotation *est)
{
    double end = isnan(ref->duration) ? est->duration : ref->duration;

    annotation_close(ref, end);
    if (isnan(end) && ref->spans.n)
        end = ref->spans.v[ref->spans.n - 1].end;
    annotation_close(est, end);
}
