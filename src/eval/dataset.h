/* dataset.h - published datasets (and a folder of one's own) as lists of songs
 * with labels: where audio and labels lie below a root, which split and which
 * tasks a song belongs to, and which are known to be broken.
 *
 *  harmonix       beats, structure     giantsteps     key
 *  gtzan          beats, tempo         mtg-keys       key
 *  hooktheory     chords, beats, key   magnatagatune  tags
 *  pop909         beats, chords, key   fma            tags (genre)
 *  billboard      chords               folder         all, NAME.audio beside
 *                                                     NAME.beats, NAME.lab ...
 *
 * No audio is needed to open one. The layouts looked for, in order, are the
 * tables in datasets/files.c and the comments in datasets/tables.c. */
#ifndef EVAL_DATASET_H
#define EVAL_DATASET_H

#include <stddef.h>
#include <stdint.h>

#include "annot/annotation.h"
#include "base/err.h"

enum { DATASET_TASKS = ANNOT_TAGS + 1 };

/* What is known of a dataset before it is opened. */
struct dataset_info {
    const char *name, *title;
    const char *source;  /* where to get it */
    const char *licence; /* of the labels */
    const char *note;    /* on splits and labels, or NULL */
    unsigned tasks;      /* 1 << enum annot_task for each that it can have */
};

/* All of them, ended by a name of NULL. */
extern const struct dataset_info *const dataset_infos[];

/* What one song has for one task. */
struct dataset_part {
    char *labels;         /* path of the file or table; NULL: none */
    const char *split;    /* "train", "valid", "test"; NULL: the dataset has
                             none */
    const char *excluded; /* NULL; or why it is not to be used */
};

struct dataset_entry {
    char *id;    /* unique; the list is in the order of its bytes */
    char *audio; /* path, NULL if no audio is there */
    struct dataset_part part[DATASET_TASKS];
};

/* A number that was published and what was found; stated is -1 where no number
 * was published. */
struct dataset_fact {
    char *what;
    int64_t stated, found;
};

/* Immutable once open: threads may share one. */
struct dataset;

/* Opens a dataset by its name. Returns 0 and sets *out, which the caller frees;
 * ERR_ARG for an unknown name; ERR_IO where the root, or the metadata in it, is
 * absent (named, with where to get it); ERR_FORMAT for broken metadata ("FILE:
 * LINE: what") or more than a million songs. At most 1 GiB is read
 * (HookTheory, kept in memory); others keep a few hundred bytes a song. */
int dataset_open(struct dataset **out, const char *name, const char *root,
                 struct err *err);
void dataset_free(struct dataset *d); /* NULL is allowed */

const struct dataset_info *dataset_about(const struct dataset *d);
size_t dataset_size(const struct dataset *d);
/* Borrowed until dataset_free; i is below dataset_size. */
const struct dataset_entry *dataset_at(const struct dataset *d, size_t i);
size_t dataset_facts(const struct dataset *d, const struct dataset_fact **out);

/* The labels of song i for a task, as scoring wants them: structure in the
 * seven functions (section.h; the annotator's boundaries all stay), a last
 * segment without an end ended by the metadata's duration, of MagnaTagATune the
 * 50 tags. Excluded songs can be read too. out is initialised here and the
 * caller releases it. Returns 0; ERR_ARG if the song has no labels for the
 * task; ERR_IO and ERR_FORMAT with file and line. */
int dataset_labels(const struct dataset *d, size_t i, enum annot_task task,
                   struct annotation *out, struct err *err);

/* The published number of labels (beats, segments, keys) of a task in the
 * layout that was opened, or -1. */
int64_t dataset_stated_items(const struct dataset *d, enum annot_task task);
/* The same for songs whose beats have no downbeat. */
int64_t dataset_stated_times_only(const struct dataset *d);

#endif
