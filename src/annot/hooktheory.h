/* hooktheory.h - the HookTheory data of SheetSage: Hooktheory.json(.gz), one
 * object of songs by id (C. Donahue, J. Thickstun, P. Liang, "Melody
 * transcription via generative pre-training", ISMIR 2022).
 *
 * Songs are read one by one: memory is the text and one song. */
#ifndef ANNOT_HOOKTHEORY_H
#define ANNOT_HOOKTHEORY_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

#include "annot/annotation.h"
#include "base/err.h"
#include "base/strbuf.h"

/* A zeroed struct can be released. */
struct hooktheory {
    struct strbuf text; /* of a file opened by name */
    const char *at, *end, *name;
    bool started;
};

struct hook_song {
    char *id;
    cJSON *entry;
};

/* Opens a file, packed or not, of at most 1 GiB unpacked; name is borrowed
 * until release. ERR_IO, ERR_FORMAT. */
int hooktheory_open(struct hooktheory *h, const char *path, struct err *err);
/* A text in memory, which the caller keeps until release. */
void hooktheory_open_text(struct hooktheory *h, const char *text, size_t len,
                          const char *name);
void hooktheory_release(struct hooktheory *h);

/* Reads the next song, which the caller releases; *more is false, and *out
 * empty, behind the last. ERR_FORMAT. */
int hooktheory_next(struct hooktheory *h, struct hook_song *out, bool *more,
                    struct err *err);
void hook_song_release(struct hook_song *s);

/* Whether a text can be of this format: an object whose first value is an
 * object that has annotations or an alignment. */
bool hooktheory_is(const char *text, size_t len);

/* "TRAIN", "VALID", "TEST", or "" if the song has none. */
const char *hook_song_split(const struct hook_song *s);
const char *hook_song_youtube(const struct hook_song *s); /* id, or "" */
const char *hook_song_artist(const struct hook_song *s);
/* Whether the song has a tag as "AUDIO_AVAILABLE". */
bool hook_song_tagged(const struct hook_song *s, const char *tag);

/* Labels on the time of the whole recording, by its refined alignment, else the
 * user's: linear between its beats and beyond them.
 *
 * BEATS   the whole beats of the clip with the position that the metre in force
 *         gives (0 before the first metre)
 * CHORDS  Harte's labels; N where no harmony is, from beat 0 to the last. A
 *         chord that runs into the next is cut there
 * KEY     keys over time; a scale with a major third is "major", with a minor
 *         third "minor", others "other"; the longest is the song's
 * TEMPO   the mean of the clip
 *
 * ERR_FORMAT (message with id and field) where these are absent or not in
 * order, or more than 100000 beats; ERR_UNSUPPORTED for other tasks. */
int hook_song_read(struct annotation *out, const struct hook_song *s,
                   enum annot_task task, struct err *err);

#endif
