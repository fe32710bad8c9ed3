/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "annot/jams.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "annot/keytext.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/xalloc.h"

static const double max_time = LIMIT_TIME; /* s: 11 days */

/* An annotation that is being read, with its observation. */
struct cursor {
    const char *name; /* of the file */
    int annotation;   /* its number in the file */
    const cJSON *sparse;    /* the next observation, or NULL */
    const cJSON *column[4]; /* dense: the next time, duration, value, ... */
    bool dense;
    int index; /* of the observation */
    double time, duration, confidence;
    const cJSON *value;
};

static const char *const columns[] = { "time", "duration", "value",
                                       "confidence" };

static int bad(const struct cursor *c, struct err *err, const char *what)
{
    return err_set(err, ERR_FORMAT, "%s: annotations[%d].data[%d]: %s",
                   c->name, c->annotation, c->index, what);
}

static int cursor_open(struct cursor *c, const cJSON *annotation,
                       const char *name, int number, struct err *err)
{
    const cJSON *data =
        cJSON_GetObjectItemCaseSensitive(annotation, "data");

    *c = (struct cursor){ .name = name, .annotation = number, .index = -1 };
    if (cJSON_IsArray(data)) {
        c->sparse = data->child;
        return 0;
    }
    c->dense = true;
    for (int i = 0; i < 4; i++) {
        const cJSON *column =
            cJSON_GetObjectItemCaseSensitive(data, columns[i]);

        if (!cJSON_IsArray(column))
            return err_set(err, ERR_FORMAT, "%s: annotations[%d].data is "
                           "neither a list nor an object of four lists",
                           name, number);
        c->column[i] = column->child;
    }
    return 0;
}

/* Moves on; *item gets the four fields of the observation, NULL at the end. */
static int cursor_fields(struct cursor *c, const cJSON *item[4], bool *more,
                         struct err *err)
{
    c->index++;
    if (!c->dense) {
        *more = c->sparse != NULL;
        for (int i = 0; i < 4; i++)
            item[i] = cJSON_GetObjectItemCaseSensitive(c->sparse, columns[i]);
        if (c->sparse)
            c->sparse = c->sparse->next;
        return 0;
    }
    *more = c->column[0] != NULL;
    for (int i = 0; i < 4; i++) {
        item[i] = c->column[i];
        if (!item[i] != !*more)
            return bad(c, err, "the four lists differ in length");
        if (*more)
            c->column[i] = item[i]->next;
    }
    return 0;
}

static bool is_time(const cJSON *v)
{
    return cJSON_IsNumber(v) && fabs(v->valuedouble) <= max_time;
}

static int cursor_next(struct cursor *c, bool *more, struct err *err)
{
    const cJSON *item[4];

    TRY(cursor_fields(c, item, more, err));
    if (!*more)
        return 0;
    if (!is_time(item[0]))
        return bad(c, err, "time is not a number of seconds");
    if (item[1] && !cJSON_IsNull(item[1]) &&
        (!is_time(item[1]) || item[1]->valuedouble < 0))
        return bad(c, err, "duration is not a number of seconds from 0");
    c->time = item[0]->valuedouble;
    c->duration = is_time(item[1]) ? item[1]->valuedouble : 0;
    c->value = item[2];
    c->confidence = cJSON_IsNumber(item[3]) && item[3]->valuedouble >= 0 &&
                            item[3]->valuedouble <= 1
                        ? item[3]->valuedouble : NAN;
    return 0;
}

/* ---- what the tasks take from an observation ---- */

static int whole(const cJSON *v)
{
    if (!cJSON_IsNumber(v) || !(v->valuedouble >= 1) ||
        v->valuedouble > 1000 || v->valuedouble != floor(v->valuedouble))
        return 0;
    return (int)v->valuedouble;
}

static int take_beat(struct annotation *out, struct cursor *c, struct err *err)
{
    const cJSON *v = c->value;

    (void)err;
    if (cJSON_IsObject(v))
        v = cJSON_GetObjectItemCaseSensitive(v, "position");
    beats_append(&out->beats, c->time, whole(v), c->confidence);
    return 0;
}

static int take_span(struct annotation *out, struct cursor *c, struct err *err)
{
    const cJSON *v = c->value;

    if (cJSON_IsObject(v)) /* multi_segment */
        v = cJSON_GetObjectItemCaseSensitive(v, "label");
    if (!cJSON_IsString(v))
        return bad(c, err, "value is not a label");
    if (c->duration > 0)
        segments_append(&out->spans, c->time, c->time + c->duration,
                        v->valuestring, c->confidence);
    return 0;
}

static int take_section(struct annotation *out, struct cursor *c,
                        struct err *err)
{
    if (cJSON_IsString(c->value) &&
        !strcasecmp(c->value->valuestring, "end"))
        return 0;
    return take_span(out, c, err);
}

