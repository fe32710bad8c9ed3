/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/json.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/limits.h"

struct json_text json_text_of(const char *text, size_t len)
{
    return (struct json_text){ text, text + len, text, 1 };
}

static void count_to(struct json_text *t, const char *to)
{
    for (; t->counted < to; t->counted++)
        t->line += *t->counted == '\n';
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Sets *stop behind the list or object at t->at, by its brackets and quotes
 * alone, so that cJSON, which needs forty times the bytes, is not given more
 * than the limits. */
static int measure(struct json_text *t, const char **stop, struct err *err)
{
    const char *p = t->at, *end = t->end;
    int depth = 0, values = 0;
    bool quoted = false;

    end = end - p > LIMIT_JSON_BYTES ? p + LIMIT_JSON_BYTES : end;
    for (; p < end; p++) {
        if (*p == '\\' && quoted)
            p++;
        else if (*p == '"')
            quoted = !quoted;
        else if (quoted)
            continue;
        else if (*p == ',' || *p == '{' || *p == '[')
            values++;
        if (quoted)
            continue;
        depth += (*p == '{' || *p == '[') - (*p == '}' || *p == ']');
        if (depth < 1 || depth >= LIMIT_JSON_DEPTH ||
            values > LIMIT_JSON_VALUES)
            break;
    }
    *stop = p < end ? p + 1 : end;
    if (depth < LIMIT_JSON_DEPTH && values <= LIMIT_JSON_VALUES &&
        (*stop < end || end == t->end))
        return 0;
    count_to(t, *stop);
    if (depth >= LIMIT_JSON_DEPTH)
        return err_set(err, ERR_FORMAT, "JSON that is nested %d deep",
                       LIMIT_JSON_DEPTH);
    if (values > LIMIT_JSON_VALUES)
        return err_set(err, ERR_FORMAT, "JSON of more than %d values",
                       LIMIT_JSON_VALUES);
    return err_set(err, ERR_FORMAT, "JSON of more than %d bytes",
                   LIMIT_JSON_BYTES);
}

int json_next(cJSON **out, struct json_text *t, struct err *err)
{
    const char *stop = t->end, *fault = NULL;

    while (t->at < t->end && is_space(*t->at))
        t->at++;
    count_to(t, t->at);
    if (t->at < t->end && (*t->at == '{' || *t->at == '['))
        TRY(measure(t, &stop, err));
    *out = cJSON_ParseWithLengthOpts(t->at, (size_t)(stop - t->at), &fault, 0);
    if (*out) {
        t->at = fault;
        return 0;
    }
    if (fault && fault <= t->end)
        count_to(t, fault);
    return err_set(err, ERR_FORMAT, "not valid JSON");
}

int json_parse(cJSON **out, const char *text, size_t len, struct err *err)
{
    struct json_text t = json_text_of(text, len);
    struct err why = { 0 };
    int rc = json_next(out, &t, &why);

    if (!rc) {
        while (t.at < t.end && is_space(*t.at))
            t.at++;
        if (t.at == t.end || !*t.at)
            return 0;
        cJSON_Delete(*out);
        *out = NULL;
        count_to(&t, t.at);
        rc = err_set(&why, ERR_FORMAT, "not valid JSON");
    }
    return err_set(err, rc, "%s (line %d)", why.msg, t.line);
}

int json_read(cJSON **out, const char *path, struct err *err)
{
    struct strbuf sb = STRBUF_INIT;
    int rc = file_read(&sb, path, LIMIT_JSON_BYTES, err);

    if (!rc) {
        rc = json_parse(out, sb.s, sb.len, err);
        if (rc)
            err_prefix(err, "%s", path);
    }
    strbuf_release(&sb);
    return rc;
}

/* Finds a field; *out is NULL if it is absent (or null) and may be. */
static int find(const cJSON *obj, const char *path, const char *name,
                int required, const cJSON **out, struct err *err)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(obj, name);

    *out = v && !cJSON_IsNull(v) ? v : NULL;
    if (!*out && required)
        return err_set(err, ERR_FORMAT, "%s%s%s: missing", path,
                       *path ? "." : "", name);
    return 0;
}

