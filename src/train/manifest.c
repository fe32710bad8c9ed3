/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "train/manifest.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "annot/fma.h"
#include "audio/stem.h"
#include "audio/walk.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/pool.h"
#include "base/strbuf.h"
#include "base/xalloc.h"
#include "train/lengths.h"

static void add(struct manifest *m, char *path)
{
    ARRAY_GROW(m->item, m->n, m->cap);
    m->item[m->n++] = (struct recording){ .path = path };
}

static void leave_out(struct manifest *m, const char *message)
{
    log_warn("%s; left out", message);
    m->left_out++;
}

static void add_walked(void *ctx, char *path, char *error)
{
    struct manifest *m = ctx;

    if (!error) {
        add(m, path);
        return;
    }
    leave_out(m, error);
    free(path);
    free(error);
}

static int is_folder(const char *path)
{
    struct stat st;

    return !stat(path, &st) && S_ISDIR(st.st_mode);
}

/* A line of a list in the folder of dir_len bytes. */
static void add_line(struct manifest *m, const char *list, size_t dir_len,
                     const char *line)
{
    char *path = *line == '/' ? xstrdup(line)
                              : xasprintf("%.*s%s", (int)dir_len, list, line);

    if (stem_is_audio(path) || !is_folder(path)) {
        add(m, path); /* a million stats take long */
        return;
    }
    walk_audio(path, add_walked, m);
    free(path);
}

static int add_list(struct manifest *m, const char *path, struct err *err)
{
    struct strbuf text = STRBUF_INIT;
    const char *slash = strrchr(path, '/');
    size_t dir_len = slash ? (size_t)(slash - path) + 1 : 0;
    int rc = file_read(&text, path, LIMIT_LIST, err);
    char *end;

    if (!rc && memchr(text.s, '\0', text.len))
        rc = err_set(err, ERR_FORMAT, "%s: neither audio by its name nor a "
                     "list of files: it has NUL bytes", path);
    for (char *p = text.s; !rc && p < text.s + text.len; p = end + 1) {
        end = p + strcspn(p, "\n");
        *end = '\0';
        if (end > p && end[-1] == '\r')
            end[-1] = '\0';
        if (m->n >= LIMIT_INPUTS)
            rc = err_set(err, ERR_FORMAT, "%s: names more than %d files; see "
                         "LIMITS in mfm(1)", path, LIMIT_INPUTS);
        else if (*p)
            add_line(m, path, dir_len, p);
    }
    strbuf_release(&text);
    return rc;
}

static int add_set(struct manifest *m, const char *path, struct err *err)
{
    struct shards *s;

    TRY(shards_open(&s, path, m->rate, err));
    ARRAY_GROW(m->set, m->n_sets, m->cap_sets);
    m->set[m->n_sets++] = s;
    for (size_t i = 0; i < shards_count(s); i++) {
        add(m, xstrdup(shards_name(s, i)));
        m->item[m->n - 1].samples = shards_samples(s, i);
        m->item[m->n - 1].set = s;
        m->item[m->n - 1].in_set = i;
    }
    return 0;
}

int manifest_add(struct manifest *m, const char *path, struct err *err)
{
    size_t before = m->n;
    struct stat st;

    if (stat(path, &st))
        return err_sys(err, "%s: cannot open", path);
    if (S_ISDIR(st.st_mode))
        walk_audio(path, add_walked, m);
    else if (stem_is_audio(path))
        add(m, xstrdup(path));
    else if (shards_is(path))
        TRY(add_set(m, path, err));
    else
        TRY(add_list(m, path, err));
    return m->n > before ? 0 : err_set(err, ERR_FORMAT, "%s: names no audio "
                                       "file", path);
}

/* ---- the Free Music Archive ---- */

static int add_tracks(struct manifest *m, struct fma *f, const char *root,
                      size_t *absent, struct err *err)
{
    for (;;) {
        struct fma_track t;
        char *path;
        bool more;

        TRY(fma_next(f, &t, &more, err));
        if (!more)
            return 0;
        if (fma_broken(t.id)) {
            m->left_out++;
            continue;
        }
        path = fma_audio(root, t.id);
        if (path)
            add(m, path);
        else
            ++*absent;
    }
}

