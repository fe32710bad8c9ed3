/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "train/loader.h"

#include <assert.h>
#include <omp.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/xalloc.h"

enum { AHEAD = 3 }; /* batches: one with the caller, two in the making */

struct slot {
    struct batch_data batch;
    uint32_t left; /* samples to be made */
};

struct worker {
    struct loader *loader;
    int number;
    pthread_t thread;
    float *x; /* (crop) */
};

struct loader {
    struct loader_config config;
    uint32_t samples; /* of a batch that are made here */
    struct slot slot[AHEAD]; /* batch b is in slot b % AHEAD */
    struct worker *worker;
    int workers;

    pthread_mutex_t lock; /* of all that follows, and of left */
    pthread_cond_t work, done;
    uint64_t next;        /* sample to be begun, numbered on over batches */
    uint64_t released;    /* batches that the caller is done with */
    uint64_t handed;      /* batches handed out */
    int stop;
    struct err error;
    double waited_s;
};

static int make_sample(struct worker *w, uint64_t number, struct err *err)
{
    struct loader *l = w->loader;
    const struct loader_config *c = &l->config;
    uint64_t batch = number / l->samples;
    uint32_t i = (uint32_t)(number % l->samples);
    uint32_t of_batch = i / c->count * c->stride + c->first + i % c->count;
    struct loader_sample s = {
        .draw = { c->seed, c->step + batch, of_batch },
        .x = w->x, .thread = w->number, .loader = l
    };
    void *part[LOADER_PARTS];

    for (int k = 0; k < LOADER_PARTS; k++)
        part[k] = (char *)l->slot[batch % AHEAD].batch.part[k] +
                  i * c->part_bytes[k];
    if (c->crop)
        TRY(corpus_crop(c->corpus, &s.draw, w->x, c->crop, &s.crop, err));
    return c->prepare(c->ctx, &s, part, err);
}

/* Waits for a sample that may be begun; 0 at the end. Under the lock. */
static int next_sample(struct loader *l, uint64_t *number)
{
    while (!l->stop && !l->error.code &&
           l->next / l->samples >= l->released + AHEAD)
        pthread_cond_wait(&l->work, &l->lock);
    *number = l->next;
    if (l->stop || l->error.code)
        return 0;
    l->next++;
    return 1;
}

static void *run(void *arg)
{
    struct worker *w = arg;
    struct loader *l = w->loader;
    uint64_t number;

    omp_set_num_threads(1); /* in this thread: the loader has enough of them */
    pthread_mutex_lock(&l->lock);
    while (next_sample(l, &number)) {
        struct slot *s = &l->slot[number / l->samples % AHEAD];
        struct err err = {0};
        int rc;

        pthread_mutex_unlock(&l->lock);
        rc = make_sample(w, number, &err);
        pthread_mutex_lock(&l->lock);
        if (rc && !l->error.code) {
            l->error = err;
            l->error.code = rc;
            pthread_cond_broadcast(&l->work);
        }
        s->left -= !rc; /* a batch with a failure is never done */
        if (!s->left || rc)
            pthread_cond_broadcast(&l->done);
    }
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

static int make_slots(struct loader *l, struct err *err)
{
    for (int i = 0; i < AHEAD; i++)
        for (int k = 0; k < LOADER_PARTS; k++) {
            size_t n = l->config.part_bytes[k];
            void **p = &l->slot[i].batch.part[k];

            if (n && !(*p = calloc(l->samples, n)))
                return err_set(err, ERR_NOMEM, "no memory for a batch of %u "
                               "samples, %zu bytes each", l->samples, n);
        }
    for (int i = 0; i < AHEAD; i++)
        l->slot[i].left = l->samples;
    return 0;
}

static int make_workers(struct loader *l, struct err *err)
{
    size_t n = (size_t)l->config.crop + 1;

    l->worker = xcalloc((size_t)l->config.threads, sizeof(*l->worker));
    for (int i = 0; i < l->config.threads; i++) {
        struct worker *w = &l->worker[i];

        w->loader = l;
        w->number = i;
        w->x = malloc(n * sizeof(*w->x));
        if (!w->x)
            return err_set(err, ERR_NOMEM, "no memory for crops of %zu samples",
                           n);
        if (pthread_create(&w->thread, NULL, run, w)) {
            free(w->x);
            return err_set(err, ERR_NOMEM, "cannot start loader thread %d: "
                           "give fewer", i + 1);
        }
        l->workers++;
    }
    return 0;
}

int loader_new(struct loader **out, const struct loader_config *config,
               struct err *err)
{
    uint32_t stride = config->stride ? config->stride : config->batch;
    struct loader *l;
    int rc;

    if (!config->count || config->first >= stride ||
        config->count > stride - config->first || config->batch % stride)
        return err_set(err, ERR_ARG, "samples %u to %u of each %u of a batch "
                       "of %u", config->first, config->first + config->count,
                       stride, config->batch);
    if (config->crop < 0 || config->threads < 1)
        return err_set(err, ERR_ARG, "crops of %lld samples by %d threads",
                       (long long)config->crop, config->threads);
    l = xcalloc(1, sizeof(*l));
    l->config = *config;
    l->config.stride = stride;
    l->samples = config->batch / stride * config->count;
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->work, NULL);
    pthread_cond_init(&l->done, NULL);
    rc = make_slots(l, err);
    if (!rc)
        rc = make_workers(l, err);
    if (rc)
        loader_free(l);
    else
        *out = l;
    return rc;
}

void loader_free(struct loader *l)
{
    if (!l)
        return;
    pthread_mutex_lock(&l->lock);
    l->stop = 1;
    pthread_cond_broadcast(&l->work);
    pthread_mutex_unlock(&l->lock);
    for (int i = 0; i < l->workers; i++) {
        pthread_join(l->worker[i].thread, NULL);
        free(l->worker[i].x);
    }
    for (int i = 0; i < AHEAD; i++)
        for (int k = 0; k < LOADER_PARTS; k++)
            free(l->slot[i].batch.part[k]);
    pthread_cond_destroy(&l->work);
    pthread_cond_destroy(&l->done);
    pthread_mutex_destroy(&l->lock);
    free(l->worker);
    free(l);
}

static double now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Gives the slot of the batch handed out last back to the threads. */
static void release_last(struct loader *l)
{
    if (l->released == l->handed)
        return;
    l->slot[l->released % AHEAD].left = l->samples;
    l->released++;
    pthread_cond_broadcast(&l->work);
}

int loader_next(struct loader *l, uint64_t step, struct batch_data *out,
                struct err *err)
{
    double from = now_s();
    struct slot *s;
    int rc = 0;

    pthread_mutex_lock(&l->lock);
    assert(step == l->config.step + l->handed);
    release_last(l);
    s = &l->slot[l->handed % AHEAD];
    while (s->left && !l->error.code)
        pthread_cond_wait(&l->done, &l->lock);
    if (s->left) {
        rc = err_set(err, l->error.code, "%s", l->error.msg);
    } else {
        s->batch.step = step;
        l->handed++;
        *out = s->batch;
    }
    l->waited_s += now_s() - from;
    pthread_mutex_unlock(&l->lock);
    return rc;
}

int loader_other(const struct loader_sample *s, uint32_t i, float *x,
                 struct err *err)
{
    const struct loader_config *c = &s->loader->config;
    const struct draw d = { s->draw.seed, s->draw.step, i };
    struct crop crop;

    return corpus_crop(c->corpus, &d, x, c->crop, &crop, err);
}

uint32_t loader_batch(const struct loader *l)
{
    return l->config.batch;
}

double loader_waited(const struct loader *l)
{
    return l->waited_s;
}
