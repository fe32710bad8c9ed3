/* config.h - what a model is: the JSON in a model file's __metadata__.mfm.
 *
 *     {"format": 1, "name": "small", "sample_rate": 24000,
 *      "mel": {"n_fft": 2048, "hop": 240, "bands": 128, "mean": -4.8,
 *              "std": 18.4},
 *      "encoder": {"type": "conformer", "rate": 50, "dim": 192, "layers": 6,
 *                  "heads": 3, "ffn": 768, "kernel": 31, "conv_dim": 32,
 *                  "time_strides": [2, 1]},
 *      "tokens": [{"type": "random", "stack": 2, "dim": 16, "codes": 1024}],
 *      "window": 24,
 *      "heads": {"beats": {"hidden": 512, "rate": 50, "activation": "softmax",
 *                          "classes": ["beat", "downbeat", "none"],
 *                          "bars": [3, 4, 5]},
 *                "tag": {"hidden": 0, "rate": "clip", ...}},
 *      "provenance": "...", "license": "CC0-1.0"}
 *
 * or, for MERT's encoder, which hears the sound itself (mel is what tokens are
 * made of),
 *
 *      "encoder": {"type": "bert", "rate": 75, "dim": 1024, "layers": 24,
 *                  "heads": 16, "ffn": 4096, "norm": "pre",
 *                  "conv_dim": [512, 512, 512, 512, 512, 512, 512],
 *                  "conv_kernel": [10, 3, 3, 3, 3, 2, 2],
 *                  "conv_stride": [5, 2, 2, 2, 2, 2, 2],
 *                  "pos_kernel": 128, "pos_groups": 16}
 *
 * or, for heads on mel alone (melstack.h),
 *
 *      "encoder": {"type": "mel", "rate": 50, "context": 3, "bands": 64,
 *                  "time_strides": [2, 1]}
 *
 * Tokens may be of several kinds at once; their streams follow one another:
 *
 *      {"type": "random", "stack": 4, "dim": 16, "codes": 8192}
 *      {"type": "rvq", "stack": 4, "dim": 512, "codes": 1024, "stages": 8}
 *      {"type": "kmeans", "feature": "logmel229", "hop": 320, "dim": 229,
 *       "codes": 300}
 *
 * A file of tokens alone (mfm tokenize --fit) has no "encoder" and no heads.
 *
 * Fields that this version does not know are ignored. */
#ifndef MODEL_CONFIG_H
#define MODEL_CONFIG_H

#include "base/err.h"
#include "base/json.h"
#include "base/strbuf.h"

enum { CONFIG_FORMAT = 1 };

enum encoder_type {
    ENCODER_CONFORMER, ENCODER_BERT, ENCODER_MEL, ENCODER_NONE
};
enum bert_norm { BERT_PRE_NORM, BERT_POST_NORM };
enum { BERT_MAX_CONVS = 16 };
enum token_type { TOKENS_RANDOM, TOKENS_KMEANS, TOKENS_RVQ };
enum token_feature { TOKENS_LOGMEL229, TOKENS_CHROMA264 };
enum head_activation { HEAD_SOFTMAX, HEAD_SIGMOID };
enum { HEAD_MIX = -2 };
enum { HEAD_BARS = 8, HEAD_BAR_BEATS = 16 };

struct mel_settings {
    int n_fft, hop, bands; /* hop in samples */
    double mean, std;      /* of the dB values of the training corpus */
};

/* What BERT has and the Conformer has not: MODEL.md 4 of the design. Its input
 * is sound, not mel. Where the JSON lacks a field it is MERT's. */
struct bert_config {
    enum bert_norm norm;   /* "pre": before each part; "post": behind it */
    int n_convs;           /* of the extractor, 1..BERT_MAX_CONVS */
    int conv_dim[BERT_MAX_CONVS], conv_kernel[BERT_MAX_CONVS];
    int conv_stride[BERT_MAX_CONVS];
    int pos_kernel, pos_groups; /* of the position convolution */
};

