/* features.h - samples -> frames of features that are clustered into tokens
 * (MERT: Li et al. 2023, arXiv 2306.00107, section 3.2, by librosa's
 * definitions, since its extractor is not published).
 *
 * Frame t is centred on sample t * hop with zeros around the clip, periodic
 * Hann window of 2048 samples, power spectrum; N samples give 1 + floor(N /
 * hop) frames, none if N is 0. The result does not depend, in any bit, on how
 * the samples were cut. */
#ifndef MEL_FEATURES_H
#define MEL_FEATURES_H

#include <stddef.h>
#include "base/err.h"

enum feature {
    FEATURE_LOGMEL229, /* log(mel + 1e-6), Slaney's scale with area norm */
    FEATURE_CHROMA264, /* chroma.h */
    FEATURE_CHROMA12,
    FEATURE_KINDS
};

const char *feature_name(enum feature kind); /* "logmel229" */
int feature_dim(enum feature kind);
int feature_by_name(const char *name); /* -1: none of that name */

struct features; /* one for each thread */

/* ERR_ARG (hop: 1 to 1023), ERR_NOMEM, or ERR_UNSUPPORTED without
 * libavutil. */
int features_new(struct features **out, enum feature kind, int rate, int hop,
                 struct err *err);
void features_free(struct features *f); /* NULL is allowed */

/* The most frames that features_push of n samples, or with n 0
 * features_finish, can give. */
size_t features_room(const struct features *f, size_t n);

/* Takes n samples and writes the frames they complete to out
 * (features_room(f, n), dim); returns how many. */
size_t features_push(struct features *f, const float *x, size_t n, float *out);

/* The end of the samples: writes the remaining frames, returns how many, and
 * starts anew. */
size_t features_finish(struct features *f, float *out);

/* A whole clip x (n) into out (1 + n / hop, dim). */
void features_clip(struct features *f, const float *x, size_t n, float *out);

#endif