int json_int(const cJSON *obj, const char *path, const char *name, int required,
             int64_t min, int64_t max, int *out, struct err *err)
{
    const cJSON *v;

    TRY(find(obj, path, name, required, &v, err));
    if (!v)
        return 0;
    if (!cJSON_IsNumber(v) || v->valuedouble != floor(v->valuedouble) ||
        v->valuedouble < (double)min || v->valuedouble > (double)max)
        return err_set(err, ERR_FORMAT, "%s%s%s: not an integer in %lld..%lld",
                       path, *path ? "." : "", name, (long long)min,
                       (long long)max);
    *out = (int)v->valuedouble;
    return 0;
}

int json_double(const cJSON *obj, const char *path, const char *name,
                int required, double min, double max, double *out,
                struct err *err)
{
    const cJSON *v;

    TRY(find(obj, path, name, required, &v, err));
    if (!v)
        return 0;
    if (!cJSON_IsNumber(v) || !(v->valuedouble >= min) ||
        !(v->valuedouble <= max))
        return err_set(err, ERR_FORMAT, "%s%s%s: not a number in %g..%g", path,
                       *path ? "." : "", name, min, max);
    *out = v->valuedouble;
    return 0;
}

int json_string(const cJSON *obj, const char *path, const char *name,
                int required, const char **out, struct err *err)
{
    const cJSON *v;

    TRY(find(obj, path, name, required, &v, err));
    if (!v)
        return 0;
    if (!cJSON_IsString(v))
        return err_set(err, ERR_FORMAT, "%s%s%s: not a string", path,
                       *path ? "." : "", name);
    *out = v->valuestring;
    return 0;
}

/* cJSON's own printing takes two doubles for one if they differ in the last bit
 * only. */
static void print_number(struct strbuf *out, double v)
{
    char buf[32] = "null";

    for (int digits = 15; isfinite(v) && digits <= 17; digits++) {
        snprintf(buf, sizeof(buf), "%.*g", digits, v);
        if (strtod(buf, NULL) == v)
            break;
    }
    strbuf_addstr(out, buf);
}

static void print_string(struct strbuf *out, const char *s)
{
    cJSON *v = cJSON_CreateStringReference(s);
    char *text = cJSON_PrintUnformatted(v);

    strbuf_addstr(out, text ? text : "\"\"");
    cJSON_free(text);
    cJSON_Delete(v);
}

static void print_items(struct strbuf *out, const cJSON *value)
{
    int names = cJSON_IsObject(value);
    const cJSON *v;

    strbuf_addch(out, names ? '{' : '[');
    cJSON_ArrayForEach(v, value) {
        if (v != value->child)
            strbuf_addch(out, ',');
        if (names) {
            print_string(out, v->string);
            strbuf_addch(out, ':');
        }
        json_print(out, v);
    }
    strbuf_addch(out, names ? '}' : ']');
}

int json_word(const cJSON *obj, const char *path, const char *name,
              const char *const *words, int *out, struct err *err)
{
    struct strbuf all = STRBUF_INIT;
    const char *s = NULL;

    TRY(json_string(obj, path, name, 1, &s, err));
    for (int i = 0; words[i]; i++)
        if (!strcmp(words[i], s)) {
            *out = i;
            return 0;
        }
    for (int i = 0; words[i]; i++)
        strbuf_addf(&all, "%s%s", i ? ", " : "", words[i]);
    err_set(err, ERR_FORMAT, "%s.%s: \"%.40s\" is not one of %s", path, name, s,
            all.s);
    strbuf_release(&all);
    return ERR_FORMAT;
}

void json_print(struct strbuf *out, const cJSON *value)
{
    if (cJSON_IsNumber(value))
        print_number(out, value->valuedouble);
    else if (cJSON_IsString(value))
        print_string(out, value->valuestring);
    else if (cJSON_IsArray(value) || cJSON_IsObject(value))
        print_items(out, value);
    else
        strbuf_addstr(out, cJSON_IsTrue(value) ? "true"
                           : cJSON_IsFalse(value) ? "false" : "null");
}
