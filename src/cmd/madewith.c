/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cmd/madewith.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/xalloc.h"

enum { MOST_BYTES = 1 << 20 };

/* Where and how fast, which inputs, and what is said of it. */
static const char neutral[] =
    "model|device|threads|jobs|files-from|null|recursive|output|out-dir|"
    "keep-folders|resume|force|progress|quiet|verbose|help|click|"
    "save-activations";

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* On one line, whatever is in it. */
static void flatten(char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s < ' ')
            *s = ' ';
}

char *madewith_text(const struct cmd_common *c, const char *command,
                    const char *sha256, const char *without)
{
    struct strbuf text = STRBUF_INIT;
    char *option[OPT_MOST_GIVEN];
    size_t n = 0;

    for (int i = 0; i < c->given.n; i++) {
        const char *name = c->given.v[i].name, *value = c->given.v[i].value;
        const struct opt_given one = { .v = { { name, value } }, .n = 1 };

        if (opt_first_given(&one, neutral) ||
            (without && opt_first_given(&one, without)))
            continue;
        option[n++] = xasprintf("--%s%s%s", name, value ? "=" : "",
                                value ? value : "");
    }
    qsort(option, n, sizeof(*option), by_name);
    strbuf_addstr(&text, command);
    for (size_t i = 0; i < n; i++) {
        flatten(option[i]);
        strbuf_addf(&text, " %s", option[i]);
        free(option[i]);
    }
    if (sha256)
        strbuf_addf(&text, " model %.16s", sha256);
    return strbuf_detach(&text);
}

static int is_key(const char *const *keys, const char *key, size_t n)
{
    for (; *keys; keys++)
        if (strlen(*keys) == n && !strncmp(*keys, key, n))
            return 1;
    return 0;
}

/* Keeps a line, or not; *other becomes one of other options. */
static void take_line(struct madewith *m, const char *line,
                      const char *const *keys, const char *text, int force,
                      const char **other)
{
    const char *tab = strchr(line, '\t');

    if (!tab)
        return;
    if (is_key(keys, line, (size_t)(tab - line))) {
        if (!strcmp(tab + 1, text))
            return; /* it is written below */
        *other = tab + 1;
        if (force)
            return;
    }
    strbuf_addf(&m->content, "%s\n", line);
}

int madewith_check(struct madewith *m, const char *path, const char *place,
                   const char *const *keys, const char *text,
                   const struct cmd_common *c, struct err *err)
{
    struct strbuf old = STRBUF_INIT;
    const char *other = NULL;
    char *save = NULL;
    int rc = 0;

    m->path = xstrdup(path);
    strbuf_init(&m->content);
    if (!access(path, F_OK))
        rc = file_read(&old, path, MOST_BYTES, err);
    for (char *line = old.len ? strtok_r(old.s, "\n", &save) : NULL; line;
         line = strtok_r(NULL, "\n", &save))
        take_line(m, line, keys, text, c->force, &other);
    for (const char *const *k = keys; *k; k++)
        strbuf_addf(&m->content, "%s\t%s\n", *k, text);
    m->redo = other && c->resume;
    if (!rc && m->redo && !c->force)
        rc = err_set(err, ERR_ARG, "--resume: %s holds results of `mfm "
                     "%.200s', this is `mfm %.200s'; give --force to make them "
                     "anew, or another place", place, other, text);
    strbuf_release(&old);
    return rc;
}

int madewith_save(const struct madewith *m, struct err *err)
{
    struct strbuf old = STRBUF_INIT;
    struct file_out out = {0};
    int rc, same;

    if (!m->path)
        return 0;
    file_read(&old, m->path, MOST_BYTES, NULL);
    same = old.len == m->content.len &&
           !memcmp(old.s, m->content.s, old.len);
    strbuf_release(&old);
    if (same)
        return 0;
    rc = file_out_open(&out, m->path, err);
    if (rc)
        return rc;
    fwrite(m->content.s, 1, m->content.len, out.f);
    rc = file_out_commit(&out, err);
    file_out_abort(&out);
    return rc;
}

void madewith_release(struct madewith *m)
{
    free(m->path);
    if (m->content.s)
        strbuf_release(&m->content);
    *m = (struct madewith){0};
}
