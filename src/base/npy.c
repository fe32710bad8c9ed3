/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/npy.h"

#include <assert.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/half.h"
#include "base/limits.h"
#include "base/strbuf.h"

/* ---- the header: a Python dict literal ---- */

struct header {
    char descr[32];
    int fortran;
    int seen; /* bits: descr 1, fortran_order 2, shape 4 */
};

static const char *skip(const char *p)
{
    while (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r')
        p++;
    return p;
}

static const char *quoted(const char *p, char *out, size_t cap)
{
    char q = *p;
    size_t n = 0;

    if (q != '\'' && q != '"')
        return NULL;
    for (p++; *p && *p != q; p++) {
        if (n + 1 >= cap)
            return NULL;
        out[n++] = *p;
    }
    out[n] = 0;
    return *p ? p + 1 : NULL;
}

static const char *parse_shape(const char *p, struct npy *a)
{
    if (*p++ != '(')
        return NULL;
    for (p = skip(p); *p != ')'; p = skip(p)) {
        char *end;
        long long v;

        if (!isdigit((unsigned char)*p) || a->ndim == NPY_MAX_DIMS)
            return NULL;
        v = strtoll(p, &end, 10);
        p = end;
        if (*p == 'L') /* Python 2 wrote 3L */
            p++;
        if (v > (1LL << 48))
            return NULL;
        a->dim[a->ndim++] = v;
        p = skip(p);
        if (*p == ',')
            p++;
        else if (*p != ')')
            return NULL;
    }
    return p + 1;
}

static const char *parse_field(const char *p, struct header *h, struct npy *a)
{
    char key[32];
    int bit;

    p = quoted(p, key, sizeof(key));
    if (!p)
        return NULL;
    p = skip(p);
    if (*p != ':')
        return NULL;
    p = skip(p + 1);
    if (!strcmp(key, "descr")) {
        bit = 1;
        p = quoted(p, h->descr, sizeof(h->descr));
    } else if (!strcmp(key, "fortran_order")) {
        bit = 2;
        h->fortran = !strncmp(p, "True", 4);
        p = h->fortran ? p + 4 : !strncmp(p, "False", 5) ? p + 5 : NULL;
    } else if (!strcmp(key, "shape")) {
        bit = 4;
        p = parse_shape(p, a);
    } else {
        return NULL;
    }
    if (h->seen & bit)
        return NULL;
    h->seen |= bit;
    return p;
}

static int parse_header(const char *p, struct header *h, struct npy *a,
                        const char *name, struct err *err)
{
    const char *whole = p;

    p = skip(p);
    if (*p++ != '{')
        p = NULL;
    while (p && *(p = skip(p)) != '}') {
        p = parse_field(p, h, a);
        if (!p)
            break;
        p = skip(p);
        if (*p == ',')
            p++;
        else if (*p != '}')
            p = NULL;
    }
    if (!p && strstr(whole, "'descr': ["))
        return err_set(err, ERR_UNSUPPORTED,
                       "%s: a structured array; save one plain field", name);
    if (!p || *skip(p + 1) || h->seen != 7)
        return err_set(err, ERR_FORMAT, "%s: damaged .npy header", name);
    return 0;
}

/* Sets type and size from descr; *swap if the file's bytes are reversed. */
static int parse_descr(const struct header *h, struct npy *a, int *swap,
                       const char *name, struct err *err)
{
    const char *d = h->descr;
    char order = '|';
    char *end;
    long n;
    int ok;

    if (*d && strchr("<>|=", *d))
        order = *d++;
    a->type = *d;
    if (a->type == 'O')
        return err_set(err, ERR_UNSUPPORTED,
                       "%s: holds pickled objects, which are never loaded; "
                       "save it as a plain array", name);
    n = *d && isdigit((unsigned char)d[1]) ? strtol(d + 1, &end, 10) : -1;
    if (n < 0 || *end || n > 1 << 20)
        return err_set(err, ERR_FORMAT, "%s: unknown .npy type '%s'", name,
                       h->descr);
    switch (a->type) {
    case 'f': ok = n == 2 || n == 4 || n == 8; break;
    case 'i':
    case 'u': ok = n == 1 || n == 2 || n == 4 || n == 8; break;
    case 'b': ok = n == 1; break;
    case 'c': ok = n == 8 || n == 16; break;
    case 'U': ok = 1; n *= 4; break;
    case 'S': ok = 1; break;
    default: ok = 0;
    }
    if (!ok)
        return err_set(err, ERR_UNSUPPORTED, "%s: .npy type '%s' is not "
                       "supported; save as float32", name, h->descr);
    a->size = (int)n;
    *swap = order == '>' && a->type != 'S';
    return 0;
}

static void swap_bytes(unsigned char *p, size_t bytes, size_t unit)
{
    for (size_t i = 0; unit > 1 && i + unit <= bytes; i += unit)
        for (size_t j = 0; j < unit / 2; j++) {
            unsigned char t = p[i + j];

            p[i + j] = p[i + unit - 1 - j];
            p[i + unit - 1 - j] = t;
        }
}

/* Column-major to row-major, by counting through the indices. */
static int to_c_order(struct npy *a, const char *name, struct err *err)
{
    size_t size = (size_t)a->size;
    int64_t stride[NPY_MAX_DIMS], idx[NPY_MAX_DIMS] = {0};
    const char *src = a->data;
    char *dst;

    if (a->ndim < 2 || !a->count || !size)
        return 0;
    dst = malloc((size_t)a->count * size);
    if (!dst)
        return err_set(err, ERR_NOMEM, "%s: no memory for the array", name);
    stride[0] = 1;
    for (int k = 1; k < a->ndim; k++)
        stride[k] = stride[k - 1] * a->dim[k - 1];
    for (int64_t i = 0; i < a->count; i++) {
        int64_t at = 0;

        for (int k = 0; k < a->ndim; k++)
            at += idx[k] * stride[k];
        memcpy(dst + (size_t)i * size, src + (size_t)at * size, size);
        for (int k = a->ndim - 1; k >= 0 && ++idx[k] == a->dim[k]; k--)
            idx[k] = 0;
    }
    free(a->data);
    a->data = dst;
    return 0;
}

/* Reads in growing steps, so that a header that lies about its shape costs no
 * more memory than the file has bytes. */
static int read_data(struct npy *a, FILE *f, const char *name, struct err *err)
{
    size_t total = (size_t)a->count * (size_t)a->size, have = 0, cap = 0;

    while (have < total || !a->data) {
        size_t want = total - have;
        void *p;

        if (want > ((size_t)1 << 24) + have)
            want = ((size_t)1 << 24) + have;
        cap = have + want;
        p = realloc(a->data, cap ? cap : 1);
        if (!p)
            return err_set(err, ERR_NOMEM, "%s: no memory for %zu bytes", name,
                           total);
        a->data = p;
        if (fread((char *)p + have, 1, want, f) != want) {
            if (ferror(f))
                return err_sys(err, "%s: cannot read", name);
            return err_set(err, ERR_FORMAT, "%s: cut off: the array needs %zu "
                           "bytes", name, total);
        }
        have += want;
    }
    return 0;
}

static int read_header(struct npy *a, FILE *f, const char *name, int magic_read,
                       struct header *h, struct err *err)
{
    unsigned char b[6];
    size_t len, width;
    char *text;
    int rc;

    if (!magic_read &&
        (fread(b, 1, 6, f) != 6 || memcmp(b, "\x93NUMPY", 6)))
        return err_set(err, ERR_FORMAT, "%s: not a .npy file", name);
    if (fread(b, 1, 2, f) != 2 || b[0] < 1 || b[0] > 3)
        return err_set(err, ERR_FORMAT, "%s: unknown .npy version", name);
    width = b[0] == 1 ? 2 : 4;
    if (fread(b, 1, width, f) != width)
        return err_set(err, ERR_FORMAT, "%s: damaged .npy header", name);
    len = b[0] | (size_t)b[1] << 8;
    if (width == 4)
        len |= (size_t)b[2] << 16 | (size_t)b[3] << 24;
    if (len > LIMIT_NPY_HEADER)
        return err_set(err, ERR_FORMAT, "%s: .npy header of %zu bytes, the "
                       "limit is %d", name, len, LIMIT_NPY_HEADER);
    text = calloc(1, len + 1);
    if (!text)
        return err_set(err, ERR_NOMEM, "%s: no memory", name);
    if (fread(text, 1, len, f) != len)
        rc = err_set(err, ERR_FORMAT, "%s: damaged .npy header", name);
    else
        rc = parse_header(text, h, a, name, err);
    free(text);
    return rc;
}

int npy_read_stream(struct npy *a, FILE *f, const char *name, int magic_read,
                    struct err *err)
{
    struct header h = {0};
    int swap = 0, rc;

    memset(a, 0, sizeof(*a));
    TRY(read_header(a, f, name, magic_read, &h, err));
    TRY(parse_descr(&h, a, &swap, name, err));
    a->count = 1;
    for (int k = 0; k < a->ndim; k++)
        if (__builtin_mul_overflow(a->count, a->dim[k], &a->count))
            return err_set(err, ERR_FORMAT, "%s: shape overflows", name);
    if (a->size && a->count > LIMIT_NPY / a->size)
        return err_set(err, ERR_FORMAT, "%s: an array of more than %lld bytes; "
                       "see LIMITS in mfm(1)", name, (long long)LIMIT_NPY);
    rc = read_data(a, f, name, err);
    if (!rc && swap)
        swap_bytes(a->data, (size_t)a->count * (size_t)a->size,
                   a->type == 'U' ? 4 : a->type == 'c' ? (size_t)a->size / 2
                                                       : (size_t)a->size);
    if (!rc && h.fortran)
        rc = to_c_order(a, name, err);
    if (rc)
        npy_release(a);
    return rc;
}

int npy_read(struct npy *a, const char *path, struct err *err)
{
    FILE *f;
    int rc;

    memset(a, 0, sizeof(*a));
    if (!strcmp(path, "-"))
        return npy_read_stream(a, stdin, "stdin", 0, err);
    f = fopen(path, "rb");
    if (!f)
        return err_sys(err, "%s: cannot open", path);
    rc = npy_read_stream(a, f, path, 0, err);
    fclose(f);
    return rc;
}

void npy_release(struct npy *a)
{
    free(a->data);
    memset(a, 0, sizeof(*a));
}

/* ---- conversion ---- */

#define CONVERT(T)                                        \
    for (int64_t i = 0; i < a->count; i++)                \
        f[i] = (float)((const T *)a->data)[i];            \
    break

int npy_floats(const struct npy *a, float **out, struct err *err)
{
    float *f;

    if (!strchr("fiub", a->type)) /* text of no length: any count */
        return err_set(err, ERR_UNSUPPORTED,
                       "an array of type %c%d holds no real numbers", a->type,
                       a->size);
    f = malloc((size_t)(a->count ? a->count : 1) * sizeof(*f));
    if (!f)
        return err_set(err, ERR_NOMEM, "no memory for %lld values",
                       (long long)a->count);
    switch (a->type << 8 | a->size) {
    case 'f' << 8 | 2:
        for (int64_t i = 0; i < a->count; i++)
            f[i] = half_to_float(((const uint16_t *)a->data)[i]);
        break;
    case 'f' << 8 | 4: CONVERT(float);
    case 'f' << 8 | 8: CONVERT(double);
    case 'i' << 8 | 1: CONVERT(int8_t);
    case 'i' << 8 | 2: CONVERT(int16_t);
    case 'i' << 8 | 4: CONVERT(int32_t);
    case 'i' << 8 | 8: CONVERT(int64_t);
    case 'u' << 8 | 1:
    case 'b' << 8 | 1: CONVERT(uint8_t);
    case 'u' << 8 | 2: CONVERT(uint16_t);
    case 'u' << 8 | 4: CONVERT(uint32_t);
    case 'u' << 8 | 8: CONVERT(uint64_t);
    default:
        assert(0);
    }
    *out = f;
    return 0;
}

static int add_utf8(struct strbuf *sb, uint32_t c)
{
    if (c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
        return 0;
    if (c < 0x80) {
        strbuf_addch(sb, (char)c);
        return 1;
    }
    if (c < 0x800) {
        strbuf_addch(sb, (char)(0xc0 | c >> 6));
    } else {
        if (c < 0x10000) {
            strbuf_addch(sb, (char)(0xe0 | c >> 12));
        } else {
            strbuf_addch(sb, (char)(0xf0 | c >> 18));
            strbuf_addch(sb, (char)(0x80 | (c >> 12 & 0x3f)));
        }
        strbuf_addch(sb, (char)(0x80 | (c >> 6 & 0x3f)));
    }
    strbuf_addch(sb, (char)(0x80 | (c & 0x3f)));
    return 1;
}

/* One element, without the zeros that fill it up. */
static int add_element(struct strbuf *sb, const struct npy *a, int64_t i)
{
    const char *p = (const char *)a->data + i * a->size;
    int ok = 1;

    if (a->type == 'S') {
        strbuf_add(sb, p, strnlen(p, (size_t)a->size));
        return 1;
    }
    for (int at = 0; at < a->size && ok; at += 4) {
        uint32_t c;

        memcpy(&c, p + at, 4);
        if (!c)
            break;
        ok = add_utf8(sb, c);
    }
    return ok;
}

int npy_strings(const struct npy *a, char ***out, const char *name,
                struct err *err)
{
    char **v;

    if (a->type != 'U' && a->type != 'S')
        return err_set(err, ERR_UNSUPPORTED, "%s: not an array of text", name);
    if (a->count > LIMIT_NPY_STRINGS)
        return err_set(err, ERR_FORMAT, "%s: more than %d strings; see LIMITS "
                       "in mfm(1)", name, LIMIT_NPY_STRINGS);
    v = calloc((size_t)a->count + 1, sizeof(*v));
    if (!v)
        return err_set(err, ERR_NOMEM, "%s: no memory for %lld strings", name,
                       (long long)a->count);
    for (int64_t i = 0; i < a->count; i++) {
        struct strbuf sb = STRBUF_INIT;
        int ok = add_element(&sb, a, i);

        v[i] = strbuf_detach(&sb);
        if (ok)
            continue;
        for (; i >= 0; i--)
            free(v[i]);
        free(v);
        return err_set(err, ERR_FORMAT, "%s: a string holds what is not "
                       "Unicode", name);
    }
    *out = v;
    return 0;
}

void npy_write_header(FILE *f, const char *descr, const int64_t *shape,
                      int ndim)
{
    struct strbuf sb = STRBUF_INIT;
    size_t len;

    strbuf_addf(&sb, "{'descr': '%s', 'fortran_order': False, 'shape': (",
                descr);
    for (int k = 0; k < ndim; k++)
        strbuf_addf(&sb, ndim == 1 ? "%lld," : k ? ", %lld" : "%lld",
                    (long long)shape[k]);
    strbuf_addstr(&sb, "), }");
    /* 10 bytes before the header; room for the longest shape, in any case */
    len = ndim > 4 ? 246 : 118;
    while (sb.len < len - 1)
        strbuf_addch(&sb, ' ');
    strbuf_addch(&sb, '\n');
    fwrite("\x93NUMPY\1\0", 1, 8, f);
    fputc((int)(sb.len & 255), f);
    fputc((int)(sb.len >> 8), f);
    fwrite(sb.s, 1, sb.len, f);
    strbuf_release(&sb);
}
