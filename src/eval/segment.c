/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "eval/segment.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/xalloc.h"
#include "eval/frames.h"
#include "eval/match.h"

const char *const eval_segment_names[EVAL_SEGMENT_COUNT] = {
    "Precision@0.5",
    "Recall@0.5",
    "F-measure@0.5",
    "Precision@3.0",
    "Recall@3.0",
    "F-measure@3.0",
    "Ref-to-est deviation",
    "Est-to-ref deviation",
    "Pairwise Precision",
    "Pairwise Recall",
    "Pairwise F-measure",
    "Rand Index",
    "Adjusted Rand Index",
    "Mutual Information",
    "Adjusted Mutual Information",
    "Normalized Mutual Information",
    "NCE Over",
    "NCE Under",
    "NCE F-measure",
    "V Precision",
    "V Recall",
    "V-measure",
    "Precision@0.5 trimmed",
    "Recall@0.5 trimmed",
    "F-measure@0.5 trimmed",
    "Precision@3.0 trimmed",
    "Recall@3.0 trimmed",
    "F-measure@3.0 trimmed",
    "Frame accuracy",
};

/* ---- boundaries ---- */

/* Starts and ends to 5 decimals, sorted, each once. */
struct bounds {
    double *t;
    size_t n;
};

static void bounds_init(struct bounds *b, const struct span_list *l)
{
    size_t n = 0;

    b->t = xmalloc((2 * l->n + 1) * sizeof(*b->t));
    b->n = 0;
    for (size_t i = 0; i < l->n; i++) {
        b->t[n++] = rint(l->at[i].start * 1e5) / 1e5;
        b->t[n++] = rint(l->at[i].end * 1e5) / 1e5;
    }
    match_sort(b->t, n);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || b->t[i] != b->t[b->n - 1])
            b->t[b->n++] = b->t[i];
}

static struct bounds trimmed(struct bounds b)
{
    return (struct bounds){ b.t + 1, b.n > 2 ? b.n - 2 : 0 };
}

/* Precision, recall and F. */
static void detection(double out[3], struct bounds ref, struct bounds est,
                      double window)
{
    double hits;

    out[0] = out[1] = out[2] = 0;
    if (!ref.n || !est.n)
        return;
    hits = (double)match_count(ref.t, ref.n, est.t, est.n, window);
    out[0] = hits / (double)est.n;
    out[1] = hits / (double)ref.n;
    out[2] = match_f_measure(out[0], out[1]);
}

static double deviation(struct bounds from, struct bounds to)
{
    double *d = xmalloc((from.n + 1) * sizeof(*d)), median;

    for (size_t i = 0; i < from.n; i++)
        d[i] = fabs(from.t[i] - to.t[match_nearest(to.t, to.n, from.t[i])]);
    median = match_median(d, from.n);
    free(d);
    return median;
}

static void score_boundaries(double *out, const struct span_list *ref,
                             const struct span_list *est)
{
    struct bounds r, e;

    bounds_init(&r, ref);
    bounds_init(&e, est);
    detection(out + EVAL_SEGMENT_P05, r, e, 0.5);
    detection(out + EVAL_SEGMENT_P3, r, e, 3);
    out[EVAL_SEGMENT_REF_TO_EST] = deviation(r, e);
    out[EVAL_SEGMENT_EST_TO_REF] = deviation(e, r);
    free(r.t);
    free(e.t);
}

static void score_inner_boundaries(double *out, const struct span_list *ref,
                                   const struct span_list *est)
{
    struct bounds r, e;

    bounds_init(&r, ref);
    bounds_init(&e, est);
    detection(out + EVAL_SEGMENT_P05_TRIMMED, trimmed(r), trimmed(e), 0.5);
    detection(out + EVAL_SEGMENT_P3_TRIMMED, trimmed(r), trimmed(e), 3);
    free(r.t);
    free(e.t);
}

/* ---- pairs of frames ---- */

static double pairs(const double *count, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += count[i] * (count[i] - 1) / 2;
    return sum;
}

