/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "train/stepfile.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/xalloc.h"

/* In the order of their steps, the latest first. */
struct list {
    int64_t *step;
    size_t n, cap;
    char **rest; /* names of unfinished files */
    size_t n_rest, cap_rest;
};

char *stepfile_path(const char *dir, int64_t step)
{
    return xasprintf("%s/step-%09" PRId64 ".safetensors", dir, step);
}

/* -1: not such a name; 0: a whole file; 1: the temporary name of one. */
static int parse(const char *name, int64_t *step)
{
    static const char suffix[] = ".safetensors";
    char own[64], *end;

    if (strncmp(name, "step-", 5) || name[5] < '0' || name[5] > '9')
        return -1;
    errno = 0;
    *step = strtoll(name + 5, &end, 10);
    if (errno || strncmp(end, suffix, strlen(suffix)))
        return -1;
    end += strlen(suffix);
    if (*end == '.')
        return 1;
    snprintf(own, sizeof(own), "step-%09" PRId64 "%s", *step, suffix);
    return strcmp(own, name) ? -1 : 0;
}

static int later_first(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return x > y ? -1 : x < y;
}

static int list_read(struct list *l, const char *dir, struct err *err)
{
    const struct dirent *item;
    DIR *d = opendir(dir);

    memset(l, 0, sizeof(*l));
    if (!d)
        return errno == ENOENT
                   ? 0 : err_sys(err, "%s: cannot list the folder", dir);
    while ((item = readdir(d))) {
        int64_t step = 0;
        int kind = parse(item->d_name, &step);

        if (kind == 0) {
            ARRAY_GROW(l->step, l->n, l->cap);
            l->step[l->n++] = step;
        } else if (kind == 1) {
            ARRAY_GROW(l->rest, l->n_rest, l->cap_rest);
            l->rest[l->n_rest++] = xstrdup(item->d_name);
        }
    }
    closedir(d);
    if (l->n)
        qsort(l->step, l->n, sizeof(*l->step), later_first);
    return 0;
}

static void list_release(struct list *l)
{
    for (size_t i = 0; i < l->n_rest; i++)
        free(l->rest[i]);
    free(l->rest);
    free(l->step);
}

int stepfile_newest(char **path, const char *dir,
                    int (*check)(const char *path, struct err *err),
                    struct err *err)
{
    struct err why = {0};
    struct list l;
    int rc;

    *path = NULL;
    TRY(list_read(&l, dir, err));
    for (size_t i = 0; i < l.n && !*path; i++) {
        *path = stepfile_path(dir, l.step[i]);
        if (!check(*path, &why))
            break;
        log_warn("%s; taking the one before", why.msg);
        free(*path);
        *path = NULL;
    }
    rc = l.n && !*path
             ? err_set(err, ERR_FORMAT, "%s: none of the %zu checkpoints is "
                       "whole (the oldest: %.600s)", dir, l.n, why.msg)
             : 0;
    list_release(&l);
    return rc;
}

void stepfile_prune(const char *dir, int64_t step, int keep)
{
    struct list l;
    int kept = 0;

    if (list_read(&l, dir, NULL))
        return;
    for (size_t i = 0; i < l.n; i++) {
        char *path = stepfile_path(dir, l.step[i]);

        if (l.step[i] > step || (kept && kept >= keep))
            unlink(path);
        else
            kept++;
        free(path);
    }
    for (size_t i = 0; i < l.n_rest; i++) {
        char *path = xasprintf("%s/%s", dir, l.rest[i]);

        unlink(path);
        free(path);
    }
    list_release(&l);
}
