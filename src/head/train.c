/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "head/train.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/rng.h"
#include "base/xalloc.h"

enum { HIDDEN, OUTPUT, LAYERS };

/* A linear layer: numbers of its tensors in the parameters. */
struct linear {
    int weight, bias;
};

struct head_train {
    const struct head_config *c;
    struct params *p;
    struct backend *be;
    int dim, layers, outputs;
    double state_rate;
    struct linear linear[LAYERS];
    int mix;                        /* tensor, -1 if it reads one state */
    float *mix_host;                /* (layers + 1) */
    const struct tensor **state;    /* (layers + 1) of the forward pass */
    struct head_train_options o;
    struct tensor mixed, pooled, mid, logits;
    struct tensor dmixed, dpooled, dmid, dlogits;
};

/* ---- parameters ---- */

static void part_name(char *out, size_t size, const struct head_config *c,
                      const char *part)
{
    snprintf(out, size, "head.%s.%s", c->task, part);
}

static int outputs_of(const struct head_config *c)
{
    return c->n_classes + (c->boundary ? 1 : 0);
}

static void describe_linear(const struct head_config *c, const char *part,
                            int64_t out, int64_t in, struct params *p)
{
    int64_t dim[2] = { out, in };
    float bound = 1 / sqrtf((float)in);
    char name[320], tensor[256];

    part_name(tensor, sizeof(tensor), c, part);
    snprintf(name, sizeof(name), "%s.weight", tensor);
    params_add(p, name, PARAM_TRAINED, INIT_UNIFORM, bound, 2, dim)->group =
        PARAM_GROUP_HEAD;
    snprintf(name, sizeof(name), "%s.bias", tensor);
    params_add(p, name, PARAM_TRAINED, INIT_UNIFORM, bound, 1, dim)->group =
        PARAM_GROUP_HEAD;
}

void head_describe(const struct head_config *c, int dim, int layers,
                   struct params *p)
{
    int64_t states = layers + 1;
    char name[256];

    if (c->layer == HEAD_MIX) {
        part_name(name, sizeof(name), c, "mix");
        params_add(p, name, PARAM_TRAINED, INIT_CONST, 0, 1, &states)->group =
            PARAM_GROUP_HEAD;
    }
    if (c->hidden)
        describe_linear(c, "hidden", c->hidden, dim, p);
    describe_linear(c, "output", outputs_of(c), c->hidden ? c->hidden : dim, p);
}

static int find(const struct head_train *h, const char *part, int *out,
                struct err *err)
{
    char name[256];

    part_name(name, sizeof(name), h->c, part);
    *out = params_index(h->p, name);
    if (*out < 0)
        return err_set(err, ERR_ARG, "%s: no such tensor in training", name);
    return 0;
}

static int find_all(struct head_train *h, struct err *err)
{
    h->mix = -1;
    if (h->c->layer == HEAD_MIX)
        TRY(find(h, "mix", &h->mix, err));
    if (h->c->hidden) {
        TRY(find(h, "hidden.weight", &h->linear[HIDDEN].weight, err));
        TRY(find(h, "hidden.bias", &h->linear[HIDDEN].bias, err));
    }
    TRY(find(h, "output.weight", &h->linear[OUTPUT].weight, err));
    return find(h, "output.bias", &h->linear[OUTPUT].bias, err);
}

int head_train_new(struct head_train **out, const struct head_config *c,
                   int dim, int layers, double state_rate, struct params *p,
                   struct err *err)
{
    struct head_train *h = xcalloc(1, sizeof(*h));
    int rc;

    h->c = c;
    h->p = p;
    h->be = p->be;
    h->dim = dim;
    h->layers = layers;
    h->outputs = outputs_of(c);
    h->state_rate = state_rate;
    h->mix_host = xcalloc((size_t)layers + 1, sizeof(*h->mix_host));
    h->state = xcalloc((size_t)layers + 1, sizeof(*h->state));
    rc = find_all(h, err);
    if (rc)
        head_train_free(h);
    else
        *out = h;
    return rc;
}