static double adjusted_rand(const struct contingency *c, double ref, double est,
                            double both, double all)
{
    double chance, mean;

    if (c->rows == c->cols &&
        (c->rows <= 1 || (double)c->rows == c->total))
        return 1; /* one label, or each frame its own: nothing to get wrong */
    chance = ref * est / all;
    mean = (est + ref) / 2;
    return (both - chance) / (mean - chance);
}

static void score_pairs(double *out, const struct contingency *c)
{
    double ref = pairs(c->row, c->rows), est = pairs(c->col, c->cols);
    double both = pairs(c->at, c->rows * c->cols);
    double all = c->total * (c->total - 1) / 2;

    out[EVAL_SEGMENT_PAIR_P] = both / est;
    out[EVAL_SEGMENT_PAIR_R] = both / ref;
    out[EVAL_SEGMENT_PAIR_F] = match_f_measure(both / est, both / ref);
    out[EVAL_SEGMENT_RAND] = (all - ref - est + 2 * both) / all;
    out[EVAL_SEGMENT_ARI] = adjusted_rand(c, ref, est, both, all);
}

/* ---- mutual information ---- */

/* In nats; 1 without frames, as in mir_eval. */
static double entropy(const double *count, size_t n, double total)
{
    double h = 0;

    if (n == 0)
        return 1;
    for (size_t i = 0; i < n; i++)
        h -= count[i] / total * (log(count[i]) - log(total));
    return h;
}

static double mutual_information(const struct contingency *c)
{
    double mi = 0, log_total = log(c->total);

    for (size_t i = 0; i < c->rows; i++)
        for (size_t j = 0; j < c->cols; j++) {
            double n = c->at[i * c->cols + j];

            if (n > 0)
                mi += n / c->total * (log(n) - log_total) +
                      n / c->total * (2 * log_total -
                                      log(c->row[i] * c->col[j]));
        }
    return mi;
}

/* The part of the expectation that labels with a and b of n frames give (Vinh
 * et al. 2010, eq. 24a); lf holds the logarithms of the factorials 0..n. */
static double expected_cell(size_t a, size_t b, size_t n, const double *lf)
{
    double fixed = lf[a] + lf[b] + lf[n - a] + lf[n - b] - lf[n];
    double log_ab = log((double)a * (double)b), sum = 0;
    size_t end = a < b ? a : b;

    for (size_t k = a + b > n ? a + b - n : 1; k <= end; k++) {
        double p = exp(fixed - lf[k] - lf[a - k] - lf[b - k] -
                       lf[n + k - a - b]);

        sum += (double)k / (double)n *
               (log((double)n * (double)k) - log_ab) * p;
    }
    return sum;
}

static double expected_information(const struct contingency *c)
{
    size_t n = (size_t)c->total;
    double *lf = xmalloc((n + 1) * sizeof(*lf)), sum = 0;

    /* lgamma, not a running sum: that would gather rounding errors */
    for (size_t i = 0; i <= n; i++)
        lf[i] = lgamma((double)i + 1);
    for (size_t i = 0; i < c->rows; i++)
        for (size_t j = 0; j < c->cols; j++)
            sum += expected_cell((size_t)c->row[i], (size_t)c->col[j], n, lf);
    free(lf);
    return sum;
}

static void score_information(double *out, const struct contingency *c)
{
    double mi = mutual_information(c), expected;
    double h_ref = entropy(c->row, c->rows, c->total);
    double h_est = entropy(c->col, c->cols, c->total);

    out[EVAL_SEGMENT_MI] = mi;
    out[EVAL_SEGMENT_AMI] = out[EVAL_SEGMENT_NMI] = 1;
    if (c->rows == c->cols && c->rows <= 1)
        return;
    expected = expected_information(c);
    out[EVAL_SEGMENT_AMI] = (mi - expected) / (fmax(h_ref, h_est) - expected);
    out[EVAL_SEGMENT_NMI] = mi / fmax(sqrt(h_ref * h_est), 1e-10);
}

/* ---- conditional entropy ---- */

/* Entropies in bits of one side and of it given the other. */
struct uncertainty {
    double own, given;
};

static struct uncertainty uncertainty(const struct contingency *c, bool of_ref)
{
    const double *own = of_ref ? c->row : c->col;
    const double *other = of_ref ? c->col : c->row;
    size_t n = of_ref ? c->rows : c->cols, m = of_ref ? c->cols : c->rows;
    struct uncertainty u = { 0, 0 };

