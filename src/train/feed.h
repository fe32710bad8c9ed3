/* feed.h - windows of labelled songs, augmented, with what heads should say of
 * them; or windows of hidden states that a frozen encoder gave (states.h). For
 * loader.h: feed_prepare.
 *
 * Example k of a run, sample k % batch of step k / batch, is a song, a place in
 * it and an augmentation that depend on (seed, k) alone; in place of a song
 * that cannot be decoded it is of the next one that can. States are not
 * augmented. */
#ifndef TRAIN_FEED_H
#define TRAIN_FEED_H

#include <stdint.h>
#include "base/err.h"
#include "model/config.h"
#include "train/augment.h"
#include "train/corpus.h"
#include "train/loader.h"
#include "train/songs.h"
#include "train/states.h"
#include "train/target.h"

struct feed;

struct feed_config {
    const struct model_config *model; /* its heads, all of them */
    const struct songs *songs;   /* song i is recording i of */
    struct corpus *corpus;
    const struct states *states; /* NULL: audio is given */
    int64_t samples;             /* of a window */
    int64_t frames;              /* hidden states of one */
    const int64_t *rows;         /* of each head in one */
    struct augment_options augment;
    struct target_options target;
    int threads, batch;
};

/* What an example has in its parts. */
enum {
    FEED_INPUT,  /* float: (frames, bands) normalised mel; (samples); or a
                    window of states (states.h) */
    FEED_TARGETS /* float: for each head yes, then no (target.h) */
};

/* Everything in c is borrowed. ERR_NOMEM, ERR_UNSUPPORTED. */
int feed_new(struct feed **out, const struct feed_config *c, struct err *err);
void feed_free(struct feed *f); /* NULL is allowed */

void feed_parts(const struct feed *f, size_t bytes[LOADER_PARTS]);
loader_prepare feed_prepare;

/* The targets of head h of n examples of a batch from first on: t (n * rows),
 * reserved here. */
int feed_target(const struct feed *f, struct target *t, int h,
                const struct batch_data *batch, int64_t first, int64_t n,
                struct err *err);

#endif
