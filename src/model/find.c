/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "model/find.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/strbuf.h"
#include "base/xalloc.h"

struct kind {
    const char *what, *folder, *suffix, *list; /* list: of the environment */
};
static const struct kind models = { "model", "models", ".safetensors",
                                    "MFM_MODELS" };
static const struct kind presets = { "preset", "presets", ".json",
                                     "MFM_PRESETS" };

struct search {
    const struct kind *kind;
    const char *name;    /* NULL: all of them */
    struct strbuf tried; /* folders, for the message */
    char *found;
    find_visit *visit;   /* of all */
    void *ctx;
    char **seen;         /* names that were visited, n_seen */
    size_t n_seen, cap_seen;
};

static int is_file(const char *path)
{
    struct stat st;

    return !stat(path, &st) && !S_ISDIR(st.st_mode);
}

/* Unless a folder before this one has the name. */
static void visit(struct search *s, const char *dir, const char *file)
{
    size_t len = strlen(file), tail = strlen(s->kind->suffix);
    char *name, *path;

    if (len <= tail || strcmp(file + len - tail, s->kind->suffix))
        return;
    name = xstrndup(file, len - tail);
    for (size_t i = 0; i < s->n_seen; i++)
        if (!strcmp(s->seen[i], name)) {
            free(name);
            return;
        }
    path = xasprintf("%s/%s", dir, file);
    s->visit(s->ctx, name, path);
    free(path);
    ARRAY_GROW(s->seen, s->n_seen, s->cap_seen);
    s->seen[s->n_seen++] = name;
}

static void list_dir(struct search *s, const char *dir, size_t len)
{
    char *path = xstrndup(dir, len);
    struct dirent **file;
    int n = scandir(path, &file, NULL, alphasort);

    for (int i = 0; i < n; i++) {
        visit(s, path, file[i]->d_name);
        free(file[i]);
    }
    if (n >= 0)
        free(file);
    free(path);
}

/* Looks in the first len bytes of dir; 1 if found. */
static int try_dir(struct search *s, const char *dir, size_t len)
{
    char *path;

    if (len == 0)
        return 0;
    if (!s->name) {
        list_dir(s, dir, len);
        return 0;
    }
    strbuf_addf(&s->tried, "%s%.*s", s->tried.len ? ", " : "", (int)len, dir);
    path = xasprintf("%.*s/%s%s", (int)len, dir, s->name, s->kind->suffix);
    if (is_file(path)) {
        s->found = path;
        return 1;
    }
    free(path);
    return 0;
}

static int try_list(struct search *s, const char *list)
{
    while (list && *list) {
        size_t len = strcspn(list, ":");

        if (try_dir(s, list, len))
            return 1;
        list += len + (list[len] == ':');
    }
    return 0;
}

static int try_user(struct search *s)
{
    const char *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
    char *dir;
    int found;

    if (data && *data == '/')
        dir = xasprintf("%s/mfm/%s", data, s->kind->folder);
    else if (home && *home)
        dir = xasprintf("%s/.local/share/mfm/%s", home, s->kind->folder);
    else
        return 0;
    found = try_dir(s, dir, strlen(dir));
    free(dir);
    return found;
}

/* A folder below dir; those that are not there are not named in messages. */
static int try_below(struct search *s, const char *dir, const char *below)
{
    char *path = xasprintf("%s/%s/%s", dir, below, s->kind->folder);
    int found = !access(path, F_OK) && try_dir(s, path, strlen(path));

    free(path);
    return found;
}

/* A build in the source tree or in a folder of it; an installation that was
 * moved. */
static int try_beside(struct search *s)
{
    char exe[4096];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
    char *slash;

    exe[n > 0 ? n : 0] = 0;
    for (int up = 0; up <= 3 && (slash = strrchr(exe, '/')); up++) {
        *slash = 0;
        if (try_below(s, exe, "data") ||
            try_below(s, exe, "share/mfm"))
            return 1;
    }
    return 0;
}

static int try_installed(struct search *s)
{
    char *dir = xasprintf("%s/%s", MFM_DATADIR, s->kind->folder);
    int found = try_dir(s, dir, strlen(dir));

    free(dir);
    return found;
}

static int find(char **out, const struct kind *kind, const char *name,
                struct err *err)
{
    struct search s = { .kind = kind, .name = name, .tried = STRBUF_INIT };
    size_t len = strlen(name), tail = strlen(kind->suffix);
    int rc = 0;

    if (strchr(name, '/') || is_file(name) ||
        (len > tail && !strcmp(name + len - tail, kind->suffix)))
        s.found = xstrdup(name);
    else if (!try_list(&s, getenv(kind->list)) && !try_user(&s) &&
             !try_installed(&s))
        try_beside(&s);
    if (s.found)
        *out = s.found;
    else
        rc = err_set(err, ERR_IO, "no %s \"%s\" in %s; give a file, or name "
                     "a folder in %s", kind->what, name, s.tried.s,
                     kind->list);
    strbuf_release(&s.tried);
    return rc;
}

static void list(const struct kind *kind, find_visit *visit_one, void *ctx)
{
    struct search s = { .kind = kind, .tried = STRBUF_INIT,
                        .visit = visit_one, .ctx = ctx };

    if (!try_list(&s, getenv(kind->list)) && !try_user(&s) &&
        !try_installed(&s))
        try_beside(&s);
    for (size_t i = 0; i < s.n_seen; i++)
        free(s.seen[i]);
    free(s.seen);
}

void model_list(find_visit *visit_one, void *ctx)
{
    list(&models, visit_one, ctx);
}

void preset_list(find_visit *visit_one, void *ctx)
{
    list(&presets, visit_one, ctx);
}

int model_find(char **out, const char *name, struct err *err)
{
    return find(out, &models, name, err);
}

int preset_find(char **out, const char *name, struct err *err)
{
    return find(out, &presets, name, err);
}
