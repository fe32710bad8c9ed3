/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "decode/boundary.h"

#include <math.h>

void boundary_config_init(struct boundary_config *c)
{
    *c = (struct boundary_config){ 6, 0.3 };
}

/* From the inside out, so that all but real peaks are seen through at once. */
static int is_peak(const float *prob, size_t n, size_t i, size_t reach)
{
    for (size_t d = 1; d <= reach && (d <= i || i + d < n); d++)
        if ((d <= i && prob[i - d] >= prob[i]) ||
            (i + d < n && prob[i + d] > prob[i]))
            return 0;
    return 1;
}

size_t boundary_peaks(size_t *out, const float *prob, size_t n, double rate,
                      const struct boundary_config *c)
{
    /* a window of a whole number of frames counts both its ends */
    double frames = floor(c->window * rate + 1e-6);
    size_t reach = frames < (double)n ? (size_t)fmax(frames, 0) : n;
    size_t found = 0;

    for (size_t i = 0; i < n; i++)
        if (prob[i] >= (float)c->threshold && is_peak(prob, n, i, reach))
            out[found++] = i;
    return found;
}
