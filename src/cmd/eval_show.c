/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cmd/eval_show.h"

#include <math.h>
#include <string.h>

#include "base/log.h"
#include "cmd/outputs.h"
#include "eval/compare.h"
#include "write/json.h"

enum eval_format eval_format_of(const struct eval_options *o,
                                enum eval_format otherwise)
{
    const char *name = o->common.format;

    return !name                   ? otherwise
           : !strcmp(name, "json") ? JSON
           : !strcmp(name, "tsv")  ? TSV
           : !strcmp(name, "md")   ? MARKDOWN
                                   : TABLE;
}

int eval_write(const struct eval_options *o, const struct strbuf *text)
{
    const char *path = o->common.output ? o->common.output : "-";
    struct err err = { 0 };

    if (!outputs_write(path, o->common.force, text, &err))
        return CMD_DONE;
    log_error("%s", err.msg);
    return CMD_FAILED;
}

/* Takes top over. */
static void add_json(struct strbuf *out, cJSON *top)
{
    char *text = cJSON_Print(top);

    write_utf8(out, text); /* names of files may be anything */
    strbuf_addch(out, '\n');
    cJSON_free(text);
    cJSON_Delete(top);
}

static cJSON *json_top(const struct eval_options *o)
{
    cJSON *top = cJSON_CreateObject();

    cJSON_AddStringToObject(top, "mfm", MFM_VERSION);
    cJSON_AddStringToObject(top, "task", score_names[o->task].task);
    if (o->task == ANNOT_BEATS)
        cJSON_AddNumberToObject(top, "trim", o->trim);
    return top;
}

/* ---- one pair, or many ---- */

static void pair_json(struct strbuf *out, const struct eval_options *o,
                      const struct scoring *s)
{
    const struct score_names *names = &score_names[o->task];
    cJSON *top = json_top(o);

    cJSON_AddStringToObject(top, "reference", s->ref->name);
    cJSON_AddStringToObject(top, "estimate", s->est->name);
    for (size_t k = 0; k < names->k; k++)
        cJSON_AddNumberToObject(top, names->names[k],
                                s->report.row[0].score[k]);
    add_json(out, top);
}

static void pair_text(struct strbuf *out, const struct eval_options *o,
                      const struct scoring *s)
{
    const struct score_names *names = &score_names[o->task];

    for (size_t k = 0; k < names->k; k++) {
        double v = s->report.row[0].score[k];
        int tsv = eval_format_of(o, TABLE) == TSV;

        strbuf_addf(out, tsv ? "%s\t" : "%-32s  ", names->names[k]);
        if (isnan(v))
            strbuf_addstr(out, tsv ? "-\n" : "     -\n");
        else
            strbuf_addf(out, tsv ? "%.6f\n" : "%.4f\n",
                        fabs(v) < (tsv ? 5e-7 : 5e-5) ? 0 : v); /* not -0 */
    }
}

static cJSON *counts_json(const struct eval_options *o, const struct scoring *s)
{
    cJSON *top = json_top(o), *unpaired;

    cJSON_AddStringToObject(top, "reference", s->ref->name);
    cJSON_AddStringToObject(top, "estimate", s->est->name);
    if (o->task == ANNOT_TAGS)
        cJSON_AddNumberToObject(top, "files", (double)s->pairs);
    unpaired = cJSON_AddObjectToObject(top, "unpaired");
    cJSON_AddNumberToObject(unpaired, "reference", (double)s->only_ref);
    cJSON_AddNumberToObject(unpaired, "estimate", (double)s->only_est);
    cJSON_AddNumberToObject(top, "failed", (double)s->failed);
    return top;
}

