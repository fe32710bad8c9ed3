/* pretrain.h - an encoder learns to predict the tokens of hidden parts of music
 * (masked.h) from unlabelled recordings. */
#ifndef TRAIN_PRETRAIN_H
#define TRAIN_PRETRAIN_H

#include <signal.h>
#include "base/err.h"
#include "base/strbuf.h"
#include "model/model.h"
#include "tensor/backend.h"
#include "train/corpus.h"
#include "train/preset.h"
#include "train/progress.h"

struct pretrain_config {
    const struct preset *preset;
    struct corpus *train;
    struct corpus *valid;  /* NULL: no validation */
    const char *data;      /* fingerprint of the training data */
    const char *dir;       /* RUN, exists; config.json is written too */
    struct model *tokens;  /* codebooks to predict; NULL: drawn from the seed */
    struct model *init;    /* weights to begin with; or NULL */
    int codes;             /* tokens are read from NAME.npy (tokens.h) */
    const char *codes_dir; /* in this folder; NULL: beside the audio */
    int threads;           /* of the loader */
    int resume;
    enum train_progress_mode progress;
    const volatile sig_atomic_t *stop; /* loop.h */
    struct dist *dist;     /* the processes that run this together; NULL: one */
    /* What set-up returned, in each process, to what it returns in all; NULL
     * where there is one. */
    int (*agree)(void *ctx, int rc, struct err *err);
    void *ctx;
};

/* Runs, or goes on with, a run (loop.h). config.json is written once everything
 * fits. With codes, both corpora are aligned to tokens. ERR_ARG and ERR_FORMAT
 * where preset, tokens, weights and a checkpoint do not fit one another;
 * ERR_UNSUPPORTED where tokens that must be fitted are not given; ERR_STOPPED
 * where a signal ended it. */
int pretrain_run(const struct pretrain_config *c, struct backend *be,
                 struct err *err);

/* Mean and standard deviation of the mel (dB) over crops of a corpus drawn from
 * seed, into s. */
int pretrain_measure(struct mel_settings *s, struct corpus *corpus,
                     int sample_rate, uint64_t seed, struct err *err);

#endif
