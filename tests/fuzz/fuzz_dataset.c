/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any files below the root of a dataset: refused, or songs in order whose
 * labels can be read. The first line of the input is the name of the dataset; a
 * line "=== PATH" begins a file. */
#include <math.h>

#include "base/log.h"
#include "eval/dataset.h"
#include "fuzz.h"

enum { MAX_FILES = 40, MAX_SONGS = 50 };

/* Letters, digits, and what else names of the datasets have. */
static int is_inside(const char *path)
{
    return *path && strspn(path, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQR"
                           "STUVWXYZ0123456789_-./") == strlen(path) &&
           strlen(path) < 100 && *path != '/' && !strstr(path, "..");
}

static void put(const char *root, const char *path, const char *text, size_t n)
{
    char *file = xasprintf("%s/%s", root, path);
    FILE *f;

    for (char *s = strchr(file + strlen(root) + 1, '/'); s;
         s = strchr(s + 1, '/')) {
        *s = 0;
        mkdir(file, 0777);
        *s = '/';
    }
    f = fopen(file, "wb"); /* not where a folder is */
    if (f) {
        fwrite(text, 1, n, f);
        fclose(f);
    }
    free(file);
}

static void read_labels(const struct dataset *d, size_t i, int task)
{
    struct annotation a;
    struct err err;

    if (dataset_labels(d, i, (enum annot_task)task, &a, &err))
        return;
    for (size_t k = 1; k < a.beats.n; k++)
        need(a.beats.v[k].time >= a.beats.v[k - 1].time);
    for (size_t k = 0; k < a.spans.n; k++)
        need(isfinite(a.spans.v[k].start) && a.spans.v[k].label != NULL);
    annotation_release(&a);
}

static void read_songs(const char *name, const char *root)
{
    const struct dataset_fact *fact;
    struct dataset *d = NULL;
    struct err err;

    if (dataset_open(&d, name, root, &err)) {
        need(!d && *err.msg);
        return;
    }
    for (size_t i = 1; i < dataset_size(d); i++)
        need(strcmp(dataset_at(d, i)->id, dataset_at(d, i - 1)->id) > 0);
    for (size_t i = 0; i < dataset_size(d) && i < MAX_SONGS; i++)
        for (int task = 0; task < DATASET_TASKS; task++)
            if (dataset_at(d, i)->part[task].labels)
                read_labels(d, i, task);
    dataset_facts(d, &fact);
    dataset_free(d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char mark[] = "\n=== ";
    const char *at = (const char *)data, *end = at + size;
    const char *root = fuzz_dir();
    const char *line = memmem(at, size, mark, sizeof(mark) - 1);
    char *name;

    log_set_level(LOG_ERROR);
    if (!line)
        return 0;
    name = xstrndup(at, (size_t)(line - at));
    for (int i = 0; line && i < MAX_FILES; i++) {
        const char *from = line + sizeof(mark) - 1;
        const char *text = memchr(from, '\n', (size_t)(end - from));
        char *path = text ? xstrndup(from, (size_t)(text - from)) : NULL;

        if (!text)
            break;
        line = memmem(text, (size_t)(end - text), mark, sizeof(mark) - 1);
        if (is_inside(path))
            put(root, path, text + 1,
                line > text ? (size_t)(line - text) : (size_t)(end - text) - 1);
        free(path);
    }
    read_songs(name, root);
    rmtree_inside(root);
    free(name);
    return 0;
}