    for (size_t i = 0; i < n; i++)
        u.own -= own[i] / c->total * log2(own[i] / c->total);
    for (size_t j = 0; j < m; j++)
        for (size_t i = 0; i < n; i++) {
            double k = of_ref ? c->at[i * c->cols + j] : c->at[j * c->cols + i];

            if (k > 0)
                u.given -= k / c->total * log2(k / other[j]);
        }
    return u;
}

static void score_uncertainty(double *out, const struct contingency *c)
{
    struct uncertainty ref = uncertainty(c, true);
    struct uncertainty est = uncertainty(c, false);
    double *nce = out + EVAL_SEGMENT_NCE_OVER, *v = out + EVAL_SEGMENT_V_P;

    nce[0] = c->cols > 1 ? 1 - est.given / log2((double)c->cols) : 0;
    nce[1] = c->rows > 1 ? 1 - ref.given / log2((double)c->rows) : 0;
    nce[2] = match_f_measure(nce[0], nce[1]);
    v[0] = est.own > 0 ? 1 - est.given / est.own : 0;
    v[1] = ref.own > 0 ? 1 - ref.given / ref.own : 0;
    v[2] = match_f_measure(v[0], v[1]);
}

/* ---- all ---- */

static int score_labels(double *out, const struct span_list *ref,
                        const struct span_list *est, struct err *err)
{
    struct contingency fine = { 0 }, coarse = { 0 };
    int rc;

    if ((rc = contingency_init(&fine, ref, est, 0.1, err)) ||
        (rc = contingency_init(&coarse, ref, est, 0.2, err)))
        goto out;
    score_pairs(out, &fine);
    score_information(out, &fine);
    score_uncertainty(out, &fine);
    out[EVAL_SEGMENT_ACCURACY] = coarse.same / coarse.total;
out:
    contingency_release(&coarse);
    contingency_release(&fine);
    return rc;
}

/* Both sides as lists, and ref from 0 on. On failure both are empty. */
static int make_lists(struct span_list *r, struct span_list *e,
                      const struct eval_spans *ref,
                      const struct eval_spans *est, struct err *err)
{
    int rc;

    if ((rc = span_list_init(r, ref, "reference segments", err)) ||
        (rc = span_list_init(e, est, "estimated segments", err)))
        span_list_release(r);
    return rc;
}

/* Makes both start at 0, and the estimate end with the reference. */
static int adjust(struct span_list *r, struct span_list *e, size_t given,
                  struct err *err)
{
    span_list_adjust(r, 0, INFINITY, "__T_MIN", "__T_MAX");
    if (r->n == 0)
        return err_set(err, ERR_ARG, given
                       ? "reference segments end before 0 s"
                       : "there are no reference segments");
    span_list_adjust(e, 0, span_list_end(r), "__T_MIN", "__T_MAX");
    return 0;
}

int eval_segment(double out[EVAL_SEGMENT_COUNT], const struct eval_spans *ref,
                 const struct eval_spans *est, struct err *err)
{
    struct span_list r = { 0 }, e = { 0 };
    int rc;

    TRY(make_lists(&r, &e, ref, est, err));
    score_inner_boundaries(out, &r, &e);
    rc = adjust(&r, &e, ref->n, err);
    if (!rc) {
        score_boundaries(out, &r, &e);
        rc = score_labels(out, &r, &e, err);
    }
    span_list_release(&e);
    span_list_release(&r);
    return rc;
}

int eval_frame_accuracy(double *out, const struct eval_spans *ref,
                          const struct eval_spans *est, struct err *err)
{
    struct contingency coarse = { 0 };
    struct span_list r = { 0 }, e = { 0 };
    int rc;

    TRY(make_lists(&r, &e, ref, est, err));
    rc = adjust(&r, &e, ref->n, err);
    if (!rc)
        rc = contingency_init(&coarse, &r, &e, 0.2, err);
    if (!rc)
        *out = coarse.same / coarse.total;
    contingency_release(&coarse);
    span_list_release(&e);
    span_list_release(&r);
    return rc;
}
