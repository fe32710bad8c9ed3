/* SPDX-License-Identifier: GPL-3.0-or-later */
/* MERT's encoder against Hugging Face's: hidden states; a loss on them and its
 * gradients. Both names that PyTorch gives the weight-normalised position
 * convolution are read. */
#include "golden.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/xalloc.h"
#include "model/convert.h"
#include "model/encoder.h"
#include "model/net.h"

/* The references are float32 values of a float64 evaluation. */
static const double tolerance_hidden = 1e-5, tolerance_loss = 2e-6;
/* For each tensor 1e-4 of its norm; where the true gradient is 0 (the biases of
 * keys) only the rounding of the whole is left, 1e-6 of its norm. */
static const double tolerance_grad = 1e-4, tolerance_noise = 1e-6;

struct check {
    struct golden *g;
    const char *file; /* the checkpoint */
    struct model *model;
    struct backend *be;
    struct safetensors want;
    float *samples;
    int64_t time;
};

static int open_model(struct check *c, struct err *err)
{
    char out[] = "/tmp/golden-XXXXXX";
    char *in = xstrdup(golden_path(c->g, c->file));
    struct convert job = { .in = in, .out = out, .name = "golden" };
    int fd = mkstemp(out);
    int rc = fd < 0 ? err_sys(err, "%s", out) : convert_run(&job, err);

    if (!rc)
        rc = model_open(&c->model, out, err);
    if (fd >= 0) {
        close(fd);
        unlink(out);
    }
    free(in);
    return rc;
}

static void compare(struct check *c, const char *name, const float *got,
                    int64_t n)
{
    const struct stored *t = safetensors_find(&c->want, name);
    int dim = c->model->config.encoder.dim;
    char what[128];

    snprintf(what, sizeof(what), "%s, %s", c->file, name);
    if (!t || t->type != STORED_F32 || stored_count(t) != n)
        golden_broken(c->g, what, t ? "another shape" : "missing");
    else
        golden_states(c->g, what, got, (const float *)t->data,
                      (size_t)(n / dim), (size_t)dim, tolerance_hidden);
}

static void check_states(struct check *c, struct encoder *e)
{
    const struct encoder_config *k = &c->model->config.encoder;
    int64_t n = encoder_frames(e, c->time) * k->dim;
    float **hidden = xcalloc((size_t)k->layers + 1, sizeof(*hidden));
    struct encoder_out out = { hidden, NULL };
    struct err err = {0};

    for (int i = 0; i <= k->layers; i++)
        hidden[i] = xcalloc((size_t)n + 1, sizeof(**hidden));
    if (encoder_forward(e, &out, c->samples, 1, c->time, &err))
        golden_broken(c->g, "forward", err.msg);
    for (int i = 0; i <= k->layers; i++) {
        char name[32];

        snprintf(name, sizeof(name), "hidden.%d", i);
        compare(c, name, hidden[i], n);
    }
    compare(c, "last_hidden_state", hidden[k->layers], n);
    for (int i = 0; i <= k->layers; i++)
        free(hidden[i]);
    free(hidden);
}

/* ---- training ---- */

struct train {
    struct params params;
    struct net *net;
    struct tensor head[2], dhead[2]; /* weight (50, D), bias */
    struct tensor logits, dtop;
    int32_t *target;                 /* -1 where not masked */
    int64_t masked;
    float *state, *grad;             /* on the host */
};

static double norm_of(const float *x, int64_t n)
{
    double s = 0;

    for (int64_t i = 0; i < n; i++)
        s += (double)x[i] * x[i];
    return sqrt(s);
}

static int load_head(struct check *c, struct train *t, struct err *err)
{
    static const char *const name[2] = { "head.weight", "head.bias" };

    for (int i = 0; i < 2; i++) {
        const struct stored *s = safetensors_find(&c->want, name[i]);

        if (!s)
            return err_set(err, ERR_FORMAT, "%s: missing", name[i]);
        TRY(tensor_import(&t->head[i], c->be, (const float *)s->data, s->ndim,
                          s->dim, err));
        TRY(tensor_reserve(&t->dhead[i], c->be, s->ndim, s->dim, err));
        TRY(c->be->ops->axpby(c->be, &t->dhead[i], 0, NULL, 0, err));
    }
    return 0;
}

