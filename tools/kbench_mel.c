/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Log-mel of noise, streamed, on one thread. */
#include "kbench.h"

#include <stdlib.h>

#include "base/xalloc.h"
#include "mel/mel.h"

enum { RATE = 24000 };

/* The sum in dB over all frames of `seconds` of noise that repeats each second;
 * streamed, so that memory does not grow. */
static double mel_pass(struct mel *m, const float *second, int seconds,
                       float *frames, size_t bands, size_t *count)
{
    double sum = 0;

    *count = 0;
    for (int s = 0; s <= seconds; s++) {
        size_t n = s < seconds ? mel_push(m, second, RATE, frames)
                               : mel_finish(m, frames);

        for (size_t i = 0; i < n * bands; i++)
            sum += (double)frames[i];
        *count += n * bands;
    }
    return sum;
}

int kbench_mel(int argc, char **argv, struct err *err)
{
    struct mel_config config = MEL_CONFIG_INIT;
    struct mel *m = NULL;
    float *second = NULL, *frames = NULL;
    double *runs = NULL, sum = 0;
    size_t count = 0, room;
    int seconds, repeat = 3, rc;

    TRY(kbench_number(argv[0], 1, MAX_SECONDS, "SECONDS", &seconds, err));
    if (argc > 1)
        TRY(kbench_number(argv[1], 1, MAX_REPEAT, "REPEAT", &repeat, err));
    rc = mel_new(&m, &config, err);
    if (rc)
        goto out;
    second = xcalloc(RATE, sizeof(*second));
    room = mel_room(m, RATE);
    if (mel_room(m, 0) > room)
        room = mel_room(m, 0);
    frames = xcalloc(room * (size_t)config.bands, sizeof(*frames));
    runs = xcalloc((size_t)repeat, sizeof(*runs));
    kbench_noise(second, RATE);
    for (int i = 0; i < RATE; i++)
        second[i] *= 0.1f;
    for (int i = -1; i < repeat; i++) { /* the first warms up */
        double start = kbench_now();

        sum = mel_pass(m, second, seconds, frames, (size_t)config.bands,
                       &count);
        if (i >= 0)
            runs[i] = kbench_now() - start;
    }
    kbench_report("mel", runs, repeat, sum / (double)count);
out:
    free(runs);
    free(frames);
    free(second);
    mel_free(m);
    return rc;
}