struct encoder_config {
    enum encoder_type type;
    double rate;           /* hidden states in a second */
    int dim, layers, heads, ffn; /* mel: layers 0; heads, ffn are not used */
    int kernel;            /* of the depthwise convolution, odd */
    int conv_dim;          /* channels of the front end */
    int time_strides[2];   /* of its two modules; mel: too */
    double context;        /* mel: seconds in a state */
    int bands;             /* mel: of a state, a divisor of the mel's */
    struct bert_config bert;
};

struct token_config {
    enum token_type type;
    enum token_feature feature; /* kmeans: what is clustered */
    int hop;    /* kmeans: samples from one frame of it to the next */
    int stack;  /* random, rvq: mel frames in one token; kmeans: 1 */
    int dim;    /* of a code; rvq: stack * bands, kmeans: of the feature */
    int codes;  /* of one codebook */
    int stages; /* rvq: codebooks in a row; else 1 */
};

struct head_config {
    char *task;
    int hidden;  /* width of the layer before the output; 0: none */
    double rate; /* outputs in a second; 0: one for the clip */
    enum head_activation activation;
    char **classes;
    int n_classes;
    int layer;   /* hidden state it reads: 0..layers; -1: the last; HEAD_MIX
                    ("mix" in JSON): the sum of all of them weighted by the
                    softmax of the tensor head.TASK.mix (layers + 1) */
    int boundary; /* one more output behind the classes: sigmoid, a boundary */
    double slope, offset; /* of confidences: head_confidence; slope 0 (a head
                             that was not parsed) is read as 1 */
    char **as_in; /* sha256 of n_as_in other models that say the same of a song
                     by this head; mfm eval --calibrate keeps them */
    int n_as_in;
    int bar[HEAD_BARS]; /* beats: how many a bar may have ("bars" in JSON),
                           1..HEAD_BAR_BEATS each; n_bars 0: not said */
    int n_bars;
};

/* A zeroed struct can be released. Strings are owned, never NULL after
 * config_parse. */
struct model_config {
    char *name;
    int sample_rate;
    struct mel_settings mel;
    struct encoder_config encoder;
    struct token_config *tokens;
    int n_tokens;
    double window; /* seconds that the encoder is meant to see at once */
    struct head_config *heads;
    int n_heads;
    char *provenance, *license; /* "" if not given */
};

/* ERR_FORMAT names the field and its limits; ERR_UNSUPPORTED for a newer
 * format. Rate, hop and strides, dim and heads must fit together. */
int config_parse(struct model_config *c, const cJSON *json, struct err *err);
int config_parse_text(struct model_config *c, const char *json,
                      struct err *err);
/* Whether the parts fit together, as config_parse demands; for configurations
 * made in other ways. */
int config_check(const struct model_config *c, struct err *err);
void config_release(struct model_config *c);

/* MERT's extractor: seven convolutions of width channels, 320 samples a
 * state; its position convolution, and "pre". */
void config_bert_defaults(struct bert_config *b, int width);

/* Samples from one hidden state to the next. */
int config_hop(const struct model_config *c);

/* Appends the JSON on one line; config_parse reads it back equal. */
void config_print(const struct model_config *c, struct strbuf *out);

/* Logits of the layer that predicts tokens: codes of all streams. */
int config_outputs(const struct model_config *c);

/* Streams of tokens: one for each of c->tokens, for rvq one for each stage. */
int config_streams(const struct model_config *c);
/* Samples of one token, the same for all. 0 if there are none. */
int config_token_step(const struct model_config *c);

/* The names and shapes of the tensors of c->tokens[i]: of random
 * quantizer_melspec_2048_I.random_projection (stack * bands, dim) and .codebook
 * (codes, dim); of kmeans tokens.I.centers (codes, dim); of rvq the same
 * (stages, codes, dim). Returns how many, 1 or 2. */
struct config_tensor {
    char name[64];
    int ndim, dim[3];
};
int config_token_tensors(const struct model_config *c, int i,
                         struct config_tensor out[2]);

/* NULL if there is no head of that task. */
const struct head_config *config_head(const struct model_config *c,
                                      const char *task);

#endif
