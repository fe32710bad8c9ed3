/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "write/json.h"

#include <math.h>
#include <string.h>

/* Length of the UTF-8 character at s (RFC 3629: no surrogates, nothing longer
 * than needed, nothing above U+10FFFF), 0 if there is none. */
static int utf8_len(const unsigned char *s)
{
    int len = *s < 0x80 ? 1 : *s < 0xc2 ? 0 : *s < 0xe0 ? 2 : *s < 0xf0 ? 3
            : *s < 0xf5 ? 4 : 0;

    for (int i = 1; i < len; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    if ((*s == 0xe0 && s[1] < 0xa0) || (*s == 0xed && s[1] > 0x9f) ||
        (*s == 0xf0 && s[1] < 0x90) || (*s == 0xf4 && s[1] > 0x8f))
        return 0;
    return len;
}

void write_utf8(struct strbuf *out, const char *s)
{
    while (*s) {
        int len = utf8_len((const unsigned char *)s);

        if (len)
            strbuf_add(out, s, (size_t)len);
        else
            strbuf_addstr(out, "\xef\xbf\xbd");
        s += len ? len : 1;
    }
}

cJSON *write_json_text(const char *s)
{
    struct strbuf sb = STRBUF_INIT;
    cJSON *v;

    if (!s || !*s)
        return cJSON_CreateNull();
    write_utf8(&sb, s);
    v = cJSON_CreateString(sb.s);
    strbuf_release(&sb);
    return v;
}

cJSON *write_json_number(double x)
{
    /* + 0.0: no -0 */
    return isfinite(x) ? cJSON_CreateNumber(round(x * 1e6) / 1e6 + 0.0)
                       : cJSON_CreateNull();
}

static void add_number(cJSON *o, const char *name, double x)
{
    cJSON_AddItemToObject(o, name, write_json_number(x));
}

static cJSON *whole(int x)
{
    return x ? cJSON_CreateNumber(x) : cJSON_CreateNull();
}

static void add_beats(cJSON *o, const struct result *r)
{
    cJSON *tempo = cJSON_AddObjectToObject(o, "tempo"), *list;

    add_number(tempo, "bpm", r->tempo.bpm);
    add_number(tempo, "confidence", r->tempo.confidence);
    cJSON_AddItemToObject(o, "meter", whole(r->meter));
    list = cJSON_AddArrayToObject(o, "beats");
    for (size_t i = 0; i < r->beats->n; i++) {
        const struct beat *b = &r->beats->v[i];
        cJSON *item = cJSON_CreateObject();

        add_number(item, "time", b->time);
        cJSON_AddItemToObject(item, "position", whole(b->position));
        add_number(item, "confidence", b->confidence);
        cJSON_AddItemToArray(list, item);
    }
}

/* "A" of 1, "Z" of 26, "AA" of 27... */
static void name_letter(char name[8], int group)
{
    char text[8];
    int at = 7;

    text[at] = '\0';
    for (; group > 0 && at; group = (group - 1) / 26)
        text[--at] = (char)('A' + (group - 1) % 26);
    strcpy(name, text + at);
}

/* group: of parts that sound alike, or NULL. */
static void add_segments(cJSON *o, const char *name, const struct segments *s,
                         const int *group)
{
    cJSON *list = cJSON_AddArrayToObject(o, name);

    for (size_t i = 0; i < s->n; i++) {
        const struct segment *g = &s->v[i];
        cJSON *item = cJSON_CreateObject();
        char letter[8];

        add_number(item, "start", g->start);
        add_number(item, "end", g->end);
        cJSON_AddItemToObject(item, "label", write_json_text(g->label));
        add_number(item, "confidence", g->confidence);
        if (group) {
            name_letter(letter, group[i]);
            cJSON_AddStringToObject(item, "letter", letter);
        }
        cJSON_AddItemToArray(list, item);
    }
}

static void add_key(cJSON *o, const struct result *r)
{
    cJSON *key = cJSON_AddObjectToObject(o, "key");

    cJSON_AddItemToObject(key, "label", write_json_text(r->key->label));
    add_number(key, "confidence", r->key->label ? r->key->confidence : NAN);
    if (r->key_over_time)
        add_segments(key, "over_time", r->key_over_time, NULL);
}

static void add_tags(cJSON *o, const struct tags *t)
{
    cJSON *list = cJSON_AddArrayToObject(o, "tags");

    for (size_t i = 0; i < t->n; i++) {
        cJSON *item = cJSON_CreateObject();

        cJSON_AddItemToObject(item, "label", write_json_text(t->v[i].label));
        add_number(item, "score", t->v[i].score);
        cJSON_AddItemToArray(list, item);
    }
}

cJSON *write_json_model(const struct result *r)
{
    cJSON *model;

    if (!r->model_name)
        return cJSON_CreateNull();
    model = cJSON_CreateObject();
    cJSON_AddItemToObject(model, "name", write_json_text(r->model_name));
    cJSON_AddItemToObject(model, "sha256", write_json_text(r->model_sha256));
    return model;
}

static void add_all(cJSON *o, const struct result *r)
{
    if (r->start > 0)
        add_number(o, "start", r->start);
    add_number(o, "duration", r->duration);
    cJSON_AddItemToObject(o, "model", write_json_model(r));
    cJSON_AddItemToObject(o, "mfm", write_json_text(r->version));
    if (r->beats)
        add_beats(o, r);
    if (r->chords)
        add_segments(o, "chords", r->chords, NULL);
    if (r->structure)
        add_segments(o, "structure", r->structure, r->letter);
    if (r->key)
        add_key(o, r);
    if (r->tags)
        add_tags(o, r->tags);
}

cJSON *write_json_object(const struct result *r)
{
    cJSON *o = cJSON_CreateObject();

    cJSON_AddItemToObject(o, "file", write_json_text(r->file));
    if (r->error)
        cJSON_AddItemToObject(o, "error", write_json_text(r->error));
    else
        add_all(o, r);
    return o;
}

int write_json_print(struct strbuf *out, cJSON *o, int pretty, struct err *err)
{
    char *s = pretty ? cJSON_Print(o) : cJSON_PrintUnformatted(o);

    cJSON_Delete(o);
    if (!s)
        return err_set(err, ERR_NOMEM, "no memory to write the result");
    strbuf_addstr(out, s);
    strbuf_addch(out, '\n');
    cJSON_free(s);
    return 0;
}

int write_json(struct strbuf *out, const struct result *r, int pretty,
               struct err *err)
{
    return write_json_print(out, write_json_object(r), pretty, err);
}

int write_json_pretty(struct strbuf *out, const struct result *r,
                      struct err *err)
{
    return write_json(out, r, 1, err);
}

int write_json_line(struct strbuf *out, const struct result *r,
                    struct err *err)
{
    return write_json(out, r, 0, err);
}
