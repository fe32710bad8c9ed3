/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any bytes as the index of packed recordings beside a shard that is there:
 * refused, or every sample of those that need no decoder can be read. */
#include <math.h>

#include "fuzz.h"
#include "train/shard.h"

enum { SHARD_BYTES = 4096, MAX_READ = 4096 };

static void read_all(const struct shards *s)
{
    float x[MAX_READ];
    struct err err;

    for (size_t i = 0; i < shards_count(s); i++) {
        int64_t n = shards_samples(s, i);

        need(n > 0 && shards_name(s, i) != NULL);
        if (n > MAX_READ) /* at the end, where it may reach too far */
            need(!shards_read(s, i, n - MAX_READ, MAX_READ, x, &err) ||
                 *err.msg);
        else
            need(!shards_read(s, i, 0, n, x, &err) || *err.msg);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const unsigned char head[16] = "MFMSHARD\1\0\0\0\0\0\0";
    static unsigned char shard[SHARD_BYTES];
    char *path = fuzz_file("a.index", data, size), *beside;
    struct shards *s = NULL;
    struct err err;

    memcpy(shard, head, sizeof(head));
    beside = fuzz_file("a.mfms", shard, sizeof(shard));
    shards_is(path);
    if (!shards_open(&s, path, 24000, &err))
        read_all(s);
    shards_free(s);
    free(beside);
    free(path);
    return 0;
}
