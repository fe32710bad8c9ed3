/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "train/corpus.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "audio/clip.h"
#include "base/log.h"
#include "base/xalloc.h"

enum { DRAWS = 16 };

enum state { ABSENT, LOADING, HELD, BAD };

/* A recording; those that are held form a ring through the last slot, the one
 * used last behind it. */
struct slot {
    enum state state;
    int seen; /* decoded before: its damage is known */
    int users;
    struct clip clip;
    size_t before, behind;
};

struct corpus {
    const struct manifest *m;
    int64_t *end;       /* (n) sum of the lengths up to each recording */
    struct slot *slot;  /* (n + 1) */
    size_t limit;
    int64_t step;       /* from start to start of crops */
    pthread_mutex_t lock; /* of the slots and the statistics */
    pthread_cond_t loaded;
    struct corpus_stats stats;
};

size_t corpus_memory(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);

    return pages > 0 && size > 0 ? (size_t)pages / 4 * (size_t)size
                                 : (size_t)1 << 30;
}

int corpus_new(struct corpus **out, const struct manifest *m, size_t limit,
               struct err *err)
{
    struct corpus *c;
    int64_t sum = 0;

    if (!m->n)
        return err_set(err, ERR_ARG, "no recordings to learn from");
    c = xcalloc(1, sizeof(*c));
    c->m = m;
    c->step = 1;
    c->limit = limit ? limit : corpus_memory();
    c->end = xcalloc(m->n, sizeof(*c->end));
    c->slot = xcalloc(m->n + 1, sizeof(*c->slot));
    c->slot[m->n].before = c->slot[m->n].behind = m->n;
    for (size_t i = 0; i < m->n; i++)
        c->end[i] = sum += m->item[i].samples;
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->loaded, NULL);
    *out = c;
    return 0;
}

void corpus_free(struct corpus *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->m->n; i++)
        clip_release(&c->slot[i].clip);
    pthread_cond_destroy(&c->loaded);
    pthread_mutex_destroy(&c->lock);
    free(c->slot);
    free(c->end);
    free(c);
}

void corpus_align(struct corpus *c, int64_t step)
{
    c->step = step;
}

/* ---- what is held; under the lock ---- */

static void unlink_slot(struct corpus *c, size_t i)
{
    struct slot *s = &c->slot[i];

    c->slot[s->before].behind = s->behind;
    c->slot[s->behind].before = s->before;
}

static void link_slot(struct corpus *c, size_t i)
{
    size_t head = c->m->n;
    struct slot *s = &c->slot[i];

    s->before = head;
    s->behind = c->slot[head].behind;
    c->slot[s->behind].before = i;
    c->slot[head].behind = i;
}

/* Drops what was used longest ago until there is room for so many bytes. */
static void make_room(struct corpus *c, size_t bytes)
{
    size_t i = c->slot[c->m->n].before;

    while (i != c->m->n && c->stats.held + bytes > c->limit) {
        size_t next = c->slot[i].before;
        struct slot *s = &c->slot[i];

        if (!s->users) {
            unlink_slot(c, i);
            c->stats.held -= s->clip.n * sizeof(*s->clip.x);
            clip_release(&s->clip);
            s->state = ABSENT;
        }
        i = next;
    }
}

/* Decodes recording i, which is LOADING; the lock is given up meanwhile. A lack
 * of memory is not the recording's fault. */
static int load(struct corpus *c, size_t i, struct err *err)
{
    const struct recording *r = &c->m->item[i];
    struct decode_source src = { .path = r->path };
    struct slot *s = &c->slot[i];
    struct clip clip = {0};
    struct err why = {0};
    int rc;

    src.quiet = s->seen;
    s->seen = 1;
    c->stats.decodes++;
    make_room(c, (size_t)r->samples * sizeof(*clip.x));
    pthread_mutex_unlock(&c->lock);
    rc = clip_read(&clip, &src, c->m->rate, &why);
    pthread_mutex_lock(&c->lock);
    if (!rc) {
        s->clip = clip;
        s->state = HELD;
        c->stats.held += clip.n * sizeof(*clip.x);
        link_slot(c, i);
    } else if (rc == ERR_NOMEM) {
        s->state = ABSENT;
    } else {
        s->state = BAD;
        c->stats.failed++;
        log_warn("%s; left out", why.msg);
    }
    pthread_cond_broadcast(&c->loaded);
    return rc ? err_set(err, rc, "%s", why.msg) : 0;
}

