/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "eval/report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "eval/match.h"

void report_init(struct report *r, const char *const *names, size_t k)
{
    *r = (struct report){ .names = names, .k = k };
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

struct report_stats report_stats(const struct report *r, size_t score)
{
    struct report_stats s = { 0, 0, NAN, 0 };
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

/* cJSON prints NaN as null. */
cJSON *report_json(const struct report *r, bool per_file)
{
    cJSON *top = cJSON_CreateObject(), *rows;
    cJSON *mean, *median, *std, *defined;

    cJSON_AddNumberToObject(top, "files", (double)r->n);
    mean = cJSON_AddObjectToObject(top, "mean");
    median = cJSON_AddObjectToObject(top, "median");
    std = cJSON_AddObjectToObject(top, "std");
    defined = cJSON_AddObjectToObject(top, "defined");
    for (size_t k = 0; k < r->k; k++) {
        struct report_stats s = report_stats(r, k);

        cJSON_AddNumberToObject(mean, r->names[k], s.mean);
        cJSON_AddNumberToObject(median, r->names[k], s.median);
        cJSON_AddNumberToObject(std, r->names[k], s.std);
        cJSON_AddNumberToObject(defined, r->names[k], (double)s.n);
    }
    rows = per_file ? cJSON_AddArrayToObject(top, "scores") : NULL;
    for (size_t i = 0; rows && i < r->n; i++) {
        cJSON *row = cJSON_CreateObject();

        cJSON_AddStringToObject(row, "file", r->row[i].file);
        for (size_t k = 0; k < r->k; k++)
            cJSON_AddNumberToObject(row, r->names[k], r->row[i].score[k]);
        cJSON_AddItemToArray(rows, row);
    }
    return top;
}

void report_table(struct strbuf *out, const struct report *r)
{
    int width = 5;

    for (size_t k = 0; k < r->k; k++)
        if ((int)strlen(r->names[k]) > width)
            width = (int)strlen(r->names[k]);
    strbuf_addf(out, "%-*s  %8s  %8s  %8s  %6s\n", width, "score", "mean",
                "median", "std", "files");
    for (size_t k = 0; k < r->k; k++) {
        struct report_stats s = report_stats(r, k);

        strbuf_addf(out, "%-*s  %8.4f  %8.4f  %8.4f  %6zu\n", width,
                    r->names[k], s.mean, s.median, s.std, s.n);
    }
}

static void add_cell(struct strbuf *out, double v)
{
    if (isnan(v))
        strbuf_addstr(out, "\tnan"); /* printf may write -nan */
    else
        strbuf_addf(out, "\t%.6f", v);
}

static void add_row(struct strbuf *out, const struct report *r,
                    const struct report_row *row)
{
    for (const char *c = row->file; *c; c++)
        strbuf_addch(out, (unsigned char)*c < ' ' || *c == 127 ? '?' : *c);
    for (size_t k = 0; k < r->k; k++)
        add_cell(out, row->score[k]);
    strbuf_addch(out, '\n');
}

void report_tsv(struct strbuf *out, const struct report *r, bool per_file)
{
    static const char *const lines[] = { "mean", "median", "std" };

    strbuf_addstr(out, "file");
    for (size_t k = 0; k < r->k; k++)
        strbuf_addf(out, "\t%s", r->names[k]);
    strbuf_addch(out, '\n');
    for (size_t i = 0; per_file && i < r->n; i++)
        add_row(out, r, r->row + i);
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        strbuf_addstr(out, lines[i]);
        for (size_t k = 0; k < r->k; k++) {
            struct report_stats s = report_stats(r, k);

            add_cell(out, i == 0 ? s.mean : i == 1 ? s.median : s.std);
        }
        strbuf_addch(out, '\n');
    }
}
