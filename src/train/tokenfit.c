/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "train/tokenfit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "audio/decode.h"
#include "base/strbuf.h"
#include "base/xalloc.h"
#include "mel/features.h"
#include "mel/mel.h"
#include "model/safetensors.h"
#include "token/quant.h"
#include "token/rvq.h"
#include "train/modelmel.h"
#include "train/reservoir.h"
#include "train/tokens.h"

enum {
    PIECE = 1 << 14,       /* samples decoded at a time */
    PER_CODE = 100,        /* vectors of the sample for each code, */
    LEAST = 10000,         /* and at least so many */
    LLOYD_MOST = 1 << 16,  /* a larger sample is taken in mini-batches */
    LLOYD_ROUNDS = 30,
    BATCH = 4096,
    BATCH_ROUNDS = 100,
    SEEDING = 20           /* vectors for each code that k-means++ looks at */
};

/* What one recording adds to the statistics. */
struct sums {
    double sum, squares, seconds;
    int64_t frames;
};

/* An input that is sampled: stacked mel, or a feature. */
struct source {
    struct reservoir *kept;
    int is_mel;
    enum feature feature;
    int hop, stack, dim;
    int codes;           /* of the largest codebook on it */
    float *x;            /* (n, dim): the sample, when all is read */
    int64_t n;
};

struct pass {
    const struct model_config *c;
    const struct tokenfit_config *config;
    char *const *path;
    size_t n;
    struct sums *sums;      /* (n) */
    unsigned char *failed;  /* (n) */
    struct source source[3];
    int n_sources;
};

/* ---- sources ---- */

static struct source *source_of(struct pass *p, const struct token_config *t)
{
    int is_mel = t->type != TOKENS_KMEANS;
    enum feature feature = t->feature == TOKENS_CHROMA264 ? FEATURE_CHROMA264
                                                          : FEATURE_LOGMEL229;
    struct source *s;

    for (int i = 0; i < p->n_sources; i++) {
        s = &p->source[i];
        if (s->is_mel == is_mel && (is_mel || s->feature == feature))
            return s;
    }
    s = &p->source[p->n_sources++];
    s->is_mel = is_mel;
    s->feature = feature;
    s->hop = t->hop;
    s->stack = t->stack;
    s->dim = is_mel ? t->stack * p->c->mel.bands : feature_dim(feature);
    return s;
}

static int make_sources(struct pass *p, struct err *err)
{
    for (int i = 0; i < p->c->n_tokens; i++) {
        struct source *s = source_of(p, &p->c->tokens[i]);

        if (p->c->tokens[i].codes > s->codes)
            s->codes = p->c->tokens[i].codes;
    }
    for (int i = 0; i < p->n_sources; i++) {
        struct source *s = &p->source[i];
        int64_t most = (int64_t)s->codes * PER_CODE;

        most = most > LEAST ? most : LEAST;
        if (p->config->sample)
            most = p->config->sample;
        TRY(reservoir_new(&s->kept, most, s->dim, p->config->seed, i, err));
    }
    return 0;
}

/* ---- one thread ---- */

struct worker {
    struct pass *p;
    struct mel *mel;
    struct features *features[3];
    float *samples, *frames, *stack;
    int stacked;         /* frames in stack */
    int64_t index[3];    /* of the next vector of each source */
};

static int worker_init(struct worker *w, struct pass *p, struct err *err)
{
    const struct model_config *c = p->c;
    struct mel_config mel = mel_config_of(&c->mel, c->sample_rate);
    size_t room;

    memset(w, 0, sizeof(*w));
    w->p = p;
    TRY(mel_new(&w->mel, &mel, err));
    room = mel_room(w->mel, PIECE) * (size_t)c->mel.bands;
    for (int i = 0; i < p->n_sources; i++) {
        const struct source *s = &p->source[i];
        size_t need;

        if (s->is_mel) {
            w->stack = malloc((size_t)s->dim * sizeof(*w->stack));
            if (!w->stack)
                return err_set(err, ERR_NOMEM, "no memory for mel frames");
            continue;
        }
        TRY(features_new(&w->features[i], s->feature, c->sample_rate, s->hop,
                         err));
        need = features_room(w->features[i], PIECE) * (size_t)s->dim;
        room = need > room ? need : room;
    }
    w->samples = malloc(PIECE * sizeof(*w->samples));
    w->frames = malloc(room * sizeof(*w->frames));
    if (!w->samples || !w->frames)
        return err_set(err, ERR_NOMEM, "no memory for a decoder's samples");
    return 0;
}