static int take_key(struct annotation *out, struct cursor *c, struct err *err)
{
    struct tags keys = { 0 };
    int rc;

    if (!cJSON_IsString(c->value))
        return bad(c, err, "value is not a key");
    rc = keytext_parse(&keys, c->value->valuestring, err);
    if (rc)
        err_prefix(err, "%s: annotations[%d].data[%d]", c->name,
                   c->annotation, c->index);
    else if (keys.n)
        segments_append(&out->spans, c->time, c->time + c->duration,
                        keys.v[0].label, c->confidence);
    tags_release(&keys);
    return rc;
}

static int take_tempo(struct annotation *out, struct cursor *c,
                      struct err *err)
{
    if (!cJSON_IsNumber(c->value) || !(c->value->valuedouble >= 0) ||
        !(c->value->valuedouble <= 1e4))
        return bad(c, err, "value is not a tempo in beats per minute");
    if (c->index < 2)
        out->tempo.bpm[c->index] = c->value->valuedouble;
    if (c->index == 0)
        out->tempo.weight = c->confidence;
    if (c->index == 1 && isnan(out->tempo.weight))
        out->tempo.weight = 0.5;
    return 0;
}

static int take_tag(struct annotation *out, struct cursor *c, struct err *err)
{
    if (!cJSON_IsString(c->value))
        return bad(c, err, "value is not a tag");
    tags_append(&out->tags, c->value->valuestring,
                isnan(c->confidence) ? 1 : c->confidence);
    return 0;
}

/* ---- choosing among annotations ---- */

typedef int taker(struct annotation *, struct cursor *, struct err *);

static const struct source {
    taker *take;
    const char *namespaces[7]; /* the best first */
} sources[] = {
    [ANNOT_BEATS] = { take_beat, { "beat", "beat_position" } },
    [ANNOT_CHORDS] = { take_span, { "chord", "chord_harte" } },
    [ANNOT_STRUCTURE] = { take_section,
                          { "segment_open", "segment_salami_function",
                            "segment_tut", "segment_salami_upper",
                            "multi_segment", "segment_salami_lower" } },
    [ANNOT_KEY] = { take_key, { "key_mode" } },
    [ANNOT_TEMPO] = { take_tempo, { "tempo" } },
    [ANNOT_TAGS] = { take_tag, { NULL } },
};

static const char *string_of(const cJSON *obj, const char *name)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(obj, name);

    return cJSON_IsString(v) ? v->valuestring : "";
}

static bool has_data(const cJSON *annotation)
{
    const cJSON *data =
        cJSON_GetObjectItemCaseSensitive(annotation, "data");

    if (cJSON_IsObject(data))
        data = cJSON_GetObjectItemCaseSensitive(data, "time");
    return data && data->child;
}

static int take_all(struct annotation *out, const cJSON *annotation,
                    const char *name, int number, taker *take, struct err *err)
{
    struct cursor c;
    bool more;

    TRY(cursor_open(&c, annotation, name, number, err));
    for (;;) {
        TRY(cursor_next(&c, &more, err));
        if (!more)
            return 0;
        TRY(take(out, &c, err));
    }
}

/* The annotation of a namespace, one with data before one without; its number
 * goes to *number. With type, only one whose sandbox says so. */
static const cJSON *find(const cJSON *list, const char *namespace,
                         const char *type, int *number)
{
    const cJSON *a, *found = NULL;
    int i = 0;

    cJSON_ArrayForEach(a, list) {
        const cJSON *sandbox =
            cJSON_GetObjectItemCaseSensitive(a, "sandbox");

        if (!strcmp(string_of(a, "namespace"), namespace) &&
            (!type || !strcmp(string_of(sandbox, "annotation_type"), type)) &&
            (!found || (!has_data(found) && has_data(a)))) {
            found = a;
            *number = i;
        }
        i++;
    }
    return found;
}

static int missing(const cJSON *list, const char *name, enum annot_task task,
                   struct err *err)
{
    struct strbuf has = STRBUF_INIT;
    const cJSON *a;

    cJSON_ArrayForEach(a, list)
        if (has.len < 200)
            strbuf_addf(&has, "%s%.40s", has.len ? ", " : "",
                        string_of(a, "namespace"));
    err_set(err, ERR_FORMAT, "%s: no annotation of %s in this JAMS file, which "
            "has: %s", name, annot_task_names[task],
            has.len ? has.s : "nothing");
    strbuf_release(&has);
    return ERR_FORMAT;
}

/* ---- GTZAN-Rhythm: beats and downbeats apart ---- */

static void mark_downbeats(struct beats *b, const struct beats *down)
{
    const double near = 0.02; /* s: they are the same clicks, rounded */
    size_t i = 0;
    int position = 0;

    for (size_t d = 0; d < down->n; d++) {
        double t = down->v[d].time;

        while (i < b->n && b->v[i].time < t - near)
            i++;
        if (i < b->n && b->v[i].time <= t + near)
            b->v[i].position = 1;
    }
    for (i = 0; i < b->n; i++) {
        if (b->v[i].position == 1)
            position = 1;
        else if (position)
            position++;
        b->v[i].position = position;
    }
}

