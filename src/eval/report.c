/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "eval/report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "eval/boot.h"
#include "eval/match.h"

void report_init(struct report *r, const char *const *names, size_t k)
{
    *r = (struct report){ .names = names, .k = k, .unit = "files" };
}

void report_release(struct report *r)
{
    for (size_t i = 0; i < r->n; i++) {
        free(r->row[i].file);
        free(r->row[i].score);
    }
    free(r->row);
    *r = (struct report){ 0 };
}

void report_add(struct report *r, const char *file, const double *score)
{
    struct report_row row = { xstrdup(file), xcalloc(r->k, sizeof(double)) };

    memcpy(row.score, score, r->k * sizeof(*score));
    ARRAY_GROW(r->row, r->n, r->cap);
    r->row[r->n++] = row;
}

static struct report_stats stats(const struct report *r, size_t score)
{
    struct report_stats s = { 0, 0, NAN, 0, NAN, NAN };
    double *v = xcalloc(r->n + 1, sizeof(*v));

    for (size_t i = 0; i < r->n; i++)
        if (!isnan(r->row[i].score[score]))
            v[s.n++] = r->row[i].score[score];
    for (size_t i = 0; i < s.n; i++)
        s.mean += v[i];
    s.mean = s.n ? s.mean / (double)s.n : NAN;
    for (size_t i = 0; i < s.n; i++)
        s.std += (v[i] - s.mean) * (v[i] - s.mean);
    s.std = s.n > 1 ? sqrt(s.std / (double)(s.n - 1)) : NAN;
    s.median = match_median(v, s.n);
    free(v);
    return s;
}

struct report_stats *report_stats(const struct report *r)
{
    struct report_stats *s = xcalloc(r->k + 1, sizeof(*s));
    struct boot_interval *interval = xcalloc(r->k + 1, sizeof(*interval));
    const double **row = xcalloc(r->n + 1, sizeof(*row));

    for (size_t i = 0; i < r->n; i++)
        row[i] = r->row[i].score;
    boot_means(interval, row, r->n, r->k, BOOT_SEED);
    for (size_t k = 0; k < r->k; k++) {
        s[k] = stats(r, k);
        s[k].low = interval[k].low;
        s[k].high = interval[k].high;
    }
    free(interval);
    free(row);
    return s;
}

/* ---- JSON; cJSON prints NaN as null ---- */

static void add_stats(cJSON *top, const struct report *r)
{
    struct report_stats *s = report_stats(r);
    cJSON *mean = cJSON_AddObjectToObject(top, "mean");
    cJSON *median = cJSON_AddObjectToObject(top, "median");
    cJSON *std = cJSON_AddObjectToObject(top, "std");
    cJSON *interval = cJSON_AddObjectToObject(top, "interval");
    cJSON *defined = cJSON_AddObjectToObject(top, "defined");
    cJSON *undefined = cJSON_AddObjectToObject(top, "undefined");

    for (size_t k = 0; k < r->k; k++) {
        const char *name = r->names[k];

        cJSON_AddNumberToObject(mean, name, s[k].mean);
        cJSON_AddNumberToObject(median, name, s[k].median);
        cJSON_AddNumberToObject(std, name, s[k].std);
        cJSON_AddItemToObject(interval, name, cJSON_CreateDoubleArray(
            (double[]){ s[k].low, s[k].high }, 2));
        cJSON_AddNumberToObject(defined, name, (double)s[k].n);
        cJSON_AddNumberToObject(undefined, name, (double)(r->n - s[k].n));
    }
    free(s);
}

void report_json(cJSON *top, const struct report *r, bool per_file)
{
    char *unit = xstrndup(r->unit, strlen(r->unit) - 1);
    cJSON *rows;

    cJSON_AddNumberToObject(top, r->unit, (double)r->n);
    add_stats(top, r);
    rows = per_file ? cJSON_AddArrayToObject(top, "scores") : NULL;
    for (size_t i = 0; rows && i < r->n; i++) {
        cJSON *row = cJSON_CreateObject();

        cJSON_AddStringToObject(row, unit, r->row[i].file);
        for (size_t k = 0; k < r->k; k++)
            cJSON_AddNumberToObject(row, r->names[k], r->row[i].score[k]);
        cJSON_AddItemToArray(rows, row);
    }
    free(unit);
}

/* ---- text ---- */

static void add_column(struct strbuf *out, double v)
{
    if (isnan(v))
        strbuf_addf(out, "  %8s", "-");
    else
        strbuf_addf(out, "  %8.4f", v);
}

void report_table(struct strbuf *out, const struct report *r)
{
    struct report_stats *s = report_stats(r);
    int width = 5;

    for (size_t k = 0; k < r->k; k++)
        if ((int)strlen(r->names[k]) > width)
            width = (int)strlen(r->names[k]);
    strbuf_addf(out, "%-*s  %8s  %8s  %8s  %8s  %8s  %7s  %9s\n", width,
                "score", "mean", "low", "high", "median", "std", r->unit,
                "undefined");
    for (size_t k = 0; k < r->k; k++) {
        strbuf_addf(out, "%-*s", width, r->names[k]);
        add_column(out, s[k].mean);
        add_column(out, s[k].low);
        add_column(out, s[k].high);
        add_column(out, s[k].median);
        add_column(out, s[k].std);
        strbuf_addf(out, "  %7zu  %9zu\n", s[k].n, r->n - s[k].n);
    }
    free(s);
}

void report_add_name(struct strbuf *out, const char *name)
{
    for (const char *c = name; *c; c++)
        strbuf_addch(out, (unsigned char)*c < ' ' || *c == 127 ? '?' : *c);
}

static void add_cell(struct strbuf *out, double v)
{
    if (isnan(v))
        strbuf_addstr(out, "\t-");
    else
        strbuf_addf(out, "\t%.6f", v);
}

static double stats_line(const struct report_stats *s, int line)
{
    const double v[] = { s->mean, s->median, s->std, s->low, s->high };

    return v[line];
}

void report_tsv(struct strbuf *out, const struct report *r, bool per_file)
{
    static const char *const lines[] = { "mean", "median", "std", "low",
                                         "high" };
    struct report_stats *s = report_stats(r);

    strbuf_add(out, r->unit, strlen(r->unit) - 1);
    for (size_t k = 0; k < r->k; k++)
        strbuf_addf(out, "\t%s", r->names[k]);
    strbuf_addch(out, '\n');
    for (size_t i = 0; per_file && i < r->n; i++) {
        report_add_name(out, r->row[i].file);
        for (size_t k = 0; k < r->k; k++)
            add_cell(out, r->row[i].score[k]);
        strbuf_addch(out, '\n');
    }
    for (int i = 0; i < (int)ARRAY_LEN(lines); i++) {
        strbuf_addstr(out, lines[i]);
        for (size_t k = 0; k < r->k; k++)
            add_cell(out, stats_line(s + k, i));
        strbuf_addch(out, '\n');
    }
    strbuf_addstr(out, "undefined");
    for (size_t k = 0; k < r->k; k++)
        strbuf_addf(out, "\t%zu", r->n - s[k].n);
    strbuf_addch(out, '\n');
    free(s);
}
