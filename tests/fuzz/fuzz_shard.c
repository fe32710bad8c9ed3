/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any bytes as a shard whose index is right, checksum included: a decoder that
 * fails, or samples. The first byte says how the recording is coded. */
#include <zlib.h>

#include "base/log.h"
#include "fuzz.h"
#include "train/shard.h"

enum { SAMPLES = 1000 };

static char *write_index(const uint8_t *shard, size_t size, int flac)
{
    size_t bytes = size - SHARD_HEADER;
    char *text, *path;

    if (flac)
        text = xasprintf("{\"mfm_shards\":1,\"rate\":24000,\"codec\":\"flac\","
                         "\"piece\":%d,\"recordings\":1,\"shards\":[{\"file\":"
                         "\"b.mfms\",\"bytes\":%zu}]}\n{\"name\":\"a\","
                         "\"samples\":%d,\"shard\":0,\"offset\":16,\"pieces\":"
                         "[%zu],\"crc32\":[%lu]}\n", SAMPLES, size, SAMPLES,
                         bytes, crc32_z(0, shard + SHARD_HEADER, bytes));
    else
        text = xasprintf("{\"mfm_shards\":1,\"rate\":24000,\"codec\":\"s16\","
                         "\"recordings\":1,\"shards\":[{\"file\":\"b.mfms\","
                         "\"bytes\":%zu}]}\n{\"name\":\"a\",\"samples\":%zu,"
                         "\"shard\":0,\"offset\":16}\n", size, bytes / 2);
    path = fuzz_file("b.index", text, strlen(text));
    free(text);
    return path;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct shards *s = NULL;
    char *path, *index;
    struct err err;
    float *x;

    log_set_level(LOG_ERROR);
    if (size < 1 + SHARD_HEADER + 2)
        return 0;
    path = fuzz_file("b.mfms", data + 1, size - 1);
    index = write_index(data + 1, size - 1, data[0] % 2);
    if (!shards_open(&s, index, 24000, &err)) {
        int64_t n = shards_samples(s, 0);

        x = xcalloc((size_t)n, sizeof(*x));
        if (!shards_read(s, 0, n / 3, n - n / 3, x, &err) && !(data[0] % 2))
            for (int64_t i = 0; i < n; i++)
                need(x[i] >= -1 && x[i] < 1);
        free(x);
    }
    shards_free(s);
    free(index);
    free(path);
    return 0;
}
