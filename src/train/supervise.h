/* supervise.h - heads learn from labelled songs, on a frozen encoder or
 * together with it. */
#ifndef TRAIN_SUPERVISE_H
#define TRAIN_SUPERVISE_H

#include <signal.h>
#include "base/err.h"
#include "model/model.h"
#include "tensor/backend.h"
#include "train/augment.h"
#include "train/corpus.h"
#include "train/preset.h"
#include "train/progress.h"
#include "train/songs.h"

struct supervise_config {
    const struct preset *preset; /* encoder, the heads that learn, settings */
    struct model *init;          /* its weights; NULL: drawn from the seed */
    int finetune;                /* the encoder learns too */
    const struct songs *train;   /* song i is recording i of */
    struct corpus *corpus;
    const struct songs *dev;     /* NULL: none, and no early stopping */
    struct corpus *dev_corpus;
    const char *data, *dev_data; /* fingerprints */
    const char *dir;             /* of the run, exists */
    const char *out;             /* the model */
    const char *about;           /* "probed on beats,chords": provenance */
    int threads, resume;
    enum train_progress_mode progress;
    const volatile sig_atomic_t *stop;
};

/* Runs (loop.h) and writes the model: that with the smallest loss on dev, or
 * the last one; a run that a signal stops writes none and fails. A head goes on
 * from that of init if layer, classes and sizes are the same; else it is drawn.
 * Other heads of init, and its encoder if it does not learn, are kept to the
 * bit (modelfile.h). Figures of the run are in the file's metadata: its
 * provenance, and as JSON "mfm_training":
 *
 *     {"about": "probed on beats by mfm", "data": "9 recordings, ...",
 *      "dev": "2 recordings, ...", "dev_loss": 0.5, "steps": 400, "tasks":
 *      {"beats": {"dev_loss": 0.5, "dev_accuracy": 0.9, "loss": 0.4,
 *                 "accuracy": 0.93}}, "train": {settings.h}}
 *
 * Errors as pretrain_run. */
int supervise_run(const struct supervise_config *c, struct backend *be,
                  struct err *err);

#endif
