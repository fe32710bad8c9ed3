/* task.h - what `mfm annotate` and the single tasks share: from scores to
 * labels to lines. */
#ifndef CMD_TASK_H
#define CMD_TASK_H

#include "base/opt.h"
#include "cmd/common.h"
#include "cmd/batch.h"
#include "decode/dbn.h"
#include "write/format.h"

/* What the options say; {0} is not valid, see task_options_init. */
struct task_options {
    struct cmd_common common;
    int wanted[TASKS];
    double window_s, hop_s; /* 0: the model's */
    double rate;            /* of .npy inputs; 0: not given */
    struct dbn_config dbn;  /* fps 0: that of the head */
    int own_bars;           /* dbn.bars were asked for; else those of the head,
                               if it has some */
    double start_time;
    const char *save_activations, *click;
    const char *vocab;      /* of chords, vocab.h; NULL: the model's */
    int all_beats;          /* even where they are hardly heard */
    int boundaries_only, over_time;
    int top;
    double tag_threshold;
};
void task_options_init(struct task_options *o);

/* cmd_begin with the options that all tasks share: own has n_own rows, and room
 * for TASK_SHARED_OPTIONS and OPT_END behind them; usage->own and groups are
 * set. Afterwards task_run, if it returns CMD_GO. */
enum { TASK_SHARED_OPTIONS = 3 };
int task_begin(struct cmd_usage *usage, struct task_options *o, struct opt *own,
               int n_own, int argc, char **argv, int *n);

/* Writes r as --format says: a file of its own for each task where the format
 * has such, else all of it in one. */
int task_write(struct batch *b, const struct format *f, const struct result *r,
               struct err *err);

/* suffix[TASKS + 1] becomes those of the files that task_write makes in
 * --out-dir of the tasks in o->wanted, NULL at the end; returns it. */
const char *const *task_suffixes(const char **suffix,
                                 const struct task_options *o,
                                 const struct format *f);

/* Runs the wanted tasks, or all of the model if none is set, over the inputs
 * operands[0..n-1]; returns the exit code. common.format is set. */
int task_run(const struct cmd_usage *usage, struct task_options *o, int n,
             char **operands);

#endif
