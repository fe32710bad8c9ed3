/* zip.h - zip archives: read in place, written as a stream. Zip64 included;
 * methods stored and deflated. Layout: PKWARE APPNOTE 6.3. */
#ifndef BASE_ZIP_H
#define BASE_ZIP_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include "base/err.h"

enum { ZIP_STORED = 0, ZIP_DEFLATED = 8 };

struct zip_entry {
    char *name;
    int method;            /* ZIP_STORED or ZIP_DEFLATED */
    uint64_t offset;       /* of the (packed) bytes in the archive */
    uint64_t packed, size; /* bytes in the archive, bytes unpacked */
    uint32_t crc;
};

/* A zeroed struct can be released. Immutable once read. */
struct zip {
    const unsigned char *data; /* the caller's */
    size_t size;
    const char *name;          /* of the archive, for messages; the caller's */
    struct zip_entry *entry;   /* n, sorted by name */
    size_t n;
    const char *first;         /* name of the first entry of the directory */
};

/* Reads the directory of an archive in memory, which the caller keeps until
 * release. Every entry lies within the archive and before its directory, names
 * are 1 to 1000 bytes and differ, stored entries together are no larger than
 * the archive. ERR_FORMAT; ERR_UNSUPPORTED for encryption, other methods,
 * several volumes. */
int zip_read(struct zip *z, const void *data, size_t size, const char *name,
             struct err *err);
void zip_release(struct zip *z);
const struct zip_entry *zip_find(const struct zip *z, const char *name);

/* Unpacks an entry into memory of e->size bytes (at most max) which the caller
 * frees. Checks size and checksum. ERR_FORMAT, ERR_NOMEM. */
int zip_unpack(const struct zip *z, const struct zip_entry *e, uint64_t max,
               void **out, struct err *err);

/* Writes stored entries to f one after another; sizes are known beforehand,
 * checksums are not (they follow the data). Write errors show in ferror(f). A
 * zeroed struct with f and align set is ready; release always.
 *
 *     struct zip_writer w = { .f = f, .align = 64 };
 *     zip_begin(&w, "a/b", size);
 *     zip_put(&w, bytes, size);     -- in as many pieces as fits
 *     zip_end(&w);
 *     zip_finish(&w);
 *     zip_writer_release(&w);
 */
struct zip_writer {
    FILE *f;
    unsigned align;          /* data begin at multiples of this; 0 is 1 */
    uint64_t pos;            /* bytes written so far */
    struct zip_record *record;
    size_t n, cap;
};
void zip_begin(struct zip_writer *w, const char *name, uint64_t size);
void zip_put(void *writer, const void *data, size_t n);
void zip_end(struct zip_writer *w); /* the caller gave exactly size bytes */
void zip_finish(struct zip_writer *w);
void zip_writer_release(struct zip_writer *w);

#endif
