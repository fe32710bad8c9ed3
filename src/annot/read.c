/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "annot/read.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "annot/billboard.h"
#include "annot/fma.h"
#include "annot/hooktheory.h"
#include "annot/jams.h"
#include "annot/keytext.h"
#include "annot/lab.h"
#include "annot/mfmcsv.h"
#include "annot/mfmjson.h"
#include "annot/mtat.h"
#include "annot/mtgkeys.h"
#include "annot/pop909.h"
#include "annot/sonic.h"
#include "base/gunzip.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/strbuf.h"
#include "base/xalloc.h"

/* A file that is being read, and where its labels go. */
struct reading {
    const char *path;
    struct strbuf text;
    enum annot_task task;
    annot_visit *visit;
    void *ctx;
};

static int give(const struct reading *r, const char *id, struct annotation *a,
                int rc, struct err *err)
{
    if (!rc)
        rc = r->visit(r->ctx, id, a, err);
    annotation_release(a);
    return rc;
}

/* ---- JSON ---- */

static int read_hooktheory(const struct reading *r, struct err *err)
{
    struct hooktheory h;
    struct hook_song song;
    bool more = true;
    int rc = 0;

    hooktheory_open_text(&h, r->text.s, r->text.len, r->path);
    while (!rc && !(rc = hooktheory_next(&h, &song, &more, err)) && more) {
        struct annotation a;
        struct err why;

        annotation_init(&a);
        if (hook_song_read(&a, &song, r->task, &why)) {
            annotation_release(&a);
            a.error = xstrdup(why.msg);
        }
        rc = give(r, song.id, &a, 0, err);
        hook_song_release(&song);
    }
    hooktheory_release(&h);
    return rc;
}

/* line: of a text with more than one; else 0. */
static int read_object(const struct reading *r, const cJSON *root, int line,
                       struct err *err)
{
    struct annotation a;
    struct strbuf name = STRBUF_INIT;
    int rc;

    annotation_init(&a);
    strbuf_addstr(&name, r->path);
    if (line)
        strbuf_addf(&name, ":%d", line);
    if (cJSON_IsArray(cJSON_GetObjectItemCaseSensitive(root, "annotations")))
        rc = jams_parse(&a, root, name.s, r->task, err);
    else if (mfmjson_is(root))
        rc = mfmjson_parse(&a, root, name.s, r->task, err);
    else
        rc = err_set(err, ERR_FORMAT, "%s: this JSON is none that mfm wrote, "
                     "nor JAMS, nor HookTheory", name.s);
    rc = give(r, mfmjson_file(root), &a, rc, err);
    strbuf_release(&name);
    return rc;
}

static int read_json(const struct reading *r, const char *at, struct err *err)
{
    const char *end = r->text.s + r->text.len;
    struct json_text t = json_text_of(at, (size_t)(end - at));
    bool only = true;
    int rc = 0;

    if (hooktheory_is(at, (size_t)(end - at)))
        return read_hooktheory(r, err);
    while (!rc && !lines_only_space(t.at)) {
        cJSON *root = NULL;
        struct err why;

        rc = json_next(&root, &t, &why);
        if (rc)
            return err_set(err, rc, "%s:%d: %s", r->path, t.line, why.msg);
        only = only && lines_only_space(t.at);
        rc = read_object(r, root, only ? 0 : t.line, err);
        cJSON_Delete(root);
    }
    return rc;
}

/* ---- tables of many recordings ---- */

static int read_mtat(const struct reading *r, struct err *err)
{
    struct mtat m;
    struct mtat_clip clip;
    bool more = true;
    int rc;

    TRY(mtat_open_text(&m, r->text.s, r->text.len, r->path, err));
    while (!(rc = mtat_next(&m, &clip, &more, err)) && more) {
        struct annotation a;

        annotation_init(&a);
        for (int i = 0; i < m.n; i++)
            if (clip.has[i])
                tags_append(&a.tags, m.tag[i], 1);
        rc = give(r, clip.mp3_path, &a, 0, err);
        if (rc)
            break;
    }
    mtat_release(&m);
    return rc;
}

static int read_fma(const struct reading *r, struct err *err)
{
    struct fma f;
    struct fma_track track;
    bool more = true;
    int rc;

    TRY(fma_open_text(&f, r->text.s, r->text.len, r->path, err));
    while (!(rc = fma_next(&f, &track, &more, err)) && more) {
        struct annotation a;
        struct err why;
        char id[16];

        annotation_init(&a);
        a.duration = track.duration;
        if (*track.genre_top)
            tags_append(&a.tags, track.genre_top, 1);
        if (fma_list(&a.tags, track.tags, &why))
            a.error = xstrdup(why.msg);
        snprintf(id, sizeof(id), "%d", track.id);
        rc = give(r, id, &a, 0, err);
        if (rc)
            break;
    }
    fma_release(&f);
    return rc;
}

