/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Datasets whose labels stand in one table for all songs. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "annot/fma.h"
#include "annot/keytext.h"
#include "annot/mtat.h"
#include "annot/mtgkeys.h"
#include "base/gunzip.h"
#include "base/limits.h"
#include "base/xalloc.h"
#include "eval/datasets/private.h"

/* ---- MTG keys: annotations/annotations.txt, audio/ID.LOFI.mp3 ---- */

static const char *const mtg_audio[] = { "audio/*.LOFI", "audio/*", NULL };

/* The usual choice of training songs: F. Korzeniowski, G. Widmer,
 * "Genre-Agnostic Key Classification With Convolutional Neural Networks", ISMIR
 * 2018. */
static const char *mtg_excluded(double confidence, const char *key)
{
    if (!strcmp(key, "-") || !key[strspn(key, " ")])
        return "no key";
    if (strchr(key, '/'))
        return "more than one key";
    return confidence == 2 ? NULL : "confidence below 2";
}

static int read_mtg(struct dataset *d, struct mtgkeys *m, int64_t count[4],
                    struct err *err)
{
    const char *id;

    for (;;) {
        struct annotation a;
        struct song *s;
        double confidence;
        const char *key;
        bool more;
        int rc;

        annotation_init(&a);
        rc = mtgkeys_next(m, &id, &a, &more, err);
        confidence = 2 * a.key.confidence;
        annotation_release(&a);
        if (rc || !more)
            return rc;
        key = csv_field(&m->csv, m->key);
        s = dataset_add(d, id, err);
        if (!s)
            return ERR_FORMAT;
        s->text = xstrdup(key);
        s->data = isnan(confidence) ? 3 : (uint64_t)confidence;
        s->line = m->csv.line;
        s->e.audio = dataset_audio(d, mtg_audio, id);
        dataset_part_set(d, s, ANNOT_KEY, "train",
                         mtg_excluded(confidence, key));
        if (s->data <= 2)
            count[s->data]++;
        count[3] += s->data == 2 && !strchr(key, '/');
    }
}

static int open_mtg(struct dataset *d, struct err *err)
{
    static const char *const names[] = { "annotations/annotations.txt",
                                         "annotations.txt", NULL };
    struct strbuf text = STRBUF_INIT;
    struct mtgkeys m = { 0 };
    int64_t count[4] = { 0 };
    int rc;

    TRY(dataset_need(d, names, err));
    rc = gunzip_read(&text, d->table, LIMIT_LABELS, err);
    if (!rc)
        rc = mtgkeys_open_text(&m, text.s, text.len, d->table, err);
    if (!rc)
        rc = read_mtg(d, &m, count, err);
    mtgkeys_release(&m);
    strbuf_release(&text);
    dataset_note(d, "rows of annotations.txt", 1486, (int64_t)d->n);
    dataset_note(d, "confidence 2", 1182, count[2]);
    dataset_note(d, "confidence 1", 208, count[1]);
    dataset_note(d, "confidence 0", 96, count[0]);
    dataset_note(d, "confidence 2 and no /", 1159, count[3]);
    return rc ? rc : dataset_sort(d, err);
}

static int labels_mtg(const struct dataset *d, const struct song *s,
                      enum annot_task task, struct annotation *out,
                      struct err *err)
{
    (void)task;
    if (keytext_parse(&out->keys, s->text, err))
        return err_prefix(err, "%s:%d", d->table, s->line);
    if (out->keys.n)
        key_set(&out->key, out->keys.v[0].label,
                s->data <= 2 ? (double)s->data / 2 : NAN);
    return 0;
}

const struct descriptor dataset_mtg_keys = {
    .info = {
        .name = "mtg-keys", .title = "GiantSteps MTG keys",
        .source = "https://github.com/GiantSteps/giantsteps-mtg-key-dataset",
        .licence = "none stated", .tasks = 1 << ANNOT_KEY,
        .note = "all songs train; only those of confidence 2 with one key"
    },
    .open = open_mtg, .labels = labels_mtg
};

/* ---- MagnaTagATune: annotations_final.csv, mp3/F/NAME.mp3 ---- */

/* Three files of the published archive have no bytes. */
static bool mtat_is_corrupt(int clip)
{
    return clip == 35644 || clip == 55753 || clip == 57881;
}

/* Folders 0 to b, c, and d to f; -1 for others. */
static int mtat_split(const char *path)
{
    const char *digits = "0123456789abcdef", *at = strchr(digits, *path);

    if (!*path || !at || path[1] != '/')
        return -1;
    return *path < 'c' ? TRAIN : *path == 'c' ? VALID : TEST;
}

static char *mtat_audio(const struct dataset *d, const char *mp3_path)
{
    static const char *const dirs[] = { "mp3/", "", NULL };
    char *path = NULL;

    for (int i = 0; dirs[i] && !path; i++) {
        path = xasprintf("%s/%s%s", d->root, dirs[i], mp3_path);
        if (access(path, F_OK)) {
            free(path);
            path = NULL;
        }
    }
    return path;
}

