/* modelfile.h - the file of a model that learned from labels: what was trained,
 * and all else of the model that it began with, to the bit. */
#ifndef TRAIN_MODELFILE_H
#define TRAIN_MODELFILE_H

#include "base/err.h"
#include "model/model.h"
#include "model/params.h"

/* What belongs to a head: "head.beats.output.weight" to "beats". */
int modelfile_of_head(const char *tensor, const char *task);

/* The tensors of p with values (all floats, laid out as p->value), F32 and
 * counters I64; then those of init (or NULL) under other names, in the type and
 * bytes that they have there, but for those of heads that c has and p trains
 * anew. c is what the file says of itself, with the heads of init that c lacks;
 * figures ("" or JSON) is its metadata "mfm_training". The file appears when it
 * is whole. ERR_IO, ERR_NOMEM. */
int modelfile_write(const char *path, const struct model_config *c,
                    const char *figures, const struct params *p,
                    const struct tensor *values, const struct model *init,
                    struct err *err);

#endif
