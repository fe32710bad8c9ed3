/* tokenizer.h - a clip of samples -> tokens (T, streams) of any kind: random
 * projection, k-means on features, residual quantisation; what an encoder
 * learns to predict.
 *
 * A tokenizer has parts, one after another in the streams of its tokens; a part
 * has one stream, RVQ one for each stage. All parts have the same rate. N
 * samples give floor(N / samples of a token) tokens.
 *
 *     TRY(tokenizer_new(&t, &config, err));          -- shared by all threads
 *     TRY(tokenizer_run_new(&r, t, err));            -- one for each thread
 *     count = tokenizer_count(t, n);
 *     TRY(tokenizer_clip(r, x, n, token, err));      -- (count, streams) */
#ifndef TOKEN_TOKENIZER_H
#define TOKEN_TOKENIZER_H

#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "mel/features.h"
#include "mel/mel.h"

enum tokenizer_kind { TOKENIZER_RANDOM, TOKENIZER_KMEANS, TOKENIZER_RVQ };

struct tokenizer_part {
    enum tokenizer_kind kind;
    enum feature feature;    /* k-means: what is clustered, */
    int hop;                 /* and its frames' distance in samples */
    int stack;               /* random, RVQ: frames of normalised mel in one
                                vector, frame after frame */
    int dim;                 /* of a code; RVQ: stack * bands; k-means: that of
                                the feature */
    int codes;               /* of one codebook */
    int stages;              /* RVQ; else 1 */
    const float *projection; /* random: (stack * bands, dim); else NULL */
    const float *centers;    /* random: codebook (codes, dim); k-means (codes,
                                dim); RVQ (stages, codes, dim) */
};

struct tokenizer_config {
    struct mel_config mel;
    double mean, std;        /* of the corpus, in dB: (x - mean) / std */
    const struct tokenizer_part *part;
    int n_parts;
};

struct tokenizer;     /* immutable once made: threads may share one */
struct tokenizer_run; /* of one thread */

/* Everything is copied. ERR_ARG where sizes do not fit one another or rates
 * differ, ERR_NOMEM. */
int tokenizer_new(struct tokenizer **out, const struct tokenizer_config *config,
                  struct err *err);
void tokenizer_free(struct tokenizer *t); /* NULL is allowed */

int tokenizer_streams(const struct tokenizer *t);
int tokenizer_codes(const struct tokenizer *t, int stream);
double tokenizer_rate(const struct tokenizer *t);            /* Hz */
int tokenizer_step(const struct tokenizer *t);     /* samples of one token */
size_t tokenizer_count(const struct tokenizer *t, size_t n); /* of n samples */

/* Whether all parts look at normalised mel alone, so that tokenizer_mel
 * works. */
int tokenizer_is_mel(const struct tokenizer *t);

/* Tokens of frames of normalised mel (frames, bands): token (frames / stack,
 * streams), for callers that have the mel. ERR_ARG unless tokenizer_is_mel. */
int tokenizer_mel(const struct tokenizer *t, const float *mel, int64_t frames,
                  int32_t *token, struct err *err);

/* Tokens of vectors as part i takes them (normalised stacks of mel, or frames
 * of the feature): token (n, stages of the part). x (n, width) may be
 * overwritten. */
void tokenizer_vectors(const struct tokenizer *t, int i, float *x, int64_t n,
                       int32_t *token);

/* t is borrowed. ERR_NOMEM, or ERR_UNSUPPORTED without libavutil. */
int tokenizer_run_new(struct tokenizer_run **out, const struct tokenizer *t,
                      struct err *err);
void tokenizer_run_free(struct tokenizer_run *r); /* NULL is allowed */

/* Takes n samples of a recording. ERR_NOMEM. */
int tokenizer_push(struct tokenizer_run *r, const float *x, size_t n,
                   struct err *err);
/* The end of the recording: *token (*count, streams) is valid until the next
 * call for r, which then begins anew. */
int tokenizer_finish(struct tokenizer_run *r, const int32_t **token,
                     size_t *count, struct err *err);
/* Forgets what was pushed. */
void tokenizer_reset(struct tokenizer_run *r);

/* A whole clip x (n) into token (tokenizer_count(t, n), streams). */
int tokenizer_clip(struct tokenizer_run *r, const float *x, size_t n,
                   int32_t *token, struct err *err);

/* How many codes of stream k occur in token (n, streams), and e^entropy of
 * their use (0 if n is 0). */
int tokenizer_usage(const struct tokenizer *t, int k, const int32_t *token,
                    size_t n, double *perplexity);

#endif
