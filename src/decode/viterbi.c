/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "decode/viterbi.h"

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

enum {
    CHUNK = 512, /* frames whose densities are computed at once */
    BACK_BYTES = 16 << 20
};

enum { NONE, BEAT, DOWN, DENSITIES };

/* The inner loops are compiled for vectors of 4 and, where the processor turns
 * out to have them, of 8 doubles. */
#if defined(__x86_64__) && defined(__GNUC__)
#define HAVE_WIDE 1
#endif
enum { WIDEST = 8 };

/* All HMMs advance together: their beats stand side by side in the lanes of
 * vectors, beats that are not there fill up the last one. Beats with the same
 * density and the same ranges share a class, and with it the density of a whole
 * beat. */
struct engine {
    const struct bar_space *space;
    const float *act; /* (frames, 2) */
    size_t frames;
    double split;     /* observation_lambda - 1 */
    int sum;
    const int *bars;  /* (num_bars) */
    int num_bars;
    int beats;        /* of all bars */
    size_t width;     /* beats, a multiple of WIDEST */
    int wide;         /* 1: the processor has vectors of 8 doubles */
    int *class_of;    /* (beats) */
    int classes;
    int *column;      /* (classes) BEAT or DOWN */
    int *range;       /* (classes, n) positions that see it */
    double *pick;     /* (classes, width) 1 for beats of the class, else 0 */
    size_t longest;   /* interval, = number of rows of pending */
    size_t row;       /* n * width */
    double *whole;    /* (classes, n) density of a beat's other states */
    double *enter;    /* (width) density of first states */
    double **slot;    /* (n) where first states of this frame go in pending */
    double density[DENSITIES][CHUNK];
    /* what a checkpoint holds, one allocation of state_len: */
    double *state;
    size_t state_len;
    double *pending;  /* (longest, n, width) score at the first state, by the
                         frame of its last state modulo longest */
    double *score;    /* (n, width) and one more: score at the last states of
                         the beat *before* that of the lane */
    double *sums;     /* (DENSITIES, history + 1 + CHUNK) prefix sums; index
                         history is the sum before the chunk */
    size_t history;   /* = longest */
    /* blocks */
    size_t block;     /* frames, a multiple of CHUNK */
    size_t blocks;
    size_t loaded;    /* the block whose back-pointers are in back */
    double *saved;    /* (blocks, state_len) */
    uint16_t *back;   /* (block, n, width) index of the interval before */
};

static double *sums_of(const struct engine *e, int density)
{
    return e->sums + (size_t)density * (e->history + 1 + CHUNK);
}

/* ---- densities ---- */

/* Like madmom, which takes the logarithm of the 32-bit activations. */
static double log_density(float x)
{
    return logf(x > (float)DBL_EPSILON ? x : (float)DBL_EPSILON);
}

/* Fills densities and prefix sums for the frames from..from + n - 1. */
static void load_chunk(struct engine *e, size_t from, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float b = e->act[2 * (from + i)], d = e->act[2 * (from + i) + 1];
        float none = (float)DBL_EPSILON;

        if (1 - (b + d) > none)
            none = 1 - (b + d);
        e->density[NONE][i] = log_density(none / (float)e->split);
        e->density[BEAT][i] = log_density(b);
        e->density[DOWN][i] = log_density(e->sum ? b + d : d);
    }
    for (int c = 0; c < DENSITIES; c++) {
        double *s = sums_of(e, c), base = s[CHUNK + e->history];

        for (size_t i = 0; i <= e->history; i++)
            s[i] = s[CHUNK + i] - base;
        for (size_t i = 0; i < n; i++)
            s[e->history + 1 + i] = s[e->history + i] + e->density[c][i];
    }
}

/* ---- forward ---- */

#define LANES 4
#define NAMED(name) name##_4
#include "decode/viterbi_lanes.h"

