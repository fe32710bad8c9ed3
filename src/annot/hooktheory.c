/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "annot/hooktheory.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "annot/hookchord.h"
#include "annot/keytext.h"
#include "base/gunzip.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/xalloc.h"

static const double max_time = LIMIT_TIME;  /* s */
static const double min_step = 1e-6; /* keeps slopes finite */

/* ---- the text: songs one by one ---- */

int hooktheory_open(struct hooktheory *h, const char *path, struct err *err)
{
    *h = (struct hooktheory){ .name = path };
    strbuf_init(&h->text);
    TRY(gunzip_read(&h->text, path, LIMIT_HOOKTHEORY, err));
    h->at = h->text.s;
    h->end = h->at + h->text.len;
    return 0;
}

void hooktheory_open_text(struct hooktheory *h, const char *text, size_t len,
                          const char *name)
{
    *h = (struct hooktheory){ .name = name, .at = text, .end = text + len };
    strbuf_init(&h->text);
}

void hooktheory_release(struct hooktheory *h)
{
    if (h->text.s)
        strbuf_release(&h->text);
    *h = (struct hooktheory){ 0 };
}

static const char *skip_space(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r'))
        p++;
    return p;
}

/* Behind the string that begins at p; NULL if it does not end. */
static const char *skip_string(const char *p, const char *end)
{
    for (p++; p < end && *p != '"'; p++)
        if (*p == '\\')
            p++;
    return p < end ? p + 1 : NULL;
}

/* Behind the object that begins at p; what is in it is not checked. */
static const char *skip_object(const char *p, const char *end)
{
    long depth = 0;

    while (p < end) {
        if (*p == '"') {
            p = skip_string(p, end);
            if (!p)
                return NULL;
            continue;
        }
        depth += (*p == '{' || *p == '[') - (*p == '}' || *p == ']');
        p++;
        if (depth == 0)
            return p;
    }
    return NULL;
}

static int damaged(const struct hooktheory *h, struct err *err)
{
    return err_set(err, ERR_FORMAT, "%s: not an object of songs by id (or cut "
                   "short)", h->name);
}

/* Finds key and value of the next member; *more is false at the end. */
static int next_member(struct hooktheory *h, const char *key[2],
                       const char *value[2], bool *more, struct err *err)
{
    const char *p = skip_space(h->at, h->end), *end = h->end;

    *more = p < end && *p != '}';
    if (!*more)
        return h->started && p < end ? 0 : damaged(h, err);
    if (*p != (h->started ? ',' : '{'))
        return damaged(h, err);
    p = skip_space(p + 1, end);
    if (!h->started && p < end && *p == '}') {
        *more = false;
        h->started = true;
        h->at = p;
        return 0;
    }
    h->started = true;
    key[0] = p;
    if (p == end || *p != '"' || !(p = skip_string(p, end)))
        return damaged(h, err);
    key[1] = p;
    p = skip_space(p, end);
    if (p == end || *p != ':')
        return damaged(h, err);
    value[0] = p = skip_space(p + 1, end);
    if (p == end || *p != '{' || !(p = skip_object(p, end)))
        return damaged(h, err);
    value[1] = h->at = p;
    return 0;
}

void hook_song_release(struct hook_song *s)
{
    free(s->id);
    cJSON_Delete(s->entry);
    *s = (struct hook_song){ 0 };
}

int hooktheory_next(struct hooktheory *h, struct hook_song *out, bool *more,
                    struct err *err)
{
    const char *key[2] = { NULL }, *value[2] = { NULL };
    cJSON *id = NULL;
    int rc;

    *out = (struct hook_song){ 0 };
    TRY(next_member(h, key, value, more, err));
    if (!*more)
        return 0;
    rc = json_parse(&id, key[0], (size_t)(key[1] - key[0]), err);
    if (!rc) {
        out->id = xstrdup(id->valuestring);
        rc = json_parse(&out->entry, value[0], (size_t)(value[1] - value[0]),
                        err);
    }
    cJSON_Delete(id);
    if (rc) {
        err_prefix(err, "%s: song %.40s", h->name, out->id ? out->id : "");
        hook_song_release(out);
    }
    return rc;
}

