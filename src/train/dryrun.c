/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "train/dryrun.h"

#include <math.h>
#include <string.h>

#include "base/xalloc.h"
#include "model/musicfm.h"
#include "model/params.h"
#include "model/net.h"

static const char *const part_names[] = { "front end", "layers", "output" };

/* ---- values ---- */

static int starts(const char *s, const char *with)
{
    return !strncmp(s, with, strlen(with));
}

static int part_of(const char *name)
{
    if (starts(name, "linear."))
        return DRYRUN_OUTPUT;
    if (starts(name, "conv.") || starts(name, "feature_") ||
        starts(name, "masked_") || strstr(name, "pos_conv"))
        return DRYRUN_FRONT;
    return DRYRUN_LAYERS;
}

static void count_values(struct dryrun *d, const struct model_config *c)
{
    struct params p = {0};

    net_describe(c, &p);
    for (size_t i = 0; i < p.n; i++)
        if (p.item[i].kind == PARAM_TRAINED)
            d->values[part_of(p.item[i].name)] += p.item[i].count;
        else
            d->buffers += p.item[i].count;
    params_release(&p);
}

/* cls_token and pos_conv_embed: parameters by name, in no pass. */
static void count_unused(struct dryrun *d, const struct model_config *c)
{
    struct layout l = {0};

    musicfm_layout(&l, c);
    for (size_t i = 0; i < l.n; i++)
        if (!strcmp(l.tensor[i].t.name, "cls_token") ||
            strstr(l.tensor[i].t.name, "pos_conv_embed"))
            d->unused += stored_count(&l.tensor[i].t);
    layout_free(&l);
}

/* ---- work and activations; floats are those of one clip ---- */

struct work {
    double front, layers; /* floating-point operations */
    /* floats: what the front end and one layer keep, what the front end has in
     * its backward pass, when the layers have given back theirs, and what one
     * layer's pass needs besides */
    double front_kept, front_back, layer_kept, layer_once;
    double least_kept, least_back; /* of the front end with train.checkpoint */
};

/* Two residual modules (frontend.h): two convolutions from in channels, one
 * from out to out, at each place of the output, and five images that are kept
 * (netfront.h). */
static void front_conformer(struct work *w, struct dryrun *d,
                            const struct model_config *c, int64_t samples)
{
    const struct encoder_config *e = &c->encoder;
    int64_t time = samples / c->mel.hop, bands = c->mel.bands;
    double flat, in = (double)(time * bands), all = in, image[2];

    for (int m = 0; m < 2; m++) {
        double from = m ? e->conv_dim : 1, places;

        time = (time - 1) / e->time_strides[m] + 1;
        bands = (bands - 1) / 2 + 1;
        places = (double)(time * bands) * e->conv_dim;
        w->front += 2 * 9 * places * (2 * from + e->conv_dim);
        all += 5 * places;
        image[m] = places;
    }
    d->frames = time;
    flat = (double)(time * bands) * e->conv_dim;
    w->front += 2 * flat * e->dim;
    w->front_kept = all + flat;
    w->front_back = all + 2 * flat; /* and the gradient of the projection */
    w->least_kept = in + image[0] + 3 * image[1];
    /* the gradient of the last image, that of the first, or both of the first
     * module: less where a few channels are made at a time */
    w->least_back = in + fmax(image[0] + 6 * image[1],
                              fmax(4 * image[0] + 2 * image[1],
                                   5 * image[0]));
}

/* Feed-forward twice, four projections, scores and sums of attention, three
 * matrices and the taps of the convolution module (block.h). What is kept is
 * struct net_block_save. */
static void layer_conformer(struct work *w, const struct dryrun *d,
                            const struct model_config *c)
{
    const struct encoder_config *e = &c->encoder;
    double t = (double)d->frames, dim = e->dim, ffn = e->ffn;

    w->layers = 2 * 4 * t * dim * ffn + 8 * t * dim * dim + 4 * t * t * dim +
                6 * t * dim * dim + 2 * t * dim * e->kernel;
    w->layer_kept = t * (19 * dim + 2 * ffn + e->heads);
    w->layer_once = t * (6 * dim + 2 * ffn);
}

/* The extractor's convolutions, of which the widest output has a work space,
 * and in the backward pass one more and the second widest one, the projection
 * and the position convolution: bertnet.h. */