static int load_targets(struct check *c, struct train *t, int64_t frames,
                        struct err *err)
{
    const struct stored *target = safetensors_find(&c->want, "targets");
    const struct stored *mask = safetensors_find(&c->want, "mask");

    if (!target || !mask || stored_count(target) != frames ||
        stored_count(mask) != frames || target->type != STORED_I32 ||
        mask->type != STORED_U8)
        return err_set(err, ERR_FORMAT, "targets, mask: missing or misshapen");
    t->target = xcalloc((size_t)frames, sizeof(*t->target));
    for (int64_t i = 0; i < frames; i++) {
        t->target[i] = mask->data[i] ? ((const int32_t *)target->data)[i] : -1;
        t->masked += mask->data[i] != 0;
    }
    return 0;
}

static int run_training(struct check *c, struct train *t,
                        const struct net_options *o, struct loss_sum *sum,
                        struct err *err)
{
    int layers = c->model->config.encoder.layers;
    const struct backend_ops *ops = c->be->ops;
    struct tensor *dhidden[64] = { NULL };
    struct matmul_opts plain = {0};
    const struct tensor *top;

    net_describe(&c->model->config, &t->params);
    TRY(params_alloc(&t->params, c->be, err));
    TRY(params_load(&t->params, c->model, NULL, err));
    TRY(net_new(&t->net, &c->model->config, &t->params, o, err));
    TRY(load_head(c, t, err));
    TRY(load_targets(c, t, net_frames(t->net, c->time), err));
    TRY(net_forward(t->net, c->samples, 1, c->time, 1, 1, err));
    top = net_hidden(t->net, layers);
    t->state = xcalloc((size_t)tensor_count(top), sizeof(*t->state));
    for (int k = 0; k <= layers; k++) {
        char name[32];

        snprintf(name, sizeof(name), "hidden.%d", k);
        TRY(tensor_download(t->state, net_hidden(t->net, k), err));
        compare(c, name, t->state, tensor_count(top));
    }
    TRY(tensor_reserve(&t->logits, c->be, 2, (int64_t[]){ top->dim[1],
                       t->head[0].dim[0] }, err));
    TRY(tensor_reserve(&t->dtop, c->be, 3, top->dim, err));
    TRY(ops->matmul(c->be, &t->logits, top, &t->head[0], &t->head[1], plain,
                    err));
    TRY(ops->cross_entropy(c->be, sum, &t->logits, &t->logits, t->target,
                           1 / (float)t->masked, err));
    TRY(ops->matmul_dw(c->be, &t->dhead[0], &t->dhead[1], &t->logits, top, 1,
                       err));
    TRY(ops->matmul_dx(c->be, &t->dtop, &t->logits, &t->head[0], plain, err));
    dhidden[layers] = &t->dtop;
    return net_backward(t->net, dhidden, err);
}

/* The gradient that we have of a name, on the host until the next call; NULL if
 * none. */
static const float *gradient(struct train *t, const char *name, int64_t count)
{
    int i = params_index(&t->params, name);
    struct tensor g;

    if (!strcmp(name, "head.weight"))
        g = t->dhead[0];
    else if (!strcmp(name, "head.bias"))
        g = t->dhead[1];
    else if (i >= 0 && t->params.item[i].kind == PARAM_TRAINED)
        g = tensor_view(&t->params.grad, t->params.item[i].offset, 1,
                        &t->params.item[i].count);
    else
        return NULL;
    if (tensor_count(&g) != count)
        return NULL;
    free(t->grad);
    t->grad = xcalloc((size_t)count, sizeof(*t->grad));
    return tensor_download(t->grad, &g, NULL) ? NULL : t->grad;
}

/* A line for the gradient that is furthest off, as a share of what is allowed;
 * the references' number must be that of the tensors trained and the head, but
 * for the vector of hidden frames, which the reference does not use. */
