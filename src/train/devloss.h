/* devloss.h - the loss of a saved model's heads on whole songs that it does not
 * learn from, by the stream that annotation uses. */
#ifndef TRAIN_DEVLOSS_H
#define TRAIN_DEVLOSS_H

#include "base/err.h"
#include "model/config.h"
#include "tensor/backend.h"
#include "train/corpus.h"
#include "train/songs.h"

enum { DEVLOSS_HEADS = 5 }; /* that have figures of their own */

struct devloss_config {
    const struct model_config *model; /* heads that are looked at */
    const struct songs *songs;        /* song i is recording i of */
    struct corpus *corpus;
    struct backend *be;
    struct target_options target;
};

struct devloss;

struct devloss_result {
    double loss; /* sum over the heads, as in training (headloss.h) */
    double head_loss[DEVLOSS_HEADS], head_accuracy[DEVLOSS_HEADS];
};

/* All in c is borrowed. */
int devloss_new(struct devloss **out, const struct devloss_config *c,
                struct err *err);
void devloss_free(struct devloss *d); /* NULL is allowed */

/* The metrics' names of head h: "valid_loss_beats", "valid_accuracy_beats". */
const char *devloss_name(const struct devloss *d, int h, int accuracy);

int devloss_run(struct devloss *d, const char *model,
                struct devloss_result *r, struct err *err);

#endif
