/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "train/target.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "annot/chordname.h"
#include "annot/keyname.h"
#include "annot/section.h"
#include "base/xalloc.h"
#include "decode/frames.h"

/* Part of a song, as target_fill got it. */
struct fill {
    struct target *t;
    int64_t first, n;
    const struct head_config *h;
    const struct excerpt *x;
    const struct target_options *o;
};

int target_task(const char *task)
{
    static const struct {
        const char *name;
        enum annot_task task;
    } tasks[] = {
        { "beats", ANNOT_BEATS }, { "chords", ANNOT_CHORDS },
        { "structure", ANNOT_STRUCTURE }, { "key", ANNOT_KEY },
        { "tag", ANNOT_TAGS }
    };

    for (size_t i = 0; i < ARRAY_LEN(tasks); i++)
        if (!strcmp(tasks[i].name, task))
            return (int)tasks[i].task;
    return -1;
}

/* ---- names of classes ---- */

static int class_named(const struct head_config *h, const char *name)
{
    const struct classes c = { (const char *const *)h->classes, h->n_classes };

    return classes_find(&c, name);
}

/* The class of a chord or key that sounds transpose semitones higher; -1. */
static int class_of(const struct head_config *h, int (*number)(const char *),
                    const char *label, int transpose)
{
    int want = number(label);

    if (want >= 0 && want < 24)
        want = ((want + 2 * transpose) % 24 + 24) % 24;
    for (int c = 0; want >= 0 && c < h->n_classes; c++)
        if (number(h->classes[c]) == want)
            return c;
    return -1;
}

int target_check(const struct head_config *h, struct err *err)
{
    int task = target_task(h->task);
    int (*number)(const char *) = task == ANNOT_CHORDS ? chordname_triad
                                : task == ANNOT_KEY ? keyname_number : NULL;

    if (task < 0)
        return err_set(err, ERR_ARG, "%.60s: no labels are known for a head of "
                       "this name (beats, chords, structure, key, tag)",
                       h->task);
    if (task == ANNOT_BEATS)
        for (int i = 0; i < 2; i++)
            if (class_named(h, i ? "none" : "beat") < 0)
                return err_set(err, ERR_ARG, "beats: the head has no class "
                               "\"%s\"", i ? "none" : "beat");
    if ((h->activation == HEAD_SIGMOID) != (task == ANNOT_TAGS))
        return err_set(err, ERR_ARG, "%s: the activation of its head is not %s",
                       h->task, task == ANNOT_TAGS ? "sigmoid" : "softmax");
    if (h->rate <= 0 && task != ANNOT_TAGS && task != ANNOT_KEY)
        return err_set(err, ERR_ARG, "%s: one output for a clip is for key and "
                       "tag", h->task);
    if (h->boundary && task != ANNOT_STRUCTURE)
        return err_set(err, ERR_ARG, "%s: only structure has boundaries",
                       h->task);
    for (int c = 0; number && c < h->n_classes; c++)
        if (number(h->classes[c]) < 0)
            return err_set(err, ERR_ARG, "%s: the class \"%.60s\" is neither "
                           "major nor minor nor N", h->task, h->classes[c]);
    return 0;
}

/* ---- memory ---- */

int target_reserve(struct target *t, const struct head_config *h, int64_t n,
                   struct err *err)
{
    int width = h->n_classes + (h->boundary ? 1 : 0);
    int64_t count = n * width;

    if (count > t->cap) {
        target_release(t);
        t->yes = malloc((size_t)count * sizeof(*t->yes));
        t->no = malloc((size_t)count * sizeof(*t->no));
        if (!t->yes || !t->no) {
            target_release(t);
            return err_set(err, ERR_NOMEM, "no memory for %lld rows of targets",
                           (long long)n);
        }
        t->cap = count;
    }
    t->n = n;
    t->width = width;
    if (count) {
        memset(t->yes, 0, (size_t)count * sizeof(*t->yes));
        memset(t->no, 0, (size_t)count * sizeof(*t->no));
    }
    return 0;
}

void target_release(struct target *t)
{
    free(t->yes);
    free(t->no);
    memset(t, 0, sizeof(*t));
}

/* ---- rows and times ---- */

static float *yes_of(const struct fill *f, int64_t i)
{
    return f->t->yes + (f->first + i) * f->t->width;
}

