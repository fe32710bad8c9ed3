/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "eval/table1.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char paper[] =
    "M. Won, Y.-N. Hung, D. Le, \"A Foundation Model for Music Informatics\", "
    "ICASSP 2024, Table 1";

const struct table1_score table1_scores[TABLE1_SCORES] = {
    { "beats", "Beat F1", "GTZAN" },
    { "beats", "Downbeat F1", "GTZAN" },
    { "chords", "Chord acc", "HookTheory" },
    { "structure", "Structure acc", "Harmonix" },
    { "structure", "Structure HR.5F", "Harmonix" },
    { "key", "Key acc", "GiantSteps" },
    { "tag", "Tag mAP", "MagnaTagATune" },
    { "tag", "Tag ROC-AUC", "MagnaTagATune" },
};

#define BERT "BERT", "330M"
#define CONF "Conformer", "330M"
#define TUNED "Conformer", "330M", "random"

const struct table1_row table1_rows[TABLE1_ROWS] = {
    { "FM1", BERT, "kmeans", "in-house", 75, 5,
      { "0.858", "0.722", "0.574", "0.578", "0.626", "0.645", "0.4499",
        "0.9167" } },
    { "FM2", BERT, "random", "in-house", 75, 5,
      { "0.856", "0.669", "0.636", "0.588", "0.490", "0.636", "0.4185",
        "0.9013" } },
    { "FM3", BERT, "random", "in-house", 75, 30,
      { "0.855", "0.703", "0.651", "0.640", "0.641", "0.662", "0.4226",
        "0.9000" } },
    { "FM4", CONF, "random", "in-house", 75, 5,
      { "0.863", "0.771", "0.643", "0.619", "0.534", "0.660", "0.4589",
        "0.9161" } },
    { "FM5", CONF, "random", "in-house", 75, 30,
      { "0.865", "0.780", "0.702", "0.715", "0.710", "0.670", "0.4821",
        "0.9208" } },
    { "FM6", CONF, "random", "in-house", 50, 30,
      { "0.864", "0.802", "0.690", "0.710", "0.698", "0.671", "0.4816",
        "0.9204" } },
    { "FM7", CONF, "random", "in-house", 25, 30,
      { "0.868", "0.804", "0.714", "0.726", "0.699", "0.674", "0.4883",
        "0.9235" } },
    { "FM8", "Conformer", "660M", "random", "in-house", 25, 30,
      { "0.866", "0.800", "0.689", "0.722", "0.716", "0.649", "0.4790",
        "0.9216" } },
    { "FM9", CONF, "random", "FMA", 25, 30,
      { "0.868", "0.767", "0.675", "0.664", "0.631", "0.674", "0.4726",
        "0.9167" } },
    { "FM7-finetune", TUNED, "in-house", 25, 30,
      { "0.865", "0.803", "0.807", "0.742", "0.740", "0.715", "0.4809",
        "0.9198" } },
    { "FM8-finetune", "Conformer", "660M", "random", "in-house", 25, 30,
      { "0.874", "0.810", "0.800", "0.739", "0.744", "0.700", "0.4735",
        "0.9192" } },
    { "FM9-finetune", TUNED, "FMA", 25, 30,
      { "0.861", "0.785", "0.784", "0.718", "0.737", "0.690", "0.4695",
        "0.9168" } },
    { "State of the art", NULL, NULL, NULL, NULL, 0, 0,
      { "0.887", "0.756", "0.762", "0.723", "0.660", "0.746", "0.470",
        "0.913" } },
};

const struct table1_source table1_sources[TABLE1_SOURCES] = {
    { "beats", "SpecTNT-TCN: Y.-N. Hung et al., \"Modeling Beats and Downbeats "
      "with a Time-Frequency Transformer\", ICASSP 2022" },
    { "structure", "[29] of the paper: J.-C. Wang, Y.-N. Hung, J. B. L. Smith, "
      "\"To Catch a Chorus, Verse, Intro, or Anything Else\", ICASSP 2022" },
    { "all", "the paper cites [23] [37] [38] [29] [39] [40]" },
};

