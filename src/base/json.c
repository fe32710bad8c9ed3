/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

enum { JSON_MAX_BYTES = 1 << 28 };

static int line_of(const char *text, const char *at)
{
    int line = 1;

    for (; text < at; text++)
        line += *text == '\n';
    return line;
}

int json_parse(cJSON **out, const char *text, size_t len, struct err *err)
{
    const char *end = NULL;
    cJSON *v = cJSON_ParseWithLengthOpts(text, len, &end, 0);
    const char *stop = text + len;

    if (v) {
        while (end < stop && strchr(" \t\r\n", *end))
            end++;
        if (end == stop || !*end) {
            *out = v;
            return 0;
        }
        cJSON_Delete(v);
    }
    if (!end || end > stop)
        end = stop;
    return err_set(err, ERR_FORMAT, "not valid JSON (line %d)",
                   line_of(text, end));
}

int json_read(cJSON **out, const char *path, struct err *err)
{
    struct strbuf sb = STRBUF_INIT;
    int rc = file_read(&sb, path, JSON_MAX_BYTES, err);

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