static float *no_of(const struct fill *f, int64_t i)
{
    return f->t->no + (f->first + i) * f->t->width;
}

/* Time of the song at row r, which may be between rows. */
static double time_of(const struct fill *f, double r)
{
    return f->x->start + r / f->h->rate * f->x->speed;
}

static double row_of(const struct fill *f, double time)
{
    return (time - f->x->start) / f->x->speed * f->h->rate;
}

/* Whether a time is in one of the stretches that are sure. */
static int is_sure(const struct excerpt *x, double time)
{
    size_t low = 0, high = x->n_sure;

    if (!x->sure)
        return 1;
    while (low < high) { /* to the first that ends behind it */
        size_t middle = (low + high) / 2;

        if (x->sure[middle].end <= time)
            low = middle + 1;
        else
            high = middle;
    }
    return low < x->n_sure && x->sure[low].start <= time;
}

static int counts(const struct fill *f, int64_t i)
{
    double middle;

    if (i < 0 || i >= f->n)
        return 0;
    if (f->h->rate <= 0)
        return 1;
    middle = time_of(f, (double)i + 0.5);
    return middle >= f->x->from && middle < f->x->to &&
           is_sure(f->x, middle);
}

/* The first row whose middle is not before a time, in 0..n. */
static int64_t first_row(const struct fill *f, double time)
{
    double r = ceil(row_of(f, time) - 0.5);

    return r <= 0 ? 0 : r >= (double)f->n ? f->n : (int64_t)r;
}

/* ---- beats ---- */

/* Row i is a beat by share. The larger of two shares stays. */
static void put_beat(const struct fill *f, int64_t i, double share, int known,
                     int down)
{
    int beat = class_named(f->h, "beat"), none = class_named(f->h, "none");
    int downbeat = class_named(f->h, "downbeat");
    double of_down = known ? down : 0.25;
    float *yes;

    if (!counts(f, i))
        return;
    yes = yes_of(f, i);
    if (1 - yes[none] / f->o->none >= share)
        return;
    of_down = downbeat < 0 ? 0 : of_down;
    yes[beat] = (float)(f->o->beat * share * (1 - of_down));
    if (downbeat >= 0)
        yes[downbeat] = (float)(f->o->downbeat * share * of_down);
    yes[none] = (float)(f->o->none * (1 - share));
}

static void fill_beats(const struct fill *f, const struct beats *b)
{
    int none = class_named(f->h, "none");
    int downbeats = 0;

    for (size_t k = 0; k < b->n; k++)
        downbeats |= b->v[k].position == 1;
    for (int64_t i = 0; i < f->n; i++)
        if (counts(f, i))
            yes_of(f, i)[none] = (float)f->o->none;
    for (size_t k = 0; k < b->n; k++) {
        double row = row_of(f, b->v[k].time);
        int known = downbeats && b->v[k].position > 0;
        int64_t i;

        if (!(row > -2 && row < (double)f->n + 2))
            continue;
        i = llround(row);
        for (int d = -1; d <= 1; d++)
            put_beat(f, i + d, d ? f->o->widen : 1, known,
                     b->v[k].position == 1);
    }
}

/* ---- labels over time ---- */

static void fill_span(const struct fill *f, const struct segment *s, int c)
{
    int64_t end = first_row(f, s->end);

    for (int64_t i = first_row(f, s->start); i < end && c >= 0; i++)
        if (counts(f, i)) {
            memset(yes_of(f, i), 0, (size_t)f->h->n_classes * sizeof(float));
            yes_of(f, i)[c] = 1;
        }
}

static void fill_spans(const struct fill *f, const struct segments *s,
                       int (*number)(const char *))
{
    for (size_t k = 0; k < s->n; k++)
        if (s->v[k].end > time_of(f, 0) && s->v[k].start < time_of(f, f->n))
            fill_span(f, &s->v[k], class_of(f->h, number, s->v[k].label,
                                            f->x->transpose));
}

