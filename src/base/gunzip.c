/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/gunzip.h"

#include <zlib.h>

#include "base/file.h"

enum { GZIP = 16 }; /* zlib: take the gzip header, check its checksum */

/* One member; sets *used to its packed bytes. False if it is damaged, or where
 * out grows beyond max. */
static int member(struct strbuf *out, const char *in, size_t n, size_t max,
                  size_t *used)
{
    unsigned char buf[65536];
    z_stream s = { 0 };
    size_t done = 0;
    int rc;

    if (inflateInit2(&s, MAX_WBITS + GZIP) != Z_OK)
        return 0;
    do {
        size_t left = n - done;
        uInt given = left > 1u << 30 ? 1u << 30 : (uInt)left;

        s.next_in = (unsigned char *)in + done;
        s.avail_in = given;
        s.next_out = buf;
        s.avail_out = sizeof(buf);
        rc = inflate(&s, Z_NO_FLUSH);
        done += given - s.avail_in;
        strbuf_add(out, buf, sizeof(buf) - s.avail_out);
    } while (rc == Z_OK && out->len <= max);
    inflateEnd(&s);
    *used = done;
    return rc == Z_STREAM_END && out->len <= max;
}

static int is_gzip(const char *s, size_t n)
{
    return n > 2 && (unsigned char)s[0] == 0x1f &&
           (unsigned char)s[1] == 0x8b;
}

static int unpack(struct strbuf *out, const struct strbuf *packed,
                  const char *path, size_t max, struct err *err)
{
    size_t at = 0, used;

    while (is_gzip(packed->s + at, packed->len - at)) {
        if (!member(out, packed->s + at, packed->len - at, max, &used))
            return err_set(err, ERR_FORMAT, out->len > max ?
                           "%s: unpacks to more than %zu bytes" :
                           "%s: the gzip archive is damaged or cut short",
                           path, max);
        at += used;
    }
    if (at < packed->len) /* gzip(1) passes over it with a warning */
        return err_set(err, ERR_FORMAT, "%s: %zu bytes behind the gzip archive",
                       path, packed->len - at);
    return 0;
}

int gunzip_read(struct strbuf *out, const char *path, size_t max,
                struct err *err)
{
    struct strbuf packed = STRBUF_INIT;
    int rc = file_read(&packed, path, max, err);

    if (!rc && is_gzip(packed.s, packed.len)) {
        rc = unpack(out, &packed, path, max, err);
    } else if (!rc && out->len) {
        strbuf_add(out, packed.s, packed.len);
    } else if (!rc) { /* exchanged: no copy of a large file */
        struct strbuf empty = *out;

        *out = packed;
        packed = empty;
    }
    strbuf_release(&packed);
    return rc;
}
