/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "model/headconfig.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/limits.h"
#include "base/xalloc.h"

enum { MOST_AS_IN = 64 };

static const char *const activations[] = { "softmax", "sigmoid", NULL };

static int parse_classes(struct head_config *h, const cJSON *o,
                         const char *path, struct err *err)
{
    const cJSON *a = cJSON_GetObjectItemCaseSensitive(o, "classes"), *v;
    int n = cJSON_IsArray(a) ? cJSON_GetArraySize(a) : 0;

    if (n < 1 || n > LIMIT_CLASSES)
        return err_set(err, ERR_FORMAT, "%s.classes: not an array of 1..%d "
                       "strings", path, LIMIT_CLASSES);
    h->classes = xcalloc((size_t)n, sizeof(*h->classes));
    cJSON_ArrayForEach(v, a) {
        if (!cJSON_IsString(v) || !*v->valuestring)
            return err_set(err, ERR_FORMAT, "%s.classes[%d]: not a string",
                           path, h->n_classes);
        h->classes[h->n_classes++] = xstrdup(v->valuestring);
    }
    return 0;
}

static int parse_rate(struct head_config *h, const cJSON *o, const char *path,
                      struct err *err)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, "rate");

    if (cJSON_IsString(v) && !strcmp(v->valuestring, "clip"))
        return 0;
    if (!cJSON_IsNumber(v) || !(v->valuedouble > 0) || v->valuedouble > 1000)
        return err_set(err, ERR_FORMAT, "%s.rate: neither a number above 0 and "
                       "up to 1000 nor \"clip\"", path);
    h->rate = v->valuedouble;
    return 0;
}

static int parse_layer(struct head_config *h, const cJSON *o, const char *path,
                       int layers, struct err *err)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, "layer");

    h->layer = -1;
    if (!cJSON_IsString(v))
        return json_int(o, path, "layer", 0, -1, layers, &h->layer, err);
    if (strcmp(v->valuestring, "mix"))
        return err_set(err, ERR_FORMAT, "%s.layer: neither a number nor "
                       "\"mix\"", path);
    h->layer = HEAD_MIX;
    return 0;
}

static int parse_confidence(struct head_config *h, const cJSON *o,
                            const char *path, struct err *err)
{
    const cJSON *a = cJSON_GetObjectItemCaseSensitive(o, "confidence");
    const cJSON *slope = cJSON_GetArrayItem(a, 0);
    const cJSON *offset = cJSON_GetArrayItem(a, 1);

    h->slope = 1;
    if (!a)
        return 0;
    if (cJSON_GetArraySize(a) != 2 || !cJSON_IsNumber(slope) ||
        !cJSON_IsNumber(offset) || !(slope->valuedouble > 0) ||
        slope->valuedouble > 1000 || !(fabs(offset->valuedouble) <= 1000))
        return err_set(err, ERR_FORMAT, "%s.confidence: not [slope, offset], "
                       "the slope above 0 and up to 1000, the offset -1000 to "
                       "1000", path);
    h->slope = slope->valuedouble;
    h->offset = offset->valuedouble;
    return 0;
}

void head_config_clear_as_in(struct head_config *h)
{
    for (int i = 0; i < h->n_as_in; i++)
        free(h->as_in[i]);
    free(h->as_in);
    h->as_in = NULL;
    h->n_as_in = 0;
}

void head_config_add_as_in(struct head_config *h, const char *sha256)
{
    size_t n = (size_t)h->n_as_in;

    if (n == MOST_AS_IN) {
        free(h->as_in[0]);
        memmove(h->as_in, h->as_in + 1, --n * sizeof(*h->as_in));
    }
    h->as_in = xreallocarray(h->as_in, n + 1, sizeof(*h->as_in));
    h->as_in[n] = xstrdup(sha256);
    h->n_as_in = (int)n + 1;
}

static int parse_as_in(struct head_config *h, const cJSON *o, const char *path,
                       struct err *err)
{
    const cJSON *a = cJSON_GetObjectItemCaseSensitive(o, "as_in"), *v;

    if (!a)
        return 0;
    cJSON_ArrayForEach(v, a) {
        if (!cJSON_IsString(v) || strlen(v->valuestring) != 64)
            return err_set(err, ERR_FORMAT, "%s.as_in: not a list of sha256",
                           path);
        head_config_add_as_in(h, v->valuestring);
    }
    return 0;
}

