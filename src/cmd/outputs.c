/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cmd/outputs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audio/stem.h"
#include "base/file.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/xalloc.h"

struct stem {
    char *name;
    size_t index; /* of the input */
};

static int by_stem(const void *a, const void *b)
{
    const struct stem *x = a, *y = b;
    int order = strcmp(x->name, y->name);

    return order ? order : (x->index > y->index) - (x->index < y->index);
}

/* Of inputs that would have the same names all but the first fail. */
static void find_collisions(const char *dir, struct inputs *in)
{
    struct stem *stem = xcalloc(in->n + 1, sizeof(*stem));
    size_t first = 0;

    for (size_t i = 0; i < in->n; i++)
        stem[i] = (struct stem){ outputs_stem(&in->item[i]), i };
    qsort(stem, in->n, sizeof(*stem), by_stem);
    for (size_t i = 1; i < in->n; i++) {
        struct input *late = &in->item[stem[i].index];

        if (strcmp(stem[first].name, stem[i].name)) {
            first = i;
        } else if (!late->error) {
            late->error = xasprintf(
                "%s: would be written to %s/%s.*, as %s is; give it another "
                "--out-dir, or --keep-folders", late->path, dir, stem[i].name,
                in->item[stem[first].index].path);
        }
    }
    for (size_t i = 0; i < in->n; i++)
        free(stem[i].name);
    free(stem);
}

int outputs_prepare(const struct cmd_common *c, struct inputs *in, int text,
                    struct err *err)
{
    if (!c->out_dir)
        return text && in->n > 1
                   ? err_set(err, ERR_ARG, "several inputs in this format need "
                             "--out-dir (or --format ndjson)")
                   : 0;
    if (!*c->out_dir)
        return err_set(err, ERR_ARG, "--out-dir: no name given");
    find_collisions(c->out_dir, in);
    if (file_make_folders(c->out_dir, err)) {
        err_prefix(err, "--out-dir");
        return ERR_IO;
    }
    return 0;
}

char *outputs_stem(const struct input *in)
{
    const char *name = in->path + in->name, *slash = strrchr(name, '/');
    char *stem = stem_of(name), *path;

    if (!slash)
        return stem;
    path = xasprintf("%.*s/%s", (int)(slash - name), name, stem);
    free(stem);
    return path;
}

char *outputs_path(const char *dir, const struct input *in, const char *suffix)
{
    size_t n = strlen(dir);
    char *stem = outputs_stem(in), *path;

    path = xasprintf("%s%s%s%s", dir, n && dir[n - 1] == '/' ? "" : "/", stem,
                     suffix);
    free(stem);
    return path;
}

void outputs_find_done(const char *dir, struct inputs *in,
                       const char *const *suffix)
{
    for (size_t i = 0; i < in->n; i++) {
        int there = *suffix != NULL && !in->item[i].error;

        for (const char *const *s = suffix; *s && there; s++) {
            char *path = outputs_path(dir, &in->item[i], *s);

            there = !access(path, F_OK);
            free(path);
        }
        in->item[i].done = there;
    }
}

static int is_ours(const cJSON *obj)
{
    const cJSON *sandbox = cJSON_GetObjectItem(obj, "sandbox"); /* of JAMS */

    return cJSON_HasObjectItem(obj, "mfm") ||
           cJSON_HasObjectItem(sandbox, "mfm") ||
           (cJSON_HasObjectItem(obj, "file") &&
            cJSON_HasObjectItem(obj, "error"));
}

/* The first line, as far as the limit of an object. */
static void read_line(struct strbuf *line, const char *path)
{
    FILE *f = fopen(path, "re");
    int c;

    while (f && line->len <= LIMIT_JSON_BYTES &&
           (c = getc_unlocked(f)) != EOF && c != '\n')
        strbuf_addch(line, (char)c);
    if (f)
        fclose(f);
}

/* Lines of which the first is one, however many there are; or one object. */
static int json_is_ours(const char *path)
{
    struct strbuf text = STRBUF_INIT;
    cJSON *obj = NULL;
    int ours;

    read_line(&text, path);
    if (json_parse(&obj, text.s, text.len, NULL)) {
        strbuf_reset(&text);
        if (!file_read(&text, path, LIMIT_JSON_BYTES, NULL))
            json_parse(&obj, text.s, text.len, NULL);
    }
    ours = is_ours(obj);
    cJSON_Delete(obj);
    strbuf_release(&text);
    return ours;
}

/* Whether the file has this in its first bytes. */
static int begins_with_mark(const char *path, const char *mark)
{
    char start[512];
    size_t n = 0, len = strlen(mark);
    FILE *f = fopen(path, "re");
    int found = 0;

    if (f) {
        n = fread(start, 1, sizeof(start), f);
        fclose(f);
    }
    for (size_t i = 0; i + len <= n && !found; i++)
        found = !memcmp(start + i, mark, len);
    return found;
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
    if (ends_with(path, ".json") || ends_with(path, ".ndjson") ||
        ends_with(path, ".jams"))
        return json_is_ours(path);
    if (ends_with(path, ".html"))
        return begins_with_mark(path, "<meta name=\"generator\" "
                                      "content=\"mfm ");
    if (ends_with(path, ".wav"))
        return begins_with_mark(path, OUTPUTS_WAV_MARK);
    if (ends_with(path, ".npz"))
        return begins_with_mark(path, "mfm.npy");
    /* another name may hold JSON too, by -o, and sound, by --click */
    return !text || json_is_ours(path) ||
           begins_with_mark(path, OUTPUTS_WAV_MARK);
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

int outputs_spare_input(const char *path, const char *input, struct err *err)
{
    struct stat out, in;

    if (!strcmp(path, "-") || !strcmp(input, "-") || stat(path, &out) ||
        stat(input, &in) || !S_ISREG(out.st_mode) ||
        out.st_dev != in.st_dev || out.st_ino != in.st_ino)
        return 0;
    return err_set(err, ERR_ARG, "%s: is the input itself; give the output "
                   "another name", path);
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
