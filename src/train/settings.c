/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "train/settings.h"

#include <limits.h>
#include <stddef.h>
#include <string.h>

#include "base/suggest.h"
#include "base/xalloc.h"

const struct settings settings_default = {
    .crop = 30, .batch = 8, .accumulate = 1, .steps = 100000, .seed = 1,
    .lr = 1e-4, .warmup = 1000, .schedule = SCHED_CONSTANT,
    .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .clip = 1,
    .mask = MASK_NOISE, .mask_block = 0.4, .mask_probability = 0.6,
    .noise_std = 0.1,
    .log_every = 50, .valid_every = 1000, .save_every = 1000, .keep = 2,
    .target = TARGET_OPTIONS_INIT,
};

enum kind { INT, REAL, FLAG, WORD };

/* Words are numbered as the enum is. */
static const char *const schedules[] = { "constant", "cosine", "inverse",
                                         NULL };
static const char *const masks[] = { "noise", "embedding", NULL };
static const char *const precisions[] = { "auto", "f32", "bf16", "fp16",
                                          "tf32", NULL };

#define AS(name, field) name, offsetof(struct settings, field)
#define AT(field) AS(#field, field)

static const struct field {
    const char *name;
    size_t at;
    enum kind kind;
    double min, max;
    const char *const *words;
} fields[] = {
    { AT(crop), REAL, 0.5, 600, NULL },
    { AT(batch), INT, 1, 65536, NULL },
    { AT(accumulate), INT, 1, 65536, NULL },
    { AT(steps), INT, 1, 1e9, NULL },
    { AT(seed), INT, 0, INT_MAX, NULL },
    { AT(lr), REAL, 0, 10, NULL },
    { AT(lr_head), REAL, 0, 10, NULL },
    { AT(lr_floor), REAL, 0, 1, NULL },
    { AT(warmup), INT, 0, 1e9, NULL },
    { AT(schedule), WORD, 0, 0, schedules },
    { AT(beta1), REAL, 0, 0.999999, NULL },
    { AT(beta2), REAL, 0, 0.9999999, NULL },
    { AT(eps), REAL, 1e-16, 1, NULL },
    { AT(decay), REAL, 0, 10, NULL },
    { AT(clip), REAL, 0, 1e6, NULL },
    { AT(ema), REAL, 0, 0.9999999, NULL },
    { AT(mask), WORD, 0, 0, masks },
    { AT(mask_block), REAL, 0.01, 60, NULL },
    { AT(mask_probability), REAL, 0.001, 1, NULL },
    { AT(noise_std), REAL, 0, 10, NULL },
    { AT(mixture), REAL, 0, 1, NULL },
    { AT(cqt_weight), REAL, 0, 1e3, NULL },
    { AT(dropout), REAL, 0, 0.9, NULL },
    { AT(layer_drop), REAL, 0, 0.9, NULL },
    { AT(checkpoint), FLAG, 0, 0, NULL },
    { AT(precision), WORD, 0, 0, precisions },
    { AT(loss_scale), REAL, 0, 16777216, NULL },
    { AT(log_every), INT, 1, 1e9, NULL },
    { AT(valid_every), INT, 0, 1e9, NULL },
    { AT(save_every), INT, 1, 1e9, NULL },
    { AT(keep), INT, 1, 1000, NULL },
    { AT(augment), FLAG, 0, 0, NULL },
    { AT(patience), INT, 0, 1e6, NULL },
    { AS("weight_beat", target.beat), REAL, 1e-3, 1e3, NULL },
    { AS("weight_downbeat", target.downbeat), REAL, 1e-3, 1e3, NULL },
    { AS("weight_none", target.none), REAL, 1e-3, 1e3, NULL },
    { AS("widen_beat", target.widen), REAL, 0, 1, NULL },
    { AS("weight_boundary", target.boundary), REAL, 1e-3, 1e3, NULL },
    { AS("reach_boundary", target.reach), REAL, 0.05, 10, NULL },
};

static int not_a_word(const struct field *f, const char *path, const char *s,
                      struct err *err)
{
    struct strbuf all = STRBUF_INIT;

    for (int i = 0; f->words[i]; i++)
        strbuf_addf(&all, "%s%s", i ? ", " : "", f->words[i]);
    err_set(err, ERR_FORMAT, "%s.%s: \"%.40s\" is not one of %s", path,
            f->name, s, all.s);
    strbuf_release(&all);
    return ERR_FORMAT;
}

