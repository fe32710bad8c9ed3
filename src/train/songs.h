/* songs.h - labelled songs to learn from, and which of them, and where in them,
 * a training step looks. */
#ifndef TRAIN_SONGS_H
#define TRAIN_SONGS_H

#include <stddef.h>
#include <stdint.h>

#include "annot/annotation.h"
#include "base/err.h"
#include "eval/dataset.h"
#include "model/config.h"
#include "train/target.h"

struct song {
    char *id, *audio; /* path */
    unsigned has;     /* 1 << enum annot_task: which of label are filled */
    struct annotation label[DATASET_TASKS]; /* as dataset_labels gives them */
    double from, to;  /* s that labels speak of: 0, INFINITY for whole songs */
    struct stretch *sure[DATASET_TASKS]; /* NULL, or the n_sure parts of the
                         song that the labels of a task speak of (excerpt) */
    size_t n_sure[DATASET_TASKS];
};

/* A zeroed struct can be released and added to. */
struct songs {
    struct song *v;
    size_t n, cap;
    size_t no_audio; /* songs with labels that were left out for want of it */
    size_t broken;   /* songs left out as their labels cannot be read */
};

enum songs_part { SONGS_TRAIN, SONGS_VALID, SONGS_TEST, SONGS_ALL };

/* Appends the songs of a dataset (eval/dataset.h; "folder" for one's own) that
 * have audio, and labels for one of tasks (1 << enum annot_task each) in that
 * part; labels known to be broken are left out. A song whose labels cannot be
 * read is left out with a warning and counted. What a dataset has no split for
 * is for training; where it has no "valid" songs for a task, one in held of the
 * training songs is one (split_hash of the id; held 0: none).
 *
 * ERR_ARG where no song is left; else as dataset_open. On failure s is as it
 * was. */
int songs_add(struct songs *s, const char *dataset, const char *root,
              enum songs_part part, unsigned tasks, unsigned held,
              struct err *err);
void songs_release(struct songs *s);

/* The distinct tags of all songs in the order of bytes, *n of them in *out
 * (both freed by the caller with songs_tags_free): the classes of a new head.
 * ERR_ARG if there are none or more than 10000. */
int songs_tags(const struct songs *s, char ***out, int *n, struct err *err);
void songs_tags_free(char **tags, int n);

/* How many beats bars have, for a new head: 3 and 4, and of 5, 7, 11 and 13
 * those that are most common (meter_of_beats) in at least one of a hundred
 * songs with downbeats; ascending, into bar. Returns how many. Bars of 2, 6 and
 * so on are left to those of 3 and 4, from which a tracker does not tell them:
 * songs in 3 go for 6 where every second bar is lighter. */
int songs_bars(const struct songs *s, int bar[HEAD_BARS]);

/* Example k of a training run is about this song (below n, which is at least
 * 1). Each run of n examples sees every song once, in an order that depends on
 * (seed, k / n) alone. */
size_t songs_pick(size_t n, uint64_t seed, uint64_t k);

/* Where example k begins in a song of duration s: a place such that span s of
 * it are inside its labelled stretch, where that is long enough; else inside
 * the recording, else 0. In whole samples of rate Hz. */
double songs_start(const struct song *s, double duration, double span,
                   double rate, uint64_t seed, uint64_t k);

#endif
