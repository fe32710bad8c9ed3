/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "train/songs.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/log.h"
#include "base/rng.h"
#include "base/xalloc.h"
#include "decode/tempo.h"
#include "eval/split.h"

/* Streams of random numbers, next to those that others draw from the seed. */
static const uint64_t ORDER = 0x736f6e6773000000u, START = 0x7374617274000000u;

static void release_song(struct song *s)
{
    free(s->id);
    free(s->audio);
    for (int t = 0; t < DATASET_TASKS; t++)
        if (s->has & 1u << t)
            annotation_release(&s->label[t]);
    for (int t = 0; t < DATASET_TASKS; t++)
        free(s->sure[t]);
}

void songs_release(struct songs *s)
{
    for (size_t i = 0; i < s->n; i++)
        release_song(&s->v[i]);
    free(s->v);
    memset(s, 0, sizeof(*s));
}

/* ---- reading ---- */

/* A dataset, and which of its labels are asked for. */
struct choice {
    const struct dataset *d;
    enum songs_part part;
    unsigned tasks, held;
    unsigned has_valid; /* tasks that the dataset has valid songs for */
};

static void look_for_valid(struct choice *c)
{
    for (size_t i = 0; i < dataset_size(c->d); i++)
        for (int t = 0; t < DATASET_TASKS; t++) {
            const char *split = dataset_at(c->d, i)->part[t].split;

            if (split && !strcmp(split, "valid"))
                c->has_valid |= 1u << t;
        }
}

static enum songs_part part_of(const struct choice *c,
                               const struct dataset_entry *e, int task)
{
    const char *split = e->part[task].split;

    if (split && !strcmp(split, "test"))
        return SONGS_TEST;
    if (split && !strcmp(split, "valid"))
        return SONGS_VALID;
    if (c->has_valid & 1u << task || !c->held)
        return SONGS_TRAIN;
    return split_hash("", e->id, SPLIT_SEED) % c->held ? SONGS_TRAIN
                                                       : SONGS_VALID;
}

static bool wanted(const struct choice *c, const struct dataset_entry *e,
                   int task)
{
    const struct dataset_part *p = &e->part[task];

    return c->tasks & 1u << task && p->labels && !p->excluded &&
           (c->part == SONGS_ALL || part_of(c, e, task) == c->part);
}

/* The clips of HookTheory are parts of longer recordings: labels speak of what
 * lies between the first and the last of them. */
static void find_stretch(struct song *s)
{
    s->from = INFINITY;
    s->to = -INFINITY;
    for (int t = 0; t < DATASET_TASKS; t++) {
        const struct annotation *a = &s->label[t];

        if (!(s->has & 1u << t))
            continue;
        if (a->beats.n) {
            s->from = fmin(s->from, a->beats.v[0].time);
            s->to = fmax(s->to, a->beats.v[a->beats.n - 1].time);
        }
        if (a->spans.n) {
            s->from = fmin(s->from, a->spans.v[0].start);
            s->to = fmax(s->to, a->spans.v[a->spans.n - 1].end);
        }
    }
    if (s->from <= s->to)
        return;
    s->from = 0;
    s->to = INFINITY;
}

/* Labels that cannot be read cost one song, not the run. */
static int take_labels(struct song *s, const struct choice *c, size_t i,
                       unsigned want)
{
    struct err why = {0};

    for (int t = 0; t < DATASET_TASKS; t++) {
        if (!(want & 1u << t))
            continue;
        if (dataset_labels(c->d, i, (enum annot_task)t, &s->label[t], &why)) {
            log_warn("%s; the song is left out", why.msg);
            return -1;
        }
        s->has |= 1u << t;
    }
    return 0;
}

static void take_song(struct songs *out, const struct choice *c, size_t i)
{
    const struct dataset_entry *e = dataset_at(c->d, i);
    struct song s = { .to = INFINITY };
    unsigned want = 0;

    for (int t = 0; t < DATASET_TASKS; t++)
        want |= wanted(c, e, t) ? 1u << t : 0;
    if (!want)
        return;
    if (!e->audio) {
        out->no_audio++;
        return;
    }
    if (take_labels(&s, c, i, want)) {
        release_song(&s);
        out->broken++;
        return;
    }
    if (!strcmp(dataset_about(c->d)->name, "hooktheory"))
        find_stretch(&s);
    s.id = xstrdup(e->id);
    s.audio = xstrdup(e->audio);
    ARRAY_GROW(out->v, out->n, out->cap);
    out->v[out->n++] = s;
}

static int take_all(struct songs *s, struct choice *c, const char *root,
                    struct err *err)
{
    size_t before = s->n;

    look_for_valid(c);
    for (size_t i = 0; i < dataset_size(c->d); i++)
        take_song(s, c, i);
    if (s->n == before)
        return err_set(err, ERR_ARG, "%s: no song with audio and labels of the "
                       "kinds asked for in this part of it (%zu with labels "
                       "but no audio, %zu with broken labels)", root,
                       s->no_audio, s->broken);
    return 0;
}

