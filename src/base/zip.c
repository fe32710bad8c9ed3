/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/zip.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/limits.h"
#include "base/xalloc.h"

enum {
    END_SIZE = 22,
    END64_SIZE = 56,
    LOCATOR_SIZE = 20,
    CENTRAL_SIZE = 46,
    LOCAL_SIZE = 30,
    FLAG_ENCRYPTED = 1,
    FLAGS_WRITTEN = 0x808, /* checksum behind the data; names are UTF-8 */
    EXTRA_ZIP64 = 1,
    EXTRA_PADDING = 0x4246 /* "FB", as PyTorch pads */
};
static const uint64_t MAX32 = 0xffffffff;

static uint64_t get(const unsigned char *p, int bytes)
{
    uint64_t v = 0;

    while (bytes-- > 0)
        v = v << 8 | p[bytes];
    return v;
}

/* Directory of the archive: where it lies and how many entries. */
struct directory {
    uint64_t offset, size, n;
};

static int bad(const struct zip *z, const char *what, struct err *err)
{
    return err_set(err, ERR_FORMAT, "%s: damaged zip archive: %s", z->name,
                   what);
}

static int find_end(const struct zip *z, size_t *end, struct err *err)
{
    size_t low = z->size > END_SIZE + 65535 ? z->size - END_SIZE - 65535 : 0;

    if (z->size >= END_SIZE)
        for (size_t i = z->size - END_SIZE + 1; i-- > low;)
            if (!memcmp(z->data + i, "PK\5\6", 4) &&
                i + END_SIZE + get(z->data + i + 20, 2) == z->size) {
                *end = i;
                return 0;
            }
    return bad(z, "its end is missing (a cut-off download?)", err);
}

static int find_directory(const struct zip *z, struct directory *d,
                          struct err *err)
{
    const unsigned char *p = z->data;
    size_t end = 0;
    uint64_t at, limit;

    TRY(find_end(z, &end, err));
    limit = end;
    d->n = get(p + end + 10, 2);
    d->size = get(p + end + 12, 4);
    d->offset = get(p + end + 16, 4);
    if (get(p + end + 4, 2) && get(p + end + 4, 2) != 0xffff)
        return err_set(err, ERR_UNSUPPORTED, "%s: a zip archive of several "
                       "volumes", z->name);
    if (end >= LOCATOR_SIZE && !memcmp(p + end - LOCATOR_SIZE, "PK\6\7", 4)) {
        at = get(p + end - LOCATOR_SIZE + 8, 8);
        limit = end - LOCATOR_SIZE;
        if (at > limit || limit - at < END64_SIZE ||
            memcmp(p + at, "PK\6\6", 4))
            return bad(z, "the zip64 end record is not where it should be",
                       err);
        limit = at;
        d->n = get(p + at + 32, 8);
        d->size = get(p + at + 40, 8);
        d->offset = get(p + at + 48, 8);
    }
    if (d->offset > limit || d->size > limit - d->offset)
        return bad(z, "the directory is outside the file", err);
    if (d->n > LIMIT_ZIP_ENTRIES || d->n > d->size / CENTRAL_SIZE)
        return bad(z, "more entries announced than there can be", err);
    return 0;
}

/* The 8-byte values that a zip64 extra field gives for those that are all ones
 * in the entry. */
static int read_zip64(const unsigned char *extra, size_t len, uint64_t **value,
                      int n)
{
    while (len >= 4) {
        size_t size = get(extra + 2, 2), at = 4;

        if (size > len - 4)
            return -1;
        if (get(extra, 2) == EXTRA_ZIP64) {
            for (int i = 0; i < n; i++) {
                if (*value[i] != MAX32)
                    continue;
                if (at + 8 > 4 + size)
                    return -1;
                *value[i] = get(extra + at, 8);
                at += 8;
            }
            return 0;
        }
        extra += 4 + size;
        len -= 4 + size;
    }
    return 0;
}