static const char *or_dash(const char *s)
{
    return s ? s : "-";
}

static void add_int(struct strbuf *out, const char *before, int v)
{
    if (v)
        strbuf_addf(out, "%s%d", before, v);
    else
        strbuf_addf(out, "%s-", before);
}

static void add_text_row(struct strbuf *out, const struct table1_row *r)
{
    char rate[8] = "-", input[8] = "-";

    if (r->rate)
        snprintf(rate, sizeof(rate), "%d", r->rate);
    if (r->input)
        snprintf(input, sizeof(input), "%d", r->input);
    strbuf_addf(out, "%-16s  %-9s  %4s  %2s  %2s  %-6s  %-8s", r->name,
                or_dash(r->encoder), or_dash(r->size), rate, input,
                or_dash(r->tokens), or_dash(r->data));
    for (int k = 0; k < TABLE1_SCORES; k++)
        strbuf_addf(out, "  %*s", (int)strlen(table1_scores[k].name),
                    or_dash(r->score[k]));
    strbuf_addch(out, '\n');
}

void table1_text(struct strbuf *out, const struct table1_measured *m)
{
    strbuf_addf(out, "%s\n\n%-16s  %-9s  %4s  %2s  %2s  %-6s  %-8s", paper,
                "model", "encoder", "size", "Hz", "s", "tokens", "data");
    for (int k = 0; k < TABLE1_SCORES; k++)
        strbuf_addf(out, "  %s", table1_scores[k].name);
    strbuf_addch(out, '\n');
    for (int i = 0; i < TABLE1_ROWS; i++)
        add_text_row(out, table1_rows + i);
    if (m)
        strbuf_addstr(out, "\nMeasured by this program\n");
    for (size_t i = 0; m && i < m->n; i++)
        add_text_row(out, m->row + i);
    for (size_t i = 0; m && i < m->notes; i++)
        strbuf_addf(out, "%s\n", m->note[i]);
    strbuf_addstr(out, "\nSources of the state of the art\n");
    for (int i = 0; i < TABLE1_SOURCES; i++)
        strbuf_addf(out, "%-9s  %s\n", table1_sources[i].task,
                    table1_sources[i].source);
}

/* One row of cells, each but the first after `between`. */
static void add_cells(struct strbuf *out, const struct table1_row *r,
                      const char *between)
{
    strbuf_addf(out, "%s%s%s%s%s", r->name, between, or_dash(r->encoder),
                between, or_dash(r->size));
    add_int(out, between, r->rate);
    add_int(out, between, r->input);
    strbuf_addf(out, "%s%s%s%s", between, or_dash(r->tokens), between,
                or_dash(r->data));
    for (int k = 0; k < TABLE1_SCORES; k++)
        strbuf_addf(out, "%s%s", between, or_dash(r->score[k]));
}

static void add_header(struct strbuf *out, const char *between)
{
    static const char *const names[] = { "model", "encoder", "size", "Hz", "s",
                                         "tokens", "data" };

    for (int i = 0; i < 7; i++)
        strbuf_addf(out, "%s%s", i ? between : "", names[i]);
    for (int k = 0; k < TABLE1_SCORES; k++)
        strbuf_addf(out, "%s%s", between, table1_scores[k].name);
}

void table1_tsv(struct strbuf *out, const struct table1_measured *m)
{
    add_header(out, "\t");
    strbuf_addch(out, '\n');
    for (int i = 0; i < TABLE1_ROWS; i++) {
        add_cells(out, table1_rows + i, "\t");
        strbuf_addch(out, '\n');
    }
    for (size_t i = 0; m && i < m->n; i++) {
        add_cells(out, m->row + i, "\t");
        strbuf_addch(out, '\n');
    }
}

static void add_markdown_row(struct strbuf *out, const struct table1_row *r)
{
    strbuf_addstr(out, "| ");
    add_cells(out, r, " | ");
    strbuf_addstr(out, " |\n");
}

