/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "audio/oggend.h"

#include <stdlib.h>
#include <string.h>

enum {
    HEADER = 27,                     /* bytes before the table of segments */
    PAGE = HEADER + 255 + 255 * 255, /* the largest */
    TAIL = 2 * PAGE,                 /* a last page, and tags behind it */
    FLAGS = 5, SEGMENTS = 26,        /* where they are */
    LAST = 4                         /* of the flags */
};

static int begins_page(const unsigned char *p)
{
    return !memcmp(p, "OggS", 5) && p[FLAGS] < 8; /* version 0 */
}

/* 1: the n bytes at p are a whole page, and more; 0: less. */
static int is_whole(const unsigned char *p, size_t n)
{
    size_t length = HEADER, segments;

    if (n < HEADER)
        return 0;
    segments = p[SEGMENTS];
    length += segments;
    if (n < length)
        return 0;
    for (size_t i = 0; i < segments; i++)
        length += p[HEADER + i];
    return n >= length;
}

/* The last n bytes of s; how many there are. */
static size_t read_tail(struct source *s, unsigned char *buf, size_t n)
{
    size_t have = 0;
    int got = 1;

    source_seek(s, s->size > (int64_t)n ? s->size - (int64_t)n : 0);
    while (have < n && (got = source_read(s, buf + have, n - have)) > 0)
        have += (size_t)got;
    return got < 0 ? 0 : have;
}

int oggend_missing(struct source *s)
{
    unsigned char *buf;
    size_t n, at;
    int missing = 0;

    if (!source_seekable(s) || !(buf = malloc(TAIL)))
        return 0;
    n = read_tail(s, buf, TAIL);
    /* the flags of a header that was cut are not known: it is skipped, and the
     * page before it does not end the stream */
    for (at = n >= FLAGS + 1 ? n - FLAGS : 0; at-- > 0;)
        if (begins_page(buf + at)) {
            missing = !(buf[at + FLAGS] & LAST) || !is_whole(buf + at, n - at);
            break;
        }
    free(buf);
    return missing;
}
