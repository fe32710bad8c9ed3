/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "train/pretrain.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "model/net.h"
#include "train/across.h"
#include "train/cqtloss.h"
#include "train/loop.h"
#include "train/masked.h"
#include "train/modelmel.h"
#include "train/sample.h"
#include "train/tokens.h"
#include "train/validate.h"

enum { MOST_SKIPPED = 20 };

struct pretrain {
    const struct pretrain_config *c;
    const struct settings *set;
    const struct model_config *model;
    struct backend *be;
    struct params params;
    struct net *net;
    struct optim optim;
    struct masked masked;
    struct cqtloss cqt;
    struct tokenizer *tokenizer;
    struct tokenizer_run **run;  /* by thread */
    int32_t **token;             /* (count, streams) by thread */
    struct sampler *sampler;
    struct loader *loader;
    struct across across;
    int64_t stride, first, share; /* samples of a pass; this process's of
                                     them */
    int64_t samples, time, frames; /* of a crop; inputs; hidden states */
    int streams;
    int32_t *target[MASKED_STREAMS]; /* (part * frames) */
    struct tensor dtop, **dhidden;
    struct validate valid;
    char *path;                  /* of the model */
    double *count;               /* codes of stream 0 in a step */
};

/* ---- tokens ---- */

struct lookup {
    struct params *p;
    float **copy;
    size_t n, cap;
};

/* Tensors of the tokens as they are in the parameters. */
static int look_up(void *ctx, const char *name, const int64_t *shape, int ndim,
                   const float **out, struct err *err)
{
    struct lookup *l = ctx;
    int i = params_index(l->p, name);
    struct tensor t;
    float *host;

    (void)shape;
    (void)ndim;
    if (i < 0)
        return err_set(err, ERR_FORMAT, "no tensor \"%s\"", name);
    t = params_value(l->p, i);
    host = malloc((size_t)l->p->item[i].count * sizeof(*host));
    if (!host)
        return err_set(err, ERR_NOMEM, "no memory for %s", name);
    ARRAY_GROW(l->copy, l->n, l->cap);
    l->copy[l->n++] = host;
    *out = host;
    return tensor_download(host, &t, err);
}

static int make_tokenizer(struct pretrain *t, struct err *err)
{
    struct lookup l = { .p = &t->params };
    int rc = tokens_build(&t->tokenizer, t->model, look_up, &l, err);

    for (size_t i = 0; i < l.n; i++)
        free(l.copy[i]);
    free(l.copy);
    return rc;
}

/* Tokens that another program made: number i is that of sample i * step. Behind
 * the last one nothing counts; programs differ in what they do with the end,
 * but half a second is of another rate or another recording. */
static int read_codes(struct pretrain *t, const struct crop *crop,
                      int32_t *token, struct err *err)
{
    char *path = tokens_npy_path(crop->path, t->c->codes_dir);
    int64_t step = tokenizer_step(t->tokenizer), n = 0;
    int64_t first = crop->start / step, due = crop->of / step;
    int32_t *all = NULL;
    int rc = tokens_read_npy(&all, &n, path, t->model, err);

    if (!rc && llabs(n - due) > t->model->sample_rate / 2 / step)
        rc = err_set(err, ERR_FORMAT, "%s: %lld tokens, but %s has %lld "
                     "(%g s, one each %lld samples)", path, (long long)n,
                     crop->path, (long long)due,
                     (double)crop->of / t->model->sample_rate,
                     (long long)step);
    for (int64_t k = 0; k < t->streams && !rc; k++)
        for (int64_t i = 0; i < t->frames; i++)
            token[k * t->frames + i] =
                first + i < n ? all[(first + i) * t->streams + k] : -1;
    free(all);
    free(path);
    return rc;
}

/* sample_tokens: (count, streams) -> (streams, tokens). */
static int tokenize(void *ctx, const struct sample_clean *clean,
                    int32_t *token, struct err *err)
{
    struct pretrain *t = ctx;
    int32_t *all = t->token[clean->thread];

    if (t->c->codes)
        return read_codes(t, clean->crop, token, err);
    if (tokenizer_is_mel(t->tokenizer) && clean->mel)
        TRY(tokenizer_mel(t->tokenizer, clean->mel, clean->frames, all, err));
    else
        TRY(tokenizer_clip(t->run[clean->thread], clean->x, (size_t)clean->n,
                           all, err));
    for (int k = 0; k < t->streams; k++)
        for (int64_t i = 0; i < t->frames; i++)
            token[k * t->frames + i] = all[i * t->streams + k];
    return 0;
}

