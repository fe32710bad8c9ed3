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
 *                          "classes": ["beat", "downbeat", "none"]},
 *                "tag": {"hidden": 0, "rate": "clip", ...}},
 *      "provenance": "...", "license": "CC0-1.0"}
 *
 * Fields that this version does not know are ignored. */
#ifndef MODEL_CONFIG_H
#define MODEL_CONFIG_H

#include "base/err.h"
#include "base/json.h"
#include "base/strbuf.h"

enum { CONFIG_FORMAT = 1 };

enum encoder_type { ENCODER_CONFORMER, ENCODER_BERT };
enum token_type { TOKENS_RANDOM, TOKENS_KMEANS, TOKENS_RVQ };
enum head_activation { HEAD_SOFTMAX, HEAD_SIGMOID };

struct mel_settings {
    int n_fft, hop, bands; /* hop in samples */
    double mean, std;      /* of the dB values of the training corpus */
};

struct encoder_config {
    enum encoder_type type;
    double rate;           /* hidden states in a second */
    int dim, layers, heads, ffn;
    int kernel;            /* of the depthwise convolution, odd */
    int conv_dim;          /* channels of the front end */
    int time_strides[2];   /* of its two modules */
};

struct token_config {
    enum token_type type;
    int stack;  /* mel frames in one token */
    int dim;    /* of a code */
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
    int layer;   /* hidden state it reads: 0..layers; -1: the last */
    int boundary; /* one more output behind the classes: sigmoid, a boundary */
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
 * format and for encoders that this version cannot run. Rate, hop and strides,
 * dim and heads must fit together. */
int config_parse(struct model_config *c, const cJSON *json, struct err *err);
int config_parse_text(struct model_config *c, const char *json,
                      struct err *err);
/* Whether the parts fit together, as config_parse demands; for configurations
 * made in other ways. */
int config_check(const struct model_config *c, struct err *err);
void config_release(struct model_config *c);

/* Appends the JSON on one line; config_parse reads it back equal. */
void config_print(const struct model_config *c, struct strbuf *out);

/* Logits of the layer that predicts tokens: codes of all streams. */
int config_outputs(const struct model_config *c);

/* NULL if there is no head of that task. */
const struct head_config *config_head(const struct model_config *c,
                                      const char *task);

#endif
