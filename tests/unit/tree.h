/* tree.h - small trees of files that a test makes below a folder of its own. */
#ifndef TESTS_TREE_H
#define TESTS_TREE_H

#include <check.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/xalloc.h"
#include "rmtree.h"

struct tree {
    char root[64];
    char buf[4096];
};

static inline void tree_make(struct tree *t)
{
    strcpy(t->root, "/tmp/mfm_tree_XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(t->root));
}

/* root/path, in a buffer that the next call reuses. */
static inline const char *tree_path(struct tree *t, const char *path)
{
    snprintf(t->buf, sizeof(t->buf), "%s/%s", t->root, path);
    return t->buf;
}

/* Writes n bytes to root/path, folders included. */
static inline void tree_write(struct tree *t, const char *path,
                              const void *data, size_t n)
{
    FILE *f;

    tree_path(t, path);
    for (char *s = strchr(t->buf + strlen(t->root) + 1, '/'); s;
         s = strchr(s + 1, '/')) {
        *s = 0;
        mkdir(t->buf, 0777);
        *s = '/';
    }
    f = fopen(t->buf, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(data, 1, n, f), n);
    ck_assert_int_eq(fclose(f), 0);
}

static inline void tree_put(struct tree *t, const char *path, const char *text)
{
    tree_write(t, path, text, strlen(text));
}

/* A second of silence, mono, 8000 Hz, 8 bits. */
static inline void tree_wav(struct tree *t, const char *path)
{
    static const unsigned char head[44] =
        "RIFF\x64\x1f\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x40\x1f\0\0\x40\x1f\0\0\1\0"
        "\x08\0data\x40\x1f\0";
    unsigned char wav[44 + 8000];

    memcpy(wav, head, 44);
    memset(wav + 44, 0x80, 8000);
    tree_write(t, path, wav, sizeof(wav));
}

/* n samples of one channel, 16 bits, at rate; on a little-endian machine. */
static inline void tree_wav16(struct tree *t, const char *path,
                              const int16_t *x, uint32_t n, uint32_t rate)
{
    uint32_t head[11] = { 0x46464952, 36 + 2 * n, 0x45564157, 0x20746d66, 16,
                          1 | 1 << 16, rate, 2 * rate, 2 | 16 << 16, 0x61746164,
                          2 * n };
    unsigned char *wav = xmalloc(sizeof(head) + 2 * n);

    memcpy(wav, head, sizeof(head));
    memcpy(wav + sizeof(head), x, 2 * n);
    tree_write(t, path, wav, sizeof(head) + 2 * n);
    free(wav);
}

static inline void tree_remove(struct tree *t)
{
    rmtree(t->root);
}

#endif
