/* SPDX-License-Identifier: GPL-3.0-or-later */
/* HookTheory: Hooktheory.json.gz, audio/YOUTUBE-ID or audio/ID */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "annot/hooktheory.h"
#include "base/xalloc.h"
#include "eval/datasets/private.h"

enum { HOOK_TEST = 2000 };

static const char *const hook_audio[] = { "audio/*", NULL };

/* The numbers that the authors published, which are of songs with melody: with
 * the user's alignment, and with the refined one by split. */
struct hook_counts {
    int64_t user, refined[3];
};

static int hook_split(const struct hook_song *h)
{
    const char *s = hook_song_split(h);

    return !strcmp(s, "TRAIN") ? TRAIN : !strcmp(s, "VALID") ? VALID
         : !strcmp(s, "TEST") ? TEST : -1;
}

static const char *hook_excluded(const struct hook_song *h)
{
    if (!hook_song_tagged(h, "AUDIO_AVAILABLE"))
        return "no audio available";
    if (hook_song_tagged(h, "TEMPO_CHANGES"))
        return "the tempo changes";
    if (!hook_song_tagged(h, "USER_ALIGNMENT") &&
        !hook_song_tagged(h, "REFINED_ALIGNMENT"))
        return "not aligned to audio";
    return NULL;
}

static void count_hook(struct hook_counts *c, const struct hook_song *h)
{
    int split = hook_split(h);

    if (!hook_song_tagged(h, "AUDIO_AVAILABLE") ||
        hook_song_tagged(h, "TEMPO_CHANGES") || !hook_song_tagged(h, "MELODY"))
        return;
    c->user += hook_song_tagged(h, "USER_ALIGNMENT");
    if (split >= 0)
        c->refined[split] += hook_song_tagged(h, "REFINED_ALIGNMENT");
}

static char *hook_title(const struct hook_song *h)
{
    const cJSON *of = cJSON_GetObjectItemCaseSensitive(h->entry, "hooktheory");
    const cJSON *song = cJSON_GetObjectItemCaseSensitive(of, "song");

    return xstrdup(cJSON_IsString(song) ? song->valuestring : h->id);
}

static int take_hook(struct dataset *d, const struct hook_song *h, uint64_t at,
                     struct err *err)
{
    const char *excluded = hook_excluded(h);
    int split = hook_split(h);
    const char *name = split < 0 ? NULL : dataset_splits[split];
    struct song *s = dataset_add(d, h->id, err);

    if (!s)
        return ERR_FORMAT;
    s->data = at;
    s->artist = xstrdup(hook_song_artist(h));
    s->title = hook_title(h);
    if (*hook_song_youtube(h))
        s->e.audio = dataset_audio(d, hook_audio, hook_song_youtube(h));
    if (!s->e.audio)
        s->e.audio = dataset_audio(d, hook_audio, h->id);
    dataset_part_set(d, s, ANNOT_BEATS, name, excluded);
    dataset_part_set(d, s, ANNOT_KEY, name, excluded);
    if (!excluded && !hook_song_tagged(h, "HARMONY"))
        excluded = "no harmony";
    dataset_part_set(d, s, ANNOT_CHORDS, NULL, excluded);
    return 0;
}

static int read_hook(struct dataset *d, struct hook_counts *c, struct err *err)
{
    for (;;) {
        uint64_t at = (uint64_t)(d->hook.at - d->hook.text.s);
        struct hook_song h;
        bool more;
        int rc;

        TRY(hooktheory_next(&d->hook, &h, &more, err));
        if (!more)
            return 0;
        rc = take_hook(d, &h, at, err);
        count_hook(c, &h);
        hook_song_release(&h);
        TRY(rc);
    }
}

/* 2000 songs for testing, but at most a fifth of those that can be used. */
static void split_hook(struct dataset *d)
{
    size_t usable = 0;

    for (size_t i = 0; i < d->n; i++)
        usable += !d->song[i].e.part[ANNOT_CHORDS].excluded;
    dataset_own_split(d, ANNOT_CHORDS,
                      usable / 5 < HOOK_TEST ? usable / 5 : HOOK_TEST);
}

static int open_hook(struct dataset *d, struct err *err)
{
    static const char *const names[] = { "Hooktheory.json.gz",
                                         "Hooktheory.json", NULL };
    struct hook_counts c = { 0 };

    TRY(dataset_need(d, names, err));
    TRY(hooktheory_open(&d->hook, d->table, err));
    TRY(read_hook(d, &c, err));
    dataset_note(d, "songs", 26175, (int64_t)d->n);
    dataset_note(d, "with melody and user alignment", 20112, c.user);
    dataset_note(d, "with melody, refined, train", 13560, c.refined[TRAIN]);
    dataset_note(d, "with melody, refined, valid", 1333, c.refined[VALID]);
    dataset_note(d, "with melody, refined, test", 1480, c.refined[TEST]);
    TRY(dataset_sort(d, err));
    split_hook(d);
    return 0;
}

static int labels_hook(const struct dataset *d, const struct song *s,
                       enum annot_task task, struct annotation *out,
                       struct err *err)
{
    struct hooktheory h;
    struct hook_song song;
    bool more;
    int rc;

    hooktheory_open_text(&h, d->hook.text.s + s->data,
                         d->hook.text.len - s->data, d->table);
    h.started = s->data > 0; /* only the first song stands behind the brace */
    rc = hooktheory_next(&h, &song, &more, err);
    if (!rc) {
        rc = hook_song_read(out, &song, task, err);
        if (rc)
            err_prefix(err, "%s", d->table);
        hook_song_release(&song);
    }
    hooktheory_release(&h);
    return rc;
}

const struct descriptor dataset_hooktheory = {
    .info = {
        .name = "hooktheory", .title = "HookTheory (SheetSage)",
        .source = "https://github.com/chrisdonahue/sheetsage",
        .licence = "CC BY-NC-SA 3.0",
        .tasks = 1 << ANNOT_BEATS | 1 << ANNOT_CHORDS | 1 << ANNOT_KEY,
        .note = "chords: own split, 2000 test songs (the published list is not "
                "public); beats and key: the published split by artist"
    },
    .open = open_hook, .labels = labels_hook
};