static void check_grads(struct check *c, struct train *t)
{
    double all = 0, worst = 0;
    int n = 0, due = 2 - 1;
    char what[256];

    for (size_t i = 0; i < t->params.n; i++)
        due += t->params.item[i].kind == PARAM_TRAINED;
    for (size_t i = 0; i < c->want.n; i++)
        if (!strncmp(c->want.tensor[i].name, "grad.", 5))
            all = hypot(all, norm_of((const float *)c->want.tensor[i].data,
                                     stored_count(&c->want.tensor[i])));
    for (size_t i = 0; i < c->want.n; i++) {
        const struct stored *w = &c->want.tensor[i];
        int64_t count = stored_count(w);
        const float *want = (const float *)w->data, *got;
        double diff = 0, allowed;

        if (strncmp(w->name, "grad.", 5))
            continue;
        got = gradient(t, w->name + 5, count);
        for (int64_t j = 0; j < count; j++)
            diff = hypot(diff, got ? (double)got[j] - want[j] : NAN);
        allowed = tolerance_grad * norm_of(want, count) +
                  tolerance_noise * all;
        n++;
        snprintf(what, sizeof(what), "%s, %s", c->file, w->name);
        if (!(diff <= allowed))
            golden_report(c->g, what, diff, allowed);
        if (!(diff / allowed <= worst))
            worst = diff / allowed;
    }
    snprintf(what, sizeof(what), "%s, gradients not compared", c->file);
    golden_report(c->g, what, fabs((double)(n - due)), 0);
    snprintf(what, sizeof(what), "%s, gradients, error over what is allowed",
             c->file);
    golden_report(c->g, what, worst, 1);
}

static void check_training(struct check *c, int checkpoint)
{
    const struct stored *loss = safetensors_find(&c->want, "loss");
    struct net_options o = { .checkpoint = checkpoint };
    struct train t = {0};
    struct loss_sum sum = {0};
    struct err err = {0};
    char what[128];

    if (run_training(c, &t, &o, &sum, &err)) {
        golden_broken(c->g, "training", err.msg);
    } else {
        snprintf(what, sizeof(what), "%s, loss", c->file);
        golden_report(c->g, what,
                      loss ? fabs(sum.loss / (double)sum.rows -
                                  (double)*(const float *)loss->data) : NAN,
                      tolerance_loss);
        check_grads(c, &t);
    }
    free(t.state);
    free(t.grad);
    net_free(t.net);
    params_release(&t.params);
    for (int i = 0; i < 2; i++) {
        tensor_release(&t.head[i]);
        tensor_release(&t.dhead[i]);
    }
    tensor_release(&t.logits);
    tensor_release(&t.dtop);
    free(t.target);
}

/* ---- both ---- */

static void check_file(struct golden *g, const char *file)
{
    struct check c = { .g = g, .file = file };
    struct encoder *encoder = NULL;
    struct err err = {0};
    size_t n = 0;
    int rc = open_model(&c, &err);

    if (!rc)
        rc = safetensors_open(&c.want, golden_path(g, "forward_backward."
                                                      "safetensors"), &err);
    if (!rc)
        rc = golden_samples(golden_path(g, "in0.wav"),
                            c.model->config.sample_rate, &c.samples, &n, &err);
    c.time = (int64_t)n;
    if (!rc)
        rc = backend_open(&c.be, g->device, 0, &err);
    if (!rc && g->bf16)
        rc = backend_set_precision(c.be, PRECISION_BF16, &err);
    if (!rc)
        rc = encoder_new(&encoder, c.model, c.be, &err);
    if (rc)
        golden_broken(g, file, err.msg);
    else
        check_states(&c, encoder);
    for (int checkpoint = 0; checkpoint < 2 && !rc && !g->bf16; checkpoint++)
        check_training(&c, checkpoint);
    encoder_free(encoder);
    backend_close(c.be);
    model_free(c.model);
    safetensors_release(&c.want);
    free(c.samples);
}

void check_bert(struct golden *g)
{
    check_file(g, "pytorch_model.bin");
    if (golden_has(g, "pytorch_model_parametrized.bin"))
        check_file(g, "pytorch_model_parametrized.bin");
}