static int read_mtat(struct dataset *d, struct mtat *m, int64_t readable[3],
                     int64_t tagged[3], struct err *err)
{
    for (;;) {
        const char *excluded = NULL;
        struct mtat_clip clip;
        struct song *s;
        bool more;
        int split;

        TRY(mtat_next(m, &clip, &more, err));
        if (!more)
            return 0;
        split = mtat_split(clip.mp3_path);
        if (split < 0)
            return csv_bad(&m->csv, err, "mp3_path is not in a folder 0 to f");
        s = dataset_add(d, clip.mp3_path, err);
        if (!s)
            return ERR_FORMAT;
        for (int i = 0; i < m->n; i++) {
            int tag = clip.has[i] ? mtat_tag(m->tag[i]) : -1;

            if (tag >= 0)
                s->data |= (uint64_t)1 << tag;
        }
        s->e.audio = mtat_audio(d, clip.mp3_path);
        if (mtat_is_corrupt(clip.id))
            excluded = "the published mp3 is empty";
        else if (!s->data)
            excluded = "none of the 50 tags";
        readable[split] += !mtat_is_corrupt(clip.id);
        tagged[split] += !excluded;
        dataset_part_set(d, s, ANNOT_TAGS, dataset_splits[split], excluded);
    }
}

static int open_mtat(struct dataset *d, struct err *err)
{
    static const char *const names[] = {
        "annotations_final.csv", "annotations/annotations_final.csv", NULL
    };
    int64_t readable[3] = { 0 }, tagged[3] = { 0 };
    struct mtat m = { 0 };
    int rc;

    TRY(dataset_need(d, names, err));
    rc = mtat_open(&m, d->table, err);
    if (!rc)
        rc = read_mtat(d, &m, readable, tagged, err);
    mtat_release(&m);
    dataset_note(d, "rows of annotations_final.csv", 25863, (int64_t)d->n);
    dataset_note(d, "readable train clips", 18706, readable[TRAIN]);
    dataset_note(d, "readable valid clips", 1825, readable[VALID]);
    dataset_note(d, "readable test clips", 5329, readable[TEST]);
    dataset_note(d, "train clips with one of 50 tags", 15247, tagged[TRAIN]);
    dataset_note(d, "valid clips with one of 50 tags", 1529, tagged[VALID]);
    dataset_note(d, "test clips with one of 50 tags", 4332, tagged[TEST]);
    return rc ? rc : dataset_sort(d, err);
}

static int labels_mtat(const struct dataset *d, const struct song *s,
                       enum annot_task task, struct annotation *out,
                       struct err *err)
{
    (void)d, (void)task, (void)err;
    for (int i = 0; i < MTAT_TAGS; i++)
        if (s->data >> i & 1)
            tags_append(&out->tags, mtat_tags[i], 1);
    return 0;
}

const struct descriptor dataset_magnatagatune = {
    .info = {
        .name = "magnatagatune", .title = "MagnaTagATune",
        .source = "https://mirg.city.ac.uk/codeapps/the-magnatagatune-dataset",
        .licence = "none found", .tasks = 1 << ANNOT_TAGS,
        .note = "the usual split by folder, 0 to b train, c valid, d to f "
                "test; clips with at least one of the 50 tags"
    },
    .open = open_mtat, .labels = labels_mtat
};

/* ---- FMA: fma_metadata/tracks.csv, fma_large/NNN/NNNNNN.mp3 ---- */

static const char *fma_split(const char *split)
{
    return !strcmp(split, "training") ? "train"
         : !strcmp(split, "validation") ? "valid"
         : !strcmp(split, "test") ? "test" : NULL;
}

static int read_fma(struct dataset *d, struct fma *f, int64_t subset[2],
                    struct err *err)
{
    for (;;) {
        const char *excluded;
        struct fma_track t;
        struct song *s;
        char id[16];
        bool more;

        TRY(fma_next(f, &t, &more, err));
        if (!more)
            return 0;
        snprintf(id, sizeof(id), "%06d", t.id);
        s = dataset_add(d, id, err);
        if (!s)
            return ERR_FORMAT;
        s->text = *t.genre_top ? xstrdup(t.genre_top) : NULL;
        s->e.audio = fma_audio(d->root, t.id);
        excluded = fma_broken(t.id);
        if (!excluded && !s->text)
            excluded = "no top genre";
        dataset_part_set(d, s, ANNOT_TAGS, fma_split(t.split), excluded);
        subset[0] += !strcmp(t.subset, "small");
        subset[1] += !strcmp(t.subset, "small") || !strcmp(t.subset, "medium");
    }
}

static int open_fma(struct dataset *d, struct err *err)
{
    static const char *const names[] = { "fma_metadata/tracks.csv",
                                         "tracks.csv", NULL };
    int64_t subset[2] = { 0 };
    struct fma f = { 0 };
    int rc;

    TRY(dataset_need(d, names, err));
    rc = fma_open(&f, d->table, err);
    if (!rc)
        rc = read_fma(d, &f, subset, err);
    fma_release(&f);
    dataset_note(d, "tracks", 106574, (int64_t)d->n);
    dataset_note(d, "tracks of fma_small", 8000, subset[0]);
    dataset_note(d, "tracks of fma_medium", 25000, subset[1]);
    return rc ? rc : dataset_sort(d, err);
}

static int labels_fma(const struct dataset *d, const struct song *s,
                      enum annot_task task, struct annotation *out,
                      struct err *err)
{
    (void)d, (void)task, (void)err;
    if (s->text)
        tags_append(&out->tags, s->text, 1);
    return 0;
}

const struct descriptor dataset_fma = {
    .info = {
        .name = "fma", .title = "Free Music Archive",
        .source = "https://github.com/mdeff/fma",
        .licence = "CC BY 4.0 (metadata); the audio by track",
        .tasks = 1 << ANNOT_TAGS,
        .note = "the published split; the tag is the top genre; clips that are "
                "known to be broken are excluded"
    },
    .open = open_fma, .labels = labels_fma
};
