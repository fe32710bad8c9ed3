/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "golden.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/npy.h"

enum { BANDS = 128 };

/* The references were computed in float32 by another FFT. What lies 60 dB and
 * more below 0 is held to less; and bands that lie so far below the strongest
 * of their frame that only the rounding of that one shows in them (a pure
 * sine) are compared as amplitudes: torchaudio itself is off a float64
 * evaluation by 0.025 dB there. Silence is exact. */
static const double tolerance_loud = 2e-3, tolerance_quiet = 0.05;
static const double rounding = 2e-7; /* of the frame's largest amplitude */

static double difference(double got, double want, double peak)
{
    double d = fabs(got - want);
    double amplitude = fabs(pow(10, got / 20) - pow(10, want / 20));

    if (!(d >= 0) || (peak == -100 && d > 0))
        return INFINITY;
    return amplitude <= rounding * pow(10, peak / 20) ? 0 : d;
}

static void compare(struct golden *g, const char *name, const float *got,
                    const float *want, size_t frames)
{
    double loud = 0, quiet = 0;
    char what[300];

    for (size_t t = 0; t < frames; t++, got += BANDS, want += BANDS) {
        double peak = -100;

        for (int b = 0; b < BANDS; b++)
            peak = fmax(peak, want[b]);
        for (int b = 0; b < BANDS; b++) {
            double d = difference(got[b], want[b], peak);

            if (want[b] > -60)
                loud = fmax(loud, d);
            else
                quiet = fmax(quiet, d);
        }
    }
    snprintf(what, sizeof(what), "%s above -60 dB", name);
    golden_report(g, what, loud, tolerance_loud);
    snprintf(what, sizeof(what), "%s below", name);
    golden_report(g, what, quiet, tolerance_quiet);
}

static void check_one(struct golden *g, const char *name, int hop)
{
    struct err err = {0};
    struct npy a = {0};
    float *want = NULL, *got = NULL;
    size_t frames = 0;
    char wav[300];

    snprintf(wav, sizeof(wav), "%.*s.wav", (int)(strstr(name, ".hop") - name),
             name);
    if (npy_read(&a, golden_path(g, name), &err) ||
        npy_floats(&a, &want, &err) ||
        golden_mel(golden_path(g, wav), hop, &got, &frames, &err))
        golden_broken(g, name, err.msg);
    else if (a.ndim != 2 || a.dim[1] != BANDS || a.dim[0] != (int64_t)frames)
        golden_broken(g, name, "another number of frames");
    else
        compare(g, name, got, want, frames);
    npy_release(&a);
    free(want);
    free(got);
}

void check_mel(struct golden *g)
{
    DIR *d = opendir(g->folder);
    const struct dirent *e;

    while (d && (e = readdir(d)) != NULL) {
        const char *at = strstr(e->d_name, ".hop");
        int hop, end = 0;

        if (at && sscanf(at, ".hop%d.npy%n", &hop, &end) == 1 && end &&
            !at[end])
            check_one(g, e->d_name, hop);
    }
    if (d)
        closedir(d);
}
