/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cmd/inputs.h"

#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"
#include "base/strbuf.h"
#include "base/xalloc.h"
#include "cmd/stem.h"

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

static void add(struct inputs *in, char *path, char *error)
{
    ARRAY_GROW(in->item, in->n, in->cap);
    in->item[in->n++] = (struct input){ path, error };
}

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

static void walk(struct inputs *in, const char *dir, const struct above *up)
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
        add(in, xstrdup(dir), xasprintf("%s: cannot read the folder: %s", dir,
                                        strerror(failed)));
    for (size_t i = 0; i < all.n; i++) {
        char *path = join(dir, all.item[i].name);

        if (all.item[i].is_dir) {
            walk(in, path, &here);
            free(path);
        } else {
            add(in, path, NULL);
        }
        free(all.item[i].name);
    }
    free(all.item);
}

static void add_path(struct inputs *in, const struct cmd_common *c,
                     const char *path)
{
    size_t before = in->n;
    struct stat st;

    if (!strcmp(path, "-") || stat(path, &st) || !S_ISDIR(st.st_mode)) {
        add(in, xstrdup(path), NULL);
    } else if (!c->recurse) {
        add(in, xstrdup(path),
            xasprintf("%s: is a folder; give -r to take the files in it",
                      path));
    } else {
        walk(in, path, NULL);
        if (in->n == before)
            log_warn("%s: no audio files in it", path);
    }
}

static int add_list(struct inputs *in, const struct cmd_common *c,
                    struct err *err)
{
    struct strbuf list = STRBUF_INIT;
    char sep = c->nul ? '\0' : '\n', *p, *end;
    int rc = file_read(&list, c->files_from, SIZE_MAX / 2, err);

    if (rc)
        goto out;
    if (!c->nul && memchr(list.s, '\0', list.len)) {
        rc = err_set(err, ERR_FORMAT,
                     "%s: has NUL bytes; give -0 if they separate the names",
                     c->files_from);
        goto out;
    }
    for (p = list.s; p < list.s + list.len; p = end + 1) {
        end = memchr(p, sep, (size_t)(list.s + list.len - p));
        if (!end)
            end = list.s + list.len;
        *end = '\0';
        if (*p && stem_is_audio(p))
            add(in, xstrdup(p), NULL); /* a million stats take long */
        else if (*p)
            add_path(in, c, p);
    }
out:
    strbuf_release(&list);
    return rc;
}

int inputs_collect(struct inputs *in, const struct cmd_common *c, int n,
                   char **operands, int stdin_is_tty, struct err *err)
{
    int times = c->files_from && !strcmp(c->files_from, "-");

    if (!n && !c->files_from) {
        if (stdin_is_tty)
            return err_set(err, ERR_ARG,
                           "no input: name files, or pipe audio in");
        add(in, xstrdup("-"), NULL);
        return 0;
    }
    for (int i = 0; i < n; i++)
        add_path(in, c, operands[i]);
    if (c->files_from)
        TRY(add_list(in, c, err));
    for (size_t i = 0; i < in->n; i++)
        times += !strcmp(in->item[i].path, "-");
    if (times > 1)
        return err_set(err, ERR_ARG, "stdin (-) can be read only once");
    if (!in->n)
        log_warn("nothing to do: the list of files is empty");
    return 0;
}

void inputs_release(struct inputs *in)
{
    for (size_t i = 0; i < in->n; i++) {
        free(in->item[i].path);
        free(in->item[i].error);
    }
    free(in->item);
    *in = (struct inputs){0};
}
