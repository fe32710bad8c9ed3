/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cmd/labelset.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "annot/mfmjson.h"
#include "annot/read.h"
#include "audio/stem.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/xalloc.h"
#include "cmd/labels.h"

static struct label_item *add(struct labelset *set)
{
    ARRAY_GROW(set->item, set->n, set->cap);
    set->item[set->n] = (struct label_item){ 0 };
    return set->item + set->n++;
}

static void item_release(struct label_item *item)
{
    free(item->stem);
    free(item->path);
    if (item->labels)
        annotation_release(item->labels);
    free(item->labels);
}

void labelset_release(struct labelset *set)
{
    for (size_t i = 0; i < set->n; i++)
        item_release(set->item + i);
    free(set->item);
    file_unmap(&set->map);
    if (set->spool)
        unlink(set->spool);
    free(set->spool);
    *set = (struct labelset){ 0 };
}

static int by_stem(const void *pa, const void *pb)
{
    const struct label_item *a = pa, *b = pb;
    int order = strcmp(a->stem, b->stem);

    return order ? order : (a->number > b->number) - (a->number < b->number);
}

static void sort(struct labelset *set)
{
    if (set->n)
        qsort(set->item, set->n, sizeof(*set->item), by_stem);
}

/* ---- folders ---- */

/* While a folder is read, `number` is the rank of the name. */
static void keep_best(struct labelset *set)
{
    size_t best = LABELS_SPECIFIC + 1, kept = 0;

    for (size_t i = 0; i < set->n; i++)
        if (set->item[i].number < best)
            best = set->item[i].number;
    sort(set);
    for (size_t i = 0; i < set->n; i++) {
        struct label_item *item = set->item + i;
        int general = item->number > LABELS_SPECIFIC &&
                      best <= LABELS_SPECIFIC;

        if (general || (kept && !strcmp(set->item[kept - 1].stem, item->stem)))
            item_release(item);
        else
            set->item[kept++] = *item;
    }
    set->n = kept;
}

static int open_folder(struct labelset *set, const char *path, struct err *err)
{
    DIR *dir = opendir(path);
    struct dirent *entry;

    if (!dir)
        return err_sys(err, "%s: cannot open", path);
    while ((entry = readdir(dir))) {
        const char *name = entry->d_name;
        int rank = labels_rank(set->task, name);
        struct label_item *item;

        if (!rank || *name == '.' || entry->d_type == DT_DIR)
            continue;
        item = add(set);
        item->stem = stem_of(name);
        item->path = xasprintf("%s/%s", path, name);
        item->number = (size_t)rank;
    }
    closedir(dir);
    keep_best(set);
    if (!set->n)
        return err_set(err, ERR_FORMAT, "%s: no files with labels for '%s'",
                       path, annot_task_names[set->task]);
    return 0;
}

/* ---- lines of JSON ---- */

/* The stem of the name in the line's "file"; NULL if there is none. mfm writes
 * it first, and then the rest need not be parsed here. */
static char *stem_of_line(const char *line, size_t len)
{
    static const char first[] = "{\"file\":\"";
    const size_t skip = sizeof(first) - 1;
    const cJSON *file;
    cJSON *object = NULL;
    char *stem = NULL;

    if (len > skip && !memcmp(line, first, skip)) {
        const char *begin = line + skip;
        const char *end = memchr(begin, '"', len - skip);

        if (end && !memchr(begin, '\\', (size_t)(end - begin))) {
            char *name = xstrndup(begin, (size_t)(end - begin));

            stem = stem_of(name);
            free(name);
            return stem;
        }
    }
    if (json_parse(&object, line, len, NULL))
        return NULL;
    file = cJSON_GetObjectItemCaseSensitive(object, "file");
    if (cJSON_IsString(file))
        stem = stem_of(file->valuestring);
    cJSON_Delete(object);
    return stem;
}

static int only_space(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!s[i] || !strchr(" \t\r\n", s[i]))
            return 0;
    return 1;
}

/* A file may be larger than the memory, or a hole: of a line that is too long
 * no more is looked at than shows it. */
