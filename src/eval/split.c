/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "eval/split.h"

#include <stdlib.h>

#include "base/xalloc.h"

static uint64_t fnv_byte(uint64_t h, unsigned char c)
{
    return (h ^ c) * 0x100000001b3;
}

static uint64_t fnv_name(uint64_t h, const char *s)
{
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;

        if (c >= 'A' && c <= 'Z')
            c = (unsigned char)(c - 'A' + 'a');
        if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c >= 0x80)
            h = fnv_byte(h, c);
    }
    return h;
}

uint64_t split_hash(const char *artist, const char *title, uint64_t seed)
{
    uint64_t h = 0xcbf29ce484222325;

    for (int i = 0; i < 64; i += 8)
        h = fnv_byte(h, (unsigned char)(seed >> i));
    h = fnv_name(h, artist);
    h = fnv_name(fnv_byte(h, 0), title);
    h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9;
    h = (h ^ (h >> 27)) * 0x94d049bb133111eb;
    return h ^ (h >> 31);
}

struct ranked {
    uint64_t hash;
    size_t index;
};

static int by_hash(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;

    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

size_t split_choose(bool *test, const uint64_t *hash, size_t n, size_t want)
{
    struct ranked *r = xcalloc(n, sizeof(*r));
    size_t taken = 0, end;

    for (size_t i = 0; i < n; i++)
        r[i] = (struct ranked){ hash[i], i };
    qsort(r, n, sizeof(*r), by_hash);
    for (size_t i = 0; i < n; i = end) {
        bool take;

        for (end = i + 1; end < n && r[end].hash == r[i].hash;)
            end++;
        take = end - i <= want - taken;
        for (size_t j = i; j < end; j++)
            test[r[j].index] = take;
        if (take)
            taken += end - i;
    }
    free(r);
    return taken;
}