static int extra(void *ctx, const struct sample_clean *clean, void *out,
                 struct err *err)
{
    struct pretrain *t = ctx;

    return cqtloss_target(&t->cqt, clean->thread, clean->x, clean->n,
                          t->frames, out, err);
}

/* ---- setting up ---- */

static int set_sizes(struct pretrain *t, struct err *err)
{
    const struct model_config *m = t->model;
    int bert = m->encoder.type == ENCODER_BERT;
    int64_t step, have;

    t->samples = llround(t->set->crop * m->sample_rate);
    step = tokenizer_step(t->tokenizer);
    t->samples -= t->samples % step;
    t->time = bert ? t->samples : t->samples / m->mel.hop;
    t->frames = net_frames(t->net, t->time);
    have = (int64_t)tokenizer_count(t->tokenizer, (size_t)t->samples);
    if (t->frames < 1 || t->frames > have)
        return err_set(err, ERR_ARG, "train.crop: %g s give %lld hidden states "
                       "and %lld tokens", t->set->crop, (long long)t->frames,
                       (long long)have);
    return 0;
}

static int make_sampler(struct pretrain *t, struct err *err)
{
    const struct model_config *m = t->model;
    const struct settings *s = t->set;
    int bert = m->encoder.type == ENCODER_BERT;
    struct sampler_config c = {
        .threads = t->c->threads, .samples = t->samples,
        .mel = mel_config_of(&m->mel, m->sample_rate),
        .mean = m->mel.mean, .std = m->mel.std,
        .input = bert ? SAMPLE_WAVE : SAMPLE_MEL,
        .hide = s->mask == MASK_NOISE ? HIDE_BLOCKS : HIDE_SPANS,
        .p = s->mask_probability,
        .block = llround(s->mask_block * m->sample_rate),
        .noise = (float)s->noise_std, .span = 5, .mix = s->mixture,
        .streams = t->streams, .tokens = t->frames,
        .token_samples = tokenizer_step(t->tokenizer),
        .tokenize = tokenize, .ctx = t,
    };

    if (bert && !tokenizer_is_mel(t->tokenizer))
        c.mel.bands = 0;
    if (s->cqt_weight > 0) {
        c.extra = extra;
        c.extra_bytes = cqtloss_bytes(t->frames);
    }
    if (c.hide == HIDE_SPANS && !bert)
        return err_set(err, ERR_ARG, "train.mask: \"embedding\" is for "
                       "encoders of type bert");
    return sampler_new(&t->sampler, &c, err);
}

static int make_desks(struct pretrain *t, struct err *err)
{
    size_t n = (size_t)t->c->threads;
    size_t count = tokenizer_count(t->tokenizer, (size_t)t->samples);

    t->run = xcalloc(n, sizeof(*t->run));
    t->token = xcalloc(n, sizeof(*t->token));
    for (size_t i = 0; i < n; i++) {
        t->token[i] = xcalloc(count * (size_t)t->streams,
                              sizeof(**t->token));
        TRY(tokenizer_run_new(&t->run[i], t->tokenizer, err));
    }
    return 0;
}

static void clear_desks(struct pretrain *t)
{
    for (int i = 0; t->run && i < t->c->threads; i++) {
        tokenizer_run_free(t->run[i]);
        free(t->token[i]);
    }
    free(t->run);
    free(t->token);
    t->run = NULL;
    t->token = NULL;
    tokenizer_free(t->tokenizer);
    t->tokenizer = NULL;
}

/* Fitted tokens come with the checkpoint: what was made before is of none. */
static int renew_tokens(struct pretrain *t, struct err *err)
{
    clear_desks(t);
    TRY(make_tokenizer(t, err));
    return make_desks(t, err);
}

