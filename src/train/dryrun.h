/* dryrun.h - what a preset asks for before anything is computed: values, work
 * and memory, by formulas that follow net.c. */
#ifndef TRAIN_DRYRUN_H
#define TRAIN_DRYRUN_H

#include <stdint.h>
#include "base/strbuf.h"
#include "train/preset.h"

/* Parts of a model: up to hidden state 0; the layers; the tokens' logits. */
enum { DRYRUN_FRONT, DRYRUN_LAYERS, DRYRUN_OUTPUT, DRYRUN_PARTS };

struct dryrun {
    int64_t values[DRYRUN_PARTS]; /* trained */
    double flops[DRYRUN_PARTS];   /* forward pass of one clip; a multiplication
                                     and an addition are two */
    int64_t buffers;              /* values that are not trained */
    int64_t unused;               /* that the published files of the Conformer
                                     hold besides, trained by name */
    int64_t frames;               /* hidden states of one clip */
    int streams;                  /* of tokens */
    int devices, clips;           /* clips that a device holds at once */
    double step_tokens, step_flops, step_seconds; /* seconds: of audio */
    /* bytes on one device; the average is 0 without one */
    double weights, gradients, moments, average;
    double kept, kept_checkpoint; /* activations, without and with
                                     train.checkpoint */
};

/* devices share a batch, one process each; each holds all weights and a part of
 * the moments. */
void dryrun_make(struct dryrun *d, const struct preset *p, int devices);

/* Bytes in use on one device at the peak, as p's settings have it. */
double dryrun_bytes(const struct dryrun *d, const struct preset *p);

/* Appends the table for people. flops_per_s: what all devices reach together,
 * for times; 0: not known, no times. */
void dryrun_print(const struct dryrun *d, const struct preset *p,
                  double flops_per_s, struct strbuf *out);

#endif
