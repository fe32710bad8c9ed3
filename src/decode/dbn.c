/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "decode/dbn.h"

#include <math.h>
#include <string.h>

#include "decode/barspace.h"
#include "decode/viterbi.h"

/* What may be asked for before memory is not small any more. */
enum { MAX_FPS = 1000, MAX_BEATS_IN_ALL = 128, MAX_STATES = 1 << 24 };

void dbn_config_init(struct dbn_config *c, double fps, int downbeats)
{
    *c = (struct dbn_config){
        .fps = fps,
        .downbeats = downbeats,
        .bars = { 3, 4 },
        .num_bars = 2,
        .min_bpm = 55,
        .max_bpm = 215,
        .num_tempi = downbeats ? 60 : 0,
        .transition_lambda = 100,
        .observation_lambda = 16,
        .threshold = downbeats ? 0.05 : 0,
        .correct = 1,
    };
}

void dbn_config_bars(struct dbn_config *c, const int *bar, int n)
{
    if (!n)
        return;
    memcpy(c->bars, bar, (size_t)n * sizeof(*bar));
    c->num_bars = n;
    c->rare_cost = 0.02;
}

static int check_bars(const struct dbn_config *c, struct err *err)
{
    int all = 0;

    if (!c->downbeats)
        return 0;
    if (c->num_bars < 1 || c->num_bars > DBN_MAX_BARS)
        return err_set(err, ERR_ARG, "beats per bar: 1 to %d bar lengths, "
                       "not %d", DBN_MAX_BARS, c->num_bars);
    for (int i = 0; i < c->num_bars; i++) {
        if (c->bars[i] < 1 || c->bars[i] > DBN_MAX_BEATS)
            return err_set(err, ERR_ARG, "beats per bar: %d is not in 1..%d",
                           c->bars[i], DBN_MAX_BEATS);
        all += c->bars[i];
    }
    if (all > MAX_BEATS_IN_ALL)
        return err_set(err, ERR_ARG, "beats per bar: more than %d in all; try "
                       "fewer bar lengths", MAX_BEATS_IN_ALL);
    return 0;
}

static int check_config(const struct dbn_config *c, struct err *err)
{
    if (!(c->fps > 0 && c->fps <= MAX_FPS))
        return err_set(err, ERR_ARG, "frames a second: %g is not above 0 and "
                       "at most %d", c->fps, MAX_FPS);
    if (!(c->min_bpm > 0 && c->min_bpm <= c->max_bpm && isfinite(c->max_bpm)))
        return err_set(err, ERR_ARG, "tempo from %g to %g BPM: the lowest must "
                       "be above 0 and not above the highest", c->min_bpm,
                       c->max_bpm);
    if (c->num_tempi < 0)
        return err_set(err, ERR_ARG, "number of tempi: %d is below 0",
                       c->num_tempi);
    if (!(c->transition_lambda >= 0 && isfinite(c->transition_lambda)))
        return err_set(err, ERR_ARG, "transition lambda: %g is not 0 or more",
                       c->transition_lambda);
    if (!(c->observation_lambda > 1 && c->observation_lambda <= 1e6))
        return err_set(err, ERR_ARG, "observation lambda: %g is not above 1 "
                       "and at most 1e6", c->observation_lambda);
    if (!(c->threshold >= 0))
        return err_set(err, ERR_ARG, "threshold: %g is not 0 or more",
                       c->threshold);
    return check_bars(c, err);
}

static int check_activations(const float *act, size_t frames, struct err *err)
{
    for (size_t i = 0; i < 2 * frames; i++)
        if (!isfinite(act[i]))
            return err_set(err, ERR_ARG, "the activation of frame %zu is not "
                           "a finite number", i / 2);
    return 0;
}

/* Activations of one decoding, cut: frame 0 is frame first of the whole. */
struct cut {
    const float *act;
    size_t first, frames;
    int sum;
};

/* What counts as height of a frame: for the threshold and for peaks. */
static float height(const struct cut *a, size_t frame)
{
    float b = a->act[2 * frame], d = a->act[2 * frame + 1];

    if (a->sum)
        return b + d;
    return b > d ? b : d;
}

/* Narrows a to the first..last frame that reaches threshold. madmom sees none
 * if that is frame 0 alone. */
static void cut_below(struct cut *a, double threshold)
{
    size_t first = 0, last = a->frames;

    if (!(threshold > 0))
        return;
    while (first < a->frames && !(height(a, first) >= (float)threshold))
        first++;
    while (last > first && !(height(a, last - 1) >= (float)threshold))
        last--;
    if (last <= 1)
        last = first;
    a->act += 2 * first;
    a->first = first;
    a->frames = last - first;
}

static int all_zero(const struct cut *a)
{
    for (size_t i = 0; i < 2 * a->frames; i++)
        if (a->act[i] != 0)
            return 0;
    return 1;
}

