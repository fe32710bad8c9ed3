/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any bytes as what a run of annotate left behind: it goes on, adds a line and
 * makes the file, which has all whole lines and the new one. */
#include "base/file.h"
#include "base/log.h"
#include "cmd/journal.h"
#include "fuzz.h"

static size_t count(const void *data, size_t n)
{
    size_t lines = 0;

    for (size_t i = 0; i < n; i++)
        lines += ((const char *)data)[i] == '\n';
    return lines;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char line[] = "{\"file\":\"new.mp3\"}\n";
    struct input item[] = { { .path = (char *)"a.mp3" },
                            { .path = (char *)"b\xff.mp3" },
                            { .path = (char *)"a.mp3" },
                            { .path = (char *)"-" } };
    struct inputs in = { .item = item, .n = 4 };
    char *part = fuzz_file("out.part", data, size);
    char *path = xasprintf("%s/out", fuzz_dir());
    struct strbuf text = STRBUF_INIT;
    struct journal j;
    struct err err;

    log_set_level(LOG_ERROR);
    if (!journal_open(&j, path, 1, 0, 1, 0, &in, &err)) {
        need(j.failed <= count(data, size));
        fputs(line, j.f);
        need(!journal_commit(&j, 1, &in, &err));
        need(!file_read(&text, path, size + 100, &err));
        need(count(text.s, text.len) == count(data, size) + 1);
        need(access(part, F_OK));
    }
    journal_close(&j);
    unlink(path);
    unlink(part);
    strbuf_release(&text);
    free(path);
    free(part);
    return 0;
}