/* The local header says where the data begin; its sizes may be 0. */
static int read_local(const struct zip *z, struct zip_entry *e, uint64_t local,
                      uint64_t limit, struct err *err)
{
    const unsigned char *p = z->data + local;

    if (local > limit || limit - local < LOCAL_SIZE ||
        memcmp(p, "PK\3\4", 4))
        return bad(z, "an entry is not where the directory says", err);
    e->offset = local + LOCAL_SIZE + get(p + 26, 2) + get(p + 28, 2);
    if (e->offset > limit || e->packed > limit - e->offset)
        return bad(z, "an entry reaches beyond the data", err);
    /* deflate cannot do better than 1032 to 1 */
    if (e->method == ZIP_STORED ? e->packed != e->size
                                : e->size / 1032 > e->packed + 16)
        return bad(z, "sizes of an entry contradict each other", err);
    return 0;
}

static int read_entry(struct zip *z, const unsigned char *p, uint64_t left,
                      uint64_t limit, uint64_t *used, struct err *err)
{
    struct zip_entry *e = &z->entry[z->n];
    size_t name, extra;
    uint64_t local;

    if (left < CENTRAL_SIZE || memcmp(p, "PK\1\2", 4))
        return bad(z, "the directory has no entry where one is due", err);
    name = get(p + 28, 2);
    extra = get(p + 30, 2);
    *used = CENTRAL_SIZE + name + extra + get(p + 32, 2);
    if (*used > left)
        return bad(z, "the directory is cut off", err);
    if (name < 1 || name > LIMIT_ZIP_NAME || memchr(p + CENTRAL_SIZE, 0, name))
        return bad(z, "an entry has no proper name", err);
    e->name = xstrndup((const char *)p + CENTRAL_SIZE, name);
    z->n++;
    e->method = (int)get(p + 10, 2);
    if (get(p + 8, 2) & FLAG_ENCRYPTED ||
        (e->method != ZIP_STORED && e->method != ZIP_DEFLATED))
        return err_set(err, ERR_UNSUPPORTED, "%s: entry \"%.200s\" is "
                       "encrypted or packed by method %d; unzip and zip it "
                       "again", z->name, e->name, e->method);
    e->crc = (uint32_t)get(p + 16, 4);
    e->packed = get(p + 20, 4);
    e->size = get(p + 24, 4);
    local = get(p + 42, 4);
    if (read_zip64(p + CENTRAL_SIZE + name, extra,
                   (uint64_t *[]){ &e->size, &e->packed, &local }, 3))
        return bad(z, "an extra field is cut off", err);
    return read_local(z, e, local, limit, err);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct zip_entry *)a)->name,
                  ((const struct zip_entry *)b)->name);
}

static int read_entries(struct zip *z, const struct directory *d,
                        struct err *err)
{
    const unsigned char *p = z->data + d->offset;
    uint64_t left = d->size, used = 0, stored = 0;

    for (uint64_t i = 0; i < d->n; i++) {
        TRY(read_entry(z, p, left, d->offset, &used, err));
        p += used;
        left -= used;
        stored += z->entry[i].packed; /* each <= size, fewer than 2^20 */
    }
    if (stored > z->size)
        return bad(z, "entries overlap", err);
    z->first = z->n ? z->entry[0].name : "";
    qsort(z->entry, z->n, sizeof(*z->entry), by_name);
    for (size_t i = 1; i < z->n; i++)
        if (!strcmp(z->entry[i - 1].name, z->entry[i].name))
            return bad(z, "two entries of one name", err);
    return 0;
}

int zip_read(struct zip *z, const void *data, size_t size, const char *name,
             struct err *err)
{
    struct directory d;
    int rc;

    z->data = data;
    z->size = size;
    z->name = name;
    TRY(find_directory(z, &d, err));
    z->entry = xcalloc(d.n + 1, sizeof(*z->entry));
    rc = read_entries(z, &d, err);
    if (rc)
        zip_release(z);
    return rc;
}

