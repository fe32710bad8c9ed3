/* paper.h - models measured as in the paper's Table 1, on the datasets that
 * are there. */
#ifndef CMD_PAPER_H
#define CMD_PAPER_H

#include "cmd/common.h"
#include "eval/table1.h"

/* The first part is set by the caller, who keeps the strings. */
struct paper {
    const char *root; /* each dataset in a folder of its name (dataset.h) */
    const char *const *model; /* -m of each; models of them */
    int models;
    const struct cmd_common *common; /* how to compute */
    const struct cmd_usage *usage;
    double trim_s;
    int jobs; /* threads that score */
    int finetune, steps; /* of heads that are trained: paperhead.h */
    int (*probe)(int argc, char **argv);
    /* results: for table1_text and the others, until paper_release */
    struct table1_measured measured;
    int failed; /* exit code: CMD_FAILED if a model, a dataset that is there, or
                   a song failed, which has been said */
    /* inside */
    struct table1_row *row;
    char **note;
    size_t notes, notes_cap;
};

/* Beats on gtzan, chords on hooktheory, structure on harmonix, key on
 * giantsteps, tags on magnatagatune, each on its test songs (an own split where
 * the paper's is not published) with the model's heads at their own rates, or,
 * where it has none or is to be fine-tuned, with one that is trained first
 * (paperhead.h) on what the paper's learned from. What cannot be measured is
 * empty, and a note says why. */
void paper_measure(struct paper *p);
void paper_release(struct paper *p);

/* Whose protocol of probing has outputs at this rate per second (0: one for the
 * clip) for a head's task: "the paper's", "the release's" (the notes of the
 * published code), "either" or "no". */
const char *paper_protocol(const char *task, double rate);

#endif