static cJSON *dataset_json(const struct eval_options *o,
                           const struct measure *m)
{
    const struct dataset_info *info = dataset_about(m->dataset);
    cJSON *top = json_top(o);

    cJSON_AddStringToObject(top, "dataset", info->name);
    cJSON_AddStringToObject(top, "root", m->root);
    cJSON_AddStringToObject(top, "split", m->split);
    if (info->note)
        cJSON_AddStringToObject(top, "note", info->note);
    cJSON_AddStringToObject(top, "model", o->common.model);
    cJSON_AddNumberToObject(top, "songs", (double)m->songs);
    cJSON_AddNumberToObject(top, "without_audio", (double)m->without_audio);
    cJSON_AddNumberToObject(top, "excluded", (double)m->excluded);
    if (o->task == ANNOT_TAGS)
        cJSON_AddNumberToObject(top, "files", (double)m->scoring.pairs);
    cJSON_AddNumberToObject(top, "failed", (double)m->scoring.failed);
    return top;
}

static void add_lead(struct strbuf *out, const struct report *r, size_t lead)
{
    strbuf_addf(out, "\n%8.8s  %s\n", "", r->names[lead]);
    for (size_t i = 0; i < r->n; i++) {
        double v = r->row[i].score[lead];

        strbuf_addf(out, isnan(v) ? "%8s" : "", "-");
        strbuf_addf(out, isnan(v) ? "" : "%8.4f", v);
        strbuf_addstr(out, "  ");
        report_add_name(out, r->row[i].file);
        strbuf_addch(out, '\n');
    }
}

/* m is NULL unless the songs are those of a dataset. */
static void many(struct strbuf *out, const struct eval_options *o,
                 const struct scoring *s, const struct measure *m)
{
    enum eval_format format = eval_format_of(o, JSON);

    if (format == JSON) {
        cJSON *top = m ? dataset_json(o, m) : counts_json(o, s);

        report_json(top, &s->report, o->per_file);
        add_json(out, top);
        return;
    }
    if (format == TSV) {
        report_tsv(out, &s->report, o->per_file);
        return;
    }
    report_table(out, &s->report);
    if (o->per_file)
        add_lead(out, &s->report, score_names[o->task].lead);
}

int eval_show(const struct eval_options *o, const struct scoring *s,
                const struct measure *m)
{
    struct strbuf text = STRBUF_INIT;
    int rc, single = s->ref->single && s->est->single &&
                     o->task != ANNOT_TAGS;

    if (!s->pairs)
        return CMD_FAILED;
    if (!single)
        many(&text, o, s, m);
    else if (eval_format_of(o, JSON) == JSON)
        pair_json(&text, o, s);
    else
        pair_text(&text, o, s);
    rc = eval_write(o, &text);
    strbuf_release(&text);
    return s->failed ? CMD_FAILED : rc;
}

/* ---- confidences ---- */

static void reliability_json(cJSON *top, const struct reliability *r)
{
    cJSON *list;

    cJSON_AddItemToObject(top, "calibration_error",
                          write_json_number(reliability_error(r)));
    list = cJSON_AddArrayToObject(top, "bins");
    for (int i = 0; i < RELIABILITY_BINS; i++) {
        const struct reliability_bin *b = &r->bin[i];
        cJSON *item = cJSON_CreateObject();

        cJSON_AddNumberToObject(item, "from", (double)i / RELIABILITY_BINS);
        cJSON_AddItemToObject(item, "weight", write_json_number(b->weight));
        cJSON_AddItemToObject(item, "confidence",
                              write_json_number(b->confidence / b->weight));
        cJSON_AddItemToObject(item, "right",
                              write_json_number(b->right / b->weight));
        cJSON_AddItemToArray(list, item);
    }
}

