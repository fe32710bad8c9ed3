/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "write/jams.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "annot/chordname.h"
#include "annot/keyname.h"
#include "write/json.h"

static const char jams_version[] = "0.3.4";

static cJSON *metadata(const struct result *r)
{
    cJSON *m = cJSON_CreateObject(), *curator;
    struct strbuf tool = STRBUF_INIT;

    curator = cJSON_AddObjectToObject(m, "curator");
    cJSON_AddStringToObject(curator, "name", "");
    cJSON_AddStringToObject(curator, "email", "");
    cJSON_AddObjectToObject(m, "annotator");
    cJSON_AddStringToObject(m, "version", "");
    cJSON_AddStringToObject(m, "corpus", "");
    strbuf_addf(&tool, "mfm %s", r->version);
    if (r->model_name)
        strbuf_addf(&tool, ", model %s", r->model_name);
    cJSON_AddItemToObject(m, "annotation_tools", write_json_text(tool.s));
    cJSON_AddStringToObject(m, "annotation_rules", "");
    cJSON_AddStringToObject(m, "validation", "");
    cJSON_AddStringToObject(m, "data_source", "program");
    strbuf_release(&tool);
    return m;
}

/* A new annotation of the result; returns its list of observations. */
static cJSON *annotation(cJSON *list, const struct result *r, const char *space)
{
    cJSON *a = cJSON_CreateObject(), *data;

    cJSON_AddStringToObject(a, "namespace", space);
    cJSON_AddItemToObject(a, "annotation_metadata", metadata(r));
    data = cJSON_AddArrayToObject(a, "data");
    cJSON_AddObjectToObject(a, "sandbox");
    cJSON_AddItemToObject(a, "time", write_json_number(r->start));
    cJSON_AddItemToObject(a, "duration", write_json_number(r->duration));
    cJSON_AddItemToArray(list, a);
    return data;
}

/* With a point always: mirdata takes no array of whole numbers for times. */
static cJSON *seconds(double x)
{
    char text[32];

    if (!isfinite(x))
        return cJSON_CreateNull();
    snprintf(text, sizeof(text), "%.6f", x + 0.0);
    return cJSON_CreateRaw(text);
}

static void observe(cJSON *data, double time, double duration, cJSON *value,
                    double confidence)
{
    cJSON *o = cJSON_CreateObject();

    cJSON_AddItemToObject(o, "time", seconds(time));
    cJSON_AddItemToObject(o, "duration", seconds(duration));
    cJSON_AddItemToObject(o, "value", value);
    cJSON_AddItemToObject(o, "confidence", write_json_number(confidence));
    cJSON_AddItemToArray(data, o);
}

static double length(const struct result *r)
{
    return isfinite(r->duration) ? r->duration : 0;
}

static void add_beats(cJSON *list, const struct result *r)
{
    cJSON *data = annotation(list, r, "beat");

    for (size_t i = 0; i < r->beats->n; i++) {
        const struct beat *b = &r->beats->v[i];

        observe(data, b->time, 0,
                b->position ? cJSON_CreateNumber(b->position)
                            : cJSON_CreateNull(), b->confidence);
    }
    data = annotation(list, r, "tempo");
    /* the schema has no null here */
    if (isfinite(r->tempo.bpm))
        observe(data, r->start, length(r), write_json_number(r->tempo.bpm),
                isfinite(r->tempo.confidence) ? r->tempo.confidence : 0);
}

/* ---- values that the namespaces have ---- */

static cJSON *open_label(const char *label)
{
    return *label ? write_json_text(label) : cJSON_CreateString("");
}

static cJSON *chord(const char *label)
{
    struct chordname c;
    int rc = chordname_parse(&c, label, false, NULL);

    return cJSON_CreateString(!rc || rc == ERR_UNSUPPORTED ? label : "X");
}

