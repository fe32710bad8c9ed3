/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "decode/section.h"

#include <math.h>
#include <stdlib.h>

static void append_part(struct segments *out, const float *function,
                        const struct frames *f, const struct classes *classes,
                        size_t from, size_t to)
{
    int best = 0;
    double best_mean = -1;

    for (int c = 0; c < classes->n; c++) {
        double mean = frames_mean(function, classes->n, c, from, to);

        if (mean > best_mean) {
            best = c;
            best_mean = mean;
        }
    }
    segments_append(out, frames_time(f, from), frames_time(f, to),
                    classes->label[best], best_mean);
}

static void append_parts(struct segments *out, const float *function,
                         const float *boundary, const struct frames *f,
                         const struct classes *classes, const size_t *peak,
                         size_t peaks)
{
    size_t from = 0, n = frames_used(f);

    for (size_t i = 0; i <= peaks; i++) {
        size_t to = i < peaks ? peak[i] : n;

        if (to == from)
            continue;
        if (function)
            append_part(out, function, f, classes, from, to);
        else
            segments_append(out, frames_time(f, from), frames_time(f, to), "",
                            from ? boundary[from] : NAN);
        from = to;
    }
}

int section_decode(struct segments *out, const float *function,
                   const float *boundary, const struct frames *f,
                   const struct classes *classes,
                   const struct boundary_config *c, struct err *err)
{
    size_t n, *peak;

    TRY(frames_check(f, boundary, 1, "boundaries", err));
    if (function)
        TRY(frames_check(f, function, classes->n, "functions", err));
    n = frames_used(f);
    if (!n)
        return 0;
    peak = malloc(n * sizeof(*peak));
    if (!peak)
        return err_set(err, ERR_NOMEM, "no memory for the boundaries of %zu "
                       "frames", n);
    append_parts(out, function, boundary, f, classes, peak,
                 boundary_peaks(peak, boundary, n, f->rate, c));
    free(peak);
    return 0;
}
