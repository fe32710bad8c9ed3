/* validate.h - masked-token loss of a saved model on crops that it does not
 * learn from, by the encoder that everything else runs (encoder.h). */
#ifndef TRAIN_VALIDATE_H
#define TRAIN_VALIDATE_H

#include "base/err.h"
#include "tensor/backend.h"
#include "train/corpus.h"
#include "train/sample.h"

struct validate_config {
    struct corpus *corpus;
    struct sampler *sampler; /* that of training */
    int64_t crop, time, frames; /* samples; inputs; hidden states */
    int streams;
    const int *codes;        /* of each stream; borrowed */
    int threads;
};

/* The crops, made once. A zeroed struct can be released. */
struct validate {
    struct validate_config c;
    float *input;    /* (crops, values) */
    int32_t *target; /* (crops, streams, frames) */
    int64_t values;
};

/* Means over the hidden tokens of all streams, nats. */
struct validate_result {
    double loss, accuracy;
    double unigram;   /* entropy of these tokens: the loss of a model that knows
                         how often each occurs and nothing else */
    double commonest; /* share of the commonest: its accuracy */
};

enum { VALIDATE_CROPS = 64 };

int validate_init(struct validate *v, const struct validate_config *c,
                  struct err *err);
int validate_run(struct validate *v, const char *model, struct backend *be,
                 struct validate_result *r, struct err *err);
void validate_release(struct validate *v);

#endif
