/* preset.h - a model and how to train it, as one JSON object: that of config.h
 * with "train" (settings.h) and "about" (a line for people) beside it. Files in
 * data/presets; RUN/config.json is one too. */
#ifndef TRAIN_PRESET_H
#define TRAIN_PRESET_H

#include "base/err.h"
#include "base/json.h"
#include "base/strbuf.h"
#include "model/config.h"
#include "train/settings.h"

/* A zeroed struct can be released. */
struct preset {
    cJSON *json; /* with all fields of "train" */
    struct model_config model;
    struct settings train;
    char *about; /* "" if there is none */
};

/* Reads the preset name (a file, or one of fm1..fm9, small, tiny: preset_find)
 * and puts n settings "KEY=VALUE" into it. A key names a field by dots:
 * train.lr, encoder.layers, tokens.0.codes. The field must exist, and the value
 * be of its type: a number, true or false, any text, a JSON array. "scale=tiny"
 * shrinks the model, the batch and the run, and keeps encoder type, rate, crop
 * and tokens; settings behind it count. ERR_ARG for
 * a bad setting, with what may have been meant; else as json_read,
 * config_parse and settings_parse, with the file's name. */
int preset_open(struct preset *p, const char *name, const char *const *set,
                int n, struct err *err);
/* The same of text, called name in messages. */
int preset_parse(struct preset *p, const char *text, const char *name,
                 const char *const *set, int n, struct err *err);
void preset_release(struct preset *p);

/* The mel, tokens and heads of p->json become those of p->model, which the
 * caller has changed. */
int preset_settle(struct preset *p, struct err *err);

/* Appends the JSON on one line; preset_parse reads it back equal. */
void preset_print(const struct preset *p, struct strbuf *out);

/* The same as a file, RUN/config.json, that preset_open reads. ERR_IO. */
int preset_write(const struct preset *p, const char *path, struct err *err);

#endif
