/* gunzip.h - whole files that may be packed with gzip (RFC 1952). */
#ifndef BASE_GUNZIP_H
#define BASE_GUNZIP_H

#include <stddef.h>

#include "base/err.h"
#include "base/strbuf.h"

/* Appends the whole of path ("-" is stdin) to *out, unpacked if it begins with
 * the magic of gzip; several members after one another are one text. More than
 * max bytes, packed or unpacked, is ERR_FORMAT, and so is a damaged or cut
 * archive; ERR_IO as file_read. */
int gunzip_read(struct strbuf *out, const char *path, size_t max,
                struct err *err);

#endif