static void worker_release(struct worker *w)
{
    mel_free(w->mel);
    for (int i = 0; i < 3; i++)
        features_free(w->features[i]);
    free(w->samples);
    free(w->frames);
    free(w->stack);
}

/* Mel frames into the sums and, in stacks, into the sample. */
static void take_mel(struct worker *w, size_t file, int source, size_t frames)
{
    size_t bands = (size_t)w->p->c->mel.bands;
    struct sums *sums = &w->p->sums[file];

    for (size_t i = 0; i < frames * bands; i++) {
        sums->sum += w->frames[i];
        sums->squares += (double)w->frames[i] * w->frames[i];
    }
    sums->frames += (int64_t)frames;
    for (size_t f = 0; f < frames && source >= 0; f++) {
        const struct source *s = &w->p->source[source];

        memcpy(w->stack + (size_t)w->stacked * bands, w->frames + f * bands,
               bands * sizeof(*w->stack));
        if (++w->stacked < s->stack)
            continue;
        w->stacked = 0;
        reservoir_offer(s->kept, file, w->index[source]++, w->stack);
    }
}

/* n samples, or with n 0 the end of the recording. */
static void take(struct worker *w, size_t file, size_t n)
{
    const struct pass *p = w->p;
    int mel = -1;

    for (int i = 0; i < p->n_sources; i++)
        if (p->source[i].is_mel)
            mel = i;
    take_mel(w, file, mel, n ? mel_push(w->mel, w->samples, n, w->frames)
                             : mel_finish(w->mel, w->frames));
    for (int i = 0; i < p->n_sources; i++) {
        const struct source *s = &p->source[i];
        size_t frames;

        if (s->is_mel)
            continue;
        frames = n ? features_push(w->features[i], w->samples, n, w->frames)
                   : features_finish(w->features[i], w->frames);
        for (size_t f = 0; f < frames; f++)
            reservoir_offer(s->kept, file, w->index[i]++,
                            w->frames + f * (size_t)s->dim);
    }
}

static int read_file(struct worker *w, size_t file, struct err *err)
{
    const struct pass *p = w->p;
    struct decode_source source = { .path = p->path[file] };
    struct decoder *d = NULL;
    int64_t total = 0;
    size_t got = 0;
    int rc = decoder_open(&d, &source, p->c->sample_rate, err);

    w->stacked = 0;
    memset(w->index, 0, sizeof(w->index));
    while (!rc) {
        rc = decoder_read(d, w->samples, PIECE, &got, err);
        if (!rc && got)
            take(w, file, got);
        total += (int64_t)got;
        if (got < PIECE)
            break;
    }
    take(w, file, 0); /* and after a failure, for the next one to begin anew */
    decoder_free(d);
    p->sums[file].seconds = (double)total / p->c->sample_rate;
    return rc;
}

static void report(struct pass *p, size_t file, int rc, const struct err *err)
{
#pragma omp critical(tokenfit_done)
    p->config->done(p->config->ctx, p->path[file], rc ? err : NULL);
    if (rc) {
        p->failed[file] = 1;
        p->sums[file] = (struct sums){ 0, 0, 0, 0 };
    }
}

static int read_all(struct pass *p, struct err *err)
{
    int rc = 0;

#pragma omp parallel num_threads(p->config->jobs)
    {
        struct err own = {0};
        struct worker w;
        int bad = worker_init(&w, p, &own);

        if (bad) {
#pragma omp critical(tokenfit_error)
            {
                rc = bad;
                *err = own;
            }
        }
#pragma omp for schedule(dynamic, 1)
        for (size_t i = 0; i < p->n; i++)
            if (!bad)
                report(p, i, read_file(&w, i, &own), &own);
        worker_release(&w);
    }
    return rc;
}

/* ---- statistics ---- */

static int statistics(struct tokenfit *f, struct model_config *c,
                      const struct pass *p, struct err *err)
{
    double sum = 0, squares = 0, count, variance;

    for (size_t i = 0; i < p->n; i++) {
        sum += p->sums[i].sum;
        squares += p->sums[i].squares;
        f->frames += p->sums[i].frames;
        f->seconds += p->sums[i].seconds;
        f->failed += p->failed[i];
    }
    f->files = p->n - f->failed;
    if (!f->files)
        return err_set(err, ERR_FORMAT, "none of the %zu recordings could be "
                       "read", p->n);
    if (!f->frames)
        return err_set(err, ERR_ARG, "the recordings are too short: not one "
                       "frame of mel");
    count = (double)f->frames * c->mel.bands;
    c->mel.mean = sum / count;
    variance = squares / count - c->mel.mean * c->mel.mean;
    c->mel.std = variance > 0 ? sqrt(variance) : 0;
    if (c->mel.std < 1e-3)
        return err_set(err, ERR_ARG, "the recordings are all silent: the "
                       "standard deviation of their mel is 0");
    return 0;
}

