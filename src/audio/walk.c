/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "audio/walk.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "audio/stem.h"
#include "base/xalloc.h"

/* Where what is found goes. */
struct walk {
    walk_fn *fn;
    void *ctx;
};

/* The folders from the operand down to the one being read. */
struct above {
    const struct above *up;
    dev_t dev;
    ino_t ino;
};

struct entry {
    char *name;
    int is_dir;
};

struct entries {
    struct entry *item;
    size_t n, cap;
};

static char *join(const char *dir, const char *name)
{
    size_t n = strlen(dir);

    return xasprintf("%s%s%s", dir, n && dir[n - 1] == '/' ? "" : "/", name);
}

/* Asks the file system only where the entry does not say what it is. */
static int entry_is_dir(const char *dir, const struct dirent *e)
{
    struct stat st;
    char *path;
    int is_dir;

    if (e->d_type != DT_LNK && e->d_type != DT_UNKNOWN)
        return e->d_type == DT_DIR;
    path = join(dir, e->d_name);
    is_dir = !stat(path, &st) && S_ISDIR(st.st_mode);
    free(path);
    return is_dir;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct entry *)a)->name,
                  ((const struct entry *)b)->name);
}

/* The folders and audio files of dir, sorted. Returns 0 or errno. */
static int read_folder(struct entries *out, const char *dir)
{
    DIR *d = opendir(dir);
    const struct dirent *e;
    int failed;

    if (!d)
        return errno;
    while (errno = 0, (e = readdir(d))) {
        int is_dir;

        if (e->d_name[0] == '.')
            continue;
        is_dir = entry_is_dir(dir, e);
        if (!is_dir && !stem_is_audio(e->d_name))
            continue;
        ARRAY_GROW(out->item, out->n, out->cap);
        out->item[out->n++] = (struct entry){ xstrdup(e->d_name), is_dir };
    }
    failed = errno;
    closedir(d);
    if (out->n)
        qsort(out->item, out->n, sizeof(*out->item), by_name);
    return failed;
}

static void walk(const struct walk *w, const char *dir,
                 const struct above *up)
{
    struct entries all = {0};
    struct above here = { .up = up };
    struct stat st;
    int failed;

    if (!stat(dir, &st)) {
        here.dev = st.st_dev;
        here.ino = st.st_ino;
        for (; up; up = up->up)
            if (up->dev == st.st_dev && up->ino == st.st_ino)
                return;
    }
    failed = read_folder(&all, dir);
    if (failed)
        w->fn(w->ctx, xstrdup(dir),
              xasprintf("%s: cannot read the folder: %s", dir,
                        strerror(failed)));
    for (size_t i = 0; i < all.n; i++) {
        char *path = join(dir, all.item[i].name);

        if (all.item[i].is_dir) {
            walk(w, path, &here);
            free(path);
        } else {
            w->fn(w->ctx, path, NULL);
        }
        free(all.item[i].name);
    }
    free(all.item);
}

void walk_audio(const char *dir, walk_fn *fn, void *ctx)
{
    const struct walk w = { fn, ctx };

    walk(&w, dir, NULL);
}