static int read_mtgkeys(const struct reading *r, struct err *err)
{
    struct mtgkeys m = { 0 };
    const char *id = "";
    bool more = true;
    int rc = mtgkeys_open_text(&m, r->text.s, r->text.len, r->path, err);

    while (!rc && more) {
        struct annotation a;

        annotation_init(&a);
        rc = mtgkeys_next(&m, &id, &a, &more, err);
        if (rc || !more)
            annotation_release(&a);
        else
            rc = give(r, id, &a, 0, err);
    }
    mtgkeys_release(&m);
    return rc;
}

/* ---- lines ---- */

static bool ends_in(const char *path, const char *ext)
{
    size_t n = strlen(path), m = strlen(ext);

    if (n > 3 && !strcasecmp(path + n - 3, ".gz"))
        n -= 3;
    return n >= m && !strncasecmp(path + n - m, ext, m);
}

/* The first line that is no comment and not empty, NULL if there is none. */
static const char *first_line(const char *s)
{
    for (; *s; s += strcspn(s, "\n"), s += *s != 0)
        if (*s != '#' && s[strspn(s, " \t\r\v\f")] != '\n')
            return lines_only_space(s) ? NULL : s;
    return NULL;
}

/* Words of a line; returns how many there are, at most 3. */
static int words(const char *s, const char *word[3], size_t len[3])
{
    int n = 0;

    while (n < 3) {
        s += strspn(s, " \t\r\v\f");
        if (!*s || *s == '\n')
            break;
        word[n] = s;
        len[n++] = strcspn(s, " \t\r\v\f\n");
        s += len[n - 1];
    }
    return n;
}

static bool number_of(double *v, const char *word, size_t len)
{
    char buf[64];

    if (len >= sizeof(buf))
        return false;
    memcpy(buf, word, len);
    buf[len] = 0;
    return lines_number(v, buf);
}

/* See read.h: the rule for beats. */
static bool is_audacity(const char *s)
{
    bool labels = false;
    const char *word[3];
    size_t len[3];
    double a, b;

    for (; *s; s += strcspn(s, "\n"), s += *s != 0) {
        int n = words(s, word, len);

        if (*s == '\\')
            return true;
        if (n == 0 || *s == '#')
            continue;
        if (n < 2 || !memchr(word[1], '.', len[1]) ||
            !number_of(&a, word[0], len[0]) ||
            !number_of(&b, word[1], len[1]) || b < a)
            return false;
        labels = labels || n == 3 || a == b;
    }
    return labels;
}

static int read_tempo(struct tempi *out, struct lines *l, struct err *err)
{
    double v[3] = { 0, 0, 1 };
    char *line, *word;
    int n = 0;

    TRY(lines_next(l, &line, err));
    if (!line)
        return err_set(err, ERR_FORMAT, "%s: no tempo in it", l->name);
    while ((word = lines_column(&line)))
        if (n == 3 || !lines_number(&v[n++], word))
            return lines_bad(l, err, "no tempo: neither 'bpm' nor 't1 t2 "
                                     "weight'");
    if (n == 2)
        return lines_bad(l, err, "behind two tempi stands no weight in 0..1");
    if (v[0] < 0 || v[1] < 0 || v[0] + v[1] == 0 || v[2] < 0 || v[2] > 1)
        return lines_bad(l, err, "a tempo is above 0 (one of two may be 0), a "
                                 "weight in 0..1");
    *out = (struct tempi){ { v[0], v[1] }, v[2] };
    TRY(lines_next(l, &line, err));
    return line ? lines_bad(l, err, "a second line: one tempo a file") : 0;
}

static int read_spans(struct annotation *out, const struct reading *r,
                      struct lines *l, const char *first, struct err *err)
{
    const char *word[3];
    size_t len[3];
    double v;
    int n = first ? words(first, word, len) : 0;

    if (n && strchr(first, '|') && number_of(&v, word[0], len[0]))
        return billboard_parse(out, l, r->task, err);
    if (n && (pop909_is_phrases(first) || (n > 1 && *word[1] == '[')))
        return err_set(err, ERR_UNSUPPORTED, "%s: counts bars or beats, not "
                       "seconds, and cannot be read without the beats of the "
                       "song", r->path);
    if (n && number_of(&v, word[0], len[0]) &&
        (n == 1 || !number_of(&v, word[1], len[1])))
        return lab_parse_starts(&out->spans, l, err);
    if (r->task == ANNOT_STRUCTURE && ends_in(r->path, ".seg"))
        return lab_parse_functions(&out->spans, l, err);
    if (ends_in(r->path, ".txt"))
        return lab_parse_regions(&out->spans, l, err);
    return lab_parse_segments(&out->spans, l, err);
}

