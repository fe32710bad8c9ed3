/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "model/find.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/strbuf.h"
#include "base/xalloc.h"

struct search {
    const char *name;
    struct strbuf tried; /* folders, for the message */
    char *found;
};

static int is_file(const char *path)
{
    struct stat st;

    return !stat(path, &st) && !S_ISDIR(st.st_mode);
}

/* Looks in the first len bytes of dir; 1 if found. */
static int try_dir(struct search *s, const char *dir, size_t len)
{
    char *path;

    if (len == 0)
        return 0;
    strbuf_addf(&s->tried, "%s%.*s", s->tried.len ? ", " : "", (int)len, dir);
    path = xasprintf("%.*s/%s.safetensors", (int)len, dir, s->name);
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
        dir = xasprintf("%s/mfm/models", data);
    else if (home && *home)
        dir = xasprintf("%s/.local/share/mfm/models", home);
    else
        return 0;
    found = try_dir(s, dir, strlen(dir));
    free(dir);
    return found;
}

/* A folder below dir; those that are not there are not named in messages. */
static int try_below(struct search *s, const char *dir, const char *below)
{
    char *path = xasprintf("%s/%s", dir, below);
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
        if (try_below(s, exe, "data/models") ||
            try_below(s, exe, "share/mfm/models"))
            return 1;
    }
    return 0;
}

int model_find(char **out, const char *name, struct err *err)
{
    static const char suffix[] = ".safetensors";
    struct search s = { .name = name, .tried = STRBUF_INIT };
    size_t len = strlen(name), tail = sizeof(suffix) - 1;
    int rc = 0;

    if (strchr(name, '/') || is_file(name) ||
        (len > tail && !strcmp(name + len - tail, suffix)))
        s.found = xstrdup(name);
    else if (!try_list(&s, getenv("MFM_MODELS")) && !try_user(&s) &&
             !try_dir(&s, MFM_DATADIR "/models", strlen(MFM_DATADIR "/models")))
        try_beside(&s);
    if (s.found)
        *out = s.found;
    else
        rc = err_set(err, ERR_IO, "no model \"%s\" in %s; give a file, or name "
                     "a folder in MFM_MODELS", name, s.tried.s);
    strbuf_release(&s.tried);
    return rc;
}
