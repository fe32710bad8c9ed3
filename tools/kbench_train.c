/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One training step: forward, masked-token loss, backward, on noise. */
#include "kbench.h"

#include <stdint.h>
#include <stdlib.h>

#include "base/xalloc.h"
#include "model/model.h"
#include "model/net.h"
#include "train/masked.h"

struct bench {
    struct model *model;
    struct backend *be;
    struct params params;
    struct net *net;
    struct masked masked;
    struct tensor dtop;
    float *mel;
    int32_t *target;
    int64_t batch, time, frames, counted;
    double loss;
};

/* Three of five tokens count; ids are spread over the codebook. */
static void make_targets(struct bench *b)
{
    int codes = b->model->config.tokens[0].codes;
    int64_t n = b->batch * b->frames;

    b->target = xcalloc((size_t)n, sizeof(*b->target));
    for (int64_t i = 0; i < n; i++) {
        int on = i / 10 % 5 < 3;

        b->target[i] = on ? (int32_t)(i * 7919 % codes) : -1;
        b->counted += on;
    }
}

static int step(struct bench *b, struct err *err)
{
    int layers = b->model->config.encoder.layers;
    struct tensor **d = xcalloc((size_t)layers + 1, sizeof(*d));
    float scale = 1 / (float)b->counted;
    const int32_t *target = b->target;
    struct loss_sum sum = {0};
    int rc = tensor_reserve(&b->dtop, b->be, 3,
                            (int64_t[]){ b->batch, b->frames,
                                         b->model->config.encoder.dim }, err);

    /* as after an optimiser's step: in bf16 each step converts the weights */
    b->be->ops->weights_changed(b->be);
    if (!rc)
        rc = net_forward(b->net, b->mel, b->batch, b->time, 1, 1, err);

    if (!rc)
        rc = masked_loss(&b->masked, &sum, &b->dtop, net_hidden(b->net, layers),
                         &target, &scale, err);
    d[layers] = &b->dtop;
    if (!rc)
        rc = net_backward(b->net, d, err);
    free(d);
    b->loss = sum.loss * scale;
    return rc;
}

static int set_up(struct bench *b, const char *path, int seconds,
                  const struct kbench_options *k, struct err *err)
{
    struct net_options o = { .checkpoint = k->checkpoint };
    const struct model_config *c;

    TRY(kbench_open(&b->be, k, err));
    TRY(model_open(&b->model, path, err));
    c = &b->model->config;
    b->time = (int64_t)seconds * c->sample_rate / c->mel.hop;
    net_describe(c, &b->params);
    TRY(params_alloc(&b->params, b->be, err));
    TRY(params_load(&b->params, b->model, NULL, err));
    model_release_pages(b->model);
    TRY(net_new(&b->net, c, &b->params, &o, err));
    TRY(masked_init(&b->masked, c, &b->params, err));
    b->frames = net_frames(b->net, b->time);
    b->mel = xcalloc((size_t)(b->batch * b->time * c->mel.bands),
                     sizeof(*b->mel));
    kbench_noise(b->mel, (size_t)(b->batch * b->time * c->mel.bands));
    make_targets(b);
    return 0;
}

int kbench_train(int argc, char **argv, struct err *err)
{
    struct kbench_options o;
    struct bench b = {0};
    int seconds, repeat, rc;
    double *runs;

    TRY(kbench_number(argv[1], 1, 600, "SECONDS", &seconds, err));
    TRY(kbench_number(argv[2], 1, MAX_REPEAT, "REPEAT", &repeat, err));
    TRY(kbench_options(&o, argc - 3, argv + 3, err));
    b.batch = o.batch;
    runs = xcalloc((size_t)repeat, sizeof(*runs));
    rc = set_up(&b, argv[0], seconds, &o, err);
    for (int i = -1; i < repeat && !rc; i++) { /* the first warms up */
        double start = kbench_now();

        rc = step(&b, err);
        if (i >= 0)
            runs[i] = kbench_now() - start;
    }
    if (!rc)
        kbench_report("train", runs, repeat, b.loss);
    free(runs);
    free(b.mel);
    free(b.target);
    tensor_release(&b.dtop);
    net_free(b.net);
    masked_release(&b.masked);
    params_release(&b.params);
    model_free(b.model);
    backend_close(b.be);
    return rc;
}
