/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Datasets with a file of labels for each song and task. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "annot/lines.h"
#include "base/csv.h"
#include "base/xalloc.h"
#include "eval/datasets/private.h"

enum { BEATS = 1 << ANNOT_BEATS, CHORDS = 1 << ANNOT_CHORDS,
       STRUCTURE = 1 << ANNOT_STRUCTURE, KEY = 1 << ANNOT_KEY,
       TEMPO = 1 << ANNOT_TEMPO };

/* A place where labels can lie: files PREFIX id SUFFIX in a folder or, nested,
 * a file SUFFIX in the folder of each id, which is a number. Of the sources of
 * one task the first with a file counts. files and labels are how many were
 * published, -1 where that is not known. */
struct source {
    enum annot_task task;
    const char *dir, *prefix, *suffix;
    int64_t files, labels;
    bool nested;
};

struct layout {
    const struct source *source; /* ended by a dir of NULL */
    const char *const *audio;    /* patterns of dataset_audio */
    const char *split;           /* of all songs, or NULL */
    void (*name)(char *stem);    /* makes an id of what is left, or NULL */
    bool numbered;               /* "NNNN_" alone tells songs apart */
};

/* The id within a name, freed by the caller; NULL if it is of another kind. */
static char *id_of(const struct source *s, const char *name)
{
    size_t n = strlen(name), pre = strlen(s->prefix), post = strlen(s->suffix);

    if (s->nested)
        return name[strspn(name, "0123456789")] ? NULL : xstrdup(name);
    if (n <= pre + post || strncmp(name, s->prefix, pre) ||
        strcmp(name + n - post, s->suffix))
        return NULL;
    return xstrndup(name + pre, n - pre - post);
}

/* Takes a name of the folder of s; counts it in *found if its labels exist. */
static int take_name(struct dataset *d, const struct layout *l,
                     const struct source *s, const char *dir, const char *name,
                     size_t sorted, int64_t *found, struct err *err)
{
    struct song *song;
    char *id = id_of(s, name), *path;

    if (!id)
        return 0;
    if (l->name)
        l->name(id);
    song = dataset_find(d, sorted, id, l->numbered && strlen(id) > 4 &&
                                       id[4] == '_' ? 5 : 0);
    if (!song || song->e.part[s->task].labels)
        song = dataset_add(d, id, err);
    free(id);
    if (!song)
        return ERR_FORMAT;
    path = s->nested ? xasprintf("%s/%s/%s", dir, name, s->suffix)
                     : xasprintf("%s/%s", dir, name);
    if (access(path, F_OK)) {
        free(path);
        return 0;
    }
    song->e.part[s->task].labels = path;
    song->e.part[s->task].split = l->split;
    ++*found;
    return 0;
}

static int take_source(struct dataset *d, const struct layout *l,
                       const struct source *s, int64_t *found, struct err *err)
{
    char *dir = dataset_path(d, s->dir), **names = NULL;
    size_t n = 0, sorted = d->n;
    struct stat st;
    int rc = 0;

    *found = 0;
    if (!stat(dir, &st) && S_ISDIR(st.st_mode))
        rc = dataset_list(&names, &n, dir, err);
    for (size_t i = 0; i < n && !rc; i++)
        rc = take_name(d, l, s, dir, names[i], sorted, found, err);
    dataset_list_free(names, n);
    free(dir);
    return rc ? rc : dataset_sort(d, err);
}

static int missing(const struct dataset *d, const struct layout *l,
                   struct err *err)
{
    const struct source *s = l->source;

    return err_set(err, ERR_IO, "%s: no labels of %s in it (%s/%s%s%s%s); get "
                   "them from %s", d->root, d->kind->info.title, s->dir,
                   s->prefix, s->nested ? "NNN/" : "*", s->suffix,
                   s[1].dir ? ", or another known layout" : "",
                   d->kind->info.source);
}

static int load(struct dataset *d, const struct layout *l, struct err *err)
{
    bool done[DATASET_TASKS] = { false };
    bool any = false;

    for (const struct source *s = l->source; s->dir; s++) {
        int64_t found;
        char *what;

        if (done[s->task])
            continue;
        TRY(take_source(d, l, s, &found, err));
        if (!found)
            continue;
        any = done[s->task] = true;
        d->stated_items[s->task] = s->labels;
        what = xasprintf("files of %s, %s%s%s", annot_task_names[s->task],
                         s->dir, *s->dir ? "/" : "",
                         s->nested ? s->suffix : "");
        dataset_note(d, what, s->files, found);
        free(what);
    }
    if (!any)
        return missing(d, l, err);
    for (size_t i = 0; i < d->n; i++)
        d->song[i].e.audio = dataset_audio(d, l->audio, d->song[i].e.id);
    return 0;
}

/* ---- Harmonix ---- */

/* Segments come first, so that their names become the ids: two of the re-timed
 * beat_this files have other titles behind the number. */