void zip_release(struct zip *z)
{
    for (size_t i = 0; i < z->n; i++)
        free(z->entry[i].name);
    free(z->entry);
    memset(z, 0, sizeof(*z));
}

const struct zip_entry *zip_find(const struct zip *z, const char *name)
{
    struct zip_entry key = { .name = (char *)name };

    return z->n ? bsearch(&key, z->entry, z->n, sizeof(*z->entry), by_name)
                : NULL;
}

/* zlib counts in 32 bits: feed it piece by piece. */
static int inflate_all(const unsigned char *in, uint64_t n_in,
                       unsigned char *out, uint64_t n_out)
{
    const uInt piece = 1u << 30;
    z_stream s = {0};
    int rc;

    if (inflateInit2(&s, -MAX_WBITS) != Z_OK)
        return 0;
    s.next_in = (unsigned char *)in;
    s.next_out = out;
    do {
        uint64_t room = n_out - (uint64_t)(s.next_out - out);
        uint64_t left = n_in - (uint64_t)(s.next_in - in);

        s.avail_in = left > piece ? piece : (uInt)left;
        s.avail_out = room > piece ? piece : (uInt)room;
        rc = inflate(&s, Z_NO_FLUSH);
    } while (rc == Z_OK);
    inflateEnd(&s);
    return rc == Z_STREAM_END && (uint64_t)(s.next_out - out) == n_out;
}

int zip_unpack(const struct zip *z, const struct zip_entry *e, uint64_t max,
               void **out, struct err *err)
{
    const unsigned char *p = z->data + e->offset;
    unsigned char *buf;

    if (e->size > max)
        return err_set(err, ERR_FORMAT, "%s: entry \"%.200s\" has %llu bytes, "
                       "more than %llu", z->name, e->name,
                       (unsigned long long)e->size, (unsigned long long)max);
    buf = malloc(e->size + 1);
    if (!buf)
        return err_set(err, ERR_NOMEM, "%s: no memory for the %llu bytes of "
                       "entry \"%.200s\"", z->name,
                       (unsigned long long)e->size, e->name);
    if (e->method == ZIP_STORED)
        memcpy(buf, p, e->size);
    if ((e->method == ZIP_DEFLATED &&
         !inflate_all(p, e->packed, buf, e->size)) ||
        crc32_z(0, buf, e->size) != e->crc) {
        free(buf);
        return err_set(err, ERR_FORMAT, "%s: entry \"%.200s\" is damaged",
                       z->name, e->name);
    }
    *out = buf;
    return 0;
}

/* ---- writing ---- */

struct zip_record {
    char *name;
    uint64_t local, size, given;
    uint32_t crc;
};

static void put_raw(struct zip_writer *w, const void *data, size_t n)
{
    if (n)
        fwrite(data, 1, n, w->f);
    w->pos += n;
}

static void put(struct zip_writer *w, uint64_t v, int bytes)
{
    unsigned char b[8];

    for (int i = 0; i < bytes; i++)
        b[i] = (unsigned char)(v >> 8 * i);
    put_raw(w, b, (size_t)bytes);
}

static uint64_t cap32(uint64_t v)
{
    return v < MAX32 ? v : MAX32;
}

/* Version needed, flags, method, date of 1980-01-01 as PyTorch has it. */
static void put_common(struct zip_writer *w, int zip64)
{
    put(w, zip64 ? 45 : 20, 2);
    put(w, FLAGS_WRITTEN, 2);
    put(w, ZIP_STORED, 2);
    put(w, 0, 4);
}

