/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A folder of one's own: NAME.<audio> beside NAME.beats, NAME.lab ... */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/limits.h"
#include "base/xalloc.h"
#include "eval/datasets/private.h"

/* Longer endings stand before those that they end in. */
static const struct {
    const char *suffix;
    enum annot_task task;
} kinds[] = {
    { ".chords.lab", ANNOT_CHORDS },
    { ".structure.lab", ANNOT_STRUCTURE },
    { ".lab", ANNOT_CHORDS },
    { ".seg", ANNOT_STRUCTURE },
    { ".beats", ANNOT_BEATS },
    { ".key", ANNOT_KEY },
    { ".tempo", ANNOT_TEMPO },
    { ".bpm", ANNOT_TEMPO },
    { ".tags", ANNOT_TAGS }
};

/* Where a song keeps the path of a file of this name; *len is the length of the
 * stem. NULL if it is neither labels nor audio. */
static char **slot_of(struct dataset_entry *e, const char *name, size_t *len)
{
    size_t n = strlen(name);

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        size_t m = strlen(kinds[i].suffix);

        *len = n - m;
        if (n > m && !strcmp(name + n - m, kinds[i].suffix))
            return &e->part[kinds[i].task].labels;
    }
    return dataset_is_audio(name, len) ? &e->audio : NULL;
}

/* The song called rel/stem among [first, d->n), those of this folder, or a new
 * one. Names come in order, so that all with the same text before their first
 * dot are neighbours. */
static struct song *folder_song(struct dataset *d, const char *rel,
                                const char *stem, size_t first,
                                struct err *err)
{
    char *id = xasprintf("%s%s", rel, stem);
    size_t len = strlen(rel) + strcspn(stem, ".");
    struct song *s = NULL;

    for (size_t i = d->n; i > first && !s; i--) {
        const char *at = d->song[i - 1].e.id;

        if (strncmp(at, id, len) || (at[len] && at[len] != '.'))
            break;
        if (!strcmp(at, id))
            s = &d->song[i - 1];
    }
    if (!s)
        s = dataset_add(d, id, err);
    free(id);
    return s;
}

/* A label or audio file; the first of a kind counts. */
static int take_file(struct dataset *d, const char *rel, const char *name,
                     size_t first, struct err *err)
{
    struct dataset_entry none;
    struct song *song;
    char *stem, **slot;
    size_t len;

    if (!slot_of(&none, name, &len))
        return 0;
    stem = xstrndup(name, len);
    song = folder_song(d, rel, stem, first, err);
    free(stem);
    if (!song)
        return ERR_FORMAT;
    slot = slot_of(&song->e, name, &len);
    if (!*slot)
        *slot = xasprintf("%s/%s%s", d->root, rel, name);
    return 0;
}

/* A folder on the way down; a link back to one of them is not followed. */
struct level {
    const struct level *up;
    dev_t dev;
    ino_t ino;
    int depth;
};

static int walk(struct dataset *d, const char *rel, const struct level *level,
                struct err *err);

static int walk_sub(struct dataset *d, const char *rel, const char *name,
                    const struct level *up, struct err *err)
{
    char *path = xasprintf("%s/%s%s", d->root, rel, name);
    char *sub = xasprintf("%s%s/", rel, name);
    struct stat st;
    int rc = 0;

    if (!stat(path, &st) && S_ISDIR(st.st_mode)) {
        const struct level here = { up, st.st_dev, st.st_ino, up->depth + 1 };
        const struct level *l = up;

        while (l && (l->dev != st.st_dev || l->ino != st.st_ino))
            l = l->up;
        if (!l && here.depth < LIMIT_FOLDERS)
            rc = walk(d, sub, &here, err);
    }
    free(path);
    free(sub);
    return rc;
}

static int walk(struct dataset *d, const char *rel, const struct level *level,
                struct err *err)
{
    char *dir = dataset_path(d, rel), **names;
    size_t n, first = d->n;
    int rc = dataset_list(&names, &n, dir, err);

    for (size_t i = 0; i < n && !rc; i++) {
        char *path = xasprintf("%s/%s%s", d->root, rel, names[i]);
        struct stat st;

        if (!stat(path, &st) && S_ISREG(st.st_mode))
            rc = take_file(d, rel, names[i], first, err);
        free(path);
    }
    for (size_t i = 0; i < n && !rc; i++)
        rc = walk_sub(d, rel, names[i], level, err);
    dataset_list_free(names, n);
    free(dir);
    return rc;
}

static int open_folder(struct dataset *d, struct err *err)
{
    struct level top = { 0 };
    struct stat st;

    if (stat(d->root, &st))
        return err_sys(err, "%s: cannot look at it", d->root);
    top.dev = st.st_dev;
    top.ino = st.st_ino;
    TRY(walk(d, "", &top, err));
    if (!d->n)
        return err_set(err, ERR_IO, "%s: no song.beats, .lab, .seg, .key, .bpm "
                       "or .tags in it", d->root);
    return dataset_sort(d, err);
}

const struct descriptor dataset_folder = {
    .info = {
        .name = "folder", .title = "a labelled folder",
        .source = "NAME.<audio> beside NAME.beats, NAME.lab (chords), NAME.seg "
                  "(start end function), NAME.key, NAME.tempo or NAME.bpm, "
                  "NAME.tags",
        .licence = "your own",
        .tasks = (1 << DATASET_TASKS) - 1
    },
    .open = open_folder
};
