/* loop.h - the steps of a training run, whatever is learned: optimiser,
 * metrics, checkpoints, validation, resuming. RUN/ holds
 *
 *     config.json               the settings (written by the caller)
 *     metrics.ndjson            metrics.h
 *     checkpoints/              checkpoint.h
 *     model.safetensors         the model so far, by loop_save
 *     report.html               report.h
 *
 * A run that was cut off anywhere goes on to the bit: what a pass does depends
 * on the step and the weights alone. */
#ifndef TRAIN_LOOP_H
#define TRAIN_LOOP_H

#include <signal.h>
#include <stdint.h>
#include "base/err.h"
#include "train/metrics.h"
#include "train/optim.h"
#include "train/progress.h"
#include "train/sched.h"

enum { LOOP_METRICS = 24 };

/* What a pass or a validation found. */
struct loop_row {
    double loss, accuracy; /* of a pass; NaN: none */
    double hours;          /* of audio that it saw */
    struct metric more[LOOP_METRICS]; /* names are static strings */
    size_t n;
};
void loop_metric(struct loop_row *r, const char *name, double value);

struct loop_config {
    const char *dir;         /* RUN, exists */
    struct optim *optim;     /* its processes all run the loop: they do every
                                step together, process 0 alone writes,
                                validates and reports */
    struct sched sched;
    int64_t steps;
    int log_every, valid_every, save_every; /* steps; valid_every 0: never */
    int keep;                /* checkpoints */
    int most_skipped;        /* steps in a row without a finite gradient that
                                end the run; not those for which the loss scale
                                was halved */
    uint64_t seed;
    const char *config, *data; /* of the checkpoints */
    const char *title;         /* of the report */
    int resume;
    enum train_progress_mode progress;
    const volatile sig_atomic_t *stop; /* not 0: save, then ERR_STOPPED; or
                                          NULL */

    /* Forward and backward passes of step (0, 1..): adds the gradient of the
     * step's whole loss to the parameters, whose gradients are 0; of several
     * processes', summed where optim.h says. row is that of the whole step. */
    int (*pass)(void *ctx, int64_t step, struct loop_row *row,
                struct err *err);
    /* After so many steps, on the saved model; or NULL. Metrics go to row. */
    int (*valid)(void *ctx, int64_t step, struct loop_row *row,
                 struct err *err);
    /* Writes RUN/model.safetensors. */
    int (*save)(void *ctx, int64_t step, struct err *err);
    /* The first step that will be asked for, before anything is written:
     * loaders start here; or NULL. */
    int (*begin)(void *ctx, int64_t step, struct err *err);
    /* Whether to end before all steps are done; or NULL. */
    int (*done)(void *ctx);
    void *ctx;
};

/* Runs to the end, or to an error; what was saved stays. ERR_STOPPED where
 * *stop ended it, after all was saved. ERR_FORMAT where resume does not fit the
 * run that is there, ERR_ARG where that has more steps already; without resume
 * the caller sees to it that RUN is new. */
int loop_run(const struct loop_config *c, struct err *err);

#endif