bool hooktheory_is(const char *text, size_t len)
{
    struct hooktheory h;
    struct hook_song song;
    bool more, is;

    hooktheory_open_text(&h, text, len, "");
    if (hooktheory_next(&h, &song, &more, NULL) || !more)
        return false;
    is = cJSON_GetObjectItemCaseSensitive(song.entry, "annotations") ||
         cJSON_GetObjectItemCaseSensitive(song.entry, "alignment");
    hook_song_release(&song);
    return is;
}

/* ---- what a song says of itself ---- */

static const cJSON *get(const cJSON *obj, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(obj, name);
}

static const char *text_of(const cJSON *v)
{
    return cJSON_IsString(v) ? v->valuestring : "";
}

const char *hook_song_split(const struct hook_song *s)
{
    return text_of(get(s->entry, "split"));
}

const char *hook_song_youtube(const struct hook_song *s)
{
    return text_of(get(get(s->entry, "youtube"), "id"));
}

const char *hook_song_artist(const struct hook_song *s)
{
    return text_of(get(get(s->entry, "hooktheory"), "artist"));
}

bool hook_song_tagged(const struct hook_song *s, const char *tag)
{
    const cJSON *v;

    cJSON_ArrayForEach(v, get(s->entry, "tags"))
        if (!strcmp(text_of(v), tag))
            return true;
    return false;
}

/* ---- beats to seconds ---- */

struct alignment {
    double *beat, *time; /* n each, both strictly increasing */
    int n;
};

static void alignment_release(struct alignment *a)
{
    free(a->beat);
    free(a->time);
    *a = (struct alignment){ 0 };
}

static int numbers(double **out, int *n, const cJSON *list, const char *what,
                   struct err *err)
{
    const cJSON *v;
    int i = 0;

    *n = cJSON_IsArray(list) ? cJSON_GetArraySize(list) : 0;
    if (*n < 2)
        return err_set(err, ERR_FORMAT, "alignment: fewer than two %s", what);
    *out = xcalloc((size_t)*n, sizeof(**out));
    cJSON_ArrayForEach(v, list) {
        if (!cJSON_IsNumber(v) || !(fabs(v->valuedouble) <= max_time) ||
            (i && !(v->valuedouble > (*out)[i - 1] + min_step)))
            return err_set(err, ERR_FORMAT, "alignment: %s[%d] is not a number "
                           "above the one before it", what, i);
        (*out)[i++] = v->valuedouble;
    }
    return 0;
}

static int alignment_read(struct alignment *a, const struct hook_song *s,
                          struct err *err)
{
    const cJSON *all = get(s->entry, "alignment"), *v = get(all, "refined");
    int m = 0;

    if (!cJSON_IsObject(v))
        v = get(all, "user");
    if (!cJSON_IsObject(v))
        return err_set(err, ERR_FORMAT, "alignment: none");
    TRY(numbers(&a->beat, &a->n, get(v, "beats"), "beats", err));
    TRY(numbers(&a->time, &m, get(v, "times"), "times", err));
    if (m != a->n)
        return err_set(err, ERR_FORMAT, "alignment: %d beats, but %d times",
                       a->n, m);
    return 0;
}

static double time_of(const struct alignment *a, double beat)
{
    int lo = 0, hi = a->n - 1;

    while (hi - lo > 1) {
        int mid = (lo + hi) / 2;

        if (a->beat[mid] <= beat)
            lo = mid;
        else
            hi = mid;
    }
    return a->time[lo] + (beat - a->beat[lo]) *
           (a->time[hi] - a->time[lo]) / (a->beat[hi] - a->beat[lo]);
}