static int parse_word(const struct field *f, const cJSON *obj,
                      const char *path, int *out, struct err *err)
{
    const char *s = NULL;

    TRY(json_string(obj, path, f->name, 0, &s, err));
    if (!s)
        return 0;
    for (int i = 0; f->words[i]; i++)
        if (!strcmp(f->words[i], s)) {
            *out = i;
            return 0;
        }
    return not_a_word(f, path, s, err);
}

static int parse_flag(const struct field *f, const cJSON *obj,
                      const char *path, int *out, struct err *err)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(obj, f->name);

    if (v && !cJSON_IsBool(v))
        return err_set(err, ERR_FORMAT, "%s.%s: neither true nor false", path,
                       f->name);
    if (v)
        *out = cJSON_IsTrue(v);
    return 0;
}

static int parse_field(const struct field *f, struct settings *s,
                       const cJSON *obj, const char *path, struct err *err)
{
    void *to = (char *)s + f->at;

    switch (f->kind) {
    case INT:
        return json_int(obj, path, f->name, 0, (int64_t)f->min,
                        (int64_t)f->max, to, err);
    case REAL:
        return json_double(obj, path, f->name, 0, f->min, f->max, to, err);
    case FLAG:
        return parse_flag(f, obj, path, to, err);
    default:
        return parse_word(f, obj, path, to, err);
    }
}

static int check_names(const cJSON *obj, const char *path, struct err *err)
{
    const char *names[ARRAY_LEN(fields)];
    size_t n = ARRAY_LEN(fields);
    const cJSON *v;

    for (size_t i = 0; i < n; i++)
        names[i] = fields[i].name;
    cJSON_ArrayForEach(v, obj) {
        size_t i = 0;

        while (i < n && strcmp(names[i], v->string))
            i++;
        if (i == n)
            return suggest_error(err, ERR_FORMAT, path, v->string, names, n);
    }
    return 0;
}

int settings_parse(struct settings *s, const cJSON *obj, const char *path,
                   struct err *err)
{
    *s = settings_default;
    if (!obj)
        return 0;
    if (!cJSON_IsObject(obj))
        return err_set(err, ERR_FORMAT, "%s: not an object", path);
    TRY(check_names(obj, path, err));
    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        TRY(parse_field(&fields[i], s, obj, path, err));
    if (s->mask_block > s->crop)
        return err_set(err, ERR_FORMAT, "%s.mask_block: %g s, but a clip "
                       "(%s.crop) has %g s", path, s->mask_block, path,
                       s->crop);
    if (s->accumulate > s->batch)
        return err_set(err, ERR_FORMAT, "%s.accumulate: %d parts of a batch "
                       "(%s.batch) of %d", path, s->accumulate, path, s->batch);
    return 0;
}

cJSON *settings_json(const struct settings *s)
{
    cJSON *obj = cJSON_CreateObject();

    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        const struct field *f = &fields[i];
        const void *from = (const char *)s + f->at;
        int n = 0;

        if (f->kind == REAL) {
            cJSON_AddNumberToObject(obj, f->name, *(const double *)from);
            continue;
        }
        memcpy(&n, from, sizeof(n));
        if (f->kind == INT)
            cJSON_AddNumberToObject(obj, f->name, n);
        else if (f->kind == FLAG)
            cJSON_AddBoolToObject(obj, f->name, n);
        else
            cJSON_AddStringToObject(obj, f->name, f->words[n]);
    }
    return obj;
}

const char *settings_precision(const struct settings *s)
{
    return precisions[s->precision];
}

struct optim_options settings_optim(const struct settings *s)
{
    struct optim_options o = {
        .beta1 = (float)s->beta1, .beta2 = (float)s->beta2,
        .eps = (float)s->eps, .decay = (float)s->decay,
        .clip = (float)s->clip, .ema = (float)s->ema,
    };

    for (int i = 0; i < PARAM_GROUPS; i++)
        o.lr[i] = (float)s->lr;
    if (s->lr_head > 0)
        o.lr[PARAM_GROUP_HEAD] = (float)s->lr_head;
    return o;
}

struct sched settings_sched(const struct settings *s)
{
    return (struct sched){ .kind = (enum sched_kind)s->schedule,
                           .warmup = s->warmup, .steps = s->steps,
                           .floor = s->lr_floor };
}
