/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "eval/reliability.h"

#include <math.h>
#include <string.h>

#include "annot/chordname.h"
#include "annot/section.h"
#include "eval/chord.h"

static const double beat_window = 0.07; /* s */

void reliability_add(struct reliability *r, double confidence, double right,
                     double weight)
{
    struct reliability_bin *b;
    double logit;
    int i;

    if (!(confidence >= 0) || !(weight > 0))
        return;
    confidence = fmin(confidence, 1);
    i = (int)(confidence * RELIABILITY_BINS);
    b = &r->bin[i < RELIABILITY_BINS ? i : RELIABILITY_BINS - 1];
    b->weight += weight;
    b->confidence += weight * confidence;
    b->right += weight * right;
    confidence = fmin(fmax(confidence, 1e-6), 1 - 1e-6);
    logit = log(confidence / (1 - confidence));
    b = &r->step[(int)((logit + 14) / 28 * RELIABILITY_STEPS)];
    b->weight += weight;
    b->confidence += weight * logit;
    b->right += weight * right;
}

static void merge(struct reliability_bin *b, const struct reliability_bin *add)
{
    b->weight += add->weight;
    b->confidence += add->confidence;
    b->right += add->right;
}

void reliability_merge(struct reliability *r, const struct reliability *other)
{
    for (int i = 0; i < RELIABILITY_BINS; i++)
        merge(&r->bin[i], &other->bin[i]);
    for (int i = 0; i < RELIABILITY_STEPS; i++)
        merge(&r->step[i], &other->step[i]);
}

static void take_beats(struct reliability *r, const struct beats *ref,
                       const struct beats *est)
{
    size_t at = 0;

    for (size_t i = 0; i < est->n; i++) {
        double t = est->v[i].time;

        while (at < ref->n && ref->v[at].time < t - beat_window)
            at++;
        reliability_add(r, est->v[i].confidence,
                        at < ref->n && ref->v[at].time <= t + beat_window, 1);
    }
}

/* 1, 0, or -1 where nothing can be said. */
typedef int agree(const char *ref, const char *est, int *out, struct err *err);

static int agree_chords(const char *ref, const char *est, int *out,
                        struct err *err)
{
    struct chordname a, b;
    int rc = chordname_parse(&a, ref, false, err);

    if (!rc || rc == ERR_UNSUPPORTED)
        rc = chordname_parse(&b, est, false, err);
    if (rc && rc != ERR_UNSUPPORTED)
        return rc;
    *out = eval_chord_compare(EVAL_CHORD_MAJMIN, &a, &b);
    return 0;
}

static int agree_sections(const char *ref, const char *est, int *out,
                          struct err *err)
{
    const char *a = section_function(ref), *b = section_function(est);

    (void)err;
    *out = a && b ? !strcmp(a, b) : -1;
    return 0;
}

static int take_spans(struct reliability *r, const struct segments *ref,
                      const struct segments *est, agree *rule, struct err *err)
{
    for (size_t i = 0; i < est->n; i++) {
        const struct segment *e = &est->v[i];
        double judged = 0, right = 0;

        for (size_t k = 0; k < ref->n && ref->v[k].start < e->end; k++) {
            const struct segment *g = &ref->v[k];
            double s = fmin(g->end, e->end) - fmax(g->start, e->start);
            int same;

            if (s <= 0)
                continue;
            TRY(rule(g->label, e->label, &same, err));
            judged += same >= 0 ? s : 0;
            right += same > 0 ? s : 0;
        }
        if (judged > 0)
            reliability_add(r, e->confidence, right / judged, judged);
    }
    return 0;
}

static void take_tags(struct reliability *r, const struct tags *ref,
                      const struct tags *est)
{
    for (size_t i = 0; i < est->n; i++) {
        int right = 0;

        for (size_t k = 0; k < ref->n; k++)
            right |= ref->v[k].score >= 0.5 &&
                     !strcmp(ref->v[k].label, est->v[i].label);
        reliability_add(r, est->v[i].score, right, 1);
    }
}