/* An array of small whole numbers, as root_position_intervals. */
static int read_steps(int *step, int *n, const cJSON *list, const char *where,
                      const char *name, struct err *err)
{
    const cJSON *v;

    *n = 0;
    if (!cJSON_IsArray(list))
        return err_set(err, ERR_FORMAT, "%s.%s: not a list", where, name);
    cJSON_ArrayForEach(v, list) {
        if (*n == LIMIT_STEPS || !cJSON_IsNumber(v) ||
            !(v->valuedouble >= 1 && v->valuedouble <= 24) ||
            v->valuedouble != floor(v->valuedouble))
            return err_set(err, ERR_FORMAT, "%s.%s: not up to 12 steps of 1 to "
                           "24 semitones", where, name);
        step[(*n)++] = (int)v->valuedouble;
    }
    return 0;
}

/* ---- tasks ---- */

struct clip {
    const cJSON *annotations;
    struct alignment a;
    double beats; /* its length */
};

static int take_beats(struct annotation *out, const struct clip *c,
                      struct err *err)
{
    const cJSON *meters = get(c->annotations, "meters"), *v, *next;
    double from = 0;
    int per_bar = 0, i = 0;

    next = cJSON_IsArray(meters) ? meters->child : NULL;
    for (int b = 0; b < c->beats; b++) {
        for (; (v = next); next = next->next, i++) {
            char where[60];
            double at = 0;

            snprintf(where, sizeof(where), "meters[%d]", i);
            TRY(json_double(v, where, "beat", 1, -LIMIT_BEATS, LIMIT_BEATS, &at,
                            err));
            if (at > b)
                break;
            from = at;
            TRY(json_int(v, where, "beats_per_bar", 1, 1, 1000, &per_bar,
                         err));
        }
        beats_append(&out->beats, time_of(&c->a, b), per_bar
                     ? (int)fmod(b - from, per_bar) + 1 : 0, NAN);
    }
    return 0;
}

static void append_span(struct annotation *out, const struct clip *c,
                        double from, double to, const char *label)
{
    double start = time_of(&c->a, from), end = time_of(&c->a, to);

    if (end > start)
        segments_append(&out->spans, start, end, label, NAN);
}

/* One chord from beat *at on; *at becomes its end. */
static int take_chord(struct annotation *out, const struct clip *c,
                      const cJSON *v, const char *where, double *at,
                      struct err *err)
{
    double onset = 0, offset = 0, limit = c->beats;
    int root = 0, inversion = 0, step[LIMIT_STEPS], n;
    char *label;

    TRY(json_double(v, where, "onset", 1, -LIMIT_BEATS, LIMIT_BEATS, &onset,
                    err));
    TRY(json_double(v, where, "offset", 1, -LIMIT_BEATS, LIMIT_BEATS, &offset,
                    err));
    TRY(json_int(v, where, "root_pitch_class", 1, 0, 11, &root, err));
    TRY(json_int(v, where, "inversion", 0, 0, LIMIT_STEPS, &inversion, err));
    TRY(read_steps(step, &n, get(v, "root_position_intervals"), where,
                   "root_position_intervals", err));
    if (offset < onset)
        return err_set(err, ERR_FORMAT, "%s: ends before it begins", where);
    if (v->next) {
        double next = 0;

        TRY(json_double(v->next, where, "onset", 1, -LIMIT_BEATS, LIMIT_BEATS,
                        &next, err));
        if (next < onset)
            return err_set(err, ERR_FORMAT, "%s: the next one begins before "
                           "it", where);
        limit = fmin(limit, next);
    }
    onset = fmax(onset, *at);
    offset = fmin(offset, limit);
    append_span(out, c, *at, fmin(onset, c->beats), "N");
    label = hook_chord(root, step, n, inversion);
    append_span(out, c, onset, offset, label);
    free(label);
    *at = fmax(*at, fmin(fmax(onset, offset), c->beats));
    return 0;
}

static int take_chords(struct annotation *out, const struct clip *c,
                       struct err *err)
{
    const cJSON *list = get(c->annotations, "harmony"), *v;
    double at = 0;
    int i = 0;

