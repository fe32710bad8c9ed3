/* sample.h - a crop of music -> what pretraining learns from: the encoder's
 * input with parts of it hidden, and the tokens that the clean audio has there
 * (MODEL.md 4 and 5 of the design). sampler_prepare is for loader.h.
 *
 *     TRY(sampler_new(&s, &config, err));
 *     loader_config.prepare = sampler_prepare;
 *     loader_config.ctx = s;
 *     sampler_parts(s, loader_config.part_bytes); */
#ifndef TRAIN_SAMPLE_H
#define TRAIN_SAMPLE_H

#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "mel/mel.h"
#include "train/loader.h"

struct sampler;

/* The clean audio of a sample, in one of several threads. */
struct sample_clean {
    const float *x;   /* (n) */
    int64_t n;
    const float *mel; /* (frames, bands) normalised; NULL: mel.bands is 0 */
    int64_t frames;
    const struct crop *crop; /* where it is from */
    int thread;       /* 0 .. sampler_config.threads - 1 */
};

/* Writes the first tokens of each stream: token (streams, tokens). */
typedef int sample_tokens(void *ctx, const struct sample_clean *clean,
                          int32_t *token, struct err *err);
/* Writes sampler_config.extra_bytes of further targets. */
typedef int sample_extra(void *ctx, const struct sample_clean *clean,
                         void *out, struct err *err);

enum sample_input { SAMPLE_MEL, SAMPLE_WAVE };
enum sample_hide {
    HIDE_BLOCKS, /* of the waveform, replaced by noise: mask_blocks */
    HIDE_SPANS   /* of frames, for the encoder to replace: mask_spans */
};

struct sampler_config {
    int threads;            /* of the loader */
    int64_t samples;        /* in a crop */
    struct mel_config mel;  /* bands 0: none is computed */
    double mean, std;       /* of its dB values */
    enum sample_input input;
    enum sample_hide hide;
    double p;               /* 0.6 for blocks, 0.8 for spans */
    int64_t block;          /* samples of a block: 9600, 400 ms */
    float noise;            /* standard deviation: 0.1 */
    int span;               /* frames of a span: 5 */
    double mix;             /* probability of mixing, 0: never */
    int streams;            /* of tokens */
    int64_t tokens;         /* of a stream that count, as many as the encoder
                               gives frames for a crop */
    int64_t token_samples;  /* from token to token: 960, 480 or 320 */
    sample_tokens *tokenize;
    sample_extra *extra;    /* or NULL */
    size_t extra_bytes;
    void *ctx;              /* of tokenize and extra */
};

/* What a sample has in its parts. */
enum {
    SAMPLE_INPUT,   /* float: (frames, bands) normalised mel, or (samples) */
    SAMPLE_TARGETS, /* int32_t (streams, tokens): -1 where nothing is hidden */
    SAMPLE_HIDDEN,  /* uint8_t (tokens): 1 where something is */
    SAMPLE_EXTRA
};

/* ERR_ARG where sizes do not fit: a block must be whole tokens, and the tokens
 * must lie within the crop; ERR_NOMEM, ERR_UNSUPPORTED. */
int sampler_new(struct sampler **out, const struct sampler_config *config,
                struct err *err);
void sampler_free(struct sampler *s); /* NULL is allowed */

void sampler_parts(const struct sampler *s, size_t bytes[LOADER_PARTS]);

/* loader_prepare, ctx is the sampler.
 *
 * Mixing is MERT's in-batch noise (Y. Li et al., "MERT", ICLR 2024, and its
 * program): with probability mix, 1 to 3 pieces of 8000 to 24000 samples, each
 * of another sample of the global batch, are added to the input; tokens stay
 * those of the unmixed audio. */
loader_prepare sampler_prepare;

#endif