static const struct source harmonix_sources[] = {
    { ANNOT_STRUCTURE, "dataset/segments", "", ".txt", 912, 9675, false },
    { ANNOT_STRUCTURE, "segments", "", ".txt", 912, 9675, false },
    { ANNOT_BEATS, "annotations/beats", "", ".beats", 911, 386444, false },
    { ANNOT_BEATS, "harmonix/annotations/beats", "", ".beats", 911, 386444,
      false },
    { ANNOT_BEATS, "dataset/beats_and_downbeats", "", ".txt", 912, 379065,
      false },
    { ANNOT_BEATS, "beats_and_downbeats", "", ".txt", 912, 379065, false },
    { 0 }
};
static const char *const harmonix_audio[] = {
    "audio/*", "dataset/audio/*", "harmonix/audio/*", NULL
};
static const struct layout harmonix_layout = {
    .source = harmonix_sources, .audio = harmonix_audio, .split = "train",
    .numbered = true
};

static int read_harmonix_rows(struct dataset *d, struct csv *c, int64_t *rows,
                              struct err *err)
{
    int file, title, artist, duration;
    bool more;

    TRY(csv_next(c, &more, err));
    file = csv_column(c, "File");
    title = csv_column(c, "Title");
    artist = csv_column(c, "Artist");
    duration = csv_column(c, "Duration");
    if (file < 0 || title < 0 || artist < 0 || duration < 0)
        return csv_bad(c, err, "no columns File, Title, Artist and Duration");
    for (*rows = 0;; ++*rows) {
        struct song *s;

        TRY(csv_next(c, &more, err));
        if (!more)
            return 0;
        s = dataset_find(d, d->n, csv_field(c, file), 0);
        if (!s || s->title)
            continue;
        s->title = xstrdup(csv_field(c, title));
        s->artist = xstrdup(csv_field(c, artist));
        lines_number(&s->duration, csv_field(c, duration));
    }
}

/* Every song must have its row, or the own split would depend on which lack. */
static int read_harmonix_metadata(struct dataset *d, struct err *err)
{
    static const char *const names[] = { "dataset/metadata.csv", "metadata.csv",
                                         NULL };
    struct csv c = { 0 };
    int64_t rows = 0;
    int rc;

    TRY(dataset_need(d, names, err));
    rc = csv_open(&c, d->table, ',', err);
    if (!rc)
        rc = read_harmonix_rows(d, &c, &rows, err);
    csv_release(&c);
    dataset_note(d, "rows of metadata.csv", 912, rows);
    for (size_t i = 0; i < d->n && !rc; i++)
        if (d->song[i].e.part[ANNOT_STRUCTURE].labels && !d->song[i].title)
            rc = err_set(err, ERR_FORMAT, "%s: no row for %s", d->table,
                         d->song[i].e.id);
    return rc;
}

/* 150 of 912, and the same share of fewer. */
static int open_harmonix(struct dataset *d, struct err *err)
{
    size_t n = 0;

    TRY(load(d, &harmonix_layout, err));
    if (d->stated_items[ANNOT_BEATS] > 0)
        d->stated_times_only = 0;
    for (size_t i = 0; i < d->n; i++)
        n += d->song[i].e.part[ANNOT_STRUCTURE].labels != NULL;
    if (!n)
        return 0;
    TRY(read_harmonix_metadata(d, err));
    dataset_own_split(d, ANNOT_STRUCTURE, (n * 150 + 456) / 912);
    return 0;
}

const struct descriptor dataset_harmonix = {
    .info = {
        .name = "harmonix", .title = "Harmonix Set",
        .source = "https://github.com/urinieto/harmonixset (re-timed beats: "
                  "https://github.com/CPJKU/beat_this_annotations)",
        .licence = "MIT", .tasks = BEATS | STRUCTURE,
        .note = "beats: all songs train; structure: own split, 762 train and "
                "150 test (the published lists are not public)"
    },
    .open = open_harmonix
};

/* ---- GTZAN ---- */

static const struct source gtzan_sources[] = {
    { ANNOT_BEATS, "annotations/beats", "gtzan_", ".beats", 999, 59558, false },
    { ANNOT_BEATS, "gtzan/annotations/beats", "gtzan_", ".beats", 999, 59558,
      false },
    { ANNOT_BEATS, "beats", "gtzan_", ".beats", 999, 59558, false },
    { ANNOT_BEATS, "", "gtzan_", ".beats", 999, 59558, false },
    { ANNOT_BEATS, "jams", "", ".wav.jams", -1, -1, false },
    { ANNOT_TEMPO, "tempo", "gtzan_", ".bpm", -1, -1, false },
    { 0 }
};
static const char *const gtzan_audio[] = {
    "genres/?/*", "genres_original/?/*", "Data/genres_original/?/*",
    "audio/?/*", "audio/*", NULL
};

/* blues_00000 is blues.00000, as the audio is called. */
static void gtzan_name(char *stem)
{
    char *at = strrchr(stem, '_');

    if (at)
        *at = '.';
}

static const struct layout gtzan_layout = {
    .source = gtzan_sources, .audio = gtzan_audio, .split = "test",
    .name = gtzan_name
};

