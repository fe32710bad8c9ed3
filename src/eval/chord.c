/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "eval/chord.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "eval/match.h"

const char *const eval_chord_names[EVAL_CHORD_COUNT] = {
    "thirds", "thirds_inv", "triads",   "triads_inv",   "tetrads",
    "tetrads_inv", "root",  "mirex",    "majmin",       "majmin_inv",
    "sevenths", "sevenths_inv", "underseg", "overseg",  "seg",
};

/* ---- rules ---- */

enum {
    TRIAD_BITS = 0xff, /* the root to the fifth */
    MAJ = 0x091,
    MIN = 0x089,
    DOM7 = 0x491,
    MAJ7 = 0x891,
    MIN7 = 0x489
};

static bool is_n(const struct chordname *c)
{
    return c->root < 0 && !c->bits;
}

static bool is_majmin(const struct chordname *c)
{
    unsigned triad = c->bits & TRIAD_BITS;

    return is_n(c) || triad == MAJ || triad == MIN;
}

static bool is_seventh(const struct chordname *c)
{
    return is_n(c) || c->bits == MAJ || c->bits == MIN || c->bits == DOM7 ||
           c->bits == MAJ7 || c->bits == MIN7;
}

/* Notes by pitch class instead of above the root. X is every note. */
static unsigned chroma(const struct chordname *c)
{
    int by = c->root < 0 ? 0 : c->root;

    return (c->bits << by | c->bits >> (12 - by)) & CHORDNAME_ALL;
}

static int mirex(const struct chordname *ref, const struct chordname *est)
{
    int notes = __builtin_popcount(ref->bits);

    if (notes > 0 && notes < 3)
        return -1;
    if (ref->root < 0 && est->root < 0)
        return 1;
    return __builtin_popcount(chroma(ref) & chroma(est)) >= 3;
}

int eval_chord_compare(enum eval_chord_score rule, const struct chordname *ref,
                       const struct chordname *est)
{
    unsigned differ = ref->bits ^ est->bits;
    bool root = ref->root == est->root, bass = ref->bass == est->bass;
    bool triad = root && !(differ & TRIAD_BITS);

    if (chordname_is_x(ref))
        return -1;
    switch (rule) {
    case EVAL_CHORD_THIRDS:
        return root && !(differ & 1u << 3);
    case EVAL_CHORD_THIRDS_INV:
        return root && bass && !(differ & 1u << 3);
    case EVAL_CHORD_TRIADS:
        return triad;
    case EVAL_CHORD_TRIADS_INV:
        return triad && bass;
    case EVAL_CHORD_TETRADS:
        return root && !differ;
    case EVAL_CHORD_TETRADS_INV:
        return root && !differ && bass;
    case EVAL_CHORD_ROOT:
        return root;
    case EVAL_CHORD_MIREX:
        return mirex(ref, est);
    case EVAL_CHORD_MAJMIN:
        return is_majmin(ref) ? triad : -1;
    case EVAL_CHORD_MAJMIN_INV:
        return is_majmin(ref) ? triad && bass : -1;
    case EVAL_CHORD_SEVENTHS:
        return is_seventh(ref) ? root && !differ : -1;
    case EVAL_CHORD_SEVENTHS_INV:
        return is_seventh(ref) ? root && !differ && bass : -1;
    default:
        return -1;
    }
}

/* ---- a side ---- */

/* One side, read: chords as compared, and intervals of equal chords (with upper
 * degrees folded in) merged. */
struct side {
    const char *what;
    struct span_list spans;
    struct chordname *chord; /* spans.n */
    struct span_list merged;
};

static void side_release(struct side *s)
{
    span_list_release(&s->merged);
    span_list_release(&s->spans);
    free(s->chord);
}

static int parse(struct chordname *out, const char *label, bool reduce,
                 struct err *err)
{
    int rc = chordname_parse(out, label, reduce, err);

    return rc == ERR_UNSUPPORTED ? 0 : rc;
}

static int side_parse(struct side *s, struct err *err)
{
    struct chordname last = { 0 }, c;
    size_t n = 0;

    s->chord = xcalloc(s->spans.n, sizeof(*s->chord));
    s->merged.at = xcalloc(s->spans.n, sizeof(*s->merged.at));
    for (size_t i = 0; i < s->spans.n; i++) {
        const struct span *span = s->spans.at + i;

        if (parse(&s->chord[i], span->label, false, err) ||
            parse(&c, span->label, true, err))
            return err_prefix(err, "%s at %g s", s->what, span->start);
        if (n > 0 && chordname_equal(&c, &last))
            s->merged.at[n - 1].end = span->end;
        else
            s->merged.at[n++] = *span;
        last = c;
    }
    s->merged.n = n;
    return 0;
}