int corpus_hold(struct corpus *c, size_t i, struct err *err)
{
    struct slot *s = &c->slot[i];
    int rc = 0;

    pthread_mutex_lock(&c->lock);
    while (s->state == LOADING)
        pthread_cond_wait(&c->loaded, &c->lock);
    if (s->state == ABSENT) {
        s->state = LOADING;
        rc = load(c, i, err);
    }
    if (s->state == HELD) {
        s->users++;
        unlink_slot(c, i);
        link_slot(c, i);
        make_room(c, 0);
    } else if (!rc) {
        rc = err_set(err, ERR_FORMAT, "%s: cannot be decoded",
                     c->m->item[i].path);
    }
    pthread_mutex_unlock(&c->lock);
    return rc;
}

/* What is held does not move: no lock is needed. */
const int16_t *corpus_pcm(const struct corpus *c, size_t i, int64_t *n)
{
    *n = (int64_t)c->slot[i].clip.n;
    return c->slot[i].clip.x;
}

void corpus_let_go(struct corpus *c, size_t i)
{
    pthread_mutex_lock(&c->lock);
    c->slot[i].users--;
    make_room(c, 0);
    pthread_mutex_unlock(&c->lock);
}

/* ---- crops ---- */

/* The first recording whose end lies behind sample at of them all. */
static size_t recording_at(const struct corpus *c, int64_t at)
{
    size_t low = 0, high = c->m->n - 1;

    while (low < high) {
        size_t mid = (low + high) / 2;

        if (c->end[mid] > at)
            high = mid;
        else
            low = mid + 1;
    }
    return low;
}

/* u in [0, 1) -> 0 .. n - 1. */
static int64_t below(double u, int64_t n)
{
    int64_t v = (int64_t)(u * (double)n);

    return v < n ? v : n - 1;
}

/* The crop of n samples in a recording of length samples. */
static void place(const struct corpus *c, struct crop *crop, int64_t length,
                  double u, int64_t n)
{
    crop->of = length;
    crop->start = length > n ? below(u, (length - n) / c->step + 1) * c->step
                             : 0;
    crop->n = length > n ? n : length;
}

/* Other crops of a recording that is damaged somewhere stay what they are. */
static int take_packed(struct corpus *c, size_t i, double u, float *x,
                       int64_t n, struct crop *crop, struct err *err)
{
    const struct recording *r = &c->m->item[i];
    struct slot *s = &c->slot[i];
    struct err why = {0};
    int rc;

    place(c, crop, r->samples, u, n);
    rc = shards_read(r->set, r->in_set, crop->start, crop->n, x, &why);
    if (!rc)
        return 0;
    pthread_mutex_lock(&c->lock);
    if (rc != ERR_NOMEM && !s->seen) {
        s->seen = 1;
        c->stats.failed++;
        log_warn("%s; left out where it is", why.msg);
    }
    pthread_mutex_unlock(&c->lock);
    return err_set(err, rc, "%s", why.msg);
}

static int take_held(struct corpus *c, size_t i, double u, float *x, int64_t n,
                     struct crop *crop, struct err *err)
{
    const struct clip *clip = &c->slot[i].clip;

    TRY(corpus_hold(c, i, err));
    place(c, crop, (int64_t)clip->n, u, n);
    clip_floats(x, clip->x + crop->start, (size_t)crop->n);
    corpus_let_go(c, i);
    return 0;
}

static int take(struct corpus *c, size_t i, double u, float *x, int64_t n,
                struct crop *crop, struct err *err)
{
    crop->recording = i;
    crop->path = c->m->item[i].path;
    if (c->m->item[i].set)
        TRY(take_packed(c, i, u, x, n, crop, err));
    else
        TRY(take_held(c, i, u, x, n, crop, err));
    memset(x + crop->n, 0, (size_t)(n - crop->n) * sizeof(*x));
    return 0;
}

int corpus_crop(struct corpus *c, const struct draw *d, float *x, int64_t n,
                struct crop *crop, struct err *err)
{
    size_t all = c->m->n, i = 0;
    double start = 0;

    for (size_t k = 0; k < DRAWS + all; k++) {
        int rc;

        if (k < DRAWS) {
            double u = draw_uniform(d, DRAW_CROP, 2 * (uint32_t)k);

            i = recording_at(c, below(u, c->end[all - 1]));
            start = draw_uniform(d, DRAW_CROP, 2 * (uint32_t)k + 1);
        } else {
            i = (i + 1) % all;
        }
        rc = take(c, i, start, x, n, crop, err);
        if (!rc || rc == ERR_NOMEM)
            return rc;
    }
    return err_set(err, ERR_FORMAT, "none of the %zu recordings can be decoded",
                   all);
}

void corpus_stats(struct corpus *c, struct corpus_stats *out)
{
    pthread_mutex_lock(&c->lock);
    *out = c->stats;
    pthread_mutex_unlock(&c->lock);
}
