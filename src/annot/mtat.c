/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "annot/mtat.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/npy.h"
#include "base/xalloc.h"

const char *const mtat_tags[MTAT_TAGS] = {
    "guitar", "classical", "slow", "techno", "strings", "drums", "electronic",
    "rock", "fast", "piano", "ambient", "beat", "violin", "vocal", "synth",
    "female", "indian", "opera", "male", "singing", "vocals", "no vocals",
    "harpsichord", "loud", "quiet", "flute", "woman", "male vocal", "no vocal",
    "pop", "soft", "sitar", "solo", "man", "classic", "choir", "voice",
    "new age", "dance", "male voice", "female vocal", "beats", "harp", "cello",
    "no voice", "weird", "country", "metal", "female voice", "choral",
};

/* "noVocals" as "no vocals". */
static bool same(const char *name, const char *tag)
{
    while (*name && *tag) {
        if (*tag == ' ' && isupper((unsigned char)*name))
            tag++;
        if (tolower((unsigned char)*name) != tolower((unsigned char)*tag))
            return false;
        name++;
        tag++;
    }
    return !*name && !*tag;
}

int mtat_tag(const char *name)
{
    for (int i = 0; i < MTAT_TAGS; i++)
        if (same(name, mtat_tags[i]))
            return i;
    return -1;
}

/* ---- annotations_final.csv ---- */

bool mtat_is(const char *text)
{
    if (!strncmp(text, "\xef\xbb\xbf", 3))
        text += 3;
    text += *text == '"';
    return !strncmp(text, "clip_id", 7) &&
           (text[7] == '\t' || (text[7] == '"' && text[8] == '\t'));
}

static int read_header(struct mtat *m, struct err *err)
{
    bool more;

    TRY(csv_next(&m->csv, &more, err));
    m->clip_id = csv_column(&m->csv, "clip_id");
    m->mp3_path = csv_column(&m->csv, "mp3_path");
    if (m->clip_id < 0 || m->mp3_path < 0)
        return csv_bad(&m->csv, err, "no columns clip_id and mp3_path between "
                                     "tabs: not annotations_final.csv");
    m->tag = xcalloc(m->csv.n, sizeof(*m->tag));
    m->column = xcalloc(m->csv.n, sizeof(*m->column));
    m->has = xcalloc(m->csv.n, 1);
    for (int i = 0; i < (int)m->csv.n; i++)
        if (i != m->clip_id && i != m->mp3_path) {
            m->column[m->n] = i;
            m->tag[m->n++] = xstrdup(m->csv.field[i]);
        }
    return 0;
}

static int begin(struct mtat *m, int rc, struct err *err)
{
    if (!rc)
        rc = read_header(m, err);
    if (rc)
        mtat_release(m);
    return rc;
}

int mtat_open(struct mtat *m, const char *path, struct err *err)
{
    *m = (struct mtat){ 0 };
    return begin(m, csv_open(&m->csv, path, '\t', err), err);
}

int mtat_open_text(struct mtat *m, const char *text, size_t len,
                   const char *name, struct err *err)
{
    *m = (struct mtat){ 0 };
    csv_open_text(&m->csv, text, len, name, '\t');
    return begin(m, 0, err);
}

void mtat_release(struct mtat *m)
{
    for (int i = 0; i < m->n; i++)
        free(m->tag[i]);
    free(m->tag);
    free(m->column);
    free(m->has);
    csv_release(&m->csv);
    *m = (struct mtat){ 0 };
}

static bool whole(long *out, const char *s, long max)
{
    char *end;

    if (!isdigit((unsigned char)*s))
        return false;
    *out = strtol(s, &end, 10);
    return !*end && *out <= max;
}

int mtat_next(struct mtat *m, struct mtat_clip *out, bool *more,
              struct err *err)
{
    long id;

    TRY(csv_next(&m->csv, more, err));
    if (!*more)
        return 0;
    if (!whole(&id, csv_field(&m->csv, m->clip_id), 0x7fffffff))
        return csv_bad(&m->csv, err, "clip_id is not a number");
    if ((int)m->csv.n != m->n + 2)
        return csv_bad(&m->csv, err, "not as many fields as the header has");
    out->mp3_path = m->csv.field[m->mp3_path];
    for (int i = 0; i < m->n; i++) {
        const char *s = m->csv.field[m->column[i]];

        if ((*s != '0' && *s != '1') || s[1])
            return csv_bad(&m->csv, err, "a tag is neither 0 nor 1");
        m->has[i] = *s == '1';
    }
    out->has = m->has;
    out->id = (int)id;
    out->row = m->rows++;
    return 0;
}

/* ---- numpy's lists ---- */

int mtat_list_read(struct mtat_list *out, const char *path, struct err *err)
{
    char **text = NULL;
    struct npy a = { 0 };
    int rc;

    *out = (struct mtat_list){ 0 };
    TRY(npy_read(&a, path, err));
    rc = npy_strings(&a, &text, path, err);
    if (!rc) {
        out->path = text;
        out->n = (size_t)a.count;
        out->row = xcalloc(out->n, sizeof(*out->row));
    }
    for (size_t i = 0; i < out->n && !rc; i++) {
        char *tab = strchr(text[i], '\t');
        long row;

        if (tab)
            *tab++ = 0;
        if (!tab || !*tab || !whole(&row, text[i], 1L << 40)) {
            rc = err_set(err, ERR_FORMAT, "%s: string %zu is not a row, a tab "
                         "and a file", path, i);
            break;
        }
        out->row[i] = row;
        memmove(text[i], tab, strlen(tab) + 1);
    }
    npy_release(&a);
    if (rc)
        mtat_list_release(out);
    return rc;
}

void mtat_list_release(struct mtat_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->path[i]);
    free(l->path);
    free(l->row);
    *l = (struct mtat_list){ 0 };
}

int mtat_tags_read(struct tags *out, const char *path, struct err *err)
{
    struct npy a = { 0 };
    char **text = NULL;
    int rc;

    tags_init(out);
    TRY(npy_read(&a, path, err));
    rc = npy_strings(&a, &text, path, err);
    for (int64_t i = 0; !rc && i < a.count; i++) {
        tags_append(out, text[i], 1);
        free(text[i]);
    }
    free(text);
    npy_release(&a);
    return rc;
}
