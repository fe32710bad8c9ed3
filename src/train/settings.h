/* settings.h - how a model is trained: the object "train" of a preset.
 *
 *     {"crop": 30, "batch": 64, "accumulate": 1, "steps": 400000, "seed": 1,
 *      "lr": 1e-4, "lr_head": 0, "lr_floor": 0, "warmup": 30000,
 *      "schedule": "constant", "beta1": 0.9, "beta2": 0.999, "eps": 1e-8,
 *      "decay": 0, "clip": 1, "ema": 0, "mask": "noise", "mask_block": 0.4,
 *      "mask_probability": 0.6, "noise_std": 0.1, "mixture": 0,
 *      "cqt_weight": 0, "dropout": 0, "layer_drop": 0, "checkpoint": false,
 *      "precision": "auto", "loss_scale": 0, "log_every": 50,
 *      "valid_every": 1000, "save_every": 1000, "keep": 2, "augment": false,
 *      "patience": 0, "weight_beat": 4, "weight_downbeat": 8,
 *      "weight_none": 1, "widen_beat": 0.5, "weight_boundary": 3,
 *      "reach_boundary": 0.5}
 *
 * What is absent has the value in settings_default. */
#ifndef TRAIN_SETTINGS_H
#define TRAIN_SETTINGS_H

#include "base/err.h"
#include "base/json.h"
#include "train/optim.h"
#include "train/sched.h"
#include "train/target.h"

enum settings_mask {
    MASK_NOISE,    /* blocks of the sound become noise */
    MASK_EMBEDDING /* spans of the extractor's output become a learned vector
                      (HuBERT, MERT) */
};

struct settings {
    double crop;      /* seconds of a clip */
    int batch;        /* clips in a step, of all devices together */
    int accumulate;   /* parts that a device computes its clips in */
    int steps, seed;
    double lr, lr_floor; /* the highest; the least as a share of it */
    double lr_head;      /* of heads; 0: lr */
    int warmup;          /* steps */
    int schedule;        /* enum sched_kind */
    double beta1, beta2, eps, decay;
    double clip;      /* largest gradient norm; 0: any */
    double ema;       /* decay of the average of the weights; 0: none */
    int mask;         /* enum settings_mask */
    double mask_block;       /* seconds */
    double mask_probability; /* of a block; embedding: of a frame */
    double noise_std;
    double mixture;    /* probability that a clip is mixed with another */
    double cqt_weight; /* of the loss of the constant-Q spectrum; 0: none */
    double dropout, layer_drop;
    int checkpoint;    /* compute activations again in the backward pass */
    int precision;     /* settings_precision */
    double loss_scale; /* what the gradient is multiplied by at first
                          (lossscale.h); 0: 65536 in fp16, else nothing */
    int log_every, valid_every, save_every; /* steps; valid_every 0: never */
    int keep;          /* checkpoints */
    int augment;       /* labelled songs are varied (augment.h) */
    int patience;      /* validations without a better one that end a run with
                          labels; 0: it runs to the end */
    struct target_options target; /* weight_beat, weight_downbeat, weight_none,
                          widen_beat, weight_boundary, reach_boundary */
};

extern const struct settings settings_default;

/* Reads the object; path ("train") is for messages. ERR_FORMAT names the field
 * and its limits, or one that does not exist. */
int settings_parse(struct settings *s, const cJSON *obj, const char *path,
                   struct err *err);
/* A new object with every field, freed with cJSON_Delete. */
cJSON *settings_json(const struct settings *s);

/* "auto", "f32", "bf16", "fp16" or "tf32": for backend_choose_precision. */
const char *settings_precision(const struct settings *s);
/* The parts of it that other headers ask for. */
struct optim_options settings_optim(const struct settings *s);
struct sched settings_sched(const struct settings *s);

#endif
