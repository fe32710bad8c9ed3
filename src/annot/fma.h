/* fma.h - the Free Music Archive's fma_metadata/tracks.csv (M. Defferrard et
 * al., "FMA: A Dataset for Music Analysis", ISMIR 2017). */
#ifndef ANNOT_FMA_H
#define ANNOT_FMA_H

#include <stdbool.h>

#include "annot/annot.h"
#include "base/csv.h"
#include "base/err.h"

/* Three header lines: group, name, then track_id; fields may hold newlines. A
 * zeroed struct can be released. */
struct fma {
    struct csv csv;
    int split, subset, genre_top, genres, genres_all, tags, title, artist;
    int duration; /* numbers of columns, -1 where the table has none */
};

/* A track; strings are borrowed until the next one, "" where there is none. */
struct fma_track {
    int id;
    const char *split;     /* training, validation, test */
    const char *subset;    /* small, medium, large */
    const char *genre_top, *title, *artist;
    const char *genres, *genres_all, *tags; /* lists, see fma_list */
    double duration;       /* s as the archive has it, often wrong; or NaN */
};

/* ERR_IO; ERR_FORMAT where the three headers are not those. */
int fma_open(struct fma *f, const char *path, struct err *err);
/* The same of a text in memory, which the caller keeps until release. */
int fma_open_text(struct fma *f, const char *text, size_t len, const char *name,
                  struct err *err);
void fma_release(struct fma *f);
int fma_next(struct fma *f, struct fma_track *out, bool *more,
             struct err *err);

/* The items of a list as Python prints it, [21, 45] or ['a', "b's"], appended
 * with score 1. "" is no item. ERR_FORMAT. */
int fma_list(struct tags *out, const char *text, struct err *err);

/* Where the audio of a track lies: "NNN/NNNNNN.mp3". out has 16 bytes. */
void fma_path(char out[16], int id);

/* The path of the audio of a track that lies in root itself or in a folder
 * fma_full, fma_large, fma_medium or fma_small of it; NULL if it is absent. The
 * caller frees it. */
char *fma_audio(const char *root, int id);

/* Why the published audio of a track is of no use: cut behind the end of the
 * track, silent, or not decodable; NULL if nothing is known against it. */
const char *fma_broken(int id);

/* Whether a text begins with the first two header lines. */
bool fma_is(const char *text);

#endif