static int side_check_overlap(const struct side *s, struct err *err)
{
    const struct span *m = s->merged.at;

    for (size_t i = 1; i < s->merged.n; i++)
        if (m[i - 1].end > m[i].start)
            return err_set(err, ERR_ARG, "%s: the chord at %g s starts before "
                           "the one above it ends at %g s",
                           s->what, m[i].start, m[i - 1].end);
    if (s->spans.at[s->spans.n - 1].end < span_list_end(&s->spans))
        return err_set(err, ERR_ARG, "%s: the last chord ends at %g s, before "
                       "an earlier one", s->what,
                       s->spans.at[s->spans.n - 1].end);
    return 0;
}

/* ---- scores ---- */

/* Starts and ends, sorted, each once. Freed by the caller. */
static double *boundaries(size_t *n, const struct span_list *a,
                          const struct span_list *b)
{
    size_t count = 0, unique = 0;
    double *t = xmalloc(2 * (a->n + (b ? b->n : 0)) * sizeof(*t) + 1);

    for (const struct span_list *l = a; l; l = l == a ? b : NULL)
        for (size_t i = 0; i < l->n; i++) {
            t[count++] = l->at[i].start;
            t[count++] = l->at[i].end;
        }
    match_sort(t, count);
    for (size_t i = 0; i < count; i++)
        if (i == 0 || t[i] != t[unique - 1])
            t[unique++] = t[i];
    *n = unique;
    return t;
}

/* The weighted mean of each rule over the pieces between all boundaries. */
static void score_labels(double out[EVAL_CHORD_LABELS], const struct side *ref,
                         const struct side *est)
{
    double weight[EVAL_CHORD_LABELS] = { 0 }, sum[EVAL_CHORD_LABELS] = { 0 };
    size_t n, r = 0, e = 0;
    double *t = boundaries(&n, &ref->spans, &est->spans);

    for (size_t i = 0; i + 1 < n; i++) {
        while (r + 1 < ref->spans.n && ref->spans.at[r + 1].start <= t[i])
            r++;
        while (e + 1 < est->spans.n && est->spans.at[e + 1].start <= t[i])
            e++;
        for (int k = 0; k < EVAL_CHORD_LABELS; k++) {
            int hit = eval_chord_compare(k, ref->chord + r, est->chord + e);

            if (hit >= 0)
                weight[k] += t[i + 1] - t[i];
            if (hit > 0)
                sum[k] += t[i + 1] - t[i];
        }
    }
    for (int k = 0; k < EVAL_CHORD_LABELS; k++)
        out[k] = weight[k] > 0 ? sum[k] / weight[k] : 0;
    free(t);
}

/* The part of `of` outside the longest piece of each of its intervals when `by`
 * cuts them (Harte 2010). */
static double hamming(const struct span_list *of, const struct span_list *by)
{
    size_t n;
    double *t = boundaries(&n, by, NULL), lost = 0;

    for (size_t i = 0; i < of->n; i++) {
        double start = of->at[i].start, end = of->at[i].end;
        double last = start, longest = 0;

        for (size_t k = match_lower(t, n, start); k < n && t[k] < end; k++) {
            longest = fmax(longest, t[k] - last);
            last = t[k];
        }
        lost += end - start - fmax(longest, end - last);
    }
    free(t);
    return lost / (of->at[of->n - 1].end - of->at[0].start);
}

int eval_chord(double out[EVAL_CHORD_COUNT], const struct eval_spans *ref,
               const struct eval_spans *est, struct err *err)
{
    struct side r = { .what = "reference chords" };
    struct side e = { .what = "estimated chords" };
    int rc = ERR_ARG;

    if (ref->n == 0 || ref->start[0] < 0) {
        err_set(err, ERR_ARG, ref->n ? "reference chords start before 0 s"
                                     : "there are no reference chords");
        goto out;
    }
    if ((rc = span_list_init(&r.spans, ref, r.what, err)) ||
        (rc = span_list_init(&e.spans, est, e.what, err)))
        goto out;
    span_list_adjust(&e.spans, span_list_start(&r.spans),
                     span_list_end(&r.spans), "N", "N");
    if ((rc = side_parse(&r, err)) || (rc = side_parse(&e, err)) ||
        (rc = side_check_overlap(&r, err)) ||
        (rc = side_check_overlap(&e, err)))
        goto out;
    score_labels(out, &r, &e);
    out[EVAL_CHORD_UNDERSEG] = 1 - hamming(&e.merged, &r.merged);
    out[EVAL_CHORD_OVERSEG] = 1 - hamming(&r.merged, &e.merged);
    out[EVAL_CHORD_SEG] =
        fmin(out[EVAL_CHORD_OVERSEG], out[EVAL_CHORD_UNDERSEG]);
out:
    side_release(&e);
    side_release(&r);
    return rc;
}