void head_train_free(struct head_train *h)
{
    if (!h)
        return;
    tensor_release(&h->mixed);
    tensor_release(&h->pooled);
    tensor_release(&h->mid);
    tensor_release(&h->logits);
    tensor_release(&h->dmixed);
    tensor_release(&h->dpooled);
    tensor_release(&h->dmid);
    tensor_release(&h->dlogits);
    free(h->mix_host);
    free(h->state);
    free(h);
}

int head_train_reads(const struct head_train *h, int k)
{
    if (h->c->layer == HEAD_MIX)
        return 1;
    return k == (h->c->layer < 0 ? h->layers : h->c->layer);
}

int64_t head_train_rows(const struct head_train *h, int64_t frames)
{
    int64_t rows = llround((double)frames / h->state_rate * h->c->rate);

    return rows < 1 ? 1 : rows;
}

const struct tensor *head_train_logits(const struct head_train *h)
{
    return &h->logits;
}

/* ---- forward ---- */

/* The softmax of the mixture's weights, to mix_host. */
static int mixture(struct head_train *h, struct err *err)
{
    struct tensor w = params_value(h->p, h->mix);
    double sum = 0;
    float top;

    TRY(tensor_download(h->mix_host, &w, err));
    top = h->mix_host[0];
    for (int k = 1; k <= h->layers; k++)
        top = fmaxf(top, h->mix_host[k]);
    for (int k = 0; k <= h->layers; k++)
        sum += h->mix_host[k] = expf(h->mix_host[k] - top);
    for (int k = 0; k <= h->layers; k++)
        h->mix_host[k] = (float)(h->mix_host[k] / sum);
    return 0;
}

/* What the head reads: one hidden state, or the mixture of all. */
static int read_states(struct head_train *h, const struct tensor **x,
                       struct err *err)
{
    int last = 0;

    for (int k = 0; k <= h->layers; k++)
        if (head_train_reads(h, k))
            last = k;
    *x = h->state[last];
    if (h->mix < 0)
        return 0;
    TRY(mixture(h, err));
    TRY(tensor_reserve(&h->mixed, h->be, 3, (*x)->dim, err));
    for (int k = 0; k <= h->layers; k++)
        TRY(h->be->ops->axpby(h->be, &h->mixed, h->mix_host[k], h->state[k],
                              k ? 1 : 0, err));
    *x = &h->mixed;
    return 0;
}

static int run_linear(struct head_train *h, struct tensor *y,
                      const struct tensor *x, int which, int width,
                      enum act act, struct err *err)
{
    struct tensor w = params_value(h->p, h->linear[which].weight);
    struct tensor b = params_value(h->p, h->linear[which].bias);
    struct matmul_opts opts = { .act = act };

    TRY(tensor_reserve(y, h->be, 2, (int64_t[]){ tensor_rows(x), width }, err));
    return h->be->ops->matmul(h->be, y, x, &w, &b, opts, err);
}

/* Zeroes some of the hidden layer, the same in both passes. */
static int drop(struct head_train *h, struct tensor *x, struct err *err)
{
    uint64_t stream = rng_name(h->c->task) +
                      h->o.step * 0x9e3779b97f4a7c15u;

    if (h->o.dropout <= 0)
        return 0;
    return h->be->ops->dropout(h->be, x, x, h->o.dropout, h->o.seed, stream, 0,
                               err);
}

int head_train_forward(struct head_train *h, const struct tensor *const *hidden,
                       const struct head_train_options *o, struct err *err)
{
    const struct tensor *x = NULL;

    h->o = *o;
    for (int k = 0; k <= h->layers; k++) {
        h->state[k] = hidden[k];
        assert(!head_train_reads(h, k) || hidden[k]);
    }
    TRY(read_states(h, &x, err));
    TRY(tensor_reserve(&h->pooled, h->be, 3,
                       (int64_t[]){ x->dim[0], head_train_rows(h, x->dim[1]),
                                    h->dim }, err));
    TRY(h->be->ops->pool(h->be, &h->pooled, x, err));
    x = &h->pooled;
    if (h->c->hidden) {
        TRY(run_linear(h, &h->mid, x, HIDDEN, h->c->hidden, ACT_RELU, err));
        TRY(drop(h, &h->mid, err));
        x = &h->mid;
    }
    return run_linear(h, &h->logits, x, OUTPUT, h->outputs, ACT_NONE, err);
}

