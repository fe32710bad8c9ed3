/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "train/selftrain.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/xalloc.h"
#include "decode/chain.h"
#include "head/head.h"
#include "model/encoder.h"
#include "train/modelmel.h"
#include "train/states.h"

enum { LEAST_BEATS = 4 };
static const double EDGE = 0.5; /* s, from a boundary that may be wrong */

/* A file, whatever its name. */
struct file_id {
    dev_t dev;
    ino_t ino;
};

struct labeller {
    const struct selftrain_config *c;
    const char **task; /* of c->learns, n of them */
    int n;
    struct encoder *encoder;
    struct mel *mel;
    struct heads *heads;
    struct chain chain;    /* of the song */
    struct file_id *known; /* sorted */
    size_t n_known, cap_known;
};

/* ---- songs that are there already ---- */

static int by_id(const void *a, const void *b)
{
    const struct file_id *x = a, *y = b;

    if (x->dev != y->dev)
        return x->dev < y->dev ? -1 : 1;
    return x->ino < y->ino ? -1 : x->ino > y->ino;
}

static void note_known(struct labeller *l, const struct songs *s)
{
    struct stat st;

    for (size_t i = 0; s && i < s->n; i++)
        if (!stat(s->v[i].audio, &st)) {
            ARRAY_GROW(l->known, l->n_known, l->cap_known);
            l->known[l->n_known++] = (struct file_id){ st.st_dev, st.st_ino };
        }
}

static int is_known(const struct labeller *l, const char *path)
{
    struct file_id id;
    struct stat st;

    if (!l->n_known || stat(path, &st))
        return 0;
    id = (struct file_id){ st.st_dev, st.st_ino };
    return bsearch(&id, l->known, l->n_known, sizeof(id), by_id) != NULL;
}

/* ---- what is sure ---- */

static void add_stretch(struct song *s, int task, double start, double end)
{
    size_t n = s->n_sure[task];

    if (end <= start)
        return;
    if (n && s->sure[task][n - 1].end >= start) {
        s->sure[task][n - 1].end = end;
        return;
    }
    s->sure[task] = xreallocarray(s->sure[task], n + 1,
                                  sizeof(*s->sure[task]));
    s->sure[task][s->n_sure[task]++] = (struct stretch){ start, end };
}

static void sure_beats(struct song *s, double least)
{
    const struct beats *b = &s->label[ANNOT_BEATS].beats;

    for (size_t i = 0, end; i < b->n; i = end + 1) {
        double before, behind;

        for (end = i; end < b->n && b->v[end].confidence >= least; end++)
            ;
        if (end - i < LEAST_BEATS)
            continue;
        before = (b->v[i + 1].time - b->v[i].time) / 2;
        behind = (b->v[end - 1].time - b->v[end - 2].time) / 2;
        add_stretch(s, ANNOT_BEATS, fmax(b->v[i].time - before, 0),
                    b->v[end - 1].time + behind);
    }
}

/* edge: what is cut off next to segments that are not sure. */
static void sure_spans(struct song *s, int task, double least, double edge)
{
    const struct segments *v = &s->label[task].spans;

    for (size_t i = 0, end; i < v->n; i = end + 1) {
        for (end = i; end < v->n && v->v[end].confidence >= least; end++)
            ;
        if (end > i)
            add_stretch(s, task, v->v[i].start + (i ? edge : 0),
                        v->v[end - 1].end - (end < v->n ? edge : 0));
    }
}

/* ---- scores to labels ---- */

static int label_beats(struct song *s, struct labeller *l,
                       const struct head_config *h, const struct posterior *p,
                       struct err *err)
{
    struct dbn_config c;
    float *act;
    int rc;