    if (!cJSON_IsArray(list))
        return err_set(err, ERR_FORMAT, "harmony: none");
    cJSON_ArrayForEach(v, list) {
        char where[60];

        snprintf(where, sizeof(where), "harmony[%d]", i++);
        TRY(take_chord(out, c, v, where, &at, err));
    }
    append_span(out, c, at, c->beats, "N");
    return 0;
}

static const char *mode_name(const int *step, int n)
{
    int third = n >= 2 ? step[0] + step[1] : 0;

    return third == 4 ? "major" : third == 3 ? "minor" : "other";
}

static int take_keys(struct annotation *out, const struct clip *c,
                     struct err *err)
{
    const cJSON *list = get(c->annotations, "keys"), *v;
    double last = -LIMIT_BEATS - 1;
    int i = 0;

    if (!cJSON_IsArray(list) || !list->child)
        return err_set(err, ERR_FORMAT, "keys: none");
    cJSON_ArrayForEach(v, list) {
        char where[60], label[20];
        int tonic = 0, step[LIMIT_STEPS], n;
        double beat = 0, next = c->beats;

        snprintf(where, sizeof(where), "keys[%d]", i++);
        TRY(json_double(v, where, "beat", 1, -LIMIT_BEATS, LIMIT_BEATS, &beat,
                        err));
        TRY(json_int(v, where, "tonic_pitch_class", 1, 0, 11, &tonic, err));
        TRY(read_steps(step, &n, get(v, "scale_degree_intervals"), where,
                       "scale_degree_intervals", err));
        if (beat <= last)
            return err_set(err, ERR_FORMAT, "%s: begins before the last one",
                           where);
        last = beat;
        if (v->next)
            TRY(json_double(v->next, where, "beat", 1, -LIMIT_BEATS,
                            LIMIT_BEATS, &next, err));
        snprintf(label, sizeof(label), "%s %s", hook_note_names[tonic],
                 mode_name(step, n));
        append_span(out, c, fmax(beat, 0), fmin(next, c->beats), label);
    }
    keytext_choose(out);
    return 0;
}

static int take(struct annotation *out, struct clip *c,
                const struct hook_song *s, enum annot_task task,
                struct err *err)
{
    double seconds;

    c->annotations = get(s->entry, "annotations");
    if (!cJSON_IsObject(c->annotations))
        return err_set(err, ERR_FORMAT, "annotations: none");
    TRY(json_double(c->annotations, "annotations", "num_beats", 1, 0,
                    LIMIT_BEATS, &c->beats, err));
    TRY(alignment_read(&c->a, s, err));
    if (!(time_of(&c->a, 0) >= -max_time) ||
        !(time_of(&c->a, c->beats) <= max_time))
        return err_set(err, ERR_FORMAT, "alignment: the clip lies outside %g s",
                       max_time);
    json_double(get(s->entry, "youtube"), "youtube", "duration", 0, 0,
                max_time, &out->duration, NULL);
    switch (task) {
    case ANNOT_BEATS:
        return take_beats(out, c, err);
    case ANNOT_CHORDS:
        return take_chords(out, c, err);
    case ANNOT_KEY:
        return take_keys(out, c, err);
    case ANNOT_TEMPO:
        seconds = time_of(&c->a, c->beats) - time_of(&c->a, 0);
        if (!(seconds > 0))
            return err_set(err, ERR_FORMAT, "num_beats: 0, so no tempo");
        out->tempo = (struct tempi){ { 60 * c->beats / seconds, 0 }, 1 };
        return 0;
    default:
        return err_set(err, ERR_UNSUPPORTED, "HookTheory has no %s",
                       annot_task_names[task]);
    }
}

int hook_song_read(struct annotation *out, const struct hook_song *s,
                   enum annot_task task, struct err *err)
{
    struct clip c = { 0 };
    int rc = take(out, &c, s, task, err);

    alignment_release(&c.a);
    if (rc)
        err_prefix(err, "song %.40s", s->id);
    return rc;
}