static size_t line_length(const char *at, const char *end)
{
    size_t most = (size_t)LIMIT_JSON_BYTES + 1, n = (size_t)(end - at);
    const char *stop;

    n = n < most ? n : most;
    stop = memchr(at, '\n', n);
    return stop ? (size_t)(stop - at) : n;
}

static int open_lines(struct labelset *set, struct err *err)
{
    const char *at = (const char *)set->map.data, *end = at + set->map.size;
    size_t number = 0;

    while (at < end) {
        size_t len = line_length(at, end);

        number++;
        if (len > LIMIT_JSON_BYTES)
            return err_set(err, ERR_FORMAT, "%s:%zu: a line of more than %d "
                           "bytes; see LIMITS in mfm(1)", set->name, number,
                           LIMIT_JSON_BYTES);
        if (!only_space(at, len)) {
            char *stem = stem_of_line(at, len);
            struct label_item *item;

            if (!stem)
                return err_set(err, ERR_FORMAT, "%s:%zu: not a JSON object "
                               "with the name of its recording in \"file\"",
                               set->name, number);
            item = add(set);
            *item = (struct label_item){ stem, NULL, at, len, number, NULL };
        }
        at += len + 1;
    }
    if (!set->n)
        return err_set(err, ERR_FORMAT, "%s: no results in it", set->name);
    sort(set);
    set->single = set->n == 1;
    return 0;
}

/* Whether the first line is an object by itself, and one of many or with the
 * name of its recording. */
static int has_lines(const struct file_map *map)
{
    const char *s = (const char *)map->data;
    size_t first, len;
    char *stem;

    if (!map->size || *s != '{')
        return 0;
    first = len = line_length(s, s + map->size);
    while (only_space(s + len - 1, 1))
        len--;
    if (s[len - 1] != '}')
        return 0;
    if (first < map->size && !only_space(s + first + 1, map->size - first - 1))
        return 1;
    stem = stem_of_line(s, len);
    free(stem);
    return stem != NULL;
}

/* ---- files ---- */

/* Copies a pipe to a temporary file. */
static int spool(struct labelset *set, const char *path, struct err *err)
{
    const char *dir = getenv("TMPDIR");
    FILE *f = NULL;
    int fd, rc = 0;

    set->spool = xasprintf("%s/mfm-eval-XXXXXX", dir && *dir ? dir : P_tmpdir);
    fd = mkstemp(set->spool);
    f = fd < 0 ? NULL : fdopen(fd, "w");
    if (f)
        rc = file_read_to(f, path, LIMIT_LABELS, err);
    if (!rc && (!f || fflush(f) || ferror(f)))
        rc = err_sys(err, "%s: cannot write", set->spool);
    if (f)
        fclose(f);
    return rc;
}

static int is_json(const char *path)
{
    const char *dot = strrchr(path, '.');

    return dot && (!strcasecmp(dot, ".json") || !strcasecmp(dot, ".ndjson"));
}

/* A message must not name the copy. */
static int rename_spool(const struct labelset *set, int rc, struct err *err)
{
    size_t n = set->spool ? strlen(set->spool) : 0;
    struct err copy;

    if (!rc || !n || strncmp(err->msg, set->spool, n))
        return rc;
    copy = *err;
    return err_set(err, copy.code, "%s%s", set->name, copy.msg + n);
}

static int take_song(void *ctx, const char *id, struct annotation *a,
                     struct err *err)
{
    struct labelset *set = ctx;
    struct label_item *item = add(set);

    (void)err;
    item->stem = stem_of(*id ? id : set->name);
    item->labels = xcalloc(1, sizeof(*item->labels));
    *item->labels = *a;
    annotation_init(a);
    return 0;
}

static int check_name(const struct labelset *set, const char *path,
                      struct err *err)
{
    const char *other = labels_of_other(set->task, path);

    if (stem_is_audio(path))
        return err_set(err, ERR_FORMAT, "%s: is audio: label files are wanted "
                       "here (mfm annotate makes them; --dataset folder takes "
                       "audio)", path);
    if (other)
        return err_set(err, ERR_FORMAT, "%s: has labels of %s by its name, not "
                       "of %s", path, other, annot_task_names[set->task]);
    return 0;
}