    TRY(chain_activations(&act, p, err));
    dbn_config_init(&c, p->frames.rate,
                    classes_find(&p->classes, "downbeat") >= 0);
    dbn_config_bars(&c, h->bar, h->n_bars);
    rc = chain_beats(&l->chain, &s->label[ANNOT_BEATS].beats, act, p->frames.n,
                     &c, 1, err);
    free(act);
    if (!rc)
        sure_beats(s, l->c->confidence);
    return rc;
}

static int label_structure(struct song *s, const struct labeller *l,
                           const struct posterior *p, struct err *err)
{
    TRY(chain_structure(&l->chain, &s->label[ANNOT_STRUCTURE].spans, p, 0,
                        err));
    sure_spans(s, ANNOT_STRUCTURE, l->c->confidence, EDGE);
    return 0;
}

static int label_key(struct song *s, struct labeller *l,
                     const struct posterior *p, struct err *err)
{
    struct key *key = &s->label[ANNOT_KEY].key;

    TRY(chain_key(&l->chain, key, p, err));
    if (key->label && key->confidence >= l->c->confidence)
        add_stretch(s, ANNOT_KEY, 0, p->frames.duration);
    return 0;
}

/* The classes that are to learn decide, not those that the model knows. */
static void label_tags(struct song *s, const struct chain *chain,
                       const struct posterior *p,
                       const struct head_config *learns, double least)
{
    struct tags *tags = &s->label[ANNOT_TAGS].tags;
    float *score = xcalloc((size_t)p->classes.n + 1, sizeof(*score));
    int sure = 0;

    if (p->frames.n)
        chain_tags(chain, score, p);
    for (int c = 0; c < learns->n_classes; c++) {
        int from = classes_find(&p->classes, learns->classes[c]);
        double v = from < 0 || !p->frames.n ? NAN : score[from];

        if (v >= least)
            tags_append(tags, learns->classes[c], 1);
        else if (!(v <= 1 - least))
            tags_append(tags, learns->classes[c], NAN);
        sure += v >= least || v <= 1 - least;
    }
    free(score);
    if (sure)
        add_stretch(s, ANNOT_TAGS, 0, p->frames.duration);
}

/* The labels of one task; they stay if any of them counts. */
static int label(struct song *s, struct labeller *l, int h,
                 const struct scores *in, double duration, struct err *err)
{
    const struct head_config *learns = &l->c->learns->heads[h];
    double least = l->c->confidence, rate = in->head->rate;
    const struct posterior p = {
        in->v, { (size_t)in->n, rate > 0 ? rate : (double)in->n / duration,
                 duration },
        { (const char *const *)in->head->classes, in->head->n_classes }
    };
    int task = target_task(learns->task);

    annotation_init(&s->label[task]);
    s->has |= 1u << task;
    switch (task) {
    case ANNOT_BEATS:
        return label_beats(s, l, in->head, &p, err);
    case ANNOT_CHORDS:
        TRY(chain_chords(&l->chain, &s->label[task].spans, &p, NULL, err));
        sure_spans(s, task, least, 0);
        return 0;
    case ANNOT_STRUCTURE:
        return in->head->boundary ? label_structure(s, l, &p, err) : 0;
    case ANNOT_KEY:
        return label_key(s, l, &p, err);
    default:
        label_tags(s, &l->chain, &p, learns, least);
        return 0;
    }
}

/* ---- songs ---- */

static void drop_unsure(struct song *s)
{
    for (int t = 0; t < DATASET_TASKS; t++)
        if (s->has & 1u << t && !s->n_sure[t]) {
            annotation_release(&s->label[t]);
            s->has &= ~(1u << t);
        }
}

static void add_song(struct songs *out, struct song *s,
                     const struct recording *from, struct selftrain_result *r)
{
    for (int t = 0; t < DATASET_TASKS; t++)
        for (size_t i = 0; i < s->n_sure[t]; i++)
            r->seconds[t] += s->sure[t][i].end - s->sure[t][i].start;
    s->id = xstrdup(from->path);
    s->audio = xstrdup(from->path);
    ARRAY_GROW(out->v, out->n, out->cap);
    out->v[out->n++] = *s;
    r->songs++;
}