static void front_bert(struct work *w, struct dryrun *d,
                       const struct model_config *c, int64_t samples)
{
    const struct encoder_config *e = &c->encoder;
    const struct bert_config *b = &e->bert;
    double in = 1, widest = 0, second = 0, dim = e->dim, t;
    int64_t time = samples;

    w->front_kept = (double)samples;
    for (int i = 0; i < b->n_convs; i++) {
        double out;

        time = time < b->conv_kernel[i]
                   ? 0 : (time - b->conv_kernel[i]) / b->conv_stride[i] + 1;
        out = (double)time * b->conv_dim[i];
        w->front += 2 * out * b->conv_kernel[i] * in;
        w->front_kept += out;
        second = fmax(second, fmin(widest, out));
        widest = fmax(widest, out);
        in = b->conv_dim[i];
    }
    d->frames = time;
    t = (double)time;
    w->front += 2 * t * dim * (in + b->pos_kernel * dim / b->pos_groups);
    w->front_kept += widest + t * (in + 3 * dim);
    w->front_back = w->front_kept + widest + second;
    w->least_kept = w->front_kept;
    w->least_back = w->front_back;
}

static void layer_bert(struct work *w, const struct dryrun *d,
                       const struct model_config *c)
{
    const struct encoder_config *e = &c->encoder;
    double t = (double)d->frames, dim = e->dim, ffn = e->ffn;

    w->layers = 4 * t * dim * ffn + 8 * t * dim * dim + 4 * t * t * dim;
    w->layer_kept = t * (7 * dim + ffn + e->heads);
    w->layer_once = t * (5 * dim + 2 * ffn);
}

static void count_work(struct dryrun *d, const struct preset *p)
{
    const struct encoder_config *e = &p->model.encoder;
    const struct model_config *c = &p->model;
    int64_t samples = (int64_t)(p->train.crop * c->sample_rate);
    double codes = 0, t, once, hidden;
    struct work w = {0};

    for (int i = 0; i < c->n_tokens; i++) {
        codes += (double)c->tokens[i].codes * c->tokens[i].stages;
        d->streams += c->tokens[i].stages;
    }
    if (e->type == ENCODER_BERT) {
        front_bert(&w, d, c, samples);
        layer_bert(&w, d, c);
    } else {
        front_conformer(&w, d, c, samples);
        layer_conformer(&w, d, c);
    }
    t = (double)d->frames;
    d->flops[DRYRUN_FRONT] = w.front;
    d->flops[DRYRUN_LAYERS] = w.layers * e->layers;
    d->flops[DRYRUN_OUTPUT] = 2 * t * e->dim * codes;
    /* logits are gone when the backward pass begins */
    once = fmax(w.layer_once, t * codes);
    hidden = t * e->dim * (e->layers + 4);
    d->kept = 4 * d->clips * (hidden + fmax(
        w.front_kept + w.layer_kept * e->layers + once, w.front_back));
    d->kept_checkpoint = 4 * d->clips * (hidden + fmax(
        w.least_kept + w.layer_kept + once, w.least_back));
}

void dryrun_make(struct dryrun *d, const struct preset *p, int devices)
{
    const struct settings *s = &p->train;
    double forward = 0, values = 0;
    int parts = devices * s->accumulate;

    memset(d, 0, sizeof(*d));
    d->clips = (s->batch + parts - 1) / parts;
    count_values(d, &p->model);
    if (p->model.encoder.type == ENCODER_CONFORMER)
        count_unused(d, &p->model);
    count_work(d, p);
    for (int i = 0; i < DRYRUN_PARTS; i++) {
        forward += d->flops[i];
        values += (double)d->values[i];
    }
    /* a product of matrices has two in the backward pass */
    d->step_flops = s->batch * (3 * forward + (s->checkpoint
                                               ? d->flops[DRYRUN_LAYERS] : 0));
    d->step_tokens = (double)d->frames * d->streams * s->batch;
    d->step_seconds = s->crop * s->batch;
    d->weights = 4 * (values + (double)d->buffers);
    d->gradients = 4 * values;
    d->moments = 8 * values / devices;
    d->devices = devices;
    d->average = s->ema > 0 ? d->weights : 0;
}

double dryrun_bytes(const struct dryrun *d, const struct preset *p)
{
    return d->weights + d->gradients + d->moments + d->average +
           (p->train.checkpoint ? d->kept_checkpoint : d->kept);
}

/* ---- the table ---- */

/* 12345678 as "12,345,678". */
static const char *thousands(char buf[32], int64_t v)
{
    char digits[24];
    int n = snprintf(digits, sizeof(digits), "%lld", (long long)v), at = 0;

    for (int i = 0; i < n; i++) {
        if (i && (n - i) % 3 == 0)
            buf[at++] = ',';
        buf[at++] = digits[i];
    }
    buf[at] = 0;
    return buf;
}

/* 1.29e12 as "1.29 T". */
static const char *scaled(char buf[32], double v)
{
    static const char units[] = " kMGTPEZ";
    int i = 0;

    while (v >= 999.5 && units[i + 1]) {
        v /= 1000;
        i++;
    }
    snprintf(buf, 32, "%.3g %c", v, units[i]);
    return buf;
}

