/* loader.h - batches of prepared samples, made ahead by threads.
 *
 * Sample i of the global batch of step s is a function of (seed, s, i) and of
 * the corpus alone: not of the number of threads, nor of the step at which a
 * run was begun, nor of how the batch is divided among ranks. */
#ifndef TRAIN_LOADER_H
#define TRAIN_LOADER_H

#include <stddef.h>
#include <stdint.h>
#include "base/draw.h"
#include "base/err.h"
#include "train/corpus.h"

struct loader;

enum { LOADER_PARTS = 4 };

/* What a sample is prepared from. */
struct loader_sample {
    struct draw draw;    /* its random numbers */
    struct crop crop;    /* where its audio is from */
    const float *x;      /* (loader_config.crop) the audio */
    int thread;          /* 0..threads - 1: which of the objects to use that
                            serve one thread at a time */
    struct loader *loader;
};

/* Computes a sample into part[k], loader_config.part_bytes[k] each. It runs in
 * the threads of the loader, without OpenMP threads of its own. Its failure
 * ends the loader. */
typedef int loader_prepare(void *ctx, const struct loader_sample *s,
                           void *const *part, struct err *err);

struct loader_config {
    struct corpus *corpus; /* borrowed; several loaders may share one */
    uint64_t seed;
    uint64_t step;         /* the first that will be asked for, below 2^56 */
    uint32_t batch;        /* samples in the global batch; of each stride of
                              these (0: of the batch, which it divides) */
    uint32_t stride;
    uint32_t first, count; /* first .. first + count - 1 are made here */
    int64_t crop;          /* samples of audio in each; 0: prepare finds its own
                              (corpus may then be NULL) */
    int threads;           /* 1 or more */
    size_t part_bytes[LOADER_PARTS]; /* of a sample; 0: no such part */
    loader_prepare *prepare;
    void *ctx;
};

/* A step's samples first .. first + count - 1 of each stride, one after the
 * other, each part in one block: (batch / stride * count, part_bytes[k]). */
struct batch_data {
    uint64_t step;
    void *part[LOADER_PARTS];
};

/* ERR_ARG where a number is outside its limits, ERR_NOMEM. */
int loader_new(struct loader **out, const struct loader_config *config,
               struct err *err);
/* Stops the threads, at the end of the samples that they work on. NULL is
 * allowed. */
void loader_free(struct loader *l);

/* Waits for the batch of a step, which must be the one after the last (at
 * first, loader_config.step). It is valid until the next call. Returns what
 * corpus_crop or prepare failed with, then and ever after. */
int loader_next(struct loader *l, uint64_t step, struct batch_data *out,
                struct err *err);

/* For a prepare that mixes samples: the audio (crop samples) of sample number i
 * of the same global batch, decoded again if need be. */
int loader_other(const struct loader_sample *s, uint32_t i, float *x,
                 struct err *err);

/* Samples in the global batch. */
uint32_t loader_batch(const struct loader *l);

/* Seconds that loader_next has waited; small where the threads keep up. */
double loader_waited(const struct loader *l);

#endif
