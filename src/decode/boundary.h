/* boundary.h - peaks of a boundary probability. */
#ifndef DECODE_BOUNDARY_H
#define DECODE_BOUNDARY_H

#include <stddef.h>

struct boundary_config {
    double window;    /* a peak is the maximum within +- this, seconds */
    double threshold; /* and at least this */
};

/* +-6 s and 0.3. */
void boundary_config_init(struct boundary_config *c);

/* Stores the frames of the peaks of prob (n), ascending, in out (room for n) and
 * returns how many. Of equal values within a window the first is the peak. */
size_t boundary_peaks(size_t *out, const float *prob, size_t n, double rate,
                      const struct boundary_config *c);

#endif
