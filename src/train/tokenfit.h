/* tokenfit.h - learns what tokens are made of from recordings: mean and
 * standard deviation of the corpus' mel in dB, and codebooks.
 *
 * One pass over the recordings, several at a time: sums in double for each
 * recording, added up in the order of the list, and a sample of the vectors
 * (reservoir.h). Then clustering of the sample (cluster.h), or for random
 * projection nothing but a measurement. The result is the same to the bit for
 * any number of jobs and threads. A recording that cannot be read is reported
 * and left out. */
#ifndef TRAIN_TOKENFIT_H
#define TRAIN_TOKENFIT_H

#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "model/config.h"

struct tokenfit_config {
    int jobs;         /* recordings at a time */
    uint64_t seed;
    int64_t sample;   /* vectors kept for each kind of input; 0: 100 for each
                         code, and at least 10,000 */
    /* Called for each recording when it is done, one at a time, in any order;
     * failure is NULL if it went well. Not NULL. */
    void (*done)(void *ctx, const char *path, const struct err *failure);
    void *ctx;
};

struct tokenfit_usage {
    int codes;
    double used, perplexity; /* share of the codes; e^entropy; of the sample */
};

/* A zeroed struct can be released. */
struct tokenfit {
    size_t files, failed;
    double seconds;               /* of sound in the files that went well */
    int64_t frames;               /* of mel */
    float *value[64][2];          /* of each c->tokens, config_token_tensors */
    int streams;
    struct tokenfit_usage *usage; /* (streams) */
    int64_t vectors;              /* in the smallest sample */
};

/* c says what is wanted: sample rate, mel, tokens; its mel.mean and mel.std are
 * set. ERR_ARG if the recordings give too few vectors for the codes, or are all
 * silent; ERR_FORMAT if not one could be read; ERR_NOMEM, ERR_UNSUPPORTED. */
int tokenfit_run(struct tokenfit *f, struct model_config *c, char *const *path,
                 size_t n, const struct tokenfit_config *config,
                 struct err *err);
void tokenfit_release(struct tokenfit *f);

/* Writes a model file of tokens alone: c and the tensors. */
int tokenfit_write(const struct tokenfit *f, const struct model_config *c,
                   const char *path, struct err *err);

#endif