static void print_values(const struct dryrun *d, const struct preset *p,
                         struct strbuf *out)
{
    int64_t values = 0;
    double flops = 0;
    char a[32], b[32];

    strbuf_addf(out, "%-14s %16s  FLOP, forward, %g s\n", "", "values",
                p->train.crop);
    for (int i = 0; i < DRYRUN_PARTS; i++) {
        strbuf_addf(out, "%-14s %16s  %s\n", part_names[i],
                    thousands(a, d->values[i]), scaled(b, d->flops[i]));
        values += d->values[i];
        flops += d->flops[i];
    }
    strbuf_addf(out, "%-14s %16s  %s\n", "trained", thousands(a, values),
                scaled(b, flops));
    strbuf_addf(out, "%-14s %16s\n", "buffers", thousands(a, d->buffers));
    if (d->unused)
        strbuf_addf(out, "(the published layout has %s more that no pass "
                    "reads: %s)\n", thousands(a, d->unused),
                    thousands(b, values + d->unused));
}

static void print_step(const struct dryrun *d, const struct preset *p,
                       struct strbuf *out)
{
    const struct settings *s = &p->train;
    char a[32], b[32];

    strbuf_addf(out, "\na step: %d clips of %g s, %s tokens", s->batch,
                s->crop, thousands(a, (int64_t)d->step_tokens));
    if (d->streams > 1)
        strbuf_addf(out, " in %d streams", d->streams);
    strbuf_addf(out, ", %sFLOP%s\n", scaled(b, d->step_flops),
                s->checkpoint ? " (layers computed again)" : "");
    strbuf_addf(out, "the run: %s steps, %s hours of audio, %sFLOP\n",
                thousands(a, s->steps),
                thousands(b, llround(d->step_seconds * s->steps / 3600)),
                scaled((char[32]){0}, d->step_flops * s->steps));
}

/* optim.h, across.h: each process sends the gradients of others' parts of the
 * weights, and its own part of the weights to them. */
static void print_traffic(const struct dryrun *d, struct strbuf *out)
{
    double others = (double)(d->devices - 1) / d->devices;

    if (d->devices > 1)
        strbuf_addf(out, "\n%d processes: each moves %.3g GB a step\n",
                    d->devices, 2 * d->gradients * others / 1e9);
}

static void print_memory(const struct dryrun *d, const struct preset *p,
                         struct strbuf *out)
{
    const struct row {
        const char *name;
        double bytes;
    } rows[] = {
        { "weights", d->weights },
        { "gradients", d->gradients },
        { "Adam's moments", d->moments },
        { "average", d->average },
        { "activations", p->train.checkpoint ? d->kept_checkpoint : d->kept },
        { "all", dryrun_bytes(d, p) },
    };

    strbuf_addf(out, "\nmemory of a device, f32, %d clip%s at once, GiB\n",
                d->clips, d->clips > 1 ? "s" : "");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (rows[i].bytes > 0)
            strbuf_addf(out, "%-14s %10.2f\n", rows[i].name,
                        rows[i].bytes / 0x1p30);
    strbuf_addf(out, "(activations with train.checkpoint=%s: %.2f)\n",
                p->train.checkpoint ? "false" : "true",
                (p->train.checkpoint ? d->kept : d->kept_checkpoint) /
                0x1p30);
}

static void print_time(const struct dryrun *d, const struct preset *p,
                       double flops_per_s, struct strbuf *out)
{
    double step = d->step_flops / flops_per_s;
    double days = step * p->train.steps / 86400;
    char a[32], b[32];

    strbuf_addf(out, "\nat %sFLOP/s: %.3g s a step, %s tokens/s, %.3g hours of "
                "audio a second, ", scaled(a, flops_per_s), step,
                thousands(b, (int64_t)(d->step_tokens / step)),
                d->step_seconds / 3600 / step);
    if (days >= 1)
        strbuf_addf(out, "%.1f days\n", days);
    else
        strbuf_addf(out, "%.1f hours\n", 24 * days);
}

void dryrun_print(const struct dryrun *d, const struct preset *p,
                  double flops_per_s, struct strbuf *out)
{
    const struct encoder_config *e = &p->model.encoder;

    strbuf_addf(out, "%s: %s, %d layers of %d, %g Hz\n", p->model.name,
                e->type == ENCODER_BERT ? "BERT" : "Conformer", e->layers,
                e->dim, e->rate);
    if (*p->about)
        strbuf_addf(out, "%s\n", p->about);
    strbuf_addch(out, '\n');
    print_values(d, p, out);
    print_step(d, p, out);
    print_memory(d, p, out);
    print_traffic(d, out);
    if (flops_per_s > 0)
        print_time(d, p, flops_per_s, out);
}
