/* frames.h - what decoders of class probabilities share: when a frame is, and
 * what the classes are called. */
#ifndef DECODE_FRAMES_H
#define DECODE_FRAMES_H

#include <stddef.h>
#include "base/err.h"

/* n frames; frame i covers i / rate .. (i + 1) / rate seconds, the last one up
 * to duration, be that sooner or later. rate need not be whole. */
struct frames {
    size_t n;
    double rate;     /* frames a second, > 0 */
    double duration; /* seconds, >= 0 */
};

/* Classes of a head, in the order of its outputs. Borrowed. */
struct classes {
    const char *const *label; /* (n) */
    int n;
};

/* What a head says of a song: prob (frames.n, classes.n). Borrowed. */
struct posterior {
    const float *prob;
    struct frames frames;
    struct classes classes;
};

/* The class with this label; -1: none. */
int classes_find(const struct classes *c, const char *label);

/* The frames that begin before the end: all of n but those from duration on.
 * 0 where the duration is 0. */
size_t frames_used(const struct frames *f);

/* Start of frame i in seconds; the duration for i = frames_used. */
double frames_time(const struct frames *f, size_t i);

/* ERR_ARG unless rate, duration and the number of classes make sense and all
 * of prob (n, classes) is finite; what names the array in the message. */
int frames_check(const struct frames *f, const float *prob, int classes,
                 const char *what, struct err *err);

/* Mean of column c of prob (.., classes) over the frames from..to - 1. */
double frames_mean(const float *prob, int classes, int c, size_t from,
                   size_t to);

#endif
