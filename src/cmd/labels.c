/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cmd/labels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "annot/lab.h"
#include "base/file.h"
#include "base/xalloc.h"

/* ---- JSON ---- */

static const char *const json_keys[SCORE_TASKS] = {
    "beats", "chords", "structure", "key", "tempo", "tags"
};

static int beats_from_json(struct labels *out, const cJSON *list,
                           struct err *err)
{
    const cJSON *item;

    cJSON_ArrayForEach(item, list) {
        double time;
        int position = 0;

        TRY(json_double(item, "beats", "time", 1, -1e9, 1e9, &time, err));
        TRY(json_int(item, "beats", "position", 0, 0, 1000000, &position,
                     err));
        beats_append(&out->beats, time, position, NAN);
    }
    return 0;
}

static int spans_from_json(struct labels *out, const char *name,
                           const cJSON *list, struct err *err)
{
    const cJSON *item;

    cJSON_ArrayForEach(item, list) {
        const char *label = "";
        double start, end;

        TRY(json_double(item, name, "start", 1, -1e9, 1e9, &start, err));
        TRY(json_double(item, name, "end", 1, -1e9, 1e9, &end, err));
        TRY(json_string(item, name, "label", 0, &label, err));
        segments_append(&out->spans, start, end, label, NAN);
    }
    return 0;
}

static int tags_from_json(struct labels *out, const cJSON *list,
                          struct err *err)
{
    const cJSON *item;

    cJSON_ArrayForEach(item, list) {
        const char *label;
        double score;

        TRY(json_string(item, "tags", "label", 1, &label, err));
        TRY(json_double(item, "tags", "score", 1, -1e300, 1e300, &score, err));
        tags_append(&out->tags, label, score);
    }
    return 0;
}

static int value_from_json(struct labels *out, enum score_task task,
                           const cJSON *value, struct err *err)
{
    const char *name = json_keys[task], *label = NULL;
    int list = task != SCORE_KEY && task != SCORE_TEMPO;

    if (list ? !cJSON_IsArray(value) : !cJSON_IsObject(value))
        return err_set(err, ERR_FORMAT, "'%s' is not %s", name,
                       list ? "a list" : "an object");
    switch (task) {
    case SCORE_BEATS: return beats_from_json(out, value, err);
    case SCORE_TAG: return tags_from_json(out, value, err);
    case SCORE_KEY:
        TRY(json_string(value, name, "label", 0, &label, err));
        if (label)
            key_set(&out->key, label, NAN);
        return 0;
    case SCORE_TEMPO:
        out->tempo.weight = 1;
        return json_double(value, name, "bpm", 0, 0, 1e9, out->tempo.bpm, err);
    default: return spans_from_json(out, name, value, err);
    }
}

int labels_from_json(struct labels *out, enum score_task task,
                     const cJSON *object, const char *name, struct err *err)
{
    const cJSON *error = cJSON_GetObjectItemCaseSensitive(object, "error");
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(object,
                                                          json_keys[task]);
    int rc;

    *out = (struct labels){ 0 };
    if (cJSON_IsString(error))
        rc = err_set(err, ERR_UNSUPPORTED, "has no result but an error: %s",
                     error->valuestring);
    else if (!cJSON_IsObject(object) || !value)
        rc = err_set(err, ERR_FORMAT, "has no '%s': not a result of mfm for "
                     "this task", json_keys[task]);
    else
        rc = value_from_json(out, task, value, err);
    if (rc) {
        labels_release(out);
        err_prefix(err, "%s", name);
    }
    return rc;
}

static int read_json(struct labels *out, enum score_task task,
                     const char *path, struct err *err)
{
    cJSON *object = NULL;
    int rc = json_read(&object, path, err);

    if (!rc)
        rc = labels_from_json(out, task, object, path, err);
    cJSON_Delete(object);
    return rc;
}

/* ---- text ---- */

static int bad_tempo(const char *path, struct err *err)
{
    return err_set(err, ERR_FORMAT, "%s: not one line of a tempo, or of two "
                   "tempi and the weight of the first in 0..1", path);
}

static int read_tempo(struct labels *out, const char *path, struct err *err)
{
    struct strbuf text = STRBUF_INIT;
    double v[4];
    char *next, *end;
    int n = 0, rc = file_read(&text, path, 1 << 20, err);

    for (next = text.s; !rc && n < 4; next = end) {
        v[n] = strtod(next, &end);
        if (end == next)
            break;
        n++;
    }
    if (!rc && ((n != 1 && n != 3) || next[strspn(next, " \t\r\n")]))
        rc = bad_tempo(path, err);
    for (int i = 0; i < n && !rc; i++)
        if (!(v[i] >= 0 && v[i] <= (i == 2 ? 1 : 1e9)))
            rc = bad_tempo(path, err);
    if (!rc) {
        out->tempo.bpm[0] = v[0];
        out->tempo.bpm[1] = n == 3 ? v[1] : 0;
        out->tempo.weight = n == 3 ? v[2] : 1;
    }
    strbuf_release(&text);
    return rc;
}

static int ends_in(const char *name, const char *extension)
{
    size_t n = strlen(name), m = strlen(extension);

    return n > m && !strcasecmp(name + n - m, extension);
}

static int read_text(struct labels *out, enum score_task task,
                     const char *path, struct err *err)
{
    switch (task) {
    case SCORE_BEATS: return lab_read_beats(&out->beats, path, err);
    case SCORE_KEY: return lab_read_key(&out->key, path, err);
    case SCORE_TEMPO: return read_tempo(out, path, err);
    case SCORE_TAG: return lab_read_tags(&out->tags, path, err);
    case SCORE_STRUCTURE:
        if (ends_in(path, ".seg"))
            return lab_read_functions(&out->spans, path, err);
        return lab_read_segments(&out->spans, path, err);
    default: return lab_read_segments(&out->spans, path, err);
    }
}

int labels_read(struct labels *out, enum score_task task, const char *path,
                struct err *err)
{
    *out = (struct labels){ 0 };
    return ends_in(path, ".json") || ends_in(path, ".ndjson")
               ? read_json(out, task, path, err)
               : read_text(out, task, path, err);
}

/* ---- names ---- */

/* For each task the extensions that name it, best first, and after the gap
 * those that may hold anything. */
static const char *const extensions[SCORE_TASKS][LABELS_SPECIFIC] = {
    { ".beats" },
    { ".chords.lab", ".lab" },
    { ".structure.lab", ".seg" },
    { ".key" },
    { ".tempo", ".bpm" },
    { ".tags" },
};
static const char *const general[] = { ".json", ".lab", ".txt", ".csv" };

int labels_rank(enum score_task task, const char *name)
{
    int other = (task != SCORE_CHORDS && ends_in(name, ".chords.lab")) ||
                (task != SCORE_STRUCTURE && ends_in(name, ".structure.lab"));

    if (other)
        return 0;
    for (int i = 0; i < LABELS_SPECIFIC && extensions[task][i]; i++)
        if (ends_in(name, extensions[task][i]))
            return i + 1;
    for (int i = 0; i < (int)ARRAY_LEN(general); i++)
        if (ends_in(name, general[i]))
            return LABELS_SPECIFIC + 1 + i;
    return 0;
}