int songs_add(struct songs *s, const char *dataset, const char *root,
              enum songs_part part, unsigned tasks, unsigned held,
              struct err *err)
{
    struct choice c = { .part = part, .tasks = tasks, .held = held };
    size_t before = s->n, no_audio = s->no_audio, broken = s->broken;
    struct dataset *d;
    int rc;

    TRY(dataset_open(&d, dataset, root, err));
    c.d = d;
    rc = take_all(s, &c, root, err);
    dataset_free(d);
    if (!rc)
        return 0;
    while (s->n > before)
        release_song(&s->v[--s->n]);
    s->no_audio = no_audio;
    s->broken = broken;
    return rc;
}

/* ---- tags ---- */

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static size_t collect_tags(const struct songs *s, const char ***out)
{
    size_t n = 0, cap = 0, distinct = 0;
    const char **v = NULL;

    for (size_t i = 0; i < s->n; i++) {
        const struct tags *t = &s->v[i].label[ANNOT_TAGS].tags;

        if (!(s->v[i].has & 1u << ANNOT_TAGS))
            continue;
        for (size_t k = 0; k < t->n; k++) {
            if (!(t->v[k].score >= 0.5))
                continue;
            ARRAY_GROW(v, n, cap);
            v[n++] = t->v[k].label;
        }
    }
    if (n)
        qsort(v, n, sizeof(*v), by_bytes);
    for (size_t i = 0; i < n; i++)
        if (!i || strcmp(v[i], v[distinct - 1]))
            v[distinct++] = v[i];
    *out = v;
    return distinct;
}

int songs_tags(const struct songs *s, char ***out, int *n, struct err *err)
{
    const char **v;
    size_t count = collect_tags(s, &v);

    if (count < 1 || count > LIMIT_TAGS) {
        free(v);
        return err_set(err, ERR_ARG, "%zu different tags in the training "
                       "songs; a head can have 1..%d", count, LIMIT_TAGS);
    }
    *out = xcalloc(count, sizeof(**out));
    for (size_t i = 0; i < count; i++)
        (*out)[i] = xstrdup(v[i]);
    *n = (int)count;
    free(v);
    return 0;
}

void songs_tags_free(char **tags, int n)
{
    for (int i = 0; i < n; i++)
        free(tags[i]);
    free(tags);
}

int songs_bars(const struct songs *s, int bar[HEAD_BARS])
{
    size_t count[HEAD_BAR_BEATS + 1] = {0}, all = 0;
    int n = 0;

    for (size_t i = 0; i < s->n; i++) {
        const struct song *song = &s->v[i];
        int m = song->has & 1u << ANNOT_BEATS
                ? meter_of_beats(&song->label[ANNOT_BEATS].beats) : 0;

        all += m > 0;
        if (m > 0 && m <= HEAD_BAR_BEATS)
            count[m]++;
    }
    for (int m = 3; m <= HEAD_BAR_BEATS; m++)
        if (m < 5 || (m % 2 && m % 3 && count[m] && count[m] * 100 >= all))
            bar[n++] = m;
    return n;
}

/* ---- sampling ---- */

/* A permutation of 0 .. 2^(2 half) - 1: four rounds of a Feistel network. */
static uint64_t shuffle(uint64_t v, unsigned half, uint64_t seed,
                        uint64_t epoch)
{
    uint64_t mask = ((uint64_t)1 << half) - 1, left = v >> half;
    uint64_t right = v & mask;

    for (uint64_t round = 0; round < 4; round++) {
        uint64_t next;
        uint32_t r[4];

        rng_block(r, seed, ORDER + epoch, round << 60 | right);
        next = left ^ (((uint64_t)r[0] << 32 | r[1]) & mask);
        left = right;
        right = next;
    }
    return left << half | right;
}

size_t songs_pick(size_t n, uint64_t seed, uint64_t k)
{
    uint64_t v = k % n, epoch = k / n;
    unsigned half = 1;

    while ((uint64_t)1 << (2 * half) < n)
        half++;
    do /* cycle walking: of the larger permutation only what is below n */
        v = shuffle(v, half, seed, epoch);
    while (v >= n);
    return (size_t)v;
}

double songs_start(const struct song *s, double duration, double span,
                   double rate, uint64_t seed, uint64_t k)
{
    double from = fmax(s->from, 0), to = fmin(s->to, duration);
    uint32_t r[4];

    rng_block(r, seed, START + k, 0);
    if (to - from < span) {
        /* around the labels, as far as the recording goes */
        from = fmin(fmax((from + to - span) / 2, 0), duration - span);
        to = from + span;
    }
    from += (to - span - from) * (r[0] * 0x1p-32);
    return from > 0 ? floor(from * rate) / rate : 0;
}