/* Downbeats that no beat is near are appended to the beats. */
static void add_lone_downbeats(struct annotation *a, const struct beats *down)
{
    size_t i = 0, n = a->beats.n;

    for (size_t d = 0; d < down->n; d++) {
        double t = down->v[d].time;

        while (i < n && a->beats.v[i].time < t - 0.02)
            i++;
        if (i == n || a->beats.v[i].time > t + 0.02)
            beats_append(&a->beats, t, 0, down->v[d].confidence);
    }
    annotation_sort(a);
}

static int merge_downbeats(struct annotation *out, const cJSON *list,
                           const char *name, struct err *err)
{
    struct annotation down;
    int number = 0, rc;
    const cJSON *a = find(list, "beat", "downbeat", &number);

    if (!a)
        return 0;
    annotation_init(&down);
    rc = take_all(&down, a, name, number, take_beat, err);
    if (!rc) {
        annotation_sort(&down);
        for (size_t i = 0; i < out->beats.n; i++)
            out->beats.v[i].position = 0;
        add_lone_downbeats(out, &down.beats);
        mark_downbeats(&out->beats, &down.beats);
    }
    annotation_release(&down);
    return rc;
}

/* ---- tasks ---- */

static int take_tags(struct annotation *out, const cJSON *list,
                     const char *name, struct err *err)
{
    const cJSON *a;
    int number = 0;
    bool found = false;

    cJSON_ArrayForEach(a, list) {
        if (!strncmp(string_of(a, "namespace"), "tag_", 4)) {
            found = true;
            TRY(take_all(out, a, name, number, take_tag, err));
        }
        number++;
    }
    return found ? 0 : missing(list, name, ANNOT_TAGS, err);
}

static int take_levels(struct annotation *out, const cJSON *annotation,
                       const char *name, int number, struct err *err)
{
    struct cursor c;
    double lowest = INFINITY;
    bool more;

    for (int pass = 0; pass < 2; pass++) {
        TRY(cursor_open(&c, annotation, name, number, err));
        for (;;) {
            const cJSON *level;

            TRY(cursor_next(&c, &more, err));
            if (!more)
                break;
            level = cJSON_GetObjectItemCaseSensitive(c.value, "level");
            if (!cJSON_IsNumber(level))
                return bad(&c, err, "value has no level");
            if (pass == 0)
                lowest = fmin(lowest, level->valuedouble);
            else if (level->valuedouble == lowest)
                TRY(take_span(out, &c, err));
        }
    }
    return 0;
}

static int take_best(struct annotation *out, const cJSON *list,
                     const char *name, enum annot_task task, struct err *err)
{
    const struct source *s = &sources[task];
    const cJSON *best = NULL;
    int number = 0, best_number = 0;
    const char *namespace = NULL;

    for (int i = 0; s->namespaces[i] && !(best && has_data(best)); i++) {
        const cJSON *a = NULL;

        if (task == ANNOT_BEATS && i == 0)
            a = find(list, "beat", "beat", &number);
        if (!a)
            a = find(list, s->namespaces[i], NULL, &number);
        if (a && (!best || has_data(a))) {
            best = a;
            best_number = number;
            namespace = s->namespaces[i];
        }
    }
    if (!best)
        return missing(list, name, task, err);
    if (!strcmp(namespace, "multi_segment"))
        TRY(take_levels(out, best, name, best_number, err));
    else
        TRY(take_all(out, best, name, best_number, s->take, err));
    annotation_sort(out);
    if (task == ANNOT_BEATS &&
        !strcmp(string_of(cJSON_GetObjectItemCaseSensitive(best, "sandbox"),
                          "annotation_type"), "beat"))
        return merge_downbeats(out, list, name, err);
    return 0;
}

int jams_parse(struct annotation *out, const cJSON *root, const char *name,
               enum annot_task task, struct err *err)
{
    const cJSON *list =
        cJSON_GetObjectItemCaseSensitive(root, "annotations");
    const cJSON *meta =
        cJSON_GetObjectItemCaseSensitive(root, "file_metadata");
    const cJSON *duration =
        cJSON_GetObjectItemCaseSensitive(meta, "duration");

    if (!cJSON_IsArray(list))
        return err_set(err, ERR_FORMAT, "%s: annotations is not a list", name);
    if (is_time(duration) && duration->valuedouble >= 0)
        out->duration = duration->valuedouble;
    if (task == ANNOT_TEMPO)
        out->tempo = (struct tempi){ { 0, 0 }, NAN };
    if (task == ANNOT_TAGS)
        TRY(take_tags(out, list, name, err));
    else
        TRY(take_best(out, list, name, task, err));
    if (task == ANNOT_KEY)
        keytext_choose(out);
    if (task == ANNOT_TEMPO) {
        if (!(out->tempo.bpm[0] > 0 || out->tempo.bpm[1] > 0))
            return err_set(err, ERR_FORMAT, "%s: no tempo above 0 in it",
                           name);
        if (out->tempo.bpm[1] == 0 || isnan(out->tempo.weight))
            out->tempo.weight = 1;
    }
    return 0;
}
