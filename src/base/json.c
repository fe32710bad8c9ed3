/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/json.h"

#include <math.h>
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

void json_print(struct strbuf *out, const cJSON *value)
{
    char *text = cJSON_PrintUnformatted(value);

    if (text)
        strbuf_addstr(out, text);
    cJSON_free(text);
}
