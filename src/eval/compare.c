/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "eval/compare.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "eval/boot.h"

/* Indices of the rows that both have. */
struct both {
    size_t a, b;
};

static struct both *join(const struct report *a, const struct report *b,
                         size_t *n)
{
    struct both *at = xcalloc(a->n + 1, sizeof(*at));

    *n = 0;
    for (size_t i = 0, j = 0; i < a->n && j < b->n;) {
        int order = strcmp(a->row[i].file, b->row[j].file);

        if (!order)
            at[(*n)++] = (struct both){ i, j };
        i += order <= 0;
        j += order >= 0;
    }
    return at;
}

static void score_one(struct compare_score *s, const struct compare *c,
                      const struct both *at, size_t k)
{
    double *d = xcalloc(c->n + 1, sizeof(*d));

    *s = (struct compare_score){ 0 };
    for (size_t i = 0; i < c->n; i++) {
        double a = c->a->row[at[i].a].score[k];
        double b = c->b->row[at[i].b].score[k];

        if (isnan(a) || isnan(b))
            continue;
        s->mean_a += a;
        s->mean_b += b;
        s->difference += b - a;
        s->better += b > a;
        s->worse += b < a;
        d[s->n++] = b - a;
    }
    s->mean_a = s->n ? s->mean_a / (double)s->n : NAN;
    s->mean_b = s->n ? s->mean_b / (double)s->n : NAN;
    s->difference = s->n ? s->difference / (double)s->n : NAN;
    s->test = wilcoxon_test(d, s->n);
    free(d);
}

static void add_intervals(struct compare *c, const struct both *at)
{
    size_t k = c->a->k;
    struct boot_interval *interval = xcalloc(k + 1, sizeof(*interval));
    double *d = xcalloc(c->n * k + 1, sizeof(*d));
    const double **row = xcalloc(c->n + 1, sizeof(*row));

    for (size_t i = 0; i < c->n; i++) {
        row[i] = d + i * k;
        for (size_t s = 0; s < k; s++)
            d[i * k + s] = c->b->row[at[i].b].score[s] -
                           c->a->row[at[i].a].score[s];
    }
    boot_means(interval, row, c->n, k, BOOT_SEED);
    for (size_t s = 0; s < k; s++) {
        c->score[s].low = interval[s].low;
        c->score[s].high = interval[s].high;
    }
    free(interval);
    free(d);
    free(row);
}

static int by_difference(const void *pa, const void *pb)
{
    const struct compare_row *a = pa, *b = pb;
    double x = fabs(a->b - a->a), y = fabs(b->b - b->a);

    return x != y ? (x < y) - (x > y) : strcmp(a->name, b->name);
}

static void find_most(struct compare *c, const struct both *at, size_t most)
{
    c->most = xcalloc(c->n + 1, sizeof(*c->most));
    for (size_t i = 0; i < c->n; i++) {
        struct compare_row row = { c->a->row[at[i].a].file,
                                   c->a->row[at[i].a].score[c->lead],
                                   c->b->row[at[i].b].score[c->lead] };

        if (fabs(row.b - row.a) > 0) /* not NaN */
            c->most[c->n_most++] = row;
    }
    qsort(c->most, c->n_most, sizeof(*c->most), by_difference);
    if (c->n_most > most)
        c->n_most = most;
}

void compare_init(struct compare *out, const struct report *a,
                  const struct report *b, size_t lead, size_t most)
{
    struct both *at;

    *out = (struct compare){ .a = a, .b = b, .lead = lead };
    at = join(a, b, &out->n);
    out->score = xcalloc(a->k + 1, sizeof(*out->score));
    for (size_t k = 0; k < a->k; k++)
        score_one(out->score + k, out, at, k);
    add_intervals(out, at);
    find_most(out, at, most);
    free(at);
}

void compare_release(struct compare *c)
{
    free(c->score);
    free(c->most);
    *c = (struct compare){ 0 };
}

/* ---- output ---- */

static cJSON *score_json(const struct compare_score *s)
{
    cJSON *o = cJSON_CreateObject();

    cJSON_AddNumberToObject(o, "n", (double)s->n);
    cJSON_AddNumberToObject(o, "mean_a", s->mean_a);
    cJSON_AddNumberToObject(o, "mean_b", s->mean_b);
    cJSON_AddNumberToObject(o, "difference", s->difference);
    cJSON_AddItemToObject(o, "interval", cJSON_CreateDoubleArray(
        (double[]){ s->low, s->high }, 2));
    cJSON_AddNumberToObject(o, "better", (double)s->better);
    cJSON_AddNumberToObject(o, "worse", (double)s->worse);
    cJSON_AddNumberToObject(o, "statistic", s->test.statistic);
    cJSON_AddNumberToObject(o, "p", s->test.n ? s->test.p : NAN);
    cJSON_AddBoolToObject(o, "exact", s->test.exact);
    return o;
}