void zip_begin(struct zip_writer *w, const char *name, uint64_t size)
{
    size_t len = strlen(name), zip64 = size >= MAX32 ? 20 : 0, pad = 0;
    struct zip_record *r;

    ARRAY_GROW(w->record, w->n, w->cap);
    r = &w->record[w->n++];
    *r = (struct zip_record){ xstrdup(name), w->pos, size, 0, 0 };
    if (w->align > 1) {
        uint64_t data = w->pos + LOCAL_SIZE + len + zip64 + 4;

        pad = 4 + (w->align - data % w->align) % w->align;
    }
    put_raw(w, "PK\3\4", 4);
    put_common(w, zip64 > 0);
    put(w, 0, 4); /* checksum and sizes: behind the data */
    put(w, zip64 ? MAX32 : 0, 4);
    put(w, zip64 ? MAX32 : 0, 4);
    put(w, len, 2);
    put(w, zip64 + pad, 2);
    put_raw(w, name, len);
    if (zip64) {
        put(w, EXTRA_ZIP64, 2);
        put(w, 16, 2);
        put(w, size, 8);
        put(w, size, 8);
    }
    if (pad) {
        put(w, EXTRA_PADDING, 2);
        put(w, pad - 4, 2);
        for (size_t i = 4; i < pad; i++)
            put(w, 'Z', 1);
    }
}

void zip_put(void *writer, const void *data, size_t n)
{
    struct zip_writer *w = writer;
    struct zip_record *r = &w->record[w->n - 1];

    r->crc = (uint32_t)crc32_z(r->crc, data, n);
    r->given += n;
    put_raw(w, data, n);
}

void zip_end(struct zip_writer *w)
{
    const struct zip_record *r = &w->record[w->n - 1];
    int wide = r->size >= MAX32 ? 8 : 4;

    assert(r->given == r->size);
    put_raw(w, "PK\7\10", 4);
    put(w, r->crc, 4);
    put(w, r->size, wide);
    put(w, r->size, wide);
}

static void put_central(struct zip_writer *w, const struct zip_record *r)
{
    size_t len = strlen(r->name);
    int wide = (r->size >= MAX32 ? 16 : 0) + (r->local >= MAX32 ? 8 : 0);

    put_raw(w, "PK\1\2", 4);
    put(w, 45, 2);
    put_common(w, wide > 0);
    put(w, r->crc, 4);
    put(w, cap32(r->size), 4);
    put(w, cap32(r->size), 4);
    put(w, len, 2);
    put(w, wide ? 4 + (uint64_t)wide : 0, 2);
    put(w, 0, 2 + 2 + 2); /* comment, volume, attributes */
    put(w, 0, 4);
    put(w, cap32(r->local), 4);
    put_raw(w, r->name, len);
    if (wide) {
        put(w, EXTRA_ZIP64, 2);
        put(w, (uint64_t)wide, 2);
    }
    if (r->size >= MAX32) {
        put(w, r->size, 8);
        put(w, r->size, 8);
    }
    if (r->local >= MAX32)
        put(w, r->local, 8);
}

void zip_finish(struct zip_writer *w)
{
    uint64_t begin = w->pos, size, end64;

    for (size_t i = 0; i < w->n; i++)
        put_central(w, &w->record[i]);
    size = w->pos - begin;
    end64 = w->pos;
    if (w->n >= 0xffff || begin >= MAX32 || size >= MAX32) {
        put_raw(w, "PK\6\6", 4);
        put(w, END64_SIZE - 12, 8);
        put(w, 45, 2);
        put(w, 45, 2);
        put(w, 0, 8);
        put(w, w->n, 8);
        put(w, w->n, 8);
        put(w, size, 8);
        put(w, begin, 8);
        put_raw(w, "PK\6\7", 4);
        put(w, 0, 4);
        put(w, end64, 8);
        put(w, 1, 4);
    }
    put_raw(w, "PK\5\6", 4);
    put(w, 0, 4);
    put(w, w->n < 0xffff ? w->n : 0xffff, 2);
    put(w, w->n < 0xffff ? w->n : 0xffff, 2);
    put(w, cap32(size), 4);
    put(w, cap32(begin), 4);
    put(w, 0, 2);
}

void zip_writer_release(struct zip_writer *w)
{
    for (size_t i = 0; i < w->n; i++)
        free(w->record[i].name);
    free(w->record);
    memset(w, 0, sizeof(*w));
}
