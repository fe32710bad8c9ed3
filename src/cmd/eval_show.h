/* eval_show.h - the results of `mfm eval`, written in the format that was asked
 * for. */
#ifndef CMD_EVAL_SHOW_H
#define CMD_EVAL_SHOW_H

#include "cmd/common.h"
#include "cmd/measure.h"
#include "cmd/scoring.h"
#include "eval/table1.h"

/* What the options say. */
struct eval_options {
    struct cmd_common common;
    enum annot_task task;
    double trim; /* 0 keeps all */
    int per_file, compare, most, jobs, check, finetune, steps, reliability;
    const char *dataset, *root, *split, *calibrate;
};

enum eval_format { JSON, TABLE, TSV, MARKDOWN };

enum eval_format eval_format_of(const struct eval_options *o,
                                enum eval_format otherwise);

/* Writes to -o or stdout; CMD_DONE or, said on stderr, CMD_FAILED. */
int eval_write(const struct eval_options *o, const struct strbuf *text);

/* The scores of a pair or of many; m is NULL unless the songs are those of a
 * dataset. Returns the exit code, here and below: CMD_FAILED also where pairs
 * failed. */
int eval_show(const struct eval_options *o, const struct scoring *s,
              const struct measure *m);

/* s->reliability, a table unless the format is another; and behind it, unless
 * NULL, the same after calibration. */
int eval_show_reliability(const struct eval_options *o, const struct scoring *s,
                          const struct reliability *after);

/* Estimates a and b of the same references. */
int eval_show_comparison(const struct eval_options *o, const struct scoring *a,
                         const struct scoring *b);

/* The paper's table; measured may be NULL. */
int eval_show_paper(const struct eval_options *o,
                    const struct table1_measured *measured);

#endif