/* Columns between tabs, or between blanks. */
static void reliability_text(struct strbuf *out, const struct eval_options *o,
                             const struct reliability *r)
{
    int tabs = eval_format_of(o, TABLE) == TSV;
    const char *unit = o->task == ANNOT_CHORDS || o->task == ANNOT_STRUCTURE
                           ? "seconds" : "items";

    strbuf_addf(out, tabs ? "from\tto\tconfidence\tright\t%s\n"
                          : "from   to    confidence  right   %s\n", unit);
    for (int i = 0; i < RELIABILITY_BINS; i++) {
        const struct reliability_bin *b = &r->bin[i];
        double low = (double)i / RELIABILITY_BINS;

        if (!(b->weight > 0))
            continue;
        strbuf_addf(out, tabs ? "%.1f\t%.1f\t%.4f\t%.4f\t%.0f\n"
                              : "%.1f    %.1f   %8.4f  %7.4f  %8.0f\n", low,
                    low + 1. / RELIABILITY_BINS, b->confidence / b->weight,
                    b->right / b->weight, b->weight);
    }
    strbuf_addf(out, tabs ? "calibration error\t\t%.4f\n"
                          : "calibration error  %.4f\n",
                reliability_error(r));
}

int eval_show_reliability(const struct eval_options *o, const struct scoring *s,
                          const struct reliability *after)
{
    struct strbuf text = STRBUF_INIT;
    int rc;

    if (!s->pairs)
        return CMD_FAILED;
    if (eval_format_of(o, TABLE) == JSON) {
        cJSON *top = counts_json(o, s);

        reliability_json(top, s->reliability);
        if (after)
            reliability_json(cJSON_AddObjectToObject(top, "calibrated"), after);
        add_json(&text, top);
    } else {
        reliability_text(&text, o, s->reliability);
        if (after) {
            strbuf_addch(&text, '\n');
            reliability_text(&text, o, after);
        }
    }
    rc = eval_write(o, &text);
    strbuf_release(&text);
    return s->failed ? CMD_FAILED : rc;
}

/* ---- two sets of estimates ---- */

static void add_unpaired(cJSON *top, const char *name, const struct scoring *s)
{
    cJSON *side = cJSON_AddObjectToObject(top, name);

    cJSON_AddStringToObject(side, "estimate", s->est->name);
    cJSON_AddNumberToObject(side, "unpaired_reference", (double)s->only_ref);
    cJSON_AddNumberToObject(side, "unpaired_estimate", (double)s->only_est);
    cJSON_AddNumberToObject(side, "failed", (double)s->failed);
}

int eval_show_comparison(const struct eval_options *o, const struct scoring *a,
                           const struct scoring *b)
{
    enum eval_format format = eval_format_of(o, JSON);
    struct strbuf text = STRBUF_INIT;
    struct compare c;
    int rc;

    compare_init(&c, &a->report, &b->report, score_names[o->task].lead,
                 (size_t)o->most);
    if (format == JSON) {
        cJSON *top = json_top(o);

        cJSON_AddStringToObject(top, "reference", a->ref->name);
        add_unpaired(top, "a", a);
        add_unpaired(top, "b", b);
        compare_json(top, &c);
        add_json(&text, top);
    } else if (format == TSV) {
        compare_tsv(&text, &c);
    } else {
        compare_table(&text, &c);
    }
    rc = eval_write(o, &text);
    compare_release(&c);
    strbuf_release(&text);
    return a->failed || b->failed ? CMD_FAILED : rc;
}

/* ---- the paper ---- */

int eval_show_paper(const struct eval_options *o,
                       const struct table1_measured *measured)
{
    struct strbuf text = STRBUF_INIT;
    enum eval_format format = eval_format_of(o, TABLE);
    int rc;

    if (format == JSON) {
        cJSON *top = cJSON_CreateObject();

        cJSON_AddStringToObject(top, "mfm", MFM_VERSION);
        table1_json(top, measured);
        add_json(&text, top);
    } else if (format == TSV) {
        table1_tsv(&text, measured);
    } else if (format == MARKDOWN) {
        table1_markdown(&text, measured);
    } else {
        table1_text(&text, measured);
    }
    rc = eval_write(o, &text);
    strbuf_release(&text);
    return rc;
}