#ifdef HAVE_WIDE
#define LANES 8
#define NAMED(name) name##_8
#include "decode/viterbi_lanes.h"
#endif

/* The density of positions 1.. of beats whose last state is at frame i of the
 * chunk. */
static void whole_beats(struct engine *e, size_t i)
{
    const double *none = sums_of(e, NONE) + e->history + 1 + i;

    for (int c = 0; c < e->classes; c++) {
        const double *in = sums_of(e, e->column[c]) + e->history + 1 + i;
        const int *range = e->range + (size_t)c * e->space->n;
        double *whole = e->whole + (size_t)c * (size_t)e->space->n;

        for (int k = 0; k < e->space->n; k++) {
            int len = e->space->interval[k], r = range[k];

            whole[k] = (in[r - len] - in[1 - len]) +
                       (none[0] - none[r - len]);
        }
    }
}

/* One frame (t, number i of its chunk) of the lanes from..to - 1. */
static void step(struct engine *e, size_t t, size_t i, size_t from, size_t to,
                 uint16_t *back)
{
    const struct bar_space *s = e->space;
    size_t now = t % e->longest;
    const double *due = e->pending + now * e->row;

    for (int k = 0; k < s->n; k++) {
        size_t when = now + (size_t)s->interval[k] - 1;

        e->slot[k] = e->pending + (size_t)k * e->width +
                     (when < e->longest ? when : when - e->longest) * e->row;
    }
    for (int q = 0; q < e->beats; q++)
        e->enter[q] = e->density[e->column[e->class_of[q]]][i];
#ifdef HAVE_WIDE
    if (e->wide) {
        transition_8(e, from, to, back);
        whole_beats(e, i);
        leave_8(e, due, from, to);
        return;
    }
#endif
    transition_4(e, from, to, back);
    whole_beats(e, i);
    leave_4(e, due, from, to);
}

/* Computes block number b from the state at its start; e then has its
 * back-pointers and the state at its end. */
static void run_block(struct engine *e, size_t b, int q0, int q1)
{
    size_t lane = (size_t)q0 / WIDEST * WIDEST;
    size_t from = b * e->block, end = from + e->block;

    if (end > e->frames)
        end = e->frames;
    for (size_t t = from; t < end; t += CHUNK) {
        size_t n = end - t < CHUNK ? end - t : CHUNK;

        load_chunk(e, t, n);
        for (size_t i = 0; i < n; i++)
            step(e, t + i, i, lane, (size_t)q1,
                 e->back + (t + i - from) * e->row);
    }
    e->loaded = b;
}

static void run_forward(struct engine *e)
{
    size_t bytes = e->state_len * sizeof(double);

    for (size_t b = 0; b < e->blocks; b++) {
        if (e->blocks > 1)
            memcpy(e->saved + b * e->state_len, e->state, bytes);
        run_block(e, b, 0, e->beats);
    }
}

/* ---- backward ---- */

struct end_state {
    int beat, k, position;
    double score;
};

/* The best state of the beats q0..q1 - 1 in the last frame. */
static struct end_state best_end(const struct engine *e, int q0, int q1)
{
    struct end_state best = { q0, 0, 0, -INFINITY };
    size_t t = e->frames - 1, i = t % CHUNK;
    const double *none = sums_of(e, NONE) + e->history + 1 + i;

    for (int q = q0; q < q1; q++) {
        int c = e->class_of[q];
        const double *in = sums_of(e, e->column[c]) + e->history + 1 + i;
        const int *range = e->range + (size_t)c * e->space->n;

        for (int k = 0; k < e->space->n; k++) {
            int len = e->space->interval[k];

            for (int p = 0; p < len; p++) {
                int r = p < range[k] ? p + 1 : range[k];
                size_t due = (t + (size_t)(len - 1 - p)) % e->longest;
                double score =
                    e->pending[due * e->row + (size_t)k * e->width +
                               (size_t)q] +
                    (in[r - 1 - p] - in[-p]) + (none[0] - none[r - 1 - p]);

                if (score > best.score)
                    best = (struct end_state){ q, k, p, score };
            }
        }
    }
    return best;
}

