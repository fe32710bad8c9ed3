/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any bytes as a table: from a file and from memory it has the same rows, or
 * the same fault. The first byte says which separator. */
#include "base/csv.h"
#include "fuzz.h"

static void same(const struct csv *a, const struct csv *b)
{
    need(a->n == b->n && a->line == b->line);
    for (size_t i = 0; i < a->n; i++)
        need(!strcmp(a->field[i], b->field[i]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char sep = "\t,;"[size ? data[0] % 3 : 0], *path;
    struct csv file = { 0 }, memory;
    bool more = true, also = true;
    struct err err, err2;

    if (!size)
        return 0;
    path = fuzz_file("table", data + 1, size - 1);
    need(!csv_open(&file, path, sep, &err));
    csv_open_text(&memory, (const char *)data + 1, size - 1, path, sep);
    while (more) {
        int rc = csv_next(&file, &more, &err);

        need(rc == csv_next(&memory, &also, &err2));
        if (rc) {
            need(!strcmp(err.msg, err2.msg));
            break;
        }
        need(more == also && (more || !file.n));
        same(&file, &memory);
    }
    csv_release(&file);
    csv_release(&memory);
    free(path);
    return 0;
}
