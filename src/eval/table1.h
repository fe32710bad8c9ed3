/* table1.h - Table 1 of "A Foundation Model for Music Informatics" (M. Won,
 * Y.-N. Hung, D. Le, ICASSP 2024, arXiv 2311.03318), as it was published. */
#ifndef EVAL_TABLE1_H
#define EVAL_TABLE1_H

#include "base/json.h"
#include "base/strbuf.h"

enum { TABLE1_ROWS = 13, TABLE1_SCORES = 8, TABLE1_SOURCES = 3 };

struct table1_score {
    const char *task;    /* "beats" */
    const char *name;    /* "Beat F1" */
    const char *dataset; /* tested on */
};

struct table1_row {
    const char *name; /* "FM7", "FM7-finetune", "State of the art" */
    const char *encoder, *size, *tokens, *data; /* NULL: not one model */
    int rate, input;  /* Hz of the tokens, seconds of input; 0: not one model */
    const char *score[TABLE1_SCORES]; /* as printed: "0.868" */
};

/* Where the row "State of the art" is from. */
struct table1_source {
    const char *task;
    const char *source;
};

extern const struct table1_score table1_scores[TABLE1_SCORES];
extern const struct table1_row table1_rows[TABLE1_ROWS];
extern const struct table1_source table1_sources[TABLE1_SOURCES];

/* What this program measured, to stand below the published rows: a score of
 * NULL was not measured. All borrowed. */
struct table1_measured {
    const struct table1_row *row;
    size_t n;
    const char *const *note; /* what the numbers are of, and what lacks */
    size_t notes;
};

/* Columns, and the sources and notes below. measured is NULL for none, here and
 * below. */
void table1_text(struct strbuf *out, const struct table1_measured *measured);
/* A header and the rows; no notes. */
void table1_tsv(struct strbuf *out, const struct table1_measured *measured);
/* A table, and the sources and notes below. */
void table1_markdown(struct strbuf *out,
                     const struct table1_measured *measured);

/* Adds "paper", "columns" [{name, task, dataset}], "rows" [{model, encoder,
 * ..., NAME: number}] and "sources" [{task, source}], and of what was measured
 * "measured" (rows, null where not) and "notes" (strings). */
void table1_json(cJSON *top, const struct table1_measured *measured);

#endif