/* Takes the tokens' tensors of a model; every one must be there. */
static int take_tokens(struct pretrain *t, struct model *m, struct err *err)
{
    for (size_t i = 0; i < t->params.n; i++) {
        struct param *q = &t->params.item[i];
        struct tensor v = params_value(&t->params, (int)i);
        const float *host = NULL;

        if (strncmp(q->name, "quantizer_", 10) &&
            strncmp(q->name, "tokens.", 7))
            continue;
        TRY(model_tensor(m, q->name, q->dim, q->ndim, &host, err));
        TRY(tensor_upload(&v, host, err));
    }
    return 0;
}

static int first_values(struct pretrain *t, struct err *err)
{
    const struct pretrain_config *c = t->c;

    TRY(params_init(&t->params, (uint64_t)t->set->seed, err));
    if (c->init)
        TRY(params_load(&t->params, c->init, NULL, err));
    if (c->tokens)
        return take_tokens(t, c->tokens, err);
    if (c->init || c->resume || c->codes)
        return 0;
    for (int i = 0; i < t->model->n_tokens; i++)
        if (t->model->tokens[i].type != TOKENS_RANDOM)
            return err_set(err, ERR_UNSUPPORTED, "the tokens of %s are learned "
                           "from music: make them with mfm tokenize --fit, and "
                           "give the file with --tokens", t->model->name);
    return 0;
}

/* Crops begin where a token does, if those are in files. */
static void align(struct pretrain *t)
{
    int64_t step = t->c->codes ? tokenizer_step(t->tokenizer) : 1;

    corpus_align(t->c->train, step);
    if (t->c->valid)
        corpus_align(t->c->valid, step);
}

static int sum_across(void *ctx, double *v, int64_t n, struct err *err)
{
    return dist_sum(ctx, v, n, err);
}

static int make_net(struct pretrain *t, struct err *err)
{
    struct net_options o = {
        .dropout = (float)t->set->dropout,
        .layer_drop = (float)t->set->layer_drop,
        .checkpoint = t->set->checkpoint,
        .first = t->first
    };

    if (t->c->dist) {
        o.added = across_added;
        o.ctx = &t->across;
        t->be->across = sum_across;
        t->be->across_ctx = t->c->dist;
    }
    return net_new(&t->net, t->model, &t->params, &o, err);
}

static int set_up(struct pretrain *t, struct err *err)
{
    struct optim_options opt = settings_optim(t->set);
    size_t layers = (size_t)t->model->encoder.layers;

    net_describe(t->model, &t->params);
    if (t->set->cqt_weight > 0)
        cqtloss_describe(t->model->encoder.dim, &t->params);
    TRY(params_alloc(&t->params, t->be, err));
    TRY(first_values(t, err));
    TRY(across_divide(t->c->dist, t->set->batch, t->set->accumulate,
                      &t->stride, &t->first, &t->share, err));
    TRY(make_net(t, err));
    TRY(masked_init(&t->masked, t->model, &t->params, err));
    t->streams = t->masked.streams;
    TRY(make_tokenizer(t, err));
    TRY(set_sizes(t, err));
    if (t->set->cqt_weight > 0)
        TRY(cqtloss_init(&t->cqt, &t->params, t->c->threads, err));
    TRY(make_sampler(t, err));
    TRY(make_desks(t, err));
    align(t);
    for (int k = 0; k < t->streams; k++)
        t->target[k] = xcalloc((size_t)(t->share * t->frames),
                               sizeof(**t->target));
    t->count = xcalloc((size_t)t->masked.codes[0], sizeof(*t->count));
    t->dhidden = xcalloc(layers + 1, sizeof(struct tensor *));
    t->dhidden[layers] = &t->dtop;
    TRY(optim_init(&t->optim, &opt, &t->params, t->c->dist, err));
    lossscale_init(&t->optim.scale, t->set->loss_scale, t->be->precision);
    across_init(&t->across, &t->optim);
    return 0;
}

static void tear_down(struct pretrain *t)
{
    loader_free(t->loader);
    sampler_free(t->sampler);
    clear_desks(t);
    for (int k = 0; k < t->streams; k++)
        free(t->target[k]);
    validate_release(&t->valid);
    cqtloss_release(&t->cqt);
    masked_release(&t->masked);
    across_release(&t->across);
    optim_release(&t->optim);
    net_free(t->net);
    tensor_release(&t->dtop);
    params_release(&t->params);
    free(t->dhidden);
    free(t->count);
    free(t->path);
}

