/* mtat.h - MagnaTagATune: tags of clips (E. Law et al., "Evaluation of
 * Algorithms Using Games: The Case of Music Tagging", ISMIR 2009), and the
 * lists of the split of J. Pons, M. Won et al. */
#ifndef ANNOT_MTAT_H
#define ANNOT_MTAT_H

#include <stdbool.h>
#include <stdint.h>

#include "annot/annot.h"
#include "base/csv.h"
#include "base/err.h"

/* The 50 most frequent tags in the order of the published tags.npy: ties make
 * any sorting of one's own unsafe. */
enum { MTAT_TAGS = 50 };
extern const char *const mtat_tags[MTAT_TAGS];

/* The number of a tag in mtat_tags, or -1. "no vocals" and "noVocals" (the
 * names of jongpillee's top50_tags.txt) are one. */
int mtat_tag(const char *name);

/* annotations_final.csv: a table with tabs, columns clip_id, tags, mp3_path. A
 * zeroed struct can be released. */
struct mtat {
    struct csv csv;
    char **tag; /* n of them */
    int n;
    int *column; /* of each tag */
    unsigned char *has;
    int clip_id, mp3_path;
    int64_t rows; /* read so far */
};

/* A clip; mp3_path and has (n, 0 or 1) are borrowed until the next one. */
struct mtat_clip {
    int id;
    int64_t row; /* from 0, as minzwon's lists count */
    const char *mp3_path;
    const unsigned char *has;
};

/* Opens the file, whose first row names the columns. ERR_IO, ERR_FORMAT. */
int mtat_open(struct mtat *m, const char *path, struct err *err);
/* The same of a text in memory, which the caller keeps until release. */
int mtat_open_text(struct mtat *m, const char *text, size_t len,
                   const char *name, struct err *err);
void mtat_release(struct mtat *m);
int mtat_next(struct mtat *m, struct mtat_clip *out, bool *more,
              struct err *err);

/* Whether a text begins as the header of that table. */
bool mtat_is(const char *text);

/* train.npy, valid.npy, test.npy: strings "ROW<TAB>folder/file.mp3". */
struct mtat_list {
    int64_t *row;
    char **path;
    size_t n;
};
int mtat_list_read(struct mtat_list *out, const char *path, struct err *err);
void mtat_list_release(struct mtat_list *l);

/* tags.npy: names, in order; score 1 each. ERR_IO, ERR_FORMAT. */
int mtat_tags_read(struct tags *out, const char *path, struct err *err);

#endif
