/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "eval/dataset.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "annot/read.h"
#include "annot/section.h"
#include "base/limits.h"
#include "base/strbuf.h"
#include "base/xalloc.h"
#include "eval/datasets/private.h"
#include "eval/split.h"

static const struct descriptor *const kinds[] = {
    &dataset_harmonix, &dataset_gtzan, &dataset_hooktheory,
    &dataset_giantsteps, &dataset_mtg_keys, &dataset_magnatagatune,
    &dataset_fma, &dataset_pop909, &dataset_billboard, &dataset_folder
};

const struct dataset_info *const dataset_infos[] = {
    &dataset_harmonix.info, &dataset_gtzan.info, &dataset_hooktheory.info,
    &dataset_giantsteps.info, &dataset_mtg_keys.info,
    &dataset_magnatagatune.info, &dataset_fma.info, &dataset_pop909.info,
    &dataset_billboard.info, &dataset_folder.info, NULL
};

/* ---- for descriptors ---- */

const char *const dataset_splits[3] = { "train", "valid", "test" };

void dataset_part_set(const struct dataset *d, struct song *s,
                      enum annot_task task, const char *split,
                      const char *excluded)
{
    s->e.part[task] = (struct dataset_part){ d->table, split, excluded };
}

struct song *dataset_add(struct dataset *d, const char *id, struct err *err)
{
    struct song *s;

    if (d->n == LIMIT_SONGS) {
        err_set(err, ERR_FORMAT, "%s: more than %d songs", d->root,
                LIMIT_SONGS);
        return NULL;
    }
    ARRAY_GROW(d->song, d->n, d->cap);
    s = &d->song[d->n++];
    *s = (struct song){ .duration = NAN };
    s->e.id = xstrdup(id);
    return s;
}

static int by_id(const void *a, const void *b)
{
    const struct song *x = a, *y = b;

    return strcmp(x->e.id, y->e.id);
}

int dataset_sort(struct dataset *d, struct err *err)
{
    if (d->n)
        qsort(d->song, d->n, sizeof(*d->song), by_id);
    for (size_t i = 1; i < d->n; i++)
        if (!by_id(&d->song[i - 1], &d->song[i]))
            return err_set(err, ERR_FORMAT, "%s: %.100s is there twice",
                           d->table ? d->table : d->root, d->song[i].e.id);
    return 0;
}

