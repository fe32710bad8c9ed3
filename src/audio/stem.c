/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "audio/stem.h"

#include <string.h>
#include <strings.h>

#include "base/xalloc.h"

static const char *const audio[] = {
    ".wav",  ".wave", ".flac", ".mp3", ".ogg", ".oga",  ".opus", ".m4a",
    ".m4b",  ".mp4",  ".m4v",  ".aac", ".aif", ".aiff", ".aifc", ".au",
    ".snd",  ".caf",  ".w64",  ".rf64", ".wma", ".wv",  ".ape",  ".tta",
    ".mpc",  ".mp2",  ".ac3",  ".dsf", ".amr", ".mka",  ".mkv",  ".webm",
    ".mov",  ".avi",  NULL
};

/* .chords.lab stands before .lab, .key.txt before .txt: the first that fits is
 * cut off */
static const char *const labels[] = {
    ".chords.lab", ".structure.lab", ".lab", ".seg", ".beats", ".key", ".tags",
    ".tempo", ".bpm", ".json", ".ndjson", ".jams", ".jamz", ".beats.txt",
    ".chords.txt", ".structure.txt", ".key.txt", ".tags.txt", ".txt", ".csv",
    ".html", ".npy", ".npz", NULL
};

/* as GTZAN-Rhythm names them */
static const char *const jams_of_audio[] = {
    ".wav.jams", ".mp3.jams", ".flac.jams", ".au.jams", NULL
};

/* The length of name without the extension of the list that it ends in; 0 if
 * there is none, or nothing before it. */
static size_t cut(const char *name, const char *const *list)
{
    size_t n = strlen(name);

    for (; *list; list++) {
        size_t m = strlen(*list);

        if (n > m && !strcasecmp(name + n - m, *list))
            return n - m;
    }
    return 0;
}

int stem_is_audio(const char *name)
{
    return cut(name, audio) > 0;
}

char *stem_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    size_t n;

    if (!strcmp(path, "-"))
        return xstrdup("stdin");
    n = cut(name, jams_of_audio);
    if (!n)
        n = cut(name, labels);
    if (!n)
        n = cut(name, audio);
    return n ? xstrndup(name, n) : xstrdup(name);
}
