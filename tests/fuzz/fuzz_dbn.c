/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any configuration and activations: an error or beats in order, never a crash.
 * The input is the config's numbers as they lie in memory, then floats. */
#include <math.h>

#include "decode/dbn.h"
#include "decode/tempo.h"
#include "fuzz.h"

enum { MAX_FRAMES = 2000 };

struct head {
    float fps, min_bpm, max_bpm, transition_lambda, observation_lambda;
    float threshold;
    int8_t bars[4], num_bars, downbeats, correct, num_tempi;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static float act[2 * MAX_FRAMES];
    struct dbn_config c;
    struct beats b = {0};
    struct err err;
    struct head h;
    size_t frames;

    if (size < sizeof(h))
        return 0;
    memcpy(&h, data, sizeof(h));
    dbn_config_init(&c, h.fps, h.downbeats & 1);
    c.min_bpm = h.min_bpm;
    c.max_bpm = h.max_bpm;
    c.transition_lambda = h.transition_lambda;
    c.observation_lambda = h.observation_lambda;
    c.threshold = h.threshold;
    for (int i = 0; i < 4; i++)
        c.bars[i] = h.bars[i];
    c.num_bars = h.num_bars & 7;
    c.correct = h.correct & 1;
    c.num_tempi = h.num_tempi;
    frames = (size - sizeof(h)) / (2 * sizeof(float));
    if (frames > MAX_FRAMES)
        frames = MAX_FRAMES;
    memcpy(act, data + sizeof(h), frames * 2 * sizeof(float));
    if (!dbn_decode(&b, act, frames, &c, &err)) {
        struct tempo t = tempo_of_beats(&b, NULL, 0, 0);

        for (size_t i = 0; i < b.n; i++)
            need(isfinite(b.v[i].time) && b.v[i].position >= !!c.downbeats &&
                 (!i || b.v[i].time > b.v[i - 1].time));
        need(meter_of_beats(&b) >= 0 && !(t.bpm < 0)); /* NaN: not known */
    }
    beats_release(&b);
    return 0;
}
