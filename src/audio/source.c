/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "audio/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int keep_prefix(struct source *s, const void *prefix, size_t n,
                       struct err *err)
{
    if (!n)
        return 0;
    s->prefix = malloc(n);
    if (!s->prefix)
        return err_set(err, ERR_NOMEM, "%s: no memory for %zu bytes", s->name,
                       n);
    memcpy(s->prefix, prefix, n);
    s->prefix_len = n;
    return 0;
}

/* A regular file that was open may be read from somewhere behind its start. */
static int find_extent(struct source *s, const struct stat *st,
                       size_t prefix_len, struct err *err)
{
    off_t at = s->owned ? 0 : lseek(s->fd, 0, SEEK_CUR);

    if (at < 0)
        return err_sys(err, "%s: cannot seek", s->name);
    s->base = (int64_t)at > (int64_t)prefix_len ? at - (int64_t)prefix_len : 0;
    s->size = st->st_size > s->base ? st->st_size - s->base : 0;
    if (!s->size)
        return err_set(err, ERR_FORMAT, "%s: the file is empty", s->name);
    return 0;
}

int source_open(struct source *s, const char *path, int fd, const void *prefix,
                size_t prefix_len, struct err *err)
{
    int is_stdin = !strcmp(path, "-");
    struct stat st;

    memset(s, 0, sizeof(*s));
    s->name = is_stdin ? "stdin" : path;
    s->size = -1;
    s->fd = is_stdin ? STDIN_FILENO
            : fd > 0 ? fd : open(path, O_RDONLY | O_CLOEXEC);
    if (s->fd < 0)
        return err_sys(err, "%s: cannot open", s->name);
    s->owned = !is_stdin && fd <= 0;
    if (fstat(s->fd, &st))
        return err_sys(err, "%s: cannot read", s->name);
    if (S_ISDIR(st.st_mode))
        return err_set(err, ERR_IO, "%s: is a directory, not an audio file",
                       s->name);
    if (S_ISREG(st.st_mode))
        return find_extent(s, &st, prefix_len, err);
    return keep_prefix(s, prefix, prefix_len, err);
}

int source_memory(struct source *s, const char *name, const void *memory,
                  size_t n, struct err *err)
{
    memset(s, 0, sizeof(*s));
    s->name = name;
    s->fd = -1;
    s->memory = memory;
    s->size = (int64_t)n;
    return n ? 0 : err_set(err, ERR_FORMAT, "%s: the file is empty", name);
}

void source_release(struct source *s)
{
    if (s->owned)
        close(s->fd);
    free(s->prefix);
    memset(s, 0, sizeof(*s));
}

static ssize_t read_some(struct source *s, void *buf, size_t n)
{
    if (s->memory) {
        int64_t left = s->pos < s->size ? s->size - s->pos : 0;

        n = (int64_t)n < left ? n : (size_t)left;
        memcpy(buf, s->memory + (left ? s->pos : 0), n);
        return (ssize_t)n;
    }
    if (s->size >= 0)
        return pread(s->fd, buf, n, s->base + s->pos);
    if ((uint64_t)s->pos < s->prefix_len) {
        size_t left = s->prefix_len - (size_t)s->pos;

        n = n < left ? n : left;
        memcpy(buf, (char *)s->prefix + s->pos, n);
        return (ssize_t)n;
    }
    return read(s->fd, buf, n);
}

int source_read(struct source *s, void *buf, size_t n)
{
    ssize_t got;

    if (n > 1 << 20)
        n = 1 << 20;
    do
        got = read_some(s, buf, n);
    while (got < 0 && errno == EINTR);
    if (got < 0) {
        s->error = errno;
        return -1;
    }
    for (int64_t i = s->pos; i < SOURCE_START && i < s->pos + got; i++)
        s->start[i] = ((unsigned char *)buf)[i - s->pos];
    s->pos += got;
    s->read_sum += got;
    return (int)got;
}

int source_seekable(const struct source *s)
{
    return s->size >= 0;
}

void source_seek(struct source *s, int64_t pos)
{
    s->pos = pos;
}

/* Whether a wav or au was written by a program that could not go back to the
 * header: the length there is 0 or about 2^31 or 2^32 bytes, and stays so when
 * the stream is kept in a file. */
int source_open_ended(const struct source *s)
{
    const unsigned char *h = s->start;
    uint32_t n;

    if (!memcmp(h, "RIFF", 4))
        n = h[4] | (uint32_t)h[5] << 8 | (uint32_t)h[6] << 16 |
            (uint32_t)h[7] << 24;
    else if (!memcmp(h, ".snd", 4))
        n = h[11] | (uint32_t)h[10] << 8 | (uint32_t)h[9] << 16 |
            (uint32_t)h[8] << 24;
    else
        return 0;
    return n == 0 || n >= 0x7ff00000;
}