static void put_boundary(const struct fill *f, double time)
{
    double at = row_of(f, time), reach = f->o->reach * f->h->rate;
    int c = f->h->n_classes;

    if (!(at > -reach && at < (double)f->n + reach))
        return;
    for (int64_t i = (int64_t)floor(at - reach); i <= at + reach; i++) {
        double t = 1 - fabs((double)i - at) / reach;

        if (!counts(f, i) || no_of(f, i)[c] <= 1 - t)
            continue;
        yes_of(f, i)[c] = (float)(f->o->boundary * t);
        no_of(f, i)[c] = (float)(1 - t);
    }
}

static void fill_structure(const struct fill *f, const struct segments *s)
{
    for (size_t k = 0; k < s->n; k++) {
        const char *function = section_function(s->v[k].label);

        if (function && s->v[k].end > time_of(f, 0) &&
            s->v[k].start < time_of(f, f->n))
            fill_span(f, &s->v[k], class_named(f->h, function));
    }
    if (!f->h->boundary)
        return;
    for (int64_t i = 0; i < f->n; i++)
        if (counts(f, i))
            no_of(f, i)[f->h->n_classes] = 1;
    for (size_t k = 0; k < s->n; k++) {
        if (k > 0)
            put_boundary(f, s->v[k].start);
        if (k + 1 < s->n)
            put_boundary(f, s->v[k].end);
    }
}

/* ---- labels of the song ---- */

/* Every row: the classes of all keys that are possible share. */
static void fill_song_key(const struct fill *f, const struct annotation *a)
{
    size_t n = a->keys.n ? a->keys.n : a->key.label ? 1 : 0;

    for (size_t k = 0; k < n; k++) {
        int c = class_of(f->h, keyname_number,
                         a->keys.n ? a->keys.v[k].label : a->key.label,
                         f->x->transpose);

        for (int64_t i = 0; i < f->n && c >= 0; i++)
            if (counts(f, i))
                yes_of(f, i)[c] += 1 / (float)n;
    }
}

static void fill_key(const struct fill *f, const struct annotation *a)
{
    if (a->spans.n && f->h->rate > 0)
        fill_spans(f, &a->spans, keyname_number);
    else
        fill_song_key(f, a);
}

static int tells_tempo(const char *tag)
{
    return !strcmp(tag, "slow") || !strcmp(tag, "medium") ||
           !strcmp(tag, "fast");
}

static void fill_tags(const struct fill *f, const struct tags *tags)
{
    int moved = fabs(log2(f->x->speed)) > 1 / 24.;

    for (int c = 0; c < f->h->n_classes; c++) {
        const char *name = f->h->classes[c];
        double score = 0;
        float yes;

        if (moved && tells_tempo(name))
            continue;
        for (size_t k = 0; k < tags->n; k++)
            if (!strcmp(tags->v[k].label, name))
                score = tags->v[k].score;
        if (isnan(score))
            continue;
        yes = score >= 0.5;
        for (int64_t i = 0; i < f->n; i++)
            if (counts(f, i)) {
                yes_of(f, i)[c] = yes;
                no_of(f, i)[c] = 1 - yes;
            }
    }
}

void target_fill(struct target *t, int64_t first, int64_t n,
                 const struct head_config *h, const struct annotation *a,
                 const struct excerpt *x, const struct target_options *o)
{
    const struct fill f = { t, first, n, h, x, o };
    size_t bytes = (size_t)(n * t->width) * sizeof(float);

    if (n < 1)
        return;
    memset(yes_of(&f, 0), 0, bytes);
    memset(no_of(&f, 0), 0, bytes);
    if (!a)
        return;
    switch (target_task(h->task)) {
    case ANNOT_BEATS:
        fill_beats(&f, &a->beats);
        break;
    case ANNOT_CHORDS:
        fill_spans(&f, &a->spans, chordname_triad);
        break;
    case ANNOT_STRUCTURE:
        fill_structure(&f, &a->spans);
        break;
    case ANNOT_KEY:
        fill_key(&f, a);
        break;
    case ANNOT_TAGS:
        fill_tags(&f, &a->tags);
        break;
    default:
        break;
    }
}

void target_weight(const struct target *t, const struct head_config *h,
                   double *classes, double *boundary)
{
    *classes = *boundary = 0;
    for (int64_t i = 0; i < t->n; i++)
        for (int c = 0; c < t->width; c++) {
            int64_t at = i * t->width + c;

            *(c < h->n_classes ? classes : boundary) +=
                (double)t->yes[at] + t->no[at];
        }
}