int reliability_take(struct reliability *r, enum annot_task task,
                     const struct annotation *ref,
                     const struct annotation *est, struct err *err)
{
    switch (task) {
    case ANNOT_BEATS:
        take_beats(r, &ref->beats, &est->beats);
        return 0;
    case ANNOT_CHORDS:
        return take_spans(r, &ref->spans, &est->spans, agree_chords, err);
    case ANNOT_STRUCTURE:
        return take_spans(r, &ref->spans, &est->spans, agree_sections, err);
    case ANNOT_KEY:
        if (ref->key.label && est->key.label)
            reliability_add(r, est->key.confidence,
                            !strcmp(ref->key.label, est->key.label), 1);
        return 0;
    case ANNOT_TAGS:
        take_tags(r, &ref->tags, &est->tags);
        return 0;
    default:
        return err_set(err, ERR_UNSUPPORTED, "the tempo is one number: there "
                       "is nothing to count");
    }
}

double reliability_error(const struct reliability *r)
{
    double weight = 0, error = 0;

    for (int i = 0; i < RELIABILITY_BINS; i++) {
        weight += r->bin[i].weight;
        error += fabs(r->bin[i].confidence - r->bin[i].right);
    }
    return error / weight;
}

static const double LEAST_SLOPE = 1e-3;

/* The logarithm of the likelihood, which is concave. */
static double likelihood(const struct reliability *r, double slope,
                         double offset)
{
    double sum = -0.5 * ((slope - 1) * (slope - 1) + offset * offset);

    for (int i = 0; i < RELIABILITY_STEPS; i++) {
        const struct reliability_bin *b = &r->step[i];
        double z;

        if (b->weight <= 0)
            continue;
        z = slope * b->confidence / b->weight + offset;
        sum += b->right * z - b->weight * (fmax(z, 0) + log1p(exp(-fabs(z))));
    }
    return sum;
}

/* Newton's method; steps that would make it less likely are halved. A slope
 * that would fall below LEAST_SLOPE stays there. */
void reliability_fit(const struct reliability *r, double *slope,
                     double *offset)
{
    double a = 1, b = 0, best = likelihood(r, a, b);

    for (int turn = 0; turn < 100; turn++) {
        double ga = 1 - a, gb = -b, haa = 1, hab = 0, hbb = 1, da, db, new = 0;
        double step = 1;

        for (int i = 0; i < RELIABILITY_STEPS; i++) {
            double n = r->step[i].weight, x, p;

            if (n <= 0)
                continue;
            x = r->step[i].confidence / n;
            p = 1 / (1 + exp(-(a * x + b)));
            ga += (r->step[i].right - n * p) * x;
            gb += r->step[i].right - n * p;
            haa += n * p * (1 - p) * x * x;
            hab += n * p * (1 - p) * x;
            hbb += n * p * (1 - p);
        }
        da = (hbb * ga - hab * gb) / (haa * hbb - hab * hab);
        db = (haa * gb - hab * ga) / (haa * hbb - hab * hab);
        if (a + da < LEAST_SLOPE) {
            da = LEAST_SLOPE - a;
            db = (gb - hab * da) / hbb;
        }
        while (step > 1e-6 &&
               (new = likelihood(r, a + step * da, b + step * db)) < best)
            step /= 2;
        if (step <= 1e-6 || new - best < 1e-10)
            break;
        a += step * da;
        b += step * db;
        best = new;
    }
    *slope = a;
    *offset = b;
}

void reliability_refit(struct reliability *out, const struct reliability *r,
                       double slope, double offset)
{
    for (int i = 0; i < RELIABILITY_STEPS; i++) {
        const struct reliability_bin *b = &r->step[i];
        double z = slope * b->confidence / b->weight + offset;

        reliability_add(out, 1 / (1 + exp(-z)), b->right / b->weight,
                        b->weight);
    }
}
