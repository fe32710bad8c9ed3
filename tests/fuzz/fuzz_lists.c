/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any bytes as a list of files: --files-from with and without -0, --data of
 * pretrain, and the cache of lengths. The first byte says which. */
#include "base/log.h"
#include "cmd/inputs.h"
#include "fuzz.h"
#include "train/lengths.h"
#include "train/manifest.h"

static void inputs(const char *path, int nul)
{
    struct cmd_common c = CMD_COMMON_INIT;
    struct inputs in = { 0 };
    struct err err;

    c.files_from = path;
    c.nul = nul;
    if (!inputs_collect(&in, &c, 0, NULL, 1, &err))
        for (size_t i = 0; i < in.n; i++)
            need(*in.item[i].path && (nul || !strchr(in.item[i].path, '\n')));
    inputs_release(&in);
}

static void manifest(const char *path, const uint8_t *data, size_t size)
{
    struct manifest m = { .rate = 24000 };
    struct err err;

    /* a list may name folders, which are walked: none but its own */
    if (memchr(data, '/', size) || memmem(data, size, "..", 2))
        return;
    if (!manifest_add(&m, path, &err))
        need(m.n > 0);
    manifest_release(&m);
}

static void lengths(const char *path)
{
    struct lengths l = { 0 };

    lengths_read(&l, path, 24000);
    for (size_t i = 0; i < l.n; i++)
        need(l.item[i].samples > 0 &&
             (!i || strcmp(l.item[i - 1].path, l.item[i].path) <= 0));
    lengths_release(&l);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *path;

    log_set_level(LOG_ERROR);
    if (!size)
        return 0;
    path = fuzz_file("list", data + 1, size - 1);
    if (data[0] % 4 < 2)
        inputs(path, data[0] % 4);
    else if (data[0] % 4 == 2)
        manifest(path, data + 1, size - 1);
    else
        lengths(path);
    free(path);
    return 0;
}
