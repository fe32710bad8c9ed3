/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "model/safetensors.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/limits.h"
#include "base/xalloc.h"

/* The reference implementation's limit. */
/* Where a tensor's bytes lie in the data part. */
struct span {
    uint64_t begin, end;
    const struct stored *t;
};

struct reader {
    struct safetensors *st;
    const char *name; /* of the file */
    const unsigned char *data; /* the data part */
    uint64_t size;
    struct span *span;
};

static uint64_t get_u64(const unsigned char *p)
{
    uint64_t v = 0;

    for (int i = 7; i >= 0; i--)
        v = v << 8 | p[i];
    return v;
}

/* RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF. */
static int is_utf8(const unsigned char *s, size_t n)
{
    for (size_t i = 0; i < n;) {
        unsigned char c = s[i++];
        int more = c < 0x80 ? 0 : c >= 0xc2 && c <= 0xdf ? 1
                   : c >= 0xe0 && c <= 0xef ? 2 : c >= 0xf0 && c <= 0xf4 ? 3
                   : -1;
        unsigned char low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
        unsigned char high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;

        if (more < 0 || (size_t)more > n - i)
            return 0;
        for (; more > 0; more--, i++) {
            if (s[i] < low || s[i] > high)
                return 0;
            low = 0x80;
            high = 0xbf;
        }
    }
    return 1;
}

/* A JSON number that is a whole one from 0 to 2^53. */
static int get_size(const cJSON *v, int64_t *out)
{
    if (!cJSON_IsNumber(v) || !(v->valuedouble >= 0) ||
        v->valuedouble > 0x1p53 || v->valuedouble != floor(v->valuedouble))
        return 0;
    *out = (int64_t)v->valuedouble;
    return 1;
}

static int read_shape(const struct reader *r, const cJSON *shape,
                      struct stored *t, struct err *err)
{
    const cJSON *v;

    if (!cJSON_IsArray(shape))
        return err_set(err, ERR_FORMAT, "%s: tensor \"%.200s\": no shape",
                       r->name, t->name);
    cJSON_ArrayForEach(v, shape) {
        if (t->ndim == STORED_MAX_DIMS)
            return err_set(err, ERR_UNSUPPORTED, "%s: tensor \"%.200s\": more "
                           "than %d dimensions", r->name, t->name,
                           STORED_MAX_DIMS);
        if (!get_size(v, &t->dim[t->ndim++]))
            return err_set(err, ERR_FORMAT, "%s: tensor \"%.200s\": a size in "
                           "its shape is not a whole number", r->name, t->name);
    }
    return 0;
}

static int read_span(const struct reader *r, const cJSON *offsets,
                     struct stored *t, struct span *span, struct err *err)
{
    const cJSON *first = cJSON_IsArray(offsets) ? offsets->child : NULL;
    int64_t begin, end, count;

    if (!first || !first->next || first->next->next ||
        !get_size(first, &begin) || !get_size(first->next, &end) ||
        begin > end || (uint64_t)end > r->size)
        return err_set(err, ERR_FORMAT, "%s: tensor \"%.200s\": data_offsets "
                       "are not two numbers in order within the %llu bytes of "
                       "data", r->name, t->name, (unsigned long long)r->size);
    if (!stored_count_checked(t, &count))
        return err_set(err, ERR_FORMAT, "%s: tensor \"%.200s\": the shape is "
                       "too large", r->name, t->name);
    if (count * stored_type_bits(t->type) % 8 ||
        count * stored_type_bits(t->type) / 8 != end - begin)
        return err_set(err, ERR_FORMAT, "%s: tensor \"%.200s\": its shape "
                       "needs %lld bytes of %s, data_offsets give %lld",
                       r->name, t->name,
                       (long long)(count * stored_type_bits(t->type) / 8),
                       stored_type_name(t->type), (long long)(end - begin));
    span->begin = (uint64_t)begin;
    span->end = (uint64_t)end;
    t->data = r->data + begin;
    stored_set_strides(t);
    return 0;
}

static int read_tensor(struct reader *r, const cJSON *v, struct err *err)
{
    struct stored *t = &r->st->tensor[r->st->n];
    struct span *span = &r->span[r->st->n];
    const cJSON *dtype = cJSON_GetObjectItemCaseSensitive(v, "dtype");
    int type;

    t->name = xstrdup(v->string);
    r->st->n++;
    if (!cJSON_IsObject(v) || !cJSON_IsString(dtype))
        return err_set(err, ERR_FORMAT, "%s: tensor \"%.200s\": no dtype",
                       r->name, t->name);
    type = stored_type_by_name(dtype->valuestring);
    if (type < 0)
        return err_set(err, ERR_FORMAT, "%s: tensor \"%.200s\": unknown dtype "
                       "\"%.40s\"", r->name, t->name, dtype->valuestring);
    t->type = (enum stored_type)type;
    TRY(read_shape(r, cJSON_GetObjectItemCaseSensitive(v, "shape"), t, err));
    return read_span(r, cJSON_GetObjectItemCaseSensitive(v, "data_offsets"), t,
                     span, err);
}