static int push(void *ctx, const float *const *hidden, int64_t n,
                struct err *err)
{
    const struct labeller *l = ctx;

    return heads_push(l->heads, hidden, n, err);
}

/* What the heads say of recording i. */
static int hear(struct labeller *l, size_t i, const struct scores **out,
                double *duration, struct err *err)
{
    struct model *m = l->c->model;
    struct stream_config c = { .emit = push, .ctx = l };
    struct stream *stream = NULL;
    int64_t n;
    const int16_t *pcm = corpus_pcm(l->c->corpus, i, &n);
    int rc;

    c.layer = heads_layers(l->heads, &c.n_layers);
    *duration = (double)n / m->config.sample_rate;
    rc = stream_new(&stream, l->encoder, m, &c, err);
    if (!rc)
        rc = states_stream(stream, m, l->mel, pcm, n, err);
    stream_free(stream);
    return rc ? rc : heads_finish(l->heads, 0, out, err);
}

static int label_song(struct songs *out, struct labeller *l, size_t i,
                      struct selftrain_result *r, struct err *err)
{
    struct songs one = { .v = xcalloc(1, sizeof(*one.v)), .n = 1 };
    struct song *s = one.v;
    const struct scores *scores;
    double duration = 0;
    int rc = hear(l, i, &scores, &duration, err);

    s->to = duration;
    l->chain = (struct chain){0};
    /* beats and chords help with what is behind them */
    for (int t = 0; t < DATASET_TASKS && duration > 0; t++)
        for (int h = 0; h < l->n && !rc; h++)
            if (target_task(l->task[h]) == t)
                rc = label(s, l, h, &scores[h], duration, err);
    drop_unsure(s);
    if (!rc && s->has) {
        add_song(out, s, &l->c->list->item[i], r);
        one.n = 0;
    }
    songs_release(&one);
    return rc;
}

static int open_labeller(struct labeller *l, struct err *err)
{
    struct model *m = l->c->model;
    const struct model_config *c = &m->config;
    struct mel_config mel = mel_config_of(&c->mel, c->sample_rate);

    for (size_t i = 0; i < l->c->list->n; i++)
        if (l->c->list->item[i].set)
            return err_set(err, ERR_ARG, "%s: is packed; songs that join "
                           "training are files of audio",
                           l->c->list->item[i].path);
    l->n = l->c->learns->n_heads;
    l->task = xcalloc((size_t)l->n + 1, sizeof(*l->task));
    for (int h = 0; h < l->n; h++)
        l->task[h] = l->c->learns->heads[h].task;
    TRY(encoder_new(&l->encoder, m, l->c->be, err));
    TRY(heads_new(&l->heads, m, l->c->be, l->task, l->n, c->encoder.rate,
                  err));
    return encoder_hears_sound(l->encoder) ? 0 : mel_new(&l->mel, &mel, err);
}

int selftrain_add(struct songs *s, const struct selftrain_config *c,
                  struct selftrain_result *r, struct err *err)
{
    struct labeller l = { .c = c };
    int rc;

    memset(r, 0, sizeof(*r));
    note_known(&l, s);
    note_known(&l, c->held);
    if (l.n_known)
        qsort(l.known, l.n_known, sizeof(*l.known), by_id);
    rc = open_labeller(&l, err);
    for (size_t i = 0; i < c->list->n && !rc; i++) {
        if (is_known(&l, c->list->item[i].path))
            continue;
        if (corpus_hold(c->corpus, i, &(struct err){0}))
            continue; /* it was logged */
        rc = label_song(s, &l, i, r, err);
        corpus_let_go(c->corpus, i);
    }
    heads_free(l.heads);
    encoder_free(l.encoder);
    mel_free(l.mel);
    free(l.task);
    free(l.known);
    return rc;
}
