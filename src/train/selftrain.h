/* selftrain.h - songs without labels, labelled by a model where it is sure.
 *
 * A label counts where its confidence reaches a threshold P (songs.h, sure):
 *
 *   beats      in runs of at least 4 beats that all reach it (dbn.h), from half
 *              an interval before the first to half a one behind the last
 *   chords     in segments that reach it (chords.h)
 *   structure  in runs of segments that reach it (section.h), but for the half
 *              second next to a neighbour that does not; of models whose head
 *              finds boundaries
 *   key        in the whole song, if its key reaches it (keyvote.h)
 *   tag        tags with a score of P or more are present, of 1 - P or less are
 *              absent; others, and tags that the model does not know, do not
 *              count */
#ifndef TRAIN_SELFTRAIN_H
#define TRAIN_SELFTRAIN_H

#include "base/err.h"
#include "model/model.h"
#include "tensor/backend.h"
#include "train/corpus.h"
#include "train/songs.h"

#define SELFTRAIN_CONFIDENCE 0.8

struct selftrain_config {
    struct model *model;               /* that labels */
    struct backend *be;
    const struct manifest *list;       /* songs without labels, not packed */
    struct corpus *corpus;             /* of that list */
    const struct model_config *learns; /* whose heads are to learn: each needs
                                          one of the model of its task */
    const struct songs *held;          /* NULL, or songs that must not join */
    double confidence;                 /* P, 0..1 */
};

struct selftrain_result {
    size_t songs;                    /* with a label that counts */
    double seconds[DATASET_TASKS];   /* of which so much counts */
};

/* Appends to s those songs with a label that counts, in the order of the list,
 * but not files that are in s or held already. Recordings that cannot be
 * decoded are left out, as corpus_hold logs. ERR_ARG names a head that the
 * model lacks; else as encoder_new and heads_new. */
int selftrain_add(struct songs *s, const struct selftrain_config *c,
                  struct selftrain_result *r, struct err *err);

#endif