static int read_meta(struct reader *r, const cJSON *obj, struct err *err)
{
    struct safetensors *st = r->st;
    const cJSON *v;

    if (!cJSON_IsObject(obj) || st->meta)
        return err_set(err, ERR_FORMAT, "%s: __metadata__ is not one object",
                       r->name);
    st->meta = xcalloc((size_t)cJSON_GetArraySize(obj) + 1, sizeof(*st->meta));
    cJSON_ArrayForEach(v, obj) {
        if (!cJSON_IsString(v))
            return err_set(err, ERR_FORMAT, "%s: __metadata__: \"%.200s\" is "
                           "not a string", r->name, v->string);
        st->meta[st->n_meta].key = xstrdup(v->string);
        st->meta[st->n_meta++].value = xstrdup(v->valuestring);
    }
    return 0;
}

static int by_span(const void *a, const void *b)
{
    const struct span *x = a, *y = b;

    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return x->end < y->end ? -1 : x->end > y->end;
}

/* The tensors must follow one another from the first byte to the last. */
static int check_spans(const struct reader *r, struct err *err)
{
    size_t n = r->st->n;
    uint64_t at = 0;

    for (size_t i = 0; i < n; i++)
        r->span[i].t = &r->st->tensor[i];
    qsort(r->span, n, sizeof(*r->span), by_span);
    for (size_t i = 0; i < n; i++) {
        if (r->span[i].begin != at)
            return err_set(err, ERR_FORMAT, "%s: tensor \"%.200s\" begins at "
                           "byte %llu of the data, %llu was due (a hole or an "
                           "overlap)", r->name, r->span[i].t->name,
                           (unsigned long long)r->span[i].begin,
                           (unsigned long long)at);
        at = r->span[i].end;
    }
    if (at != r->size)
        return err_set(err, ERR_FORMAT, "%s: the tensors end at byte %llu of "
                       "%llu bytes of data", r->name, (unsigned long long)at,
                       (unsigned long long)r->size);
    return 0;
}

static int read_header(struct reader *r, const cJSON *header, struct err *err)
{
    struct safetensors *st = r->st;
    size_t room = (size_t)cJSON_GetArraySize(header) + 1;
    const cJSON *v;

    st->tensor = xcalloc(room, sizeof(*st->tensor));
    r->span = xcalloc(room, sizeof(*r->span));
    cJSON_ArrayForEach(v, header) {
        if (!strcmp(v->string, "__metadata__"))
            TRY(read_meta(r, v, err));
        else
            TRY(read_tensor(r, v, err));
    }
    TRY(check_spans(r, err));
    qsort(st->tensor, st->n, sizeof(*st->tensor), stored_by_name);
    for (size_t i = 1; i < st->n; i++)
        if (!strcmp(st->tensor[i - 1].name, st->tensor[i].name))
            return err_set(err, ERR_FORMAT, "%s: tensor \"%.200s\" comes twice",
                           r->name, st->tensor[i].name);
    return 0;
}

int safetensors_parse(struct safetensors *st, const void *data, size_t size,
                      const char *name, struct err *err)
{
    const unsigned char *p = data;
    struct reader r = { .st = st, .name = name };
    cJSON *header = NULL;
    uint64_t n;
    int rc;

    if (size < 8)
        return err_set(err, ERR_FORMAT, "%s: not a safetensors file (%zu "
                       "bytes)", name, size);
    n = get_u64(p);
    if (n > LIMIT_JSON_BYTES || n > size - 8)
        return err_set(err, ERR_FORMAT, "%s: not a safetensors file, or cut "
                       "off: a header of %llu bytes is announced, the file has "
                       "%zu", name, (unsigned long long)n, size);
    if (!is_utf8(p + 8, n))
        return err_set(err, ERR_FORMAT, "%s: the header is not UTF-8", name);
    r.data = p + 8 + n;
    r.size = size - 8 - n;
    rc = json_parse(&header, (const char *)p + 8, n, err);
    if (rc)
        err_prefix(err, "%s: header", name);
    else if (!cJSON_IsObject(header))
        rc = err_set(err, ERR_FORMAT, "%s: the header is no object", name);
    else
        rc = read_header(&r, header, err);
    cJSON_Delete(header);
    free(r.span);
    if (rc)
        safetensors_release(st);
    return rc;
}

int safetensors_open(struct safetensors *st, const char *path,
                     struct err *err)
{
    TRY(file_map(&st->map, path, err));
    return safetensors_parse(st, st->map.data, st->map.size, path, err);
}

void safetensors_release(struct safetensors *st)
{
    for (size_t i = 0; i < st->n; i++)
        free(st->tensor[i].name);
    for (size_t i = 0; i < st->n_meta; i++) {
        free(st->meta[i].key);
        free(st->meta[i].value);
    }
    free(st->tensor);
    free(st->meta);
    file_unmap(&st->map);
    memset(st, 0, sizeof(*st));
}