void compare_json(cJSON *top, const struct compare *c)
{
    char *unit = xstrndup(c->a->unit, strlen(c->a->unit) - 1);
    cJSON *list;

    cJSON_AddNumberToObject(top, c->a->unit, (double)c->n);
    list = cJSON_AddObjectToObject(top, "comparison");
    for (size_t k = 0; k < c->a->k; k++)
        cJSON_AddItemToObject(list, c->a->names[k], score_json(c->score + k));
    cJSON_AddStringToObject(top, "largest_by", c->a->names[c->lead]);
    list = cJSON_AddArrayToObject(top, "largest");
    for (size_t i = 0; i < c->n_most; i++) {
        cJSON *o = cJSON_CreateObject();

        cJSON_AddStringToObject(o, unit, c->most[i].name);
        cJSON_AddNumberToObject(o, "a", c->most[i].a);
        cJSON_AddNumberToObject(o, "b", c->most[i].b);
        cJSON_AddNumberToObject(o, "difference",
                                c->most[i].b - c->most[i].a);
        cJSON_AddItemToArray(list, o);
    }
    free(unit);
}

static void add_number(struct strbuf *out, const char *fmt, double v)
{
    char text[64];

    snprintf(text, sizeof(text), "%s", "-");
    if (!isnan(v)) /* fmt is one of two of this file */
        snprintf(text, sizeof(text), *fmt == 'g' ? "%.3g" : "%.4f", v);
    strbuf_addf(out, "  %8s", text);
}

void compare_table(struct strbuf *out, const struct compare *c)
{
    int width = 5;

    for (size_t k = 0; k < c->a->k; k++)
        if ((int)strlen(c->a->names[k]) > width)
            width = (int)strlen(c->a->names[k]);
    strbuf_addf(out, "%-*s  %8s  %8s  %8s  %8s  %8s  %6s  %6s  %6s  %8s\n",
                width, "score", "A", "B", "B-A", "low", "high", c->a->unit,
                "better", "worse", "p");
    for (size_t k = 0; k < c->a->k; k++) {
        const struct compare_score *s = c->score + k;

        strbuf_addf(out, "%-*s", width, c->a->names[k]);
        add_number(out, "f", s->mean_a);
        add_number(out, "f", s->mean_b);
        add_number(out, "f", s->difference);
        add_number(out, "f", s->low);
        add_number(out, "f", s->high);
        strbuf_addf(out, "  %6zu  %6zu  %6zu", s->n, s->better, s->worse);
        add_number(out, "g", s->test.n ? s->test.p : NAN);
        strbuf_addch(out, '\n');
    }
    strbuf_addf(out, "\nlargest differences of %s\n", c->a->names[c->lead]);
    for (size_t i = 0; i < c->n_most; i++) {
        add_number(out, "f", c->most[i].a);
        add_number(out, "f", c->most[i].b);
        add_number(out, "f", c->most[i].b - c->most[i].a);
        strbuf_addstr(out, "  ");
        report_add_name(out, c->most[i].name);
        strbuf_addch(out, '\n');
    }
}

static void add_cell(struct strbuf *out, double v)
{
    if (isnan(v))
        strbuf_addstr(out, "\t-");
    else
        strbuf_addf(out, "\t%.6g", v);
}

void compare_tsv(struct strbuf *out, const struct compare *c)
{
    strbuf_addstr(out, "score\tn\tmean_a\tmean_b\tdifference\tlow\thigh\tbetter"
                       "\tworse\tstatistic\tp\n");
    for (size_t k = 0; k < c->a->k; k++) {
        const struct compare_score *s = c->score + k;

        strbuf_addf(out, "%s\t%zu", c->a->names[k], s->n);
        add_cell(out, s->mean_a);
        add_cell(out, s->mean_b);
        add_cell(out, s->difference);
        add_cell(out, s->low);
        add_cell(out, s->high);
        strbuf_addf(out, "\t%zu\t%zu", s->better, s->worse);
        add_cell(out, s->test.statistic);
        add_cell(out, s->test.n ? s->test.p : NAN);
        strbuf_addch(out, '\n');
    }
}
