/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "decode/viterbi.h"

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

enum {
    GROUP = 4,   /* boundaries computed side by side */
    CHUNK = 512, /* frames whose densities are computed at once */
    BACK_BYTES = 16 << 20
};

enum { NONE, BEAT, DOWN, DENSITIES };

#if defined(__x86_64__) && defined(__gnu_linux__) && \
    !defined(__SANITIZE_ADDRESS__)
#define WIDEST_SIMD __attribute__((target_clones("avx2", "default")))
#else
#define WIDEST_SIMD
#endif

typedef double lanes __attribute__((vector_size(BAR_LANES * 8)));
typedef int64_t lane_ids __attribute__((vector_size(BAR_LANES * 8)));

/* All HMMs advance together: their beats stand in one list. Beats with the same
 * density and the same ranges share a class, and with it the density of a whole
 * beat. */
struct engine {
    const struct bar_space *space;
    const float *act; /* (frames, 2) */
    size_t frames;
    double split;     /* observation_lambda - 1 */
    int sum;
    int beats;        /* of all bars */
    int *prev;        /* (beats) the beat before */
    int *class_of;    /* (beats) */
    int classes;
    int *column;      /* (classes) BEAT or DOWN */
    int *range;       /* (classes, n) positions that see it */
    int longest;      /* interval, = number of rows of pending */
    size_t row;       /* beats * stride */
    double *first;    /* (GROUP, stride) scores of first states */
    double *whole;    /* (classes, stride) density of a beat's other states */
    size_t *slot;     /* (n) where a first state of this frame goes in pending */
    double density[DENSITIES][CHUNK];
    /* what a checkpoint holds, one allocation of state_len: */
    double *state;
    size_t state_len;
    double *pending;  /* (longest, beats, stride) score at the first state, by
                         the frame of its last state modulo longest */
    double *last;     /* (beats, stride) score at the last states */
    double *sums;     /* (DENSITIES, history + 1 + CHUNK) prefix sums; index
                         history is the sum before the chunk */
    size_t history;   /* = longest */
    /* blocks */
    size_t block;     /* frames, a multiple of CHUNK */
    size_t blocks;
    size_t loaded;    /* the block whose back-pointers are in back */
    double *saved;    /* (blocks, state_len) */
    uint16_t *back;   /* (block, beats, stride) index of the interval before */
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

/* Where a sum v is above the best so far, it and its index are kept. */
static inline void offer(lanes *best, lane_ids *from, lanes v, lane_ids index)
{
    lane_ids won = v > *best;

    *best = (lanes)((won & (lane_ids)v) | (~won & (lane_ids)*best));
    *from = (won & index) | (~won & *from);
}

/* One beat boundary: into the first states of a beat. */
struct boundary {
    const double *score; /* (n) last states of the beat before */
    double density;      /* of the first states */
    double *best;        /* (stride) out: score of the first states */
    uint16_t *from;      /* (stride) out: index of the interval before */
};

static inline void put(const struct boundary *y, int at, lanes best,
                       lane_ids from)
{
    memcpy(y->best + at, &best, sizeof(best));
    for (int i = 0; i < BAR_LANES; i++)
        y->from[at + i] = (uint16_t)from[i];
}

/* best[b] = max over a of score[a] + trans[a][b] + density, from[b] = the first
 * such a, for GROUP boundaries side by side (one alone would wait for its
 * comparisons). The sum is taken in this order and compared as a whole, since
 * that decides ties in madmom. */
WIDEST_SIMD
static void transition(const struct boundary y[GROUP],
                       const struct bar_space *s)
{
    const double *s0 = y[0].score, *s1 = y[1].score;
    const double *s2 = y[2].score, *s3 = y[3].score;
    double d0 = y[0].density, d1 = y[1].density;
    double d2 = y[2].density, d3 = y[3].density;

    for (int block = 0; block < s->stride / BAR_LANES; block++) {
        const double *t = s->log_trans + block * BAR_LANES +
                          (size_t)s->lo[block] * (size_t)s->stride;
        lanes m0 = (lanes){0} - INFINITY, m1 = m0, m2 = m0, m3 = m0, v;
        lane_ids i0 = {0}, i1 = i0, i2 = i0, i3 = i0;
        lane_ids index = i0 + s->lo[block];

        for (int a = s->lo[block]; a <= s->hi[block]; a++) {
            memcpy(&v, t, sizeof(v));
            offer(&m0, &i0, (v + s0[a]) + d0, index);
            offer(&m1, &i1, (v + s1[a]) + d1, index);
            offer(&m2, &i2, (v + s2[a]) + d2, index);
            offer(&m3, &i3, (v + s3[a]) + d3, index);
            index += 1;
            t += s->stride;
        }
        put(&y[0], block * BAR_LANES, m0, i0);
        put(&y[1], block * BAR_LANES, m1, i1);
        put(&y[2], block * BAR_LANES, m2, i2);
        put(&y[3], block * BAR_LANES, m3, i3);
    }
}

/* The density of positions 1.. of beats whose last state is at chunk frame i. */
static void whole_beats(struct engine *e, size_t i)
{
    const double *none = sums_of(e, NONE) + e->history + 1 + i;

    for (int c = 0; c < e->classes; c++) {
        const double *in = sums_of(e, e->column[c]) + e->history + 1 + i;
        const int *range = e->range + (size_t)c * e->space->n;
        double *whole = e->whole + (size_t)c * e->space->stride;

        for (int k = 0; k < e->space->n; k++) {
            int len = e->space->interval[k], r = range[k];

            whole[k] = (in[r - len] - in[1 - len]) +
                       (none[0] - none[r - len]);
        }
    }
}

/* The first states of frame t (number i of its chunk) of the beats q0..q1 - 1
 * and where they came from. */
static void enter_beats(struct engine *e, size_t t, size_t i, int q0, int q1,
                        uint16_t *back)
{
    const struct bar_space *s = e->space;
    size_t stride = (size_t)s->stride, longest = (size_t)e->longest;

    for (int k = 0; k < s->n; k++)
        e->slot[k] = (t + (size_t)s->interval[k] - 1) % longest * e->row +
                     (size_t)k;
    for (int q = q0; q < q1; q += GROUP) {
        struct boundary y[GROUP];
        int n = q1 - q < GROUP ? q1 - q : GROUP;

        for (int g = 0; g < GROUP; g++) {
            size_t b = (size_t)(g < n ? q + g : q); /* fill up: repeat */

            y[g] = (struct boundary){
                e->last + (size_t)e->prev[b] * stride,
                e->density[e->column[e->class_of[b]]][i],
                e->first + (size_t)g * stride, back + b * stride };
        }
        transition(y, s);
        for (int g = 0; g < n; g++)
            for (int k = 0; k < s->n; k++)
                e->pending[e->slot[k] + (size_t)(q + g) * stride] =
                    y[g].best[k];
    }
}

/* One frame: then the last states of those beats. */
static void step(struct engine *e, size_t t, size_t i, int q0, int q1,
                 uint16_t *back)
{
    const double *due = e->pending + t % (size_t)e->longest * e->row;

    enter_beats(e, t, i, q0, q1, back);
    whole_beats(e, i);
    for (int q = q0; q < q1; q++) {
        size_t at = (size_t)q * (size_t)e->space->stride;
        const double *whole = e->whole + (size_t)e->class_of[q] *
                              (size_t)e->space->stride;

        for (int k = 0; k < e->space->n; k++)
            e->last[at + (size_t)k] = due[at + (size_t)k] + whole[k];
    }
}

/* Computes block number b from the state at its start; e then has its
 * back-pointers and the state at its end. */
static void run_block(struct engine *e, size_t b, int q0, int q1)
{
    size_t from = b * e->block, end = from + e->block;

    if (end > e->frames)
        end = e->frames;
    for (size_t t = from; t < end; t += CHUNK) {
        size_t n = end - t < CHUNK ? end - t : CHUNK;

        load_chunk(e, t, n);
        for (size_t i = 0; i < n; i++)
            step(e, t + i, i, q0, q1,
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
                size_t due = (t + (size_t)(len - 1 - p)) % (size_t)e->longest;
                double score =
                    e->pending[due * e->row +
                               (size_t)(q * e->space->stride + k)] +
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
    return e->back[t % e->block * e->row + (size_t)(q * e->space->stride + k)];
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
        q = e->prev[q];
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
    e->prev = xcalloc((size_t)e->beats, sizeof(int));
    e->class_of = xcalloc((size_t)e->beats, sizeof(int));
    e->column = xcalloc((size_t)e->beats, sizeof(int));
    e->range = xcalloc((size_t)e->beats * e->space->n, sizeof(int));
    for (int m = 0; m < cfg->num_bars; m++)
        for (int b = 0; b < cfg->bars[m]; b++, q++) {
            e->prev[q] = b ? q - 1 : q + cfg->bars[m] - 1;
            e->class_of[q] = class_for(e, b, cfg->observation_lambda);
        }
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
static void start_scores(struct engine *e, const struct viterbi_config *cfg)
{
    size_t q = 0, stride = (size_t)e->space->stride;

    for (int m = 0; m < cfg->num_bars; m++)
        for (int b = 0; b < cfg->bars[m]; b++, q++) {
            double score = log(1.0 / ((double)e->space->states *
                                      cfg->bars[m]));

            for (size_t k = 0; k < stride; k++) {
                e->last[q * stride + k] = score;
                for (size_t r = 0; r < (size_t)e->longest; r++)
                    e->pending[r * e->row + q * stride + k] = score;
            }
        }
}

static int engine_init(struct engine *e, const float *act, size_t frames,
                       const struct viterbi_config *cfg, struct err *err)
{
    size_t sums, block;

    *e = (struct engine){ .space = cfg->space, .act = act, .frames = frames,
                          .split = cfg->observation_lambda - 1,
                          .sum = cfg->sum };
    list_beats(e, cfg);
    e->row = (size_t)e->beats * (size_t)e->space->stride;
    e->longest = e->space->interval[e->space->n - 1];
    e->history = (size_t)e->longest;
    sums = DENSITIES * (e->history + 1 + CHUNK);
    e->state_len = ((size_t)e->longest + 1) * e->row + sums;
    block = cfg->block ? cfg->block : choose_block(e);
    e->block = (block + CHUNK - 1) / CHUNK * CHUNK;
    e->blocks = (frames + e->block - 1) / e->block;
    e->whole = calloc((size_t)e->classes * (size_t)e->space->stride,
                      sizeof(double));
    e->first = calloc((size_t)GROUP * (size_t)e->space->stride,
                      sizeof(double));
    e->slot = calloc((size_t)e->space->n, sizeof(*e->slot));
    e->state = calloc(e->state_len, sizeof(double));
    e->back = malloc(e->block * e->row * sizeof(*e->back));
    if (e->blocks > 1)
        e->saved = calloc(e->blocks, e->state_len * sizeof(double));
    if (!e->first || !e->whole || !e->slot || !e->state || !e->back ||
        (e->blocks > 1 && !e->saved))
        return err_set(err, ERR_NOMEM, "no memory to track beats in %zu frames",
                       frames);
    e->pending = e->state;
    e->last = e->pending + (size_t)e->longest * e->row;
    e->sums = e->last + e->row;
    start_scores(e, cfg);
    return 0;
}

static void engine_release(struct engine *e)
{
    free(e->prev);
    free(e->class_of);
    free(e->column);
    free(e->range);
    free(e->first);
    free(e->whole);
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

        if (s.score > out->score || !m) {
            best = s;
            out->score = s.score;
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