void table1_markdown(struct strbuf *out, const struct table1_measured *m)
{
    strbuf_addf(out, "%s\n\n| ", paper);
    add_header(out, " | ");
    strbuf_addstr(out, " |\n|");
    for (int i = 0; i < 7 + TABLE1_SCORES; i++)
        strbuf_addstr(out, i < 7 ? "---|" : "---:|");
    strbuf_addch(out, '\n');
    for (int i = 0; i < TABLE1_ROWS; i++)
        add_markdown_row(out, table1_rows + i);
    for (size_t i = 0; m && i < m->n; i++)
        add_markdown_row(out, m->row + i);
    if (m)
        strbuf_addstr(out, "\nMeasured by this program, below the row of the "
                           "state of the art:\n\n");
    for (size_t i = 0; m && i < m->notes; i++)
        strbuf_addf(out, "- %s\n", m->note[i]);
    strbuf_addstr(out, "\nSources of the state of the art:\n\n");
    for (int i = 0; i < TABLE1_SOURCES; i++)
        strbuf_addf(out, "- %s: %s\n", table1_sources[i].task,
                    table1_sources[i].source);
}

static void add_text(cJSON *o, const char *name, const char *value)
{
    if (value)
        cJSON_AddStringToObject(o, name, value);
    else
        cJSON_AddNullToObject(o, name);
}

static void add_number(cJSON *o, const char *name, int value)
{
    if (value)
        cJSON_AddNumberToObject(o, name, value);
    else
        cJSON_AddNullToObject(o, name);
}

static cJSON *row_json(const struct table1_row *r)
{
    cJSON *o = cJSON_CreateObject();

    add_text(o, "model", r->name);
    add_text(o, "encoder", r->encoder);
    add_text(o, "size", r->size);
    add_number(o, "rate", r->rate);
    add_number(o, "input", r->input);
    add_text(o, "tokens", r->tokens);
    add_text(o, "data", r->data);
    for (int k = 0; k < TABLE1_SCORES; k++)
        if (r->score[k])
            cJSON_AddNumberToObject(o, table1_scores[k].name,
                                    strtod(r->score[k], NULL));
        else
            cJSON_AddNullToObject(o, table1_scores[k].name);
    return o;
}

static void add_measured(cJSON *top, const struct table1_measured *m)
{
    cJSON *list = cJSON_AddArrayToObject(top, "measured");

    for (size_t i = 0; i < m->n; i++)
        cJSON_AddItemToArray(list, row_json(m->row + i));
    list = cJSON_AddArrayToObject(top, "notes");
    for (size_t i = 0; i < m->notes; i++)
        cJSON_AddItemToArray(list, cJSON_CreateString(m->note[i]));
}

void table1_json(cJSON *top, const struct table1_measured *m)
{
    cJSON *list;

    cJSON_AddStringToObject(top, "paper", paper);
    list = cJSON_AddArrayToObject(top, "columns");
    for (int k = 0; k < TABLE1_SCORES; k++) {
        cJSON *o = cJSON_CreateObject();

        cJSON_AddStringToObject(o, "name", table1_scores[k].name);
        cJSON_AddStringToObject(o, "task", table1_scores[k].task);
        cJSON_AddStringToObject(o, "dataset", table1_scores[k].dataset);
        cJSON_AddItemToArray(list, o);
    }
    list = cJSON_AddArrayToObject(top, "rows");
    for (int i = 0; i < TABLE1_ROWS; i++)
        cJSON_AddItemToArray(list, row_json(table1_rows + i));
    list = cJSON_AddArrayToObject(top, "sources");
    for (int i = 0; i < TABLE1_SOURCES; i++) {
        cJSON *o = cJSON_CreateObject();

        cJSON_AddStringToObject(o, "task", table1_sources[i].task);
        cJSON_AddStringToObject(o, "source", table1_sources[i].source);
        cJSON_AddItemToArray(list, o);
    }
    if (m)
        add_measured(top, m);
}