const struct stored *safetensors_find(const struct safetensors *st,
                                      const char *name)
{
    struct stored key = { .name = (char *)name };

    return st->n ? bsearch(&key, st->tensor, st->n, sizeof(*st->tensor),
                           stored_by_name)
                 : NULL;
}

const char *safetensors_meta(const struct safetensors *st, const char *key)
{
    for (size_t i = 0; i < st->n_meta; i++)
        if (!strcmp(st->meta[i].key, key))
            return st->meta[i].value;
    return NULL;
}

/* ---- writing ---- */

static int by_name(const void *a, const void *b)
{
    return stored_by_name(*(const struct stored *const *)a,
                          *(const struct stored *const *)b);
}

static int by_file_order(const void *a, const void *b)
{
    const struct stored *x = *(const struct stored *const *)a;
    const struct stored *y = *(const struct stored *const *)b;

    if (x->type != y->type)
        return x->type > y->type ? -1 : 1;
    return strcmp(x->name, y->name);
}

static void add_string(struct strbuf *sb, const char *s)
{
    cJSON *v = cJSON_CreateStringReference(s);

    json_print(sb, v);
    cJSON_Delete(v);
}

static void add_meta(struct strbuf *sb, const struct safetensors_meta *meta,
                     size_t n)
{
    strbuf_addstr(sb, "\"__metadata__\":{");
    for (size_t i = 0; i < n; i++) {
        strbuf_addstr(sb, i ? "," : "");
        add_string(sb, meta[i].key);
        strbuf_addch(sb, ':');
        add_string(sb, meta[i].value);
    }
    strbuf_addch(sb, '}');
}

static void add_tensor(struct strbuf *sb, const struct stored *t, uint64_t at)
{
    add_string(sb, t->name);
    strbuf_addf(sb, ":{\"dtype\":\"%s\",\"shape\":[",
                stored_type_name(t->type));
    for (int i = 0; i < t->ndim; i++)
        strbuf_addf(sb, "%s%lld", i ? "," : "", (long long)t->dim[i]);
    strbuf_addf(sb, "],\"data_offsets\":[%llu,%llu]}", (unsigned long long)at,
                (unsigned long long)(at + (uint64_t)stored_bytes(t)));
}

static void write_header(FILE *f, struct strbuf *sb)
{
    unsigned char size[8];

    while (sb->len % 8)
        strbuf_addch(sb, ' ');
    for (int i = 0; i < 8; i++)
        size[i] = (unsigned char)((uint64_t)sb->len >> 8 * i);
    fwrite(size, 1, 8, f);
    fwrite(sb->s, 1, sb->len, f);
}

int safetensors_create(struct safetensors_out *out, const char *path,
                       const struct stored *tensor, size_t n,
                       const struct safetensors_meta *meta, size_t n_meta,
                       struct err *err)
{
    struct strbuf sb = STRBUF_INIT;
    int rc = 0;

    out->tensor = xcalloc(n + 1, sizeof(*out->tensor));
    out->want = out->put = 0;
    for (size_t i = 0; i < n; i++)
        out->tensor[i] = &tensor[i];
    qsort(out->tensor, n, sizeof(*out->tensor), by_name);
    for (size_t i = 1; i < n && !rc; i++)
        if (!strcmp(out->tensor[i - 1]->name, out->tensor[i]->name))
            rc = err_set(err, ERR_ARG, "%s: tensor \"%s\" comes twice", path,
                         out->tensor[i]->name);
    qsort(out->tensor, n, sizeof(*out->tensor), by_file_order);
    strbuf_addch(&sb, '{');
    if (n_meta)
        add_meta(&sb, meta, n_meta);
    for (size_t i = 0; i < n; i++) {
        if (i > 0 || n_meta)
            strbuf_addch(&sb, ',');
        add_tensor(&sb, out->tensor[i], out->want);
        out->want += (uint64_t)stored_bytes(out->tensor[i]);
    }
    strbuf_addch(&sb, '}');
    if (!rc)
        rc = file_out_open(&out->file, path, err);
    if (!rc)
        write_header(out->file.f, &sb);
    else
        safetensors_abort(out);
    strbuf_release(&sb);
    return rc;
}

void safetensors_put(void *out, const void *data, size_t n)
{
    struct safetensors_out *o = out;

    if (n)
        fwrite(data, 1, n, o->file.f);
    o->put += n;
}

int safetensors_commit(struct safetensors_out *out, struct err *err)
{
    if (out->put != out->want)
        return err_set(err, ERR_ARG, "%s: %llu bytes of tensors given, %llu "
                       "announced", out->file.path,
                       (unsigned long long)out->put,
                       (unsigned long long)out->want);
    return file_out_commit(&out->file, err);
}

void safetensors_abort(struct safetensors_out *out)
{
    file_out_abort(&out->file);
    free(out->tensor);
    out->tensor = NULL;
}