/* ---- a step ---- */

static int make_valid(struct pretrain *t, struct err *err)
{
    struct validate_config c = {
        .corpus = t->c->valid, .sampler = t->sampler, .crop = t->samples,
        .time = t->time, .frames = t->frames, .streams = t->streams,
        .codes = t->masked.codes, .threads = t->c->threads
    };

    return t->c->valid && !dist_rank(t->c->dist)
               ? validate_init(&t->valid, &c, err) : 0;
}

static int begin(void *ctx, int64_t step, struct err *err)
{
    struct pretrain *t = ctx;
    struct loader_config c = {
        .corpus = t->c->train, .seed = (uint64_t)t->set->seed,
        .step = (uint64_t)step, .batch = (uint32_t)t->set->batch,
        .count = (uint32_t)t->set->batch, .crop = t->samples,
        .threads = t->c->threads, .prepare = sampler_prepare,
        .ctx = t->sampler
    };

    char *path = xasprintf("%s/config.json", t->c->dir);
    int rc;

    if (t->c->dist) {
        c.stride = (uint32_t)t->stride;
        c.first = (uint32_t)t->first;
        c.count = (uint32_t)t->share;
    }
    sampler_parts(t->sampler, c.part_bytes);
    rc = t->c->resume ? renew_tokens(t, err) : 0;
    if (!rc)
        rc = make_valid(t, err);
    if (!rc)
        rc = loader_new(&t->loader, &c, err);
    if (!rc && !dist_rank(t->c->dist))
        rc = preset_write(t->c->preset, path, err);
    free(path);
    return rc;
}

/* Tokens of each stream that count in the whole batch, and how the codes of
 * the first are used. */
static int count_targets(struct pretrain *t, const int32_t *all, double *rows,
                         struct loop_row *row, struct err *err)
{
    int64_t batch = t->set->batch / dist_size(t->c->dist);
    int codes = t->masked.codes[0], used = 0;
    double entropy = 0;

    memset(t->count, 0, (size_t)codes * sizeof(*t->count));
    memset(rows, 0, (size_t)t->streams * sizeof(*rows));
    for (int64_t b = 0; b < batch; b++)
        for (int k = 0; k < t->streams; k++)
            for (int64_t i = 0; i < t->frames; i++) {
                int32_t v = all[(b * t->streams + k) * t->frames + i];

                rows[k] += v >= 0;
                if (k == 0 && v >= 0)
                    t->count[v]++;
            }
    TRY(dist_sum(t->c->dist, rows, t->streams, err));
    TRY(dist_sum(t->c->dist, t->count, codes, err));
    for (int c = 0; c < codes; c++)
        if (t->count[c] > 0) {
            double p = t->count[c] / rows[0];

            used++;
            entropy -= p * log(p);
        }
    loop_metric(row, "codes_used", used);
    loop_metric(row, "perplexity", exp(entropy));
    return 0;
}

/* Samples first .. first + n - 1 of those that this process has; number: which
 * pass of all. */
static int part_pass(struct pretrain *t, const struct batch_data *batch,
                     int64_t first, int64_t n, const float *scale,
                     struct loss_sum *sum, int64_t number, struct err *err)
{
    int64_t values = t->model->encoder.type == ENCODER_BERT
                         ? t->time : t->time * t->model->mel.bands;
    const float *input = (const float *)batch->part[SAMPLE_INPUT] +
                         first * values;
    const int32_t *all = (const int32_t *)batch->part[SAMPLE_TARGETS] +
                         first * t->streams * t->frames;
    int64_t dim[3] = { n, net_frames(t->net, t->time), t->model->encoder.dim };
    const struct tensor *top;

