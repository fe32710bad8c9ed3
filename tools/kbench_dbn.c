/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Downbeats, bars of 3 and 4, from activations. */
#include "kbench.h"

#include <stdlib.h>
#include <string.h>

#include "annot/annot.h"
#include "base/npy.h"
#include "base/xalloc.h"
#include "decode/dbn.h"

/* *act (*frames, 2), owned by the caller: the file's frames repeated to
 * *frames (0: as many as there are), or dense noise in [0, 0.5). */
static int activations(const char *source, float **act, size_t *frames,
                       struct err *err)
{
    struct npy file = { 0 };
    float *x = NULL;
    size_t n;
    int rc;

    if (!strcmp(source, "noise")) {
        x = xcalloc(*frames, 2 * sizeof(*x));
        kbench_noise(x, 2 * *frames);
        for (size_t i = 0; i < 2 * *frames; i++)
            x[i] = 0.25f * (x[i] + 1);
        *act = x;
        return 0;
    }
    rc = npy_read(&file, source, err);
    if (!rc && (file.ndim != 2 || file.dim[1] != 2 || file.dim[0] < 1))
        rc = err_set(err, ERR_FORMAT, "%s: its shape is not (frames, 2)",
                     source);
    if (!rc)
        rc = npy_floats(&file, &x, err);
    if (!rc) {
        n = (size_t)file.dim[0];
        *frames = *frames ? *frames : n;
        *act = xcalloc(*frames, 2 * sizeof(*x));
        for (size_t i = 0; i < 2 * *frames; i++)
            (*act)[i] = x[i % (2 * n)];
    }
    free(x);
    npy_release(&file);
    return rc;
}

int kbench_dbn(int argc, char **argv, struct err *err)
{
    struct dbn_config config;
    float *act = NULL;
    double *runs = NULL;
    size_t frames, found = 0;
    int fps, repeat, seconds = 0, rc;

    TRY(kbench_number(argv[1], 1, 1000, "FPS", &fps, err));
    TRY(kbench_number(argv[2], 1, MAX_REPEAT, "REPEAT", &repeat, err));
    if (argc > 3)
        TRY(kbench_number(argv[3], 0, MAX_SECONDS, "SECONDS", &seconds, err));
    frames = (size_t)seconds * (size_t)fps;
    TRY(activations(argv[0], &act, &frames, err));
    dbn_config_init(&config, fps, 1);
    runs = xcalloc((size_t)repeat, sizeof(*runs));
    rc = 0;
    for (int i = -1; i < repeat && !rc; i++) {
        struct beats beats = { 0 };
        double start = kbench_now();

        rc = dbn_decode(&beats, act, frames, &config, err);
        if (i >= 0)
            runs[i] = kbench_now() - start;
        found = beats.n;
        beats_release(&beats);
    }
    if (!rc)
        kbench_report("dbn", runs, repeat, (double)found);
    free(runs);
    free(act);
    return rc;
}