static int open_file(struct labelset *set, const char *path, struct err *err)
{
    if (!set->spool)
        TRY(check_name(set, path, err));
    if (set->spool || is_json(path)) {
        TRY(file_map(&set->map, path, err));
        if (has_lines(&set->map))
            return open_lines(set, err);
    }
    TRY(rename_spool(set, annot_read_many(path, set->task, take_song, set,
                                          err), err));
    if (!set->n)
        return err_set(err, ERR_FORMAT, "%s: no recording in it", set->name);
    sort(set);
    set->single = set->n == 1;
    return 0;
}

int labelset_open(struct labelset *set, const char *path, enum annot_task task,
                  struct err *err)
{
    struct stat st = { 0 };
    int rc;

    *set = (struct labelset){ .name = path, .task = task };
    if (!strcmp(path, "-"))
        set->name = "stdin";
    else if (stat(path, &st))
        return err_sys(err, "%s: cannot open", path);
    set->empty = S_ISREG(st.st_mode) && !st.st_size;
    if (S_ISDIR(st.st_mode))
        rc = open_folder(set, path, err);
    else if (S_ISREG(st.st_mode))
        rc = open_file(set, path, err);
    else if (!(rc = spool(set, path, err)))
        rc = open_file(set, set->spool, err);
    if (rc)
        labelset_release(set);
    return rc;
}

/* ---- datasets ---- */

void labelset_of_dataset(struct labelset *set, const struct dataset *d,
                         const char *name, enum annot_task task)
{
    *set = (struct labelset){ .name = name, .task = task, .dataset = d };
}

void labelset_add(struct labelset *set, size_t i)
{
    struct label_item *item = add(set);

    item->stem = xstrdup(dataset_at(set->dataset, i)->id);
    item->number = i;
}

int labelset_rename(struct labelset *set, const char *const *names, size_t n,
                    struct err *err)
{
    if (set->n != n)
        return err_set(err, ERR_FORMAT, "%s: %zu results for %zu inputs",
                       set->name, set->n, n);
    for (size_t i = 0; i < set->n; i++) {
        struct label_item *item = set->item + i;

        if (item->number < 1 || item->number > n)
            return err_set(err, ERR_FORMAT, "%s: blank lines", set->name);
        free(item->stem);
        item->stem = xstrdup(names[item->number - 1]);
    }
    sort(set);
    return 0;
}

/* ---- labels ---- */

static int read_line(struct annotation *out, const struct labelset *set,
                     const struct label_item *item, struct err *err)
{
    cJSON *object = NULL;
    char name[600];
    int rc;

    snprintf(name, sizeof(name), "%.500s:%zu", set->name, item->number);
    rc = json_parse(&object, item->line, item->len, err);
    if (rc)
        err_prefix(err, "%s", name);
    else
        rc = mfmjson_parse(out, object, name, set->task, err);
    cJSON_Delete(object);
    if (!rc && out->error)
        rc = err_set(err, ERR_UNSUPPORTED, "%s: has no result but an error: "
                     "%s", name, out->error);
    return rc;
}

int labelset_read(struct annotation *out, const struct labelset *set, size_t i,
                  struct err *err)
{
    const struct label_item *item = set->item + i;
    int rc = 0;

    annotation_init(out);
    if (set->dataset)
        rc = dataset_labels(set->dataset, item->number, set->task, out, err);
    else if (item->path)
        rc = annot_read(out, item->path, set->task, err);
    else if (!item->labels)
        rc = read_line(out, set, item, err);
    else if (item->labels->error)
        rc = err_set(err, ERR_UNSUPPORTED, "%s: no labels of %s: %s",
                     set->name, item->stem, item->labels->error);
    else
        annotation_copy(out, item->labels);
    if (rc)
        annotation_release(out);
    return rc;
}

void labelset_where(char *out, size_t size, const struct labelset *set,
                    size_t i)
{
    const struct label_item *item = set->item + i;

    if (item->line)
        snprintf(out, size, "%s:%zu", set->name, item->number);
    else
        snprintf(out, size, "%s", item->path ? item->path : set->name);
}