static int open_gtzan(struct dataset *d, struct err *err)
{
    struct song *s;

    TRY(load(d, &gtzan_layout, err));
    if (d->stated_items[ANNOT_BEATS] > 0)
        d->stated_times_only = 6;
    s = dataset_find(d, d->n, "jazz.00054", 0);
    if (s && s->e.audio && strstr(s->e.audio, "genres_original"))
        for (int t = 0; t < DATASET_TASKS; t++)
            s->e.part[t].excluded = "the audio of the Kaggle copy is not "
                                    "readable";
    return 0;
}

const struct descriptor dataset_gtzan = {
    .info = {
        .name = "gtzan", .title = "GTZAN with beats",
        .source = "https://github.com/CPJKU/beat_this_annotations (audio: "
                  "marsyas GTZAN genre collection)",
        .licence = "MIT (beats); none stated for the audio",
        .tasks = BEATS | TEMPO,
        .note = "all songs test; songs of which only times are annotated do "
                "not count for downbeats"
    },
    .open = open_gtzan
};

/* ---- GiantSteps key ---- */

static const struct source giantsteps_sources[] = {
    { ANNOT_KEY, "annotations/key", "", ".LOFI.key", 604, 604, false },
    { ANNOT_KEY, "keys_gs+", "", ".txt", -1, -1, false },
    { 0 }
};
static const char *const giantsteps_audio[] = { "audio/*.LOFI", "audio/*",
                                                NULL };

/* "10089 Artist - Title" (GiantSteps+) is 10089. */
static void giantsteps_name(char *stem)
{
    stem[strcspn(stem, " ")] = 0;
}

static const struct layout giantsteps_layout = {
    .source = giantsteps_sources, .audio = giantsteps_audio, .split = "test",
    .name = giantsteps_name
};

static int open_giantsteps(struct dataset *d, struct err *err)
{
    return load(d, &giantsteps_layout, err);
}

const struct descriptor dataset_giantsteps = {
    .info = {
        .name = "giantsteps", .title = "GiantSteps key",
        .source = "https://github.com/GiantSteps/giantsteps-key-dataset",
        .licence = "none stated (GiantSteps+: CC BY-SA 4.0)", .tasks = KEY,
        .note = "all songs test"
    },
    .open = open_giantsteps
};

/* ---- POP909 ---- */

static const struct source pop909_sources[] = {
    { ANNOT_BEATS, "POP909", "", "beat_audio.txt", 909, 348870, true },
    { ANNOT_BEATS, "", "", "beat_audio.txt", 909, 348870, true },
    { ANNOT_CHORDS, "POP909", "", "chord_audio.txt", 909, 98384, true },
    { ANNOT_CHORDS, "", "", "chord_audio.txt", 909, 98384, true },
    { ANNOT_KEY, "POP909", "", "key_audio.txt", 909, 1107, true },
    { ANNOT_KEY, "", "", "key_audio.txt", 909, 1107, true },
    { 0 }
};
static const char *const pop909_audio[] = { "audio/*", "POP909/*/*", "*/*",
                                            NULL };
static const struct layout pop909_layout = {
    .source = pop909_sources, .audio = pop909_audio
};

static int open_pop909(struct dataset *d, struct err *err)
{
    return load(d, &pop909_layout, err);
}

const struct descriptor dataset_pop909 = {
    .info = {
        .name = "pop909", .title = "POP909",
        .source = "https://github.com/music-x-lab/POP909-Dataset",
        .licence = "MIT", .tasks = BEATS | CHORDS | KEY,
        .note = "no split; labels are those of the recordings (_audio.txt), "
                "which are not part of it"
    },
    .open = open_pop909
};

/* ---- McGill Billboard ---- */

static const struct source billboard_sources[] = {
    { ANNOT_CHORDS, "McGill-Billboard", "", "full.lab", 890, -1, true },
    { ANNOT_CHORDS, "", "", "full.lab", 890, -1, true },
    { ANNOT_CHORDS, "McGill-Billboard", "", "salami_chords.txt", 890, -1,
      true },
    { ANNOT_CHORDS, "", "", "salami_chords.txt", 890, -1, true },
    { 0 }
};
static const char *const billboard_audio[] = { "audio/*",
                                               "McGill-Billboard/*/audio",
                                               "*/audio", NULL };
static const struct layout billboard_layout = {
    .source = billboard_sources, .audio = billboard_audio
};

static int open_billboard(struct dataset *d, struct err *err)
{
    return load(d, &billboard_layout, err);
}

const struct descriptor dataset_billboard = {
    .info = {
        .name = "billboard", .title = "McGill Billboard",
        .source = "https://ddmal.music.mcgill.ca/research/The_McGill_"
                  "Billboard_Project_(Chord_Analysis_Dataset)",
        .licence = "CC0", .tasks = CHORDS,
        .note = "no split; 890 slots of the charts are 740 songs, so that some "
                "songs count twice"
    },
    .open = open_billboard
};
