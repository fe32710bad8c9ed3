/* golden.h - reference numbers of other programs, checked folder by folder.
 *
 * A folder's kind shows in its files:
 *   mel        NAME.wav with NAME.hop240.npy (or another hop)
 *   conformer  model.pt, config.json, stats.json, forward.safetensors, inN.wav
 *   bert       pytorch_model.bin, config.json, forward_backward.safetensors,
 *              in0.wav
 *   dbn        cases.json with arrays NAME.npy
 *   features   logmel229.npy, chroma264.npy, ..., of in.wav
 *   pieces     pieces.safetensors
 * Each check prints the largest difference of each quantity and its
 * tolerance. */
#ifndef TESTS_GOLDEN_H
#define TESTS_GOLDEN_H

#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

/* What was checked in a folder. */
struct golden {
    const char *folder;
    const char *device;
    int bf16; /* hidden states in bf16, and nothing else */
    int checked, failed;
};

/* One quantity: prints a line and counts it. */
void golden_report(struct golden *g, const char *what, double difference,
                   double tolerance);
/* A quantity that could not be had: a failure. */
void golden_broken(struct golden *g, const char *what, const char *why);

/* folder/name in a buffer that the next but three calls reuse. */
const char *golden_path(const struct golden *g, const char *name);
int golden_has(const struct golden *g, const char *name);

/* ||a - b|| / ||b||; 0 if both are 0; NaN counts as infinite. */
double golden_relative(const float *a, const float *b, size_t n);

/* Hidden states a (n, dim) against the reference's, b: golden_relative, or in
 * bf16 1 - the cosine of the two vectors that differ most, at most 1e-3. */
void golden_states(struct golden *g, const char *what, const float *a,
                   const float *b, size_t n, size_t dim, double tolerance);

/* All samples of a sound file at rate Hz; the caller frees *x. */
int golden_samples(const char *path, int rate, float **x, size_t *n,
                   struct err *err);
/* The mel of a sound file in dB (frames, 128); the caller frees *x. */
int golden_mel(const char *path, int hop, float **x, size_t *frames,
               struct err *err);

/* The mel of 24 kHz samples x (n, more than 1024) in dB, (n / hop, 128), all in
 * double but for the filters, bank (1025, 128): the reference has made those in
 * f32. */
void golden_mel64(double *out, const float *x, int64_t n, int hop,
                  const float *bank);

struct model;
/* train.safetensors and train.json of a conformer folder. */
void check_train(struct golden *g, struct model *model);
void check_mel(struct golden *g);
void check_conformer(struct golden *g);
void check_bert(struct golden *g);
void check_dbn(struct golden *g);
void check_features(struct golden *g);
void check_pieces(struct golden *g);

#endif
