/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "annot/mfmjson.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "annot/keytext.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/xalloc.h"

static const double max_time = LIMIT_TIME; /* s */

static const cJSON *get(const cJSON *obj, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(obj, name);
}

bool mfmjson_is(const cJSON *root)
{
    static const char *const keys[] = { "mfm", "error", "beats", "chords",
                                        "structure", "key", "tempo", "tags" };

    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        if (get(root, keys[i]))
            return true;
    return false;
}

const char *mfmjson_file(const cJSON *root)
{
    const cJSON *v = get(root, "file");

    return cJSON_IsString(v) ? v->valuestring : "";
}

/* A field that is null or absent leaves *v alone. */
static int take(double *v, const cJSON *item, const char *where,
                const char *field, double min, double max, struct err *err)
{
    return json_double(item, where, field, 0, min, max, v, err);
}

static int take_label(const char **label, const cJSON *item, const char *where,
                      struct err *err)
{
    *label = "";
    return json_string(item, where, "label", 0, label, err);
}

static int take_beat(struct annotation *out, const cJSON *item,
                     const char *where, struct err *err)
{
    double time = NAN, confidence = NAN;
    int position = 0;

    TRY(json_double(item, where, "time", 1, -max_time, max_time, &time, err));
    TRY(json_int(item, where, "position", 0, 1, 1000, &position, err));
    TRY(take(&confidence, item, where, "confidence", 0, 1, err));
    beats_append(&out->beats, time, position, confidence);
    return 0;
}

static int take_span(struct annotation *out, const cJSON *item,
                     const char *where, struct err *err)
{
    double start = NAN, end = NAN, confidence = NAN;
    const char *label;

    TRY(json_double(item, where, "start", 1, -max_time, max_time, &start,
                    err));
    TRY(json_double(item, where, "end", 1, -max_time, max_time, &end, err));
    TRY(take(&confidence, item, where, "confidence", 0, 1, err));
    TRY(take_label(&label, item, where, err));
    if (end <= start)
        return err_set(err, ERR_FORMAT, "%s: its end does not come after its "
                       "start", where);
    segments_append(&out->spans, start, end, label, confidence);
    return 0;
}

static int take_tag(struct annotation *out, const cJSON *item,
                    const char *where, struct err *err)
{
    double score = 1;
    const char *label;

    TRY(take_label(&label, item, where, err));
    TRY(take(&score, item, where, "score", 0, 1, err));
    tags_append(&out->tags, label, score);
    return 0;
}

typedef int taker(struct annotation *, const cJSON *, const char *,
                  struct err *);

static int take_list(struct annotation *out, const cJSON *list,
                     const char *name, taker *one, struct err *err)
{
    const cJSON *item;
    char where[80];
    int i = 0;

    if (!cJSON_IsArray(list))
        return err_set(err, ERR_FORMAT, "%s: not a list", name);
    cJSON_ArrayForEach(item, list) {
        snprintf(where, sizeof(where), "%s[%d]", name, i++);
        if (!cJSON_IsObject(item))
            return err_set(err, ERR_FORMAT, "%s: not an object", where);
        TRY(one(out, item, where, err));
    }
    return 0;
}

static int take_key(struct annotation *out, const cJSON *key, struct err *err)
{
    const char *label;
    const cJSON *over_time = get(key, "over_time");
    double confidence = NAN;

    if (!cJSON_IsObject(key))
        return err_set(err, ERR_FORMAT, "key: not an object");
    TRY(take_label(&label, key, "key", err));
    TRY(take(&confidence, key, "key", "confidence", 0, 1, err));
    TRY(keytext_parse(&out->keys, label, err));
    if (out->keys.n)
        key_set(&out->key, out->keys.v[0].label, confidence);
    if (over_time && !cJSON_IsNull(over_time))
        TRY(take_list(out, over_time, "key.over_time", take_span, err));
    return 0;
}

static int take_tempo(struct annotation *out, const cJSON *tempo,
                      struct err *err)
{
    if (!cJSON_IsObject(tempo))
        return err_set(err, ERR_FORMAT, "tempo: not an object");
    out->tempo = (struct tempi){ { 0, 0 }, 1 };
    return json_double(tempo, "tempo", "bpm", 0, 0, 1e4, &out->tempo.bpm[0],
                       err);
}

static void take_model(struct annotation *out, const cJSON *root)
{
    const cJSON *v = get(get(root, "model"), "sha256");

    if (cJSON_IsString(v) && strlen(v->valuestring) < sizeof(out->model))
        strcpy(out->model, v->valuestring);
}

static int parse(struct annotation *out, const cJSON *root,
                 enum annot_task task, struct err *err)
{
    const char *name = annot_task_names[task];
    const cJSON *v = get(root, name), *error = get(root, "error");

    if (cJSON_IsString(error)) {
        out->error = xstrdup(error->valuestring);
        return 0;
    }
    take_model(out, root);
    TRY(json_double(root, "", "duration", 0, 0, 1e9, &out->duration, err));
    if (!v)
        return err_set(err, ERR_FORMAT, mfmjson_is(root)
                       ? "no \"%s\" in this result of mfm"
                       : "no \"%s\": this JSON is none that mfm wrote", name);
    switch (task) {
    case ANNOT_BEATS:
        return take_list(out, v, name, take_beat, err);
    case ANNOT_CHORDS:
    case ANNOT_STRUCTURE:
        return take_list(out, v, name, take_span, err);
    case ANNOT_KEY:
        return take_key(out, v, err);
    case ANNOT_TEMPO:
        return take_tempo(out, v, err);
    case ANNOT_TAGS:
        return take_list(out, v, name, take_tag, err);
    }
    return 0;
}

int mfmjson_parse(struct annotation *out, const cJSON *root, const char *name,
                  enum annot_task task, struct err *err)
{
    int rc = parse(out, root, task, err);

    if (rc)
        return err_prefix(err, "%s", name);
    annotation_sort(out);
    return 0;
}