    for (int64_t b = 0; b < n; b++)
        for (int k = 0; k < t->streams; k++)
            memcpy(t->target[k] + b * t->frames,
                   all + (b * t->streams + k) * t->frames,
                   (size_t)t->frames * sizeof(*all));
    if (t->set->mask == MASK_EMBEDDING)
        net_set_mask(t->net, (const uint8_t *)batch->part[SAMPLE_HIDDEN] +
                                 first * t->frames);
    TRY(tensor_reserve(&t->dtop, t->be, 3, dim, err));
    /* parts of a step drop out unlike each other */
    TRY(net_forward(t->net, input, n, t->time, (uint64_t)t->set->seed + 1,
                    (uint64_t)number, err));
    top = net_hidden(t->net, t->model->encoder.layers);
    TRY(masked_loss(&t->masked, sum, &t->dtop, top,
                    (const int32_t *const *)t->target, scale, err));
    if (t->set->cqt_weight > 0)
        TRY(cqtloss_pass(&t->cqt, &t->dtop, top,
                         (const float *)batch->part[SAMPLE_EXTRA] +
                             first * (int64_t)(cqtloss_bytes(t->frames) /
                                               sizeof(float)),
                         t->target[0], err));
    return net_backward(t->net, t->dhidden, err);
}

/* total: of all processes. */
static int add_up(struct pretrain *t, struct loss_sum *total, struct err *err)
{
    double v[2 * MASKED_STREAMS + 1];
    int n = t->streams;

    for (int k = 0; k < n; k++) {
        v[k] = total[k].loss;
        v[n + k] = (double)total[k].correct;
    }
    v[2 * n] = t->cqt.loss;
    TRY(dist_sum(t->c->dist, v, 2 * n + 1, err));
    for (int k = 0; k < n; k++) {
        total[k].loss = v[k];
        total[k].correct = (int64_t)v[n + k];
    }
    t->cqt.loss = v[2 * n];
    return across_wait(&t->across, err);
}

/* Forward and backward passes over the samples that this process has. */
static int passes(struct pretrain *t, const struct batch_data *data,
                  const float *scale, struct loss_sum *total, int64_t step,
                  struct err *err)
{
    int64_t batch = t->set->batch, have = batch / dist_size(t->c->dist);
    struct loss_sum sum[MASKED_STREAMS];

    for (int64_t from = 0, at = 0; from < batch; from += t->stride) {
        int64_t n = have - at < t->share ? have - at : t->share;

        t->across.last = from + t->stride >= batch;
        TRY(part_pass(t, data, at, n, scale, sum, step * batch + from, err));
        at += n;
        for (int k = 0; k < t->streams; k++) {
            total[k].loss += sum[k].loss;
            total[k].correct += sum[k].correct;
        }
    }
    return add_up(t, total, err);
}

static int pass(void *ctx, int64_t step, struct loop_row *row, struct err *err)
{
    struct pretrain *t = ctx;
    struct loss_sum total[MASKED_STREAMS] = { { 0 } };
    double rows[MASKED_STREAMS], loss = 0, right = 0, all = 0;
    double factor = lossscale_factor(&t->optim.scale);
    float scale[MASKED_STREAMS];
    struct batch_data data;

    TRY(loader_next(t->loader, (uint64_t)step, &data, err));
    TRY(count_targets(t, data.part[SAMPLE_TARGETS], rows, row, err));
    for (int k = 0; k < t->streams; k++)
        scale[k] = rows[k] > 0 ? (float)(factor / rows[k] / t->streams) : 0;
    cqtloss_begin(&t->cqt, t->set->cqt_weight, (int64_t)rows[0], factor);
    TRY(passes(t, &data, scale, total, step, err));
    for (int k = 0; k < t->streams; k++) {
        loss += total[k].loss / rows[k] / t->streams;
        right += (double)total[k].correct;
        all += rows[k];
    }
    row->loss = loss + t->cqt.loss;
    row->accuracy = right / all;
    row->hours = t->set->crop * (double)t->set->batch / 3600;
    if (t->set->cqt_weight > 0)
        loop_metric(row, "loss_cqt", t->cqt.loss);
    return 0;
}

/* ---- the model so far ---- */

