/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cmd/inputs.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "audio/stem.h"
#include "audio/walk.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/strbuf.h"
#include "base/xalloc.h"

/* Where the name begins that keeps the folders. */
static size_t below_root(const char *path)
{
    size_t at = 0;

    for (;;) {
        if (path[at] == '/')
            at++;
        else if (!strncmp(path + at, "./", 2))
            at += 2;
        else if (!strncmp(path + at, "../", 3))
            at += 3;
        else
            return at;
    }
}

static size_t last_part(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? (size_t)(slash + 1 - path) : 0;
}

static void add(struct inputs *in, const struct cmd_common *c, char *path,
                char *error)
{
    ARRAY_GROW(in->item, in->n, in->cap);
    in->item[in->n++] = (struct input){
        .path = path, .error = error,
        .name = c->keep_folders ? below_root(path) : last_part(path)
    };
}

struct walked {
    struct inputs *in;
    const struct cmd_common *common;
    size_t root; /* bytes of its name */
};

static void add_walked(void *ctx, char *path, char *error)
{
    struct walked *w = ctx;

    add(w->in, w->common, path, error);
    if (!w->common->keep_folders)
        w->in->item[w->in->n - 1].name = w->root +
                                         below_root(path + w->root);
}

static void add_path(struct inputs *in, const struct cmd_common *c,
                     const char *path)
{
    struct walked w = { in, c, strlen(path) };
    size_t before = in->n;
    struct stat st;

    if (!*path)
        add(in, c, xstrdup(path), xstrdup("'': an empty file name"));
    else if (!strcmp(path, "-") || stat(path, &st) || !S_ISDIR(st.st_mode)) {
        add(in, c, xstrdup(path), NULL);
    } else if (!c->recurse) {
        add(in, c, xstrdup(path),
            xasprintf("%s: is a folder; give -r to take the files in it",
                      path));
    } else {
        walk_audio(path, add_walked, &w);
        if (in->n == before)
            log_warn("%s: no audio files in it", path);
    }
}

static int add_list(struct inputs *in, const struct cmd_common *c,
                    struct err *err)
{
    struct strbuf list = STRBUF_INIT;
    char sep = c->nul ? '\0' : '\n', *p, *end;
    int rc = file_read(&list, c->files_from, LIMIT_LIST, err);

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
        if (!c->nul && end > p && end[-1] == '\r') /* a list of Windows */
            end[-1] = '\0';
        if (in->n >= LIMIT_INPUTS) {
            rc = err_set(err, ERR_FORMAT, "%s: names more than %d files; see "
                         "LIMITS in mfm(1)", c->files_from, LIMIT_INPUTS);
            break;
        }
        if (*p && stem_is_audio(p))
            add(in, c, xstrdup(p), NULL); /* a million stats take long */
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
        add(in, c, xstrdup("-"), NULL);
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
    if (!in->n && c->files_from) /* of folders it was said */
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
