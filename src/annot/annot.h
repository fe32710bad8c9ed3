/* annot.h - labels of music: what decoders make, readers parse, metrics compare
 * and writers print.
 *
 * Times are in seconds as double, from the start of the recording. A confidence
 * is in [0, 1]; NaN means that it is not known. All structs may be declared as
 * {0}, which is the empty value and can be released; release leaves them
 * empty and usable again. Labels are copied on append and owned. */
#ifndef ANNOT_ANNOT_H
#define ANNOT_ANNOT_H

#include <stddef.h>

struct beat {
    double time;
    int position; /* in the bar, 1 is the downbeat; 0 is not known */
    double confidence;
};

struct beats {
    struct beat *v; /* n beats, times ascending */
    size_t n, cap;
};

void beats_init(struct beats *b);
void beats_release(struct beats *b);
void beats_append(struct beats *b, double time, int position,
                  double confidence);

/* A stretch of time with a label: a chord, a part of a song, a key. The label
 * of a boundary without a name is "". */
struct segment {
    double start, end;
    char *label;
    double confidence;
    int line; /* of the file that it was read from; 0: not known */
};

struct segments {
    struct segment *v; /* n segments in order of start */
    size_t n, cap;
};

void segments_init(struct segments *s);
void segments_release(struct segments *s);
void segments_append(struct segments *s, double start, double end,
                     const char *label, double confidence);

/* The key of a whole song, "C major"; label is NULL where none is known. */
struct key {
    char *label;
    double confidence;
};

void key_init(struct key *k);
void key_release(struct key *k);
void key_set(struct key *k, const char *label, double confidence);

/* A tag with its score in [0, 1]. */
struct tag {
    char *label;
    double score;
};

struct tags {
    struct tag *v;
    size_t n, cap;
};

void tags_init(struct tags *t);
void tags_release(struct tags *t);
void tags_append(struct tags *t, const char *label, double score);

/* Beats per minute, and how sure: bpm is NaN where it is not known. */
struct tempo {
    double bpm;
    double confidence;
};

#endif