static void append(struct beats *out, const struct cut *a,
                   const struct dbn_config *c, size_t frame, int beat)
{
    double sure = (double)a->act[2 * frame] + a->act[2 * frame + 1];

    beats_append(out, (double)(frame + a->first) / c->fps,
                 c->downbeats ? beat + 1 : 0, fmax(0, fmin(1, sure)));
}

static size_t step_end(const struct bar_path *p, size_t i, size_t frames)
{
    return i + 1 < p->n ? p->v[i + 1].start : frames;
}

/* One beat for each maximal run of frames in beat states, at its highest
 * frame. Where a whole beat is within its range the run goes on into the
 * next. */
static void beats_at_peaks(struct beats *out, const struct bar_path *p,
                           const struct cut *a, const struct dbn_config *c)
{
    size_t peak = 0, run_end = 0;
    int beat = -1;

    for (size_t i = 0; i < p->n; i++) {
        const struct bar_step *s = &p->v[i];
        int range = bar_space_range(s->interval, s->beat,
                                    c->observation_lambda) - s->skip;
        size_t end = step_end(p, i, a->frames);

        if (range <= 0)
            continue;
        if (end - s->start > (size_t)range)
            end = s->start + (size_t)range;
        if (beat >= 0 && s->start > run_end) {
            append(out, a, c, peak, beat);
            beat = -1;
        }
        for (size_t f = s->start; f < end; f++)
            if (beat < 0 || height(a, f) > height(a, peak)) {
                peak = f;
                beat = s->beat;
            }
        run_end = end;
    }
    if (beat >= 0)
        append(out, a, c, peak, beat);
}

/* Beats where the number of the beat changes; the first may be missed. */
static void beats_at_changes(struct beats *out, const struct bar_path *p,
                             const struct cut *a, const struct dbn_config *c)
{
    for (size_t i = 1; i < p->n; i++)
        if (p->v[i].beat != p->v[i - 1].beat)
            append(out, a, c, p->v[i].start, p->v[i].beat);
}

/* Position in the beat of the frame at offset frames into a step. */
static double position(const struct bar_step *s, size_t offset)
{
    return (double)((size_t)s->skip + offset) * (1.0 / s->interval);
}

/* Beats at strict local minima of the position within the beat range, the end
 * joined to the beginning. Only the first frame of a step can be one. */
static void beats_at_minima(struct beats *out, const struct bar_path *p,
                            const struct cut *a, const struct dbn_config *c)
{
    for (size_t i = 0; i < p->n; i++) {
        const struct bar_step *s = &p->v[i];
        size_t before = i ? i - 1 : p->n - 1, end = step_end(p, i, a->frames);
        const struct bar_step *b = &p->v[before];
        double left = position(b, step_end(p, before, a->frames) - 1 -
                                  b->start);
        double right = end - s->start > 1 ? position(s, 1)
                     : position(&p->v[i + 1 < p->n ? i + 1 : 0], 0);
        double here = position(s, 0);

        if (here < left && here < right &&
            s->skip < bar_space_range(s->interval, 0, c->observation_lambda))
            append(out, a, c, s->start, 0);
    }
}

static void pick(struct beats *out, const struct bar_path *p,
                 const struct cut *a, const struct dbn_config *c)
{
    size_t old = out->n;

    if (c->correct)
        beats_at_peaks(out, p, a, c);
    else if (c->downbeats)
        beats_at_changes(out, p, a, c);
    else
        beats_at_minima(out, p, a, c);
    /* madmom takes beats that are all at frame 0 for no beats */
    if (c->downbeats && out->n == old + 1 &&
        out->v[old].time == (double)a->first / c->fps)
        out->n = old;
}

int dbn_decode(struct beats *out, const float *act, size_t frames,
               const struct dbn_config *c, struct err *err)
{
    static const int one_beat[1] = { 1 };
    struct cut a = { act, 0, frames, !c->downbeats };
    struct bar_space space = {0};
    struct bar_path path = {0};
    struct viterbi_config v = {
        .space = &space,
        .bars = c->downbeats ? c->bars : one_beat,
        .num_bars = c->downbeats ? c->num_bars : 1,
        .observation_lambda = c->observation_lambda,
        .rare_cost = c->rare_cost,
        .sum = a.sum,
    };
    int rc = check_config(c, err);

    if (!rc)
        rc = check_activations(act, frames, err);
    if (!rc)
        rc = bar_space_init(&space, 60 * c->fps / c->max_bpm,
                            60 * c->fps / c->min_bpm, c->num_tempi,
                            c->transition_lambda, err);
    if (rc)
        goto out;
    if (space.states > MAX_STATES) {
        rc = err_set(err, ERR_ARG, "too many tempi for so many frames a beat: "
                     "raise the lowest tempo or set fewer tempi");
        goto out;
    }
    cut_below(&a, c->threshold);
    if (!a.frames || all_zero(&a))
        goto out;
    rc = viterbi_decode(&path, a.act, a.frames, &v, err);
    if (!rc)
        pick(out, &path, &a, c);
out:
    bar_path_release(&path);
    bar_space_release(&space);
    return rc;
}