struct song *dataset_find(const struct dataset *d, size_t n, const char *id,
                          size_t len)
{
    size_t lo = 0, hi = n;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        const char *at = d->song[mid].e.id;
        int c = len ? strncmp(at, id, len) : strcmp(at, id);

        if (c == 0)
            return &d->song[mid];
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

void dataset_note(struct dataset *d, const char *what, int64_t stated,
                  int64_t found)
{
    ARRAY_GROW(d->fact, d->n_facts, d->fact_cap);
    d->fact[d->n_facts++] = (struct dataset_fact){ xstrdup(what), stated,
                                                   found };
}

char *dataset_path(const struct dataset *d, const char *name)
{
    return *name ? xasprintf("%s/%s", d->root, name) : xstrdup(d->root);
}

int dataset_need(struct dataset *d, const char *const *names, struct err *err)
{
    const char *first = *names;

    for (; *names; names++) {
        d->table = dataset_path(d, *names);
        if (!access(d->table, R_OK))
            return 0;
        free(d->table);
        d->table = NULL;
    }
    return err_set(err, ERR_IO, "%s/%s: missing; %s is at %s", d->root, first,
                   d->kind->info.title, d->kind->info.source);
}

static const char *const audio_ext[] = {
    ".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a", ".aac", ".au", ".aif",
    ".aiff", ".webm", ".mp4", NULL
};

bool dataset_is_audio(const char *name, size_t *len)
{
    const char *dot = strrchr(name, '.');

    for (int i = 0; dot && audio_ext[i]; i++)
        if (!strcasecmp(dot, audio_ext[i])) {
            *len = (size_t)(dot - name);
            return *len > 0;
        }
    return false;
}

char *dataset_audio(const struct dataset *d, const char *const *patterns,
                    const char *id)
{
    struct strbuf path = STRBUF_INIT;
    char *found = NULL;

    for (; *patterns && !found; patterns++) {
        size_t stem;

        strbuf_reset(&path);
        strbuf_addf(&path, "%s/", d->root);
        for (const char *p = *patterns; *p; p++)
            if (*p == '*')
                strbuf_addstr(&path, id);
            else if (*p == '?')
                strbuf_add(&path, id, strcspn(id, "."));
            else
                strbuf_addch(&path, *p);
        stem = path.len;
        for (int i = 0; audio_ext[i] && !found; i++) {
            path.s[stem] = 0;
            path.len = stem;
            strbuf_addstr(&path, audio_ext[i]);
            if (!access(path.s, F_OK))
                found = xstrdup(path.s);
        }
    }
    strbuf_release(&path);
    return found;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int dataset_list(char ***out, size_t *n, const char *dir, struct err *err)
{
    DIR *stream = opendir(dir);
    const struct dirent *item;
    size_t cap = 0;
    int rc = 0;

    *out = NULL;
    *n = 0;
    if (!stream)
        return err_sys(err, "%s: cannot open the folder", dir);
    while (!rc && (errno = 0, item = readdir(stream))) {
        if (*item->d_name == '.')
            continue;
        if (*n == LIMIT_SONGS) {
            rc = err_set(err, ERR_FORMAT, "%s: more than %d files", dir,
                         LIMIT_SONGS);
            break;
        }
        ARRAY_GROW(*out, *n, cap);
        (*out)[(*n)++] = xstrdup(item->d_name);
    }
    if (!rc && errno)
        rc = err_sys(err, "%s: cannot read the folder", dir);
    closedir(stream);
    if (*n)
        qsort(*out, *n, sizeof(**out), by_bytes);
    if (rc) {
        dataset_list_free(*out, *n);
        *out = NULL;
        *n = 0;
    }
    return rc;
}

void dataset_list_free(char **names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(names[i]);
    free(names);
}

void dataset_own_split(struct dataset *d, enum annot_task task, size_t want)
{
    struct dataset_part **part = xcalloc(d->n, sizeof(*part));
    uint64_t *hash = xcalloc(d->n, sizeof(*hash));
    bool *test = xcalloc(d->n, sizeof(*test));
    size_t n = 0;

    for (size_t i = 0; i < d->n; i++) {
        struct song *s = &d->song[i];

        if (!s->e.part[task].labels || s->e.part[task].excluded)
            continue;
        part[n] = &s->e.part[task];
        hash[n++] = split_hash(s->artist ? s->artist : "",
                               s->title ? s->title : s->e.id, SPLIT_SEED);
    }
    split_choose(test, hash, n, want);
    for (size_t i = 0; i < n; i++)
        part[i]->split = test[i] ? "test" : "train";
    free(part);
    free(hash);
    free(test);
}

/* ---- for everyone ---- */

static int open_root(struct dataset *d, struct err *err)
{
    const struct dataset_info *info = &d->kind->info;
    struct stat st;

    if (stat(d->root, &st) || !S_ISDIR(st.st_mode))
        return err_set(err, ERR_IO, "%s: no such folder; %s: %s", d->root,
                       info->title, info->source);
    return d->kind->open(d, err);
}

int dataset_open(struct dataset **out, const char *name, const char *root,
                 struct err *err)
{
    struct strbuf known = STRBUF_INIT;
    struct dataset *d;
    int rc;

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        strbuf_addf(&known, " %s", kinds[i]->info.name);
        if (strcmp(kinds[i]->info.name, name))
            continue;
        strbuf_release(&known);
        d = xcalloc(1, sizeof(*d));
        d->kind = kinds[i];
        d->root = xstrdup(root);
        for (int t = 0; t < DATASET_TASKS; t++)
            d->stated_items[t] = -1;
        d->stated_times_only = -1;
        rc = open_root(d, err);
        if (rc)
            dataset_free(d);
        else
            *out = d;
        return rc;
    }
    rc = err_set(err, ERR_ARG, "no dataset is called '%.100s'; there are%s",
                 name, known.s);
    strbuf_release(&known);
    return rc;
}

static void release_song(const struct dataset *d, struct song *s)
{
    for (int t = 0; t < DATASET_TASKS; t++)
        if (s->e.part[t].labels != d->table)
            free(s->e.part[t].labels);
    free(s->e.id);
    free(s->e.audio);
    free(s->artist);
    free(s->title);
    free(s->text);
}

void dataset_free(struct dataset *d)
{
    if (!d)
        return;
    for (size_t i = 0; i < d->n; i++)
        release_song(d, &d->song[i]);
    for (size_t i = 0; i < d->n_facts; i++)
        free(d->fact[i].what);
    free(d->song);
    free(d->fact);
    hooktheory_release(&d->hook);
    free(d->table);
    free(d->root);
    free(d);
}

const struct dataset_info *dataset_about(const struct dataset *d)
{
    return &d->kind->info;
}

size_t dataset_size(const struct dataset *d)
{
    return d->n;
}

const struct dataset_entry *dataset_at(const struct dataset *d, size_t i)
{
    return &d->song[i].e;
}

size_t dataset_facts(const struct dataset *d, const struct dataset_fact **out)
{
    *out = d->fact;
    return d->n_facts;
}

int64_t dataset_stated_items(const struct dataset *d, enum annot_task task)
{
    return d->stated_items[task];
}

int64_t dataset_stated_times_only(const struct dataset *d)
{
    return d->stated_times_only;
}

int dataset_labels(const struct dataset *d, size_t i, enum annot_task task,
                   struct annotation *out, struct err *err)
{
    const struct song *s = &d->song[i];
    const char *path = s->e.part[task].labels;
    int rc;

    annotation_init(out);
    if (!path)
        return err_set(err, ERR_ARG, "%s: %.200s has no labels for %s",
                       d->kind->info.name, s->e.id, annot_task_names[task]);
    if (d->kind->labels)
        rc = d->kind->labels(d, s, task, out, err);
    else
        rc = annot_read(out, path, task, err);
    if (rc) {
        annotation_release(out);
        return rc;
    }
    if (isnan(out->duration))
        out->duration = s->duration;
    annotation_close(out, out->duration);
    if (task == ANNOT_STRUCTURE)
        section_map(&out->spans, false);
    return 0;
}
