/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cmd/outputs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "audio/stem.h"
#include "base/file.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/xalloc.h"

struct stem {
    char *name;
    const char *path; /* of the input */
};

static int by_stem(const void *a, const void *b)
{
    return strcmp(((const struct stem *)a)->name,
                  ((const struct stem *)b)->name);
}

static int check_collisions(const char *dir, const struct inputs *in,
                            struct err *err)
{
    struct stem *stems = xcalloc(in->n + 1, sizeof(*stems));
    int rc = 0;

    for (size_t i = 0; i < in->n; i++)
        stems[i] = (struct stem){ stem_of(in->item[i].path),
                                  in->item[i].path };
    qsort(stems, in->n, sizeof(*stems), by_stem);
    for (size_t i = 1; i < in->n && !rc; i++)
        if (!strcmp(stems[i - 1].name, stems[i].name))
            rc = err_set(err, ERR_ARG,
                         "%s and %s would both be written to %s/%s.*; "
                         "give each its own --out-dir",
                         stems[i - 1].path, stems[i].path, dir, stems[i].name);
    for (size_t i = 0; i < in->n; i++)
        free(stems[i].name);
    free(stems);
    return rc;
}

int outputs_prepare(const struct cmd_common *c, const struct inputs *in,
                    int text, struct err *err)
{
    if (!c->out_dir)
        return text && in->n > 1
                   ? err_set(err, ERR_ARG, "several inputs in a text format "
                             "need --out-dir (or --format json)")
                   : 0;
    if (!*c->out_dir)
        return err_set(err, ERR_ARG, "--out-dir: no name given");
    TRY(check_collisions(c->out_dir, in, err));
    if (file_make_folders(c->out_dir, err)) {
        err_prefix(err, "--out-dir");
        return ERR_IO;
    }
    return 0;
}

char *outputs_path(const char *dir, const char *input, const char *suffix)
{
    size_t n = strlen(dir);
    char *stem = stem_of(input), *path;

    path = xasprintf("%s%s%s%s", dir, n && dir[n - 1] == '/' ? "" : "/", stem,
                     suffix);
    free(stem);
    return path;
}

static int is_ours(const cJSON *obj)
{
    return cJSON_HasObjectItem(obj, "mfm") ||
           (cJSON_HasObjectItem(obj, "file") &&
            cJSON_HasObjectItem(obj, "error"));
}

/* One object, or lines of which the first is one. */
static int json_is_ours(const char *path)
{
    struct strbuf text = STRBUF_INIT;
    cJSON *obj = NULL;
    int ours = 0;

    if (!file_read(&text, path, LIMIT_LABELS, NULL) &&
        (!json_parse(&obj, text.s, strcspn(text.s, "\n"), NULL) ||
         !json_parse(&obj, text.s, text.len, NULL)))
        ours = is_ours(obj);
    cJSON_Delete(obj);
    strbuf_release(&text);
    return ours;
}

static int same_content(const char *path, const struct strbuf *text)
{
    struct strbuf old = STRBUF_INIT;
    int same = !file_read(&old, path, text->len, NULL) &&
               old.len == text->len && !memcmp(old.s, text->s, text->len);

    strbuf_release(&old);
    return same;
}

static int ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);

    return n >= m && !strcmp(s + n - m, end);
}

static int may_replace(const char *path, const struct strbuf *text)
{
    if (text && same_content(path, text))
        return 1;
    if (ends_with(path, ".npy")) {
        char *sidecar = xasprintf("%s.json", path);
        int ours = json_is_ours(sidecar);

        free(sidecar);
        return ours;
    }
    if (ends_with(path, ".json") || ends_with(path, ".ndjson"))
        return json_is_ours(path);
    /* another name may hold JSON too, by -o */
    return !text || json_is_ours(path);
}

int outputs_may_write(const char *path, int force, const struct strbuf *text,
                      struct err *err)
{
    struct stat st;

    if (force || !strcmp(path, "-") || stat(path, &st) ||
        !S_ISREG(st.st_mode) || st.st_size == 0 || may_replace(path, text))
        return 0;
    return err_set(err, ERR_ARG, "%s: exists and %s; give --force to replace "
                   "it", path, text ? "does not look like mfm's own"
                                    : "mfm did not write it");
}

int outputs_write(const char *path, int force, const struct strbuf *text,
                  struct err *err)
{
    struct file_out out = {0};
    int rc;

    TRY(outputs_may_write(path, force, text, err));
    TRY(file_out_open(&out, path, err));
    fwrite(text->s, 1, text->len, out.f);
    rc = file_out_commit(&out, err);
    file_out_abort(&out);
    return rc;
}
