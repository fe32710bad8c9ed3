/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "train/optim.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

const struct optim_options optim_defaults = {
    .lr = { 1e-4f, 1e-4f }, .beta1 = 0.9f, .beta2 = 0.999f, .eps = 1e-8f,
};

static struct tensor view(const struct tensor *t, int64_t offset, int64_t n)
{
    return tensor_view(t, offset, 1, &n);
}

int optim_init(struct optim *o, const struct optim_options *opt,
               struct params *p, struct dist *d, struct err *err)
{
    const struct backend_ops *ops = p->be->ops;
    int64_t buffers = p->all - p->trained, own;

    memset(o, 0, sizeof(*o));
    o->opt = *opt;
    o->p = p;
    o->dist = d;
    o->part = xcalloc((size_t)dist_size(d) + 1, sizeof(*o->part));
    dist_divide(d, p->trained, o->part);
    o->first = o->part[dist_rank(d)];
    o->end = o->part[dist_rank(d) + 1];
    own = o->end - o->first;
    TRY(tensor_reserve(&o->m, p->be, 1, &own, err));
    TRY(tensor_reserve(&o->v, p->be, 1, &own, err));
    TRY(ops->axpby(p->be, &o->m, 0, NULL, 0, err));
    TRY(ops->axpby(p->be, &o->v, 0, NULL, 0, err));
    if (!(opt->ema > 0) || dist_rank(d))
        return 0;
    TRY(tensor_reserve(&o->change, p->be, 1, &buffers, err));
    TRY(tensor_reserve(&o->ema, p->be, 1, &p->all, err));
    return ops->axpby(p->be, &o->ema, 1, &p->value, 0, err);
}

void optim_release(struct optim *o)
{
    tensor_release(&o->m);
    tensor_release(&o->v);
    tensor_release(&o->ema);
    tensor_release(&o->change);
    free(o->part);
    memset(o, 0, sizeof(*o));
}

/* Tensors that follow one another in the block and are treated alike: one
 * operation for all. The gaps between them hold zeros (params.c). */
struct run {
    int64_t offset, count;
    const struct param *first; /* NULL: there is no run */
};

static int joins(const struct run *r, const struct param *q,
                 int (*alike)(const struct param *, const struct param *))
{
    int64_t gap = q->offset - (r->offset + r->count);

    return gap >= 0 && gap < 16 && (!alike || alike(r->first, q));
}

/* The first run of item i or behind it, as far as it lies in this process's
 * part (count 0: not at all). alike tells whether two items are treated alike
 * (NULL: they are). Returns the item behind the run. */
static size_t next_run(const struct optim *o, size_t i, struct run *r,
                       int (*alike)(const struct param *,
                                    const struct param *))
{
    const struct params *p = o->p;
    int64_t end;

    memset(r, 0, sizeof(*r));
    for (; i < p->n; i++) {
        const struct param *q = &p->item[i];

        if (q->kind != PARAM_TRAINED || (q->frozen && !r->first))
            continue;
        if (r->first && (q->frozen || !joins(r, q, alike)))
            break;
        if (!r->first) {
            r->first = q;
            r->offset = q->offset;
        }
        r->count = q->offset + q->count - r->offset;
    }
    end = r->offset + r->count < o->end ? r->offset + r->count : o->end;
    if (r->offset < o->first)
        r->offset = o->first;
    r->count = end > r->offset ? end - r->offset : 0;
    return i;
}

static int group_alike(const struct param *a, const struct param *b)
{
    return a->group == b->group;
}

static int step_alike(const struct param *a, const struct param *b)
{
    return a->group == b->group && !a->decay == !b->decay;
}

static int gradient_norm(const struct optim *o, double *norm, struct err *err)
{
    const struct params *p = o->p;
    double sum = 0;
    struct run r;

    for (size_t i = 0; i < p->n;) {
        struct tensor g;
        double part = 0;

        i = next_run(o, i, &r, NULL);
        if (!r.first)
            break;
        if (!r.count)
            continue;
        g = view(&p->grad, r.offset, r.count);
        TRY(p->be->ops->dot(p->be, &part, &g, &g, err));
        sum += part;
    }
    TRY(dist_sum(o->dist, &sum, 1, err));
    *norm = sqrt(sum);
    return 0;
}

static int adam(struct optim *o, double factor, double grad_scale,
                struct err *err)
{
    const struct optim_options *opt = &o->opt;
    struct params *p = o->p;
    struct adam_step s = {
        .beta1 = opt->beta1, .beta2 = opt->beta2, .eps = opt->eps,
        .bias1 = (float)(1 - pow(opt->beta1, (double)o->steps)),
        .bias2 = (float)(1 - pow(opt->beta2, (double)o->steps)),
        .grad_scale = (float)grad_scale,
    };
    struct run r;