static int write_model(struct pretrain *t, int64_t step, struct err *err)
{
    struct strbuf json = STRBUF_INIT;
    struct model_config c = *t->model;
    float *block = malloc((size_t)t->params.all * sizeof(*block));
    int rc;

    if (!block)
        return err_set(err, ERR_NOMEM, "%s: no memory for %lld values", t->path,
                       (long long)t->params.all);
    c.provenance = xasprintf("pretrained by mfm on %s: %lld steps of %d x %g s",
                             t->c->data, (long long)step, t->set->batch,
                             t->set->crop);
    config_print(&c, &json);
    rc = tensor_download(block, t->set->ema > 0 ? &t->optim.ema
                                                : &t->params.value, err);
    if (!rc)
        rc = params_write(&t->params, block, 0, NULL, NULL, t->path,
                          (struct safetensors_meta[]){
                              { (char *)"format", (char *)"pt" },
                              { (char *)"mfm", json.s } }, 2, err);
    free(c.provenance);
    free(block);
    strbuf_release(&json);
    return rc;
}

static int save(void *ctx, int64_t step, struct err *err)
{
    return write_model(ctx, step, err);
}

static int valid(void *ctx, int64_t step, struct loop_row *row,
                 struct err *err)
{
    struct pretrain *t = ctx;
    struct validate_result r;

    (void)step;
    TRY(validate_run(&t->valid, t->path, t->be, &r, err));
    loop_metric(row, "valid_loss", r.loss);
    loop_metric(row, "valid_accuracy", r.accuracy);
    loop_metric(row, "valid_unigram", r.unigram);
    loop_metric(row, "valid_commonest", r.commonest);
    return 0;
}

int pretrain_run(const struct pretrain_config *c, struct backend *be,
                 struct err *err)
{
    struct pretrain t = { .c = c, .set = &c->preset->train,
                          .model = &c->preset->model, .be = be };
    struct strbuf json = STRBUF_INIT;
    int rc = set_up(&t, err);

    t.path = xasprintf("%s/model.safetensors", c->dir);
    preset_print(c->preset, &json);
    if (c->agree)
        rc = c->agree(c->ctx, rc, err);
    if (!rc)
        rc = loop_run(&(struct loop_config){
            .dir = c->dir, .optim = &t.optim, .sched = settings_sched(t.set),
            .steps = t.set->steps, .log_every = t.set->log_every,
            .valid_every = t.set->valid_every, .save_every = t.set->save_every,
            .keep = t.set->keep, .most_skipped = MOST_SKIPPED,
            .seed = (uint64_t)t.set->seed, .config = json.s, .data = c->data,
            .title = t.model->name, .resume = c->resume,
            .progress = c->progress, .stop = c->stop, .pass = pass,
            .valid = c->valid ? valid : NULL, .save = save, .begin = begin,
            .ctx = &t }, err);
    strbuf_release(&json);
    tear_down(&t);
    return rc;
}

/* ---- statistics ---- */

int pretrain_measure(struct mel_settings *s, struct corpus *corpus,
                     int sample_rate, uint64_t seed, struct err *err)
{
    enum { CROPS = 128 };
    struct mel_config config = mel_config_of(s, sample_rate);
    int64_t n = 10 * sample_rate, values = n / s->hop * s->bands;
    float *x = xcalloc((size_t)n, sizeof(*x));
    float *out = xcalloc((size_t)values, sizeof(*out));
    double sum = 0, sq = 0, count = 0;
    struct mel *mel = NULL;
    int rc = mel_new(&mel, &config, err);

    for (uint32_t i = 0; i < CROPS && !rc; i++) {
        struct draw d = { seed, 0, i };
        struct crop crop;
        int64_t use;

        rc = corpus_crop(corpus, &d, x, n, &crop, err);
        if (rc)
            break;
        mel_clip(mel, x, (size_t)n, out);
        use = crop.n / s->hop * s->bands; /* not the zeros behind */
        for (int64_t k = 0; k < use; k++) {
            sum += out[k];
            sq += (double)out[k] * out[k];
        }
        count += (double)use;
    }
    if (!rc && !(count > 0 && sq / count > pow(sum / count, 2)))
        rc = err_set(err, ERR_FORMAT, "the recordings are silent");
    if (!rc) {
        s->mean = sum / count;
        s->std = sqrt(sq / count - s->mean * s->mean);
    }
    mel_free(mel);
    free(x);
    free(out);
    return rc;
}