/* "c# minor" as "C#:minor"; a mode without a name is left out. */
static cJSON *key_mode(const char *label)
{
    static const char *const modes[] = { ":major", ":minor", "" };
    struct strbuf text = STRBUF_INIT;
    struct keyname k;
    cJSON *v;

    if (keyname_parse(&k, label, NULL) || k.tonic < 0)
        return cJSON_CreateString("N");
    strbuf_add(&text, label, strcspn(label, " \t"));
    text.s[0] = (char)toupper((unsigned char)text.s[0]);
    strbuf_addstr(&text, modes[k.mode]);
    v = cJSON_CreateString(text.s);
    strbuf_release(&text);
    return v;
}

static void add_segments(cJSON *list, const struct result *r,
                         const char *space, const struct segments *s,
                         cJSON *(*value)(const char *label))
{
    cJSON *data = annotation(list, r, space);

    for (size_t i = 0; i < s->n; i++)
        observe(data, s->v[i].start, s->v[i].end - s->v[i].start,
                value(s->v[i].label), s->v[i].confidence);
}

static void add_key(cJSON *list, const struct result *r)
{
    cJSON *data = annotation(list, r, "key_mode");

    if (r->key->label)
        observe(data, r->start, length(r), key_mode(r->key->label),
                r->key->confidence);
    if (r->key_over_time)
        add_segments(list, r, "key_mode", r->key_over_time, key_mode);
}

static void add_tags(cJSON *list, const struct result *r)
{
    cJSON *data = annotation(list, r, "tag_open");

    for (size_t i = 0; i < r->tags->n; i++)
        observe(data, r->start, length(r), open_label(r->tags->v[i].label),
                r->tags->v[i].score);
}

static void add_file(cJSON *root, const struct result *r)
{
    cJSON *f = cJSON_AddObjectToObject(root, "file_metadata");
    const char *slash = strrchr(r->file, '/');

    cJSON_AddItemToObject(f, "title",
                          write_json_text(slash ? slash + 1 : r->file));
    cJSON_AddStringToObject(f, "artist", "");
    cJSON_AddStringToObject(f, "release", "");
    if (isfinite(r->duration))
        cJSON_AddItemToObject(f, "duration",
                              write_json_number(r->start + r->duration));
    cJSON_AddObjectToObject(f, "identifiers");
    cJSON_AddStringToObject(f, "jams_version", jams_version);
}

static void add_sandbox(cJSON *root, const struct result *r)
{
    cJSON *mfm = cJSON_AddObjectToObject(
        cJSON_AddObjectToObject(root, "sandbox"), "mfm");

    cJSON_AddItemToObject(mfm, "version", write_json_text(r->version));
    cJSON_AddItemToObject(mfm, "file", write_json_text(r->file));
    cJSON_AddItemToObject(mfm, "model", write_json_model(r));
    if (r->beats)
        cJSON_AddItemToObject(mfm, "meter",
                              r->meter ? cJSON_CreateNumber(r->meter)
                                       : cJSON_CreateNull());
}

int write_jams(struct strbuf *out, const struct result *r, struct err *err)
{
    cJSON *root, *list;

    /* beats may begin there, by --start-time */
    if (r->beats && r->beats->n && r->beats->v[0].time < 0)
        return err_set(err, ERR_UNSUPPORTED, "%s: a beat at %.6f s, but JAMS "
                       "has no times below 0", r->file, r->beats->v[0].time);
    root = cJSON_CreateObject();
    add_file(root, r);
    list = cJSON_AddArrayToObject(root, "annotations");
    if (r->beats)
        add_beats(list, r);
    if (r->chords)
        add_segments(list, r, "chord", r->chords, chord);
    if (r->structure)
        add_segments(list, r, "segment_open", r->structure, open_label);
    if (r->key)
        add_key(list, r);
    if (r->tags)
        add_tags(list, r);
    add_sandbox(root, r);
    return write_json_print(out, root, 1, err);
}