static int parse_bars(struct head_config *h, const cJSON *o, const char *path,
                      struct err *err)
{
    const cJSON *a = cJSON_GetObjectItemCaseSensitive(o, "bars"), *v;
    int n = cJSON_IsArray(a) ? cJSON_GetArraySize(a) : 0, whole = 1;

    if (!a)
        return 0;
    cJSON_ArrayForEach(v, a)
        whole &= cJSON_IsNumber(v) && v->valuedouble == v->valueint &&
                 v->valueint >= 1 && v->valueint <= HEAD_BAR_BEATS;
    if (n < 1 || n > HEAD_BARS || !whole)
        return err_set(err, ERR_FORMAT, "%s.bars: not 1 to %d whole numbers in "
                       "1..%d", path, HEAD_BARS, HEAD_BAR_BEATS);
    cJSON_ArrayForEach(v, a)
        h->bar[h->n_bars++] = v->valueint;
    return 0;
}

int head_config_parse(struct head_config *h, const cJSON *o, int layers,
                      struct err *err)
{
    const cJSON *boundary;
    char path[80];
    int activation = 0;

    snprintf(path, sizeof(path), "heads.%.60s", o->string);
    if (!cJSON_IsObject(o))
        return err_set(err, ERR_FORMAT, "%s: not an object", path);
    h->task = xstrdup(o->string);
    TRY(json_int(o, path, "hidden", 0, 0, LIMIT_WIDTH, &h->hidden, err));
    TRY(parse_rate(h, o, path, err));
    TRY(json_word(o, path, "activation", activations, &activation, err));
    h->activation = (enum head_activation)activation;
    TRY(parse_layer(h, o, path, layers, err));
    TRY(parse_confidence(h, o, path, err));
    TRY(parse_as_in(h, o, path, err));
    TRY(parse_bars(h, o, path, err));
    boundary = cJSON_GetObjectItemCaseSensitive(o, "boundary");
    h->boundary = cJSON_IsTrue(boundary) || cJSON_IsString(boundary);
    return parse_classes(h, o, path, err);
}

void head_config_print(cJSON *heads, const struct head_config *h)
{
    cJSON *o = cJSON_AddObjectToObject(heads, h->task);

    cJSON_AddNumberToObject(o, "hidden", h->hidden);
    if (h->rate > 0)
        cJSON_AddNumberToObject(o, "rate", h->rate);
    else
        cJSON_AddStringToObject(o, "rate", "clip");
    cJSON_AddStringToObject(o, "activation", activations[h->activation]);
    if (h->layer == HEAD_MIX)
        cJSON_AddStringToObject(o, "layer", "mix");
    else if (h->layer >= 0)
        cJSON_AddNumberToObject(o, "layer", h->layer);
    if (h->boundary)
        cJSON_AddTrueToObject(o, "boundary");
    if (h->slope > 0 && (h->slope != 1 || h->offset != 0))
        cJSON_AddItemToObject(o, "confidence", cJSON_CreateDoubleArray(
            (const double[]){ h->slope, h->offset }, 2));
    if (h->n_as_in)
        cJSON_AddItemToObject(o, "as_in", cJSON_CreateStringArray(
            (const char *const *)h->as_in, h->n_as_in));
    if (h->n_bars)
        cJSON_AddItemToObject(o, "bars", cJSON_CreateIntArray(h->bar,
                                                              h->n_bars));
    cJSON_AddItemToObject(o, "classes", cJSON_CreateStringArray(
        (const char *const *)h->classes, h->n_classes));
}

void head_config_release(struct head_config *h)
{
    for (int k = 0; k < h->n_classes; k++)
        free(h->classes[k]);
    free(h->classes);
    head_config_clear_as_in(h);
    free(h->task);
}

double head_confidence(const struct head_config *h, double p)
{
    double q = fmin(fmax(p, 1e-6), 1 - 1e-6);

    if (isnan(p) || !(h->slope > 0) || (h->slope == 1 && h->offset == 0))
        return p;
    return 1 / (1 + exp(-(h->slope * log(q / (1 - q)) + h->offset)));
}