static uint16_t back_pointer(struct engine *e, size_t t, int q, int k, int q0,
                             int q1)
{
    size_t b = t / e->block;

    if (b != e->loaded) {
        memcpy(e->state, e->saved + b * e->state_len,
               e->state_len * sizeof(double));
        run_block(e, b, q0, q1);
    }
    return e->back[t % e->block * e->row + (size_t)k * e->width + (size_t)q];
}

static void append(struct bar_path *out, struct bar_step s)
{
    ARRAY_GROW(out->v, out->n, out->cap);
    out->v[out->n++] = s;
}

static void trace(struct bar_path *out, struct engine *e, struct end_state s,
                  int q0, int q1)
{
    /* the frame in which the beat began */
    int64_t start = (int64_t)e->frames - 1 - s.position;
    int q = s.beat, k = s.k;

    while (start >= 0) {
        append(out, (struct bar_step){ (size_t)start, q - q0,
                                       e->space->interval[k], 0 });
        k = back_pointer(e, (size_t)start, q, k, q0, q1);
        q = q > q0 ? q - 1 : q1 - 1;
        if (!start)
            break;
        start -= e->space->interval[k];
    }
    if (start < 0)
        append(out, (struct bar_step){ 0, q - q0, e->space->interval[k],
                                       (int)-start });
    for (size_t i = 0; i < out->n / 2; i++) {
        struct bar_step swap = out->v[i];

        out->v[i] = out->v[out->n - 1 - i];
        out->v[out->n - 1 - i] = swap;
    }
}

/* ---- set-up ---- */

/* The class of beat number b of its bar, made if there is none like it. */
static int class_for(struct engine *e, int b, double observation_lambda)
{
    int n = e->space->n, c;
    int *range = e->range + (size_t)e->classes * n;

    for (int k = 0; k < n; k++)
        range[k] = bar_space_range(e->space->interval[k], b,
                                   observation_lambda);
    e->column[e->classes] = b ? BEAT : DOWN;
    for (c = 0; c < e->classes; c++)
        if (e->column[c] == e->column[e->classes] &&
            !memcmp(e->range + (size_t)c * n, range, (size_t)n * sizeof(int)))
            return c;
    return e->classes++;
}

static void list_beats(struct engine *e, const struct viterbi_config *cfg)
{
    int q = 0;

    for (int m = 0; m < cfg->num_bars; m++)
        e->beats += cfg->bars[m];
    e->width = ((size_t)e->beats + WIDEST - 1) / WIDEST * WIDEST;
    e->class_of = xcalloc((size_t)e->beats, sizeof(int));
    e->column = xcalloc((size_t)e->beats, sizeof(int));
    e->range = xcalloc((size_t)e->beats * (size_t)e->space->n, sizeof(int));
    for (int m = 0; m < cfg->num_bars; m++)
        for (int b = 0; b < cfg->bars[m]; b++)
            e->class_of[q++] = class_for(e, b, cfg->observation_lambda);
    e->pick = xcalloc((size_t)e->classes * e->width, sizeof(double));
    for (q = 0; q < e->beats; q++)
        e->pick[(size_t)e->class_of[q] * e->width + (size_t)q] = 1;
    e->whole = xcalloc((size_t)(e->classes * e->space->n), sizeof(double));
    e->enter = xcalloc(e->width, sizeof(double));
    e->slot = xcalloc((size_t)e->space->n, sizeof(*e->slot));
}

/* Blocks as long as the budget allows; for very long inputs longer, so that
 * checkpoints and back-pointers take about the same. */
static size_t choose_block(const struct engine *e)
{
    double row = (double)e->row * sizeof(uint16_t);
    double even = sqrt((double)e->frames * (double)e->state_len *
                       sizeof(double) / row);
    double block = BACK_BYTES / row;

    if (block < even)
        block = even;
    return block < (double)e->frames ? (size_t)block : e->frames;
}

