/* fuzz.h - what the fuzz targets share.
 *
 * A target is one function that takes any bytes and aborts where mfm breaks a
 * promise; the sanitizers find the rest. With configure --enable-fuzz CC=clang
 * libFuzzer drives it, else replay.c does, in make check. */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/xalloc.h"
#include "rmtree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void need(int ok)
{
    if (!ok)
        abort();
}

static char fuzz_root[4096];

static inline void fuzz_remove(void)
{
    rmtree(fuzz_root);
}

/* A folder of this process alone, gone when it exits. */
static inline const char *fuzz_dir(void)
{
    const char *tmp = getenv("TMPDIR");

    if (!*fuzz_root) {
        snprintf(fuzz_root, sizeof(fuzz_root), "%s/mfm-fuzz-XXXXXX",
                 tmp && *tmp ? tmp : "/tmp");
        need(mkdtemp(fuzz_root) != NULL);
        atexit(fuzz_remove);
    }
    return fuzz_root;
}

/* Writes n bytes to a file of fuzz_dir; the caller frees its path. */
static inline char *fuzz_file(const char *name, const void *data, size_t n)
{
    char *path = xasprintf("%s/%s", fuzz_dir(), name);
    FILE *f = fopen(path, "wb");

    need(f && fwrite(data, 1, n, f) == n && !fclose(f));
    return path;
}

#endif
