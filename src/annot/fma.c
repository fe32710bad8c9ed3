/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "annot/fma.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "annot/lines.h"
#include "base/limits.h"
#include "base/strbuf.h"
#include "base/xalloc.h"

enum { MAX_ID = 999999 };

bool fma_is(const char *text)
{
    const char *line = strchr(text, '\n');

    return (!strncmp(text, ",album,", 7) || !strncmp(text, ",track,", 7) ||
            !strncmp(text, ",set,", 5) || !strncmp(text, ",artist,", 8)) &&
           line && line[1] == ',';
}

/* The columns that two header lines name, group over name. */
struct wanted {
    const char *group, *name;
    int *column;
};

static int read_header(struct fma *f, struct err *err)
{
    const struct wanted wanted[] = {
        { "set", "split", &f->split },
        { "set", "subset", &f->subset },
        { "track", "genre_top", &f->genre_top },
        { "track", "genres", &f->genres },
        { "track", "genres_all", &f->genres_all },
        { "track", "tags", &f->tags },
        { "track", "title", &f->title },
        { "artist", "name", &f->artist },
        { "track", "duration", &f->duration },
    };
    bool in_group[ARRAY_LEN(wanted)][LIMIT_CSV_FIELDS];
    size_t n;
    bool more;

    TRY(csv_next(&f->csv, &more, err));
    n = f->csv.n;
    for (size_t w = 0; w < ARRAY_LEN(wanted); w++) {
        *wanted[w].column = -1;
        for (size_t i = 0; i < n; i++)
            in_group[w][i] = !strcmp(f->csv.field[i], wanted[w].group);
    }
    TRY(csv_next(&f->csv, &more, err));
    for (size_t w = 0; w < ARRAY_LEN(wanted); w++)
        for (size_t i = 0; i < n && i < f->csv.n; i++)
            if (in_group[w][i] && !strcmp(f->csv.field[i], wanted[w].name))
                *wanted[w].column = (int)i;
    TRY(csv_next(&f->csv, &more, err));
    if (strcmp(csv_field(&f->csv, 0), "track_id") || f->split < 0)
        return csv_bad(&f->csv, err, "not the third header line of FMA's "
                                     "tracks.csv (or no column set, split)");
    return 0;
}

static int begin(struct fma *f, int rc, struct err *err)
{
    if (!rc)
        rc = read_header(f, err);
    if (rc)
        fma_release(f);
    return rc;
}

int fma_open(struct fma *f, const char *path, struct err *err)
{
    *f = (struct fma){ 0 };
    return begin(f, csv_open(&f->csv, path, ',', err), err);
}

int fma_open_text(struct fma *f, const char *text, size_t len, const char *name,
                  struct err *err)
{
    *f = (struct fma){ 0 };
    csv_open_text(&f->csv, text, len, name, ',');
    return begin(f, 0, err);
}

void fma_release(struct fma *f)
{
    csv_release(&f->csv);
    *f = (struct fma){ 0 };
}

int fma_next(struct fma *f, struct fma_track *out, bool *more,
             struct err *err)
{
    const struct csv *c = &f->csv;
    double id;

    TRY(csv_next(&f->csv, more, err));
    if (!*more)
        return 0;
    if (!lines_number(&id, csv_field(c, 0)) || id < 0 || id > MAX_ID ||
        id != floor(id))
        return csv_bad(c, err, "track_id is not a number up to 999999");
    *out = (struct fma_track){
        .id = (int)id,
        .split = csv_field(c, f->split),
        .subset = csv_field(c, f->subset),
        .genre_top = csv_field(c, f->genre_top),
        .title = csv_field(c, f->title),
        .artist = csv_field(c, f->artist),
        .genres = csv_field(c, f->genres),
        .genres_all = csv_field(c, f->genres_all),
        .tags = csv_field(c, f->tags),
        .duration = NAN,
    };
    lines_number(&out->duration, csv_field(c, f->duration));
    return 0;
}

void fma_path(char out[16], int id)
{
    unsigned n = (unsigned)id % (MAX_ID + 1u);

    snprintf(out, 16, "%03u/%06u.mp3", n / 1000, n);
}

/* ---- Python's lists ---- */

static int bad_list(const char *text, struct err *err)
{
    return err_set(err, ERR_FORMAT, "'%.60s' is not a list as [21, 45] or "
                   "['a', 'b']", text);
}

/* A string in either quotes; ends behind it, NULL if it does not end. Escapes
 * stand for the character behind the backslash but n and t. */
static const char *quoted(struct strbuf *item, const char *s)
{
    char q = *s++;

    for (; *s && *s != q; s++) {
        char c = *s;

        if (c == '\\') {
            c = *++s;
            if (!c)
                return NULL;
            c = c == 'n' || c == 't' ? ' ' : c;
        }
        strbuf_addch(item, c);
    }
    return *s ? s + 1 : NULL;
}

static const char *bare(struct strbuf *item, const char *s)
{
    size_t n = strcspn(s, ",]'\"[ \t\n");

    strbuf_add(item, s, n);
    return n ? s + n : NULL;
}

static const char *skip_space(const char *s)
{
    return s + strspn(s, " \t\r\n");
}

static int parse_items(struct tags *out, struct strbuf *item, const char *text,
                       struct err *err)
{
    const char *s = skip_space(text);

    if (!*s)
        return 0;
    if (*s != '[')
        return bad_list(text, err);
    s = skip_space(s + 1);
    while (*s != ']') {
        strbuf_reset(item);
        s = *s == '\'' || *s == '"' ? quoted(item, s) : bare(item, s);
        if (!s)
            return bad_list(text, err);
        tags_append(out, item->s, 1);
        s = skip_space(s);
        if (*s == ',')
            s = skip_space(s + 1);
        else if (*s != ']')
            return bad_list(text, err);
    }
    return *skip_space(s + 1) ? bad_list(text, err) : 0;
}

int fma_list(struct tags *out, const char *text, struct err *err)
{
    struct strbuf item = STRBUF_INIT;
    size_t had = out->n;
    int rc = parse_items(out, &item, text, err);

    while (rc && out->n > had)
        free(out->v[--out->n].label);
    strbuf_release(&item);
    return rc;
}

const char *fma_broken(int id)
{
    static const int silent[] = { 99134, 108925, 133297 };
    static const int cut[] = {
        1486, 5574, 65753, 80391, 98558, 98559, 98560, 98565, 98566, 98567,
        98568, 98569, 98571, 105247, 108924, 126981, 127336, 143992
    };
    static const int header[] = { 80015, 115235, 117759 };

    for (size_t i = 0; i < ARRAY_LEN(silent); i++)
        if (silent[i] == id)
            return "the published clip has no audio";
    for (size_t i = 0; i < ARRAY_LEN(cut); i++)
        if (cut[i] == id)
            return "the published clip is cut short";
    for (size_t i = 0; i < ARRAY_LEN(header); i++)
        if (header[i] == id)
            return "the header or codec of the published file is broken";
    return NULL;
}

char *fma_audio(const char *root, int id)
{
    static const char *const dirs[] = { "fma_full", "fma_large", "fma_medium",
                                        "fma_small", "." };
    char name[16];

    fma_path(name, id);
    for (size_t i = 0; i < ARRAY_LEN(dirs); i++) {
        char *path = xasprintf("%s/%s/%s", root, dirs[i], name);

        if (!access(path, F_OK))
            return path;
        free(path);
    }
    return NULL;
}