/* Removes the broken tracks by the number that is their name. */
static void drop_broken(struct manifest *m, size_t from)
{
    size_t n = from;

    for (size_t i = from; i < m->n; i++) {
        char *stem = stem_of(m->item[i].path), *end;
        long id = strtol(stem, &end, 10);

        if (end - stem == 6 && !*end && fma_broken((int)id)) {
            m->left_out++;
            free(m->item[i].path);
        } else {
            m->item[n++] = m->item[i];
        }
        free(stem);
    }
    m->n = n;
}

int manifest_add_fma(struct manifest *m, const char *root, struct err *err)
{
    char *table = xasprintf("%s/fma_metadata/tracks.csv", root);
    size_t before = m->n, absent = 0;
    struct fma f = {0};
    int rc;

    if (access(table, F_OK)) {
        free(table);
        table = xasprintf("%s/tracks.csv", root);
    }
    if (access(table, F_OK)) {
        rc = manifest_add(m, root, err);
        drop_broken(m, before);
    } else {
        rc = fma_open(&f, table, err);
        if (!rc)
            rc = add_tracks(m, &f, root, &absent, err);
        fma_release(&f);
        if (absent)
            log_warn("%s: no audio for %zu of its tracks", table, absent);
    }
    free(table);
    if (!rc && m->n == before)
        rc = err_set(err, ERR_ARG, "%s: no audio of the Free Music Archive, as "
                     "fma_large/000/000002.mp3", root);
    return rc;
}

/* ---- lengths ---- */

struct probe {
    struct manifest *m;
    char **error; /* of each recording, or NULL */
};

static void probe_one(void *ctx, int thread, size_t i)
{
    struct probe *p = ctx;
    struct recording *r = &p->m->item[i];
    struct err err;

    (void)thread;
    if (r->samples ||
        !lengths_measure(r->path, p->m->rate, &r->samples, &err))
        return;
    r->samples = 0;
    p->error[i] = xstrdup(err.msg);
}

static void drop_failed(struct manifest *m, char **error)
{
    size_t n = 0;

    for (size_t i = 0; i < m->n; i++) {
        if (m->item[i].samples) {
            m->item[n++] = m->item[i];
            continue;
        }
        leave_out(m, error[i]);
        free(error[i]);
        free(m->item[i].path);
    }
    m->n = n;
}

static int write_cache(const struct manifest *m, const char *cache,
                       struct err *err)
{
    struct lengths l = {0};
    int rc;

    for (size_t i = 0; i < m->n; i++)
        if (!m->item[i].set)
            lengths_add(&l, m->item[i].path, m->item[i].samples);
    rc = lengths_write(&l, cache, m->rate, err);
    lengths_release(&l);
    return rc;
}

int manifest_probe(struct manifest *m, int threads, const char *cache,
                   struct err *err)
{
    struct probe p = { m, xcalloc(m->n + 1, sizeof(*p.error)) };
    struct lengths known = {0};
    size_t unknown = 0;

    if (cache)
        lengths_read(&known, cache, m->rate);
    for (size_t i = 0; i < m->n; i++) {
        if (!m->item[i].samples)
            m->item[i].samples = lengths_find(&known, m->item[i].path);
        unknown += !m->item[i].samples;
    }
    lengths_release(&known);
    if (unknown)
        pool_each(threads, m->n, probe_one, &p);
    drop_failed(m, p.error);
    free(p.error);
    if (!m->n)
        return err_set(err, ERR_FORMAT, "no recording is left to learn from: "
                       "%zu could not be used", m->left_out);
    return cache && unknown ? write_cache(m, cache, err) : 0;
}

size_t manifest_drop_short(struct manifest *m, int64_t samples)
{
    size_t n = 0, dropped;

    for (size_t i = 0; i < m->n; i++) {
        if (m->item[i].samples < samples)
            free(m->item[i].path);
        else
            m->item[n++] = m->item[i];
    }
    dropped = m->n - n;
    m->n = n;
    return dropped;
}

int64_t manifest_samples(const struct manifest *m)
{
    int64_t sum = 0;

    for (size_t i = 0; i < m->n; i++)
        sum += m->item[i].samples;
    return sum;
}

void manifest_release(struct manifest *m)
{
    for (size_t i = 0; i < m->n; i++)
        free(m->item[i].path);
    for (size_t i = 0; i < m->n_sets; i++)
        shards_free(m->set[i]);
    free(m->set);
    free(m->item);
    *m = (struct manifest){0};
}