/* Every state of the frame before the first has the same score. */
static void start_scores(struct engine *e)
{
    size_t rows = (e->longest + 1) * (size_t)e->space->n, q = 0;

    for (int m = 0; m < e->num_bars; m++)
        for (int b = 0; b < e->bars[m]; b++, q++) {
            double score = log(1.0 / ((double)e->space->states *
                                      e->bars[m]));

            for (size_t r = 0; r < rows; r++)
                e->state[r * e->width + q] = score;
        }
}

/* AVX-512 with its byte, quadword and vector-length parts, as Zen 4 and Skylake
 * servers have it. */
static int cpu_is_wide(void)
{
#ifdef HAVE_WIDE
    return __builtin_cpu_supports("avx512f") &&
           __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl");
#else
    return 0;
#endif
}

static int engine_init(struct engine *e, const float *act, size_t frames,
                       const struct viterbi_config *cfg, struct err *err)
{
    size_t sums, block;

    *e = (struct engine){ .space = cfg->space, .act = act, .frames = frames,
                          .split = cfg->observation_lambda - 1,
                          .sum = cfg->sum, .bars = cfg->bars,
                          .num_bars = cfg->num_bars };
    list_beats(e, cfg);
    e->wide = !cfg->narrow && e->beats > WIDEST / 2 && cpu_is_wide();
    e->row = (size_t)e->space->n * e->width;
    e->longest = (size_t)e->space->interval[e->space->n - 1];
    e->history = e->longest;
    sums = DENSITIES * (e->history + 1 + CHUNK);
    e->state_len = (e->longest + 1) * e->row + e->width + sums;
    block = cfg->block ? cfg->block : choose_block(e);
    e->block = (block + CHUNK - 1) / CHUNK * CHUNK;
    e->blocks = (frames + e->block - 1) / e->block;
    e->state = calloc(e->state_len, sizeof(double));
    e->back = malloc(e->block * e->row * sizeof(*e->back));
    if (e->blocks > 1)
        e->saved = calloc(e->blocks, e->state_len * sizeof(double));
    if (!e->state || !e->back || (e->blocks > 1 && !e->saved))
        return err_set(err, ERR_NOMEM, "no memory to track beats in %zu frames",
                       frames);
    e->pending = e->state;
    e->score = e->pending + e->longest * e->row;
    e->sums = e->score + e->row + e->width;
    start_scores(e);
    return 0;
}

static void engine_release(struct engine *e)
{
    free(e->class_of);
    free(e->column);
    free(e->range);
    free(e->pick);
    free(e->whole);
    free(e->enter);
    free(e->slot);
    free(e->state);
    free(e->saved);
    free(e->back);
}

int viterbi_decode(struct bar_path *out, const float *act, size_t frames,
                   const struct viterbi_config *cfg, struct err *err)
{
    struct engine e;
    struct end_state best = {0};
    int rc, q0 = 0;

    *out = (struct bar_path){ .score = -INFINITY };
    rc = engine_init(&e, act, frames, cfg, err);
    if (rc)
        goto out;
    run_forward(&e);
    for (int m = 0, q = 0; m < cfg->num_bars; q += cfg->bars[m++]) {
        struct end_state s = best_end(&e, q, q + cfg->bars[m]);
        int rare = cfg->bars[m] != 3 && cfg->bars[m] != 4;
        double score = s.score - rare * cfg->rare_cost * (double)frames;

        if (score > out->score || !m) {
            best = s;
            out->score = score;
            out->bar = m;
            q0 = q;
        }
    }
    trace(out, &e, best, q0, q0 + cfg->bars[out->bar]);
out:
    engine_release(&e);
    return rc;
}

void bar_path_release(struct bar_path *p)
{
    free(p->v);
    *p = (struct bar_path){0};
}
