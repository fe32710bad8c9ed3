/* source.h - the bytes of an audio file or of a stream, for the decoder. */
#ifndef AUDIO_SOURCE_H
#define AUDIO_SOURCE_H

#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

enum { SOURCE_START = 12 };

/* A zeroed struct can be released. Files are read with pread, so the offset of
 * a descriptor that others share does not move. */
struct source {
    const char *name;  /* for messages: the path, or "stdin"; borrowed */
    int fd, owned;
    int64_t base;      /* where a regular file begins in fd */
    int64_t size;      /* bytes of a regular file; -1: cannot seek */
    int64_t pos;       /* the next byte to read */
    int64_t read_sum;  /* bytes ever read, again and again included */
    const unsigned char *memory; /* NULL, or the bytes; borrowed */
    void *prefix;      /* owned copy of what was taken from a stream before */
    size_t prefix_len;
    unsigned char start[SOURCE_START]; /* the first bytes, as far as read */
    int error;         /* errno of a failed read, else 0 */
};

/* Opens path ("-" is stdin), or where fd is above 0 takes that, which is path
 * opened (borrowed). prefix (prefix_len bytes, copied) was already read from
 * stdin or fd with read(2). An empty file is ERR_FORMAT; a directory, a missing
 * or forbidden file and a lack of descriptors are ERR_IO. path is borrowed.
 * After a failure too, release. */
int source_open(struct source *s, const char *path, int fd, const void *prefix,
                size_t prefix_len, struct err *err);
/* The same for n bytes in memory (borrowed) under a name. */
int source_memory(struct source *s, const char *name, const void *memory,
                  size_t n, struct err *err);
void source_release(struct source *s);

/* Up to n bytes; the number read, 0 at the end, -1 with s->error set. */
int source_read(struct source *s, void *buf, size_t n);

/* Whether it can seek; and the seek, to 0 <= pos (the end may be passed). */
int source_seekable(const struct source *s);
void source_seek(struct source *s, int64_t pos);

/* Whether it is a wav or au whose header tells no length (known once its start
 * was read). */
int source_open_ended(const struct source *s);

#endif
