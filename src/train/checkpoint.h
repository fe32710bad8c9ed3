/* checkpoint.h - all of a training run in one file, RUN/checkpoints/
 * step-000001000.safetensors, from which it goes on to the bit.
 *
 * Tensors: value/NAME of each tensor of params.h, adam_m/NAME and adam_v/NAME
 * of the trained ones, ema/NAME where an average is kept, all F32; and "crc"
 * (U32), the CRC-32 of each of those (name, shape, values) in the order of the
 * file, then that of the metadata. Metadata: mfm_checkpoint (the format, 1),
 * version, step, seed, hours, data, config, the counters of optim.h, and where
 * a loss scale is in use loss_scale and loss_scale_good.
 *
 * A file appears under its name when it is whole and on the disk (fsync): a
 * kill or a power cut leaves the one before. */
#ifndef TRAIN_CHECKPOINT_H
#define TRAIN_CHECKPOINT_H

#include <stdint.h>
#include "base/err.h"
#include "model/params.h"
#include "train/optim.h"

enum { CHECKPOINT_FORMAT = 1, CHECKPOINT_KEEP = 2 };

/* Where a run is. A zeroed struct can be released. */
struct checkpoint {
    int64_t step;    /* steps done */
    uint64_t seed;
    double hours;    /* of audio seen */
    char *config;    /* JSON of the run's settings; owned */
    char *data;      /* fingerprint of the training data; owned */
    char *version;   /* of the mfm that wrote it; set by the readers */
};
void checkpoint_release(struct checkpoint *c);

/* Writes dir/step-*.safetensors (dir is made, not its parents), then removes
 * all but the newest keep (at least 1) up to c->step, what killed runs left of
 * unfinished files, and later steps, which belong to a course that was left.
 * ERR_IO names the file; what was there before is then untouched. config or
 * data NULL is "". o has all moments: optim_gather. */
int checkpoint_write(const char *dir, int keep, const struct checkpoint *c,
                     const struct optim *o, struct err *err);

/* The newest whole checkpoint in dir: *path, freed by the caller, NULL if there
 * are none. Every byte is checked; a damaged one is passed over with a warning.
 * ERR_FORMAT if all that are there are damaged. */
int checkpoint_newest(char **path, const char *dir, struct err *err);

/* Checks every byte. ERR_FORMAT names the file and the damage, or says that it
 * is no checkpoint; ERR_UNSUPPORTED: of a newer format. */
int checkpoint_verify(const char *path, struct err *err);

/* The metadata only: c is zeroed or released before. Errors as above. */
int checkpoint_peek(const char *path, struct checkpoint *c, struct err *err);

/* Puts all back as it was: values, moments (those of o's part), average and
 * counters. o is as optim_init left it, with the options of the run. ERR_FORMAT
 * if the tensors are not those of o (the message names one) or are damaged;
 * values may have changed then. A loss scale is put back if o has one in use
 * and the file has one. */
int checkpoint_restore(const char *path, struct checkpoint *c,
                       struct optim *o, struct err *err);

#endif