/* ---- codebooks ---- */

static size_t count_of(const struct config_tensor *t)
{
    size_t n = 1;

    for (int i = 0; i < t->ndim; i++)
        n *= (size_t)t->dim[i];
    return n;
}

static void normalise(float *x, int64_t n, const struct mel_settings *mel)
{
    float mean = (float)mel->mean, inv_std = (float)(1 / mel->std);

    for (int64_t i = 0; i < n; i++)
        x[i] = (x[i] - mean) * inv_std;
}

static int learn(struct tokenfit *f, const struct model_config *c, int i,
                 const float *x, int64_t n,
                 const struct tokenfit_config *config, struct err *err)
{
    const struct token_config *t = &c->tokens[i];
    struct cluster_config cluster = {
        .codes = t->codes, .dim = t->dim,
        .rounds = n > LLOYD_MOST ? BATCH_ROUNDS : LLOYD_ROUNDS,
        .batch = n > LLOYD_MOST ? BATCH : 0,
        .seeding = (int64_t)t->codes * SEEDING, .seed = config->seed,
        .stream = (uint64_t)(i + 1) << 56
    };
    size_t bytes = (size_t)n * (size_t)t->dim * sizeof(*x);
    float *copy;
    int rc;

    if (t->type == TOKENS_RANDOM) {
        quant_draw(f->value[i][0], f->value[i][1], t->stack * c->mel.bands,
                   t->dim, t->codes, config->seed, i);
        return 0;
    }
    if (n < t->codes)
        return err_set(err, ERR_ARG, "the recordings give %lld vectors, too "
                       "few for %d codes: give more, or a smaller --codes",
                       (long long)n, t->codes);
    if (t->type == TOKENS_KMEANS)
        return cluster_fit(f->value[i][0], x, n, &cluster, err);
    copy = malloc(bytes);
    if (!copy)
        return err_set(err, ERR_NOMEM, "no memory for %lld vectors",
                       (long long)n);
    memcpy(copy, x, bytes);
    rc = rvq_fit(f->value[i][0], copy, n, t->stages, &cluster, err);
    free(copy);
    return rc;
}

static int find_value(void *ctx, const char *name, const int64_t *shape,
                      int ndim, const float **out, struct err *err)
{
    const float *const *value = ctx;
    const char *end = strrchr(name, '.');

    (void)shape;
    (void)ndim;
    (void)err;
    *out = value[!strcmp(end, ".codebook")];
    return 0;
}

/* Tokens of the sample, in pieces that the tokenizer may overwrite. */
static int sample_tokens(const struct tokenizer *t, const struct source *s,
                         int stages, int32_t *token, struct err *err)
{
    enum { ROWS = 1024 };
    float *piece = malloc(ROWS * (size_t)s->dim * sizeof(*piece));

    if (!piece)
        return err_set(err, ERR_NOMEM, "no memory for tokens");
    for (int64_t i = 0; i < s->n; i += ROWS) {
        int64_t n = s->n - i < ROWS ? s->n - i : ROWS;

        memcpy(piece, s->x + i * s->dim,
               (size_t)n * (size_t)s->dim * sizeof(*piece));
        tokenizer_vectors(t, 0, piece, n, token + i * stages);
    }
    free(piece);
    return 0;
}

/* The use of the streams of part i, from stream at on, over the sample. */
static int measure(struct tokenfit *f, const struct model_config *c, int i,
                   int at, const struct source *s, struct err *err)
{
    struct model_config one = *c;
    struct tokenizer *t = NULL;
    int stages = c->tokens[i].stages;
    int32_t *token = malloc(((size_t)s->n * (size_t)stages + 1) *
                            sizeof(*token));
    int rc;

    one.tokens = &c->tokens[i];
    one.n_tokens = 1;
    rc = token ? tokens_build(&t, &one, find_value, f->value[i], err)
               : err_set(err, ERR_NOMEM, "no memory for %lld tokens",
                         (long long)s->n);
    if (!rc)
        rc = sample_tokens(t, s, stages, token, err);
    for (int k = 0; k < stages && !rc; k++) {
        struct tokenfit_usage *u = &f->usage[at + k];
        int used = tokenizer_usage(t, k, token, (size_t)s->n, &u->perplexity);

        u->codes = c->tokens[i].codes;
        u->used = (double)used / u->codes;
    }
    tokenizer_free(t);
    free(token);
    return rc;
}