/* ---- backward ---- */

static int linear_backward(struct head_train *h, struct tensor *dx,
                           const struct tensor *dy, const struct tensor *x,
                           int which, struct err *err)
{
    struct tensor w = params_value(h->p, h->linear[which].weight);
    struct tensor dw = params_grad(h->p, h->linear[which].weight);
    struct tensor db = params_grad(h->p, h->linear[which].bias);
    struct matmul_opts plain = { 0 };

    TRY(h->be->ops->matmul_dw(h->be, &dw, &db, dy, x, 1, err));
    if (!dx)
        return 0;
    TRY(tensor_reserve(dx, h->be, x->ndim, x->dim, err));
    return h->be->ops->matmul_dx(h->be, dx, dy, &w, plain, err);
}

/* Gradient of the mixture's weights: softmax backward of the products of the
 * mixed gradient with each state. */
static int mix_backward(struct head_train *h, struct err *err)
{
    struct tensor g = params_grad(h->p, h->mix);
    size_t n = (size_t)h->layers + 1;
    double *by = xcalloc(n, sizeof(*by)), sum = 0;
    float *grad = xcalloc(n, sizeof(*grad));
    int rc = 0;

    for (size_t k = 0; k < n && !rc; k++) {
        rc = h->be->ops->dot(h->be, &by[k], &h->dmixed, h->state[k], err);
        sum += h->mix_host[k] * by[k];
    }
    if (!rc)
        rc = tensor_download(grad, &g, err);
    for (size_t k = 0; k < n; k++)
        grad[k] += (float)(h->mix_host[k] * (by[k] - sum));
    if (!rc)
        rc = tensor_upload(&g, grad, err);
    free(by);
    free(grad);
    return rc;
}

/* The gradient of the states that were mixed, from dpooled. */
static int states_backward(struct head_train *h, struct tensor *const *dhidden,
                           struct err *err)
{
    if (h->mix < 0) {
        for (int k = 0; k <= h->layers; k++)
            if (head_train_reads(h, k) && dhidden[k])
                TRY(h->be->ops->pool_backward(h->be, dhidden[k], &h->dpooled,
                                              err));
        return 0;
    }
    TRY(tensor_reserve(&h->dmixed, h->be, 3, h->mixed.dim, err));
    TRY(h->be->ops->axpby(h->be, &h->dmixed, 0, NULL, 0, err));
    TRY(h->be->ops->pool_backward(h->be, &h->dmixed, &h->dpooled, err));
    for (int k = 0; dhidden && k <= h->layers; k++)
        if (dhidden[k])
            TRY(h->be->ops->axpby(h->be, dhidden[k], h->mix_host[k],
                                  &h->dmixed, 1, err));
    return mix_backward(h, err);
}

int head_train_backward(struct head_train *h, const float *dlogits,
                        struct tensor *const *dhidden, struct err *err)
{
    struct tensor *dpooled = dhidden || h->mix >= 0 ? &h->dpooled : NULL;

    TRY(tensor_reserve(&h->dlogits, h->be, 2, h->logits.dim, err));
    TRY(tensor_upload(&h->dlogits, dlogits, err));
    if (h->c->hidden) {
        TRY(linear_backward(h, &h->dmid, &h->dlogits, &h->mid, OUTPUT, err));
        TRY(drop(h, &h->dmid, err));
        TRY(h->be->ops->act_backward(h->be, &h->dmid, &h->dmid, &h->mid,
                                     ACT_RELU, err));
        TRY(linear_backward(h, dpooled, &h->dmid, &h->pooled, HIDDEN, err));
    } else {
        TRY(linear_backward(h, dpooled, &h->dlogits, &h->pooled, OUTPUT, err));
    }
    return dpooled ? states_backward(h, dhidden, err) : 0;
}