    for (size_t i = 0; i < p->n;) {
        struct tensor w, m, v, g;

        i = next_run(o, i, &r, opt->decay > 0 ? step_alike : group_alike);
        if (!r.first)
            break;
        if (!r.count)
            continue;
        s.lr = (float)(opt->lr[r.first->group] * factor);
        s.decay = r.first->decay ? opt->decay : 0;
        w = view(&p->value, r.offset, r.count);
        m = view(&o->m, r.offset - o->first, r.count);
        v = view(&o->v, r.offset - o->first, r.count);
        g = view(&p->grad, r.offset, r.count);
        TRY(p->be->ops->adam(p->be, &w, &m, &v, &g, s, err));
    }
    return dist_share(o->dist, p->value.data, o->part, err);
}

/* Buffers by ema += (1 - d) * (value - ema), which leaves codebooks as they are
 * to the bit; d * ema + (1 - d) * value would not. */
static int average_buffers(struct optim *o, float d, struct err *err)
{
    struct params *p = o->p;
    const struct backend_ops *ops = p->be->ops;
    int64_t n = p->all - p->trained;
    struct tensor value = view(&p->value, p->trained, n);
    struct tensor ema = view(&o->ema, p->trained, n);

    if (!n)
        return 0;
    TRY(ops->axpby(p->be, &o->change, 1, &value, 0, err));
    TRY(ops->axpby(p->be, &o->change, -1, &ema, 1, err));
    TRY(ops->axpby(p->be, &ema, 1 - d, &o->change, 1, err));
    for (size_t i = 0; i < p->n; i++) {
        const struct param *it = &p->item[i];

        if (it->kind != PARAM_COUNTER)
            continue;
        value = view(&p->value, it->offset, it->count);
        ema = view(&o->ema, it->offset, it->count);
        TRY(ops->axpby(p->be, &ema, 1, &value, 0, err));
    }
    return 0;
}

static int average(struct optim *o, struct err *err)
{
    struct params *p = o->p;
    double t = (double)o->steps, warm = (1 + t) / (10 + t);
    float d = (float)(warm < o->opt.ema ? warm : o->opt.ema);
    struct tensor value = view(&p->value, 0, p->trained);
    struct tensor ema = view(&o->ema, 0, p->trained);

    TRY(p->be->ops->axpby(p->be, &ema, 1 - d, &value, d, err));
    return average_buffers(o, d, err);
}

int optim_step(struct optim *o, double factor, double scale,
               struct optim_result *r, struct err *err)
{
    struct backend *be = o->p->be;
    double shrink = 1;

    memset(r, 0, sizeof(*r));
    r->loss_scale = o->scale.value;
    scale /= lossscale_factor(&o->scale);
    for (int i = 0; i < PARAM_GROUPS; i++)
        r->lr[i] = o->opt.lr[i] * factor;
    TRY(gradient_norm(o, &r->grad_norm, err));
    r->grad_norm *= fabs(scale);
    if (!isfinite(r->grad_norm)) {
        r->skipped = 1;
        r->overflow = lossscale_step(&o->scale, 0);
        o->skipped++;
        return 0;
    }
    if (o->opt.clip > 0)
        shrink = o->opt.clip / (r->grad_norm + 1e-6);
    lossscale_step(&o->scale, 1);
    o->steps++;
    TRY(adam(o, factor, scale * (shrink < 1 ? shrink : 1), err));
    if (be->ops->weights_changed)
        be->ops->weights_changed(be);
    return o->ema.data ? average(o, err) : 0;
}

static int gather(const struct optim *o, struct tensor *all,
                  const struct tensor *part, struct err *err)
{
    if (!dist_rank(o->dist))
        TRY(tensor_reserve(all, o->p->be, 1, &o->p->trained, err));
    return dist_gather(o->dist, all->data, part->data, o->part, err);
}

int optim_gather(const struct optim *o, struct optim *whole, struct err *err)
{
    int rc;

    *whole = *o;
    memset(&whole->m, 0, sizeof(whole->m));
    memset(&whole->v, 0, sizeof(whole->v));
    whole->dist = NULL;
    whole->part = NULL;
    whole->first = 0;
    whole->end = o->p->trained;
    rc = gather(o, &whole->m, &o->m, err);
    return rc ? rc : gather(o, &whole->v, &o->v, err);
}