static int read_lines(struct annotation *out, struct reading *r,
                      struct err *err)
{
    struct lines l;

    lines_init(&l, r->text.s, r->path);
    switch (r->task) {
    case ANNOT_BEATS:
        if (is_audacity(l.next))
            return lab_parse_points(&out->beats, &l, err);
        return lab_parse_beats(&out->beats, &l, err);
    case ANNOT_CHORDS:
    case ANNOT_STRUCTURE:
        return read_spans(out, r, &l, first_line(l.next), err);
    case ANNOT_KEY:
        return keytext_parse_lines(out, &l, err);
    case ANNOT_TEMPO:
        return read_tempo(&out->tempo, &l, err);
    case ANNOT_TAGS:
        return lab_parse_tags(&out->tags, &l, err);
    }
    return 0;
}

/* ---- the front door ---- */

static bool is_csv(const struct reading *r, const char *text)
{
    size_t n = strspn(text, "0123456789.+-eE");

    return ends_in(r->path, ".csv") || (n && text[n] == ',');
}

static int wrong_task(const struct reading *r, const char *has,
                      struct err *err)
{
    return err_set(err, ERR_FORMAT, "%s: a table of %s, which has no %s",
                   r->path, has, annot_task_names[r->task]);
}

static int read_text(struct reading *r, struct err *err)
{
    const char *s = r->text.s;
    struct annotation a;
    int rc;

    if (r->text.len > 5 && !memcmp(s, "\x93NUMPY", 6))
        return err_set(err, ERR_UNSUPPORTED, "%s: an array of numpy, which "
                       "has no labels of one recording", r->path);
    if (strlen(s) != r->text.len)
        return err_set(err, ERR_FORMAT, "%s: holds a zero byte: not a text "
                       "file in ASCII or UTF-8", r->path);
    s += strncmp(s, "\xef\xbb\xbf", 3) ? 0 : 3;
    if (s[strspn(s, " \t\r\n")] == '{')
        return read_json(r, s, err);
    if (mtat_is(s))
        return r->task == ANNOT_TAGS ? read_mtat(r, err)
                                     : wrong_task(r, "tags", err);
    if (fma_is(s))
        return r->task == ANNOT_TAGS ? read_fma(r, err)
                                     : wrong_task(r, "tracks", err);
    if (mtgkeys_is(s))
        return r->task == ANNOT_KEY ? read_mtgkeys(r, err)
                                    : wrong_task(r, "keys", err);
    annotation_init(&a);
    if (mfmcsv_is(s))
        rc = mfmcsv_parse(&a, s, strlen(s), r->path, r->task, err);
    else if (is_csv(r, s))
        rc = sonic_parse(&a, s, strlen(s), r->path, r->task, err);
    else
        rc = read_lines(&a, r, err);
    return give(r, "", &a, rc, err);
}

int annot_read_many(const char *path, enum annot_task task, annot_visit *visit,
                    void *ctx, struct err *err)
{
    struct reading r = { .path = path, .text = STRBUF_INIT, .task = task,
                         .visit = visit, .ctx = ctx };
    int rc = gunzip_read(&r.text, path, LIMIT_LABELS, err);

    if (!rc)
        rc = read_text(&r, err);
    strbuf_release(&r.text);
    return rc;
}

/* ---- one recording ---- */

struct one {
    struct annotation *out;
    const char *path;
    bool taken;
};

static int take_one(void *ctx, const char *id, struct annotation *a,
                    struct err *err)
{
    struct one *one = ctx;

    if (one->taken)
        return err_set(err, ERR_FORMAT, "%s: labels of more than one recording "
                       "(%.100s is the second), where one was expected",
                       one->path, id);
    if (a->error)
        return err_set(err, ERR_FORMAT, "%s: no labels: %.500s", one->path,
                       a->error);
    *one->out = *a;
    annotation_init(a);
    one->taken = true;
    return 0;
}

int annot_read(struct annotation *out, const char *path, enum annot_task task,
               struct err *err)
{
    struct one one = { out, path, false };
    int rc;

    annotation_init(out);
    rc = annot_read_many(path, task, take_one, &one, err);
    if (!rc && !one.taken)
        rc = err_set(err, ERR_FORMAT, "%s: no recording in it", path);
    if (rc)
        annotation_release(out);
    return rc;
}