static int fit_part(struct tokenfit *f, const struct model_config *c,
                    struct pass *p, int i, int at, struct err *err)
{
    const struct source *s = source_of(p, &c->tokens[i]);
    struct config_tensor tensor[2];
    int n = config_token_tensors(c, i, tensor);

    if (i == 0 || s->n < f->vectors)
        f->vectors = s->n;
    for (int k = 0; k < n; k++) {
        size_t size = count_of(&tensor[k]);

        f->value[i][k] = calloc(size, sizeof(float));
        if (!f->value[i][k])
            return err_set(err, ERR_NOMEM, "no memory for %s of %zu values",
                           tensor[k].name, size);
    }
    TRY(learn(f, c, i, s->x, s->n, p->config, err));
    return measure(f, c, i, at, s, err);
}

static int take_samples(struct pass *p, struct err *err)
{
    for (int i = 0; i < p->n_sources; i++) {
        struct source *s = &p->source[i];

        TRY(reservoir_take(s->kept, p->failed, &s->x, &s->n, err));
        if (s->is_mel)
            normalise(s->x, s->n * s->dim, &p->c->mel);
    }
    return 0;
}

static int run(struct tokenfit *f, struct model_config *c, struct pass *p,
               struct err *err)
{
    int at = 0;

    TRY(make_sources(p, err));
    TRY(read_all(p, err));
    TRY(statistics(f, c, p, err));
    TRY(take_samples(p, err));
    f->streams = config_streams(c);
    f->usage = xcalloc((size_t)f->streams, sizeof(*f->usage));
    for (int i = 0; i < c->n_tokens; i++) {
        TRY(fit_part(f, c, p, i, at, err));
        at += c->tokens[i].stages;
    }
    return 0;
}

int tokenfit_run(struct tokenfit *f, struct model_config *c, char *const *path,
                 size_t n, const struct tokenfit_config *config,
                 struct err *err)
{
    struct pass p = { .c = c, .config = config, .path = path, .n = n };
    int rc;

    memset(f, 0, sizeof(*f));
    p.sums = xcalloc(n + 1, sizeof(*p.sums));
    p.failed = xcalloc(n + 1, 1);
    rc = run(f, c, &p, err);
    for (int i = 0; i < p.n_sources; i++)
        reservoir_free(p.source[i].kept);
    free(p.sums);
    free(p.failed);
    return rc;
}

void tokenfit_release(struct tokenfit *f)
{
    for (int i = 0; i < 64; i++) {
        free(f->value[i][0]);
        free(f->value[i][1]);
    }
    free(f->usage);
    memset(f, 0, sizeof(*f));
}

/* ---- the file ---- */

static size_t list_tensors(const struct tokenfit *f,
                           const struct model_config *c, struct stored *out)
{
    size_t n = 0;

    for (int i = 0; i < c->n_tokens; i++) {
        struct config_tensor t[2];
        int count = config_token_tensors(c, i, t);

        for (int k = 0; k < count; k++) {
            struct stored *s = &out[n++];

            s->name = xstrdup(t[k].name);
            s->type = STORED_F32;
            s->ndim = t[k].ndim;
            for (int d = 0; d < t[k].ndim; d++)
                s->dim[d] = t[k].dim[d];
            stored_set_strides(s);
            s->data = (const unsigned char *)f->value[i][k];
        }
    }
    return n;
}

int tokenfit_write(const struct tokenfit *f, const struct model_config *c,
                   const char *path, struct err *err)
{
    struct stored *list = xcalloc(2 * (size_t)c->n_tokens, sizeof(*list));
    struct strbuf json = STRBUF_INIT;
    struct safetensors_out out = {0};
    struct safetensors_meta meta = { (char *)"mfm", NULL };
    size_t n = list_tensors(f, c, list);
    int rc;

    config_print(c, &json);
    meta.value = json.s;
    rc = safetensors_create(&out, path, list, n, &meta, 1, err);
    for (size_t i = 0; i < n && !rc; i++)
        stored_emit(out.tensor[i], STORED_F32, safetensors_put, &out);
    if (!rc)
        rc = safetensors_commit(&out, err);
    safetensors_abort(&out);
    for (size_t i = 0; i < n; i++)
        free(list[i].name);
    free(list);
    strbuf_release(&json);
    return rc;
}
