/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Whole nets in training, a small Conformer and both kinds of BERT: gradients
 * of a loss over all hidden states, what the options of a net change and what
 * they must not, and that an encoder at work gives the same states. That both
 * compute what the reference programs do, tests/golden checks; each layer
 * alone, tests/grad. */
#include "../grad/grad.h"

#include "model/encoder.h"
#include "nets.h"

enum { CONFORMER, BERT_PRE, BERT_POST, KINDS };
enum { BATCH = 2, DIM = 12, MAX_LAYERS = 3 };

static struct backend *be;
static struct model_config config;
static struct params params;
static int kind, layers;

static void open_backend(void)
{
    ck_assert(!backend_open(&be, "cpu", 1, NULL));
}

static void close_backend(void)
{
    params_release(&params);
    config_release(&config);
    backend_close(be);
}

static void set_up(int k)
{
    kind = k;
    if (k == CONFORMER)
        nets_conformer_begin(&config, &params, be, 2, 2);
    else
        nets_bert_begin(&config, &params, be, k == BERT_PRE);
    layers = config.encoder.layers;
}

static struct tensor value(const char *name)
{
    int i = params_index(&params, name);

    ck_assert_msg(i >= 0, "%s", name);
    return params_value(&params, i);
}

/* ---- passes ---- */

/* A net and a pass over fixed input; L = sum over states of r * state. */
struct pass {
    struct net *net;
    uint64_t step;
    int64_t time, frames;
    float *input;
    int last;                 /* the net's last state */
    float *r[MAX_LAYERS + 1]; /* NULL: the state does not count */
};

static void pass_new(struct pass *p, struct net_options o)
{
    struct err err = {0};

    memset(p, 0, sizeof(*p));
    p->step = 1;
    p->time = kind == CONFORMER ? 25 : 170;
    p->last = o.layers ? o.layers : layers;
    ck_assert_msg(!net_new(&p->net, &config, &params, &o, &err), "%s", err.msg);
    p->frames = net_frames(p->net, p->time);
    p->input = grad_noises(2, BATCH * p->time *
                                  (kind == CONFORMER ? config.mel.bands : 1));
    for (int k = 0; k <= p->last; k++)
        p->r[k] = grad_noises(3 + (uint64_t)k, BATCH * p->frames * DIM);
}

static void pass_free(struct pass *p)
{
    net_free(p->net);
    free(p->input);
    for (int k = 0; k <= layers; k++)
        free(p->r[k]);
}

/* The only state that counts. */
static void pass_only(struct pass *p, int state)
{
    for (int k = 0; k <= p->last; k++)
        if (k != state) {
            free(p->r[k]);
            p->r[k] = NULL;
        }
}

static double loss(void *ctx)
{
    struct pass *p = ctx;
    double sum = 0;

    be->ops->weights_changed(be);
    ck_assert(!net_forward(p->net, p->input, BATCH, p->time, 5, p->step, NULL));
    for (int k = 0; k <= p->last; k++) {
        const struct tensor *h = net_hidden(p->net, k);

        for (int64_t i = 0; p->r[k] && i < tensor_count(h); i++)
            sum += (double)h->data[i] * p->r[k][i];
    }
    return sum;
}

/* The gradients of it, in params.grad. */
static void backward(struct pass *p)
{
    struct tensor d[MAX_LAYERS + 1], *dhidden[MAX_LAYERS + 1] = { NULL };
    int64_t dim[3] = { BATCH, p->frames, DIM };

    memset(d, 0, sizeof(d));
    ck_assert(!params_zero_grad(&params, NULL));
    loss(p);
    for (int k = 0; k <= p->last; k++) {
        if (!p->r[k])
            continue;
        ck_assert(!tensor_reserve(&d[k], be, 3, dim, NULL));
        ck_assert(!tensor_upload(&d[k], p->r[k], NULL));
        dhidden[k] = &d[k];
    }
    ck_assert(!net_backward(p->net, dhidden, NULL));
    for (int k = 0; k <= p->last; k++)
        tensor_release(&d[k]);
}

static float *copy(const float *x, int64_t n)
{
    float *y = xcalloc((size_t)n, sizeof(*y));

    memcpy(y, x, (size_t)n * sizeof(*y));
    return y;
}

static int is_dropped(struct pass *p, int layer)
{
    const struct tensor *x = net_hidden(p->net, layer);

    return !memcmp(x->data, net_hidden(p->net, layer + 1)->data,
                   (size_t)tensor_count(x) * sizeof(float));
}

/* Goes on to a step that passes over the first layer and not the second. */
static void find_step(struct pass *p)
{
    for (loss(p); !is_dropped(p, 0) || is_dropped(p, 1); loss(p))
        ck_assert_int_lt((int)++p->step, 60);
}

static double gradient_of(const char *prefix)
{
    double sum = 0;

    for (size_t i = 0; i < params.n; i++) {
        const struct param *q = &params.item[i];

        if (q->kind == PARAM_TRAINED &&
            !strncmp(q->name, prefix, strlen(prefix)))
            sum = hypot(sum, grad_norm(params.grad.data + q->offset,
                                       q->count));
    }
    return sum;
}

/* ---- gradients ---- */

/* Some frames that are hidden. */
static const uint8_t hidden_frames[BATCH * 64] = { 0, 1, 1, 0, 1, [20] = 1 };

/* All tensors of a net but the convolutions of the Conformer's front end: the
 * loss has kinks there, and check_grad_netfront.c looks at them. What they get
 * is what conv.linear, which stands behind them, gets. */
static void assert_gradients(struct pass *p)
{
    struct grad g = { .loss = loss, .ctx = p };
    double all;
    float *have;

    backward(p);
    all = grad_norm(params.grad.data, params.trained);
    have = copy(params.grad.data, params.trained);
    for (size_t i = 0; i < params.n; i++) {
        const struct param *q = &params.item[i];

        if (q->kind == PARAM_TRAINED && strncmp(q->name, "linear.", 7) &&
            strncmp(q->name, "conv.conv.", 10))
            grad_assert(&g, q->name, params.value.data + q->offset,
                        have + q->offset, q->count, all);
    }
    free(have);
}

/* By three: plain; with dropout (and hidden frames); in a step without its
 * first layer. */
START_TEST(net_gradients)
{
    struct net_options o = { .dropout = _i / 3 == 1 ? 0.2f : 0,
                             .layer_drop = _i / 3 == 2 ? 0.5f : 0 };
    struct pass p;

    set_up(_i % 3);
    pass_new(&p, o);
    ck_assert(p.frames <= 64);
    if (kind != CONFORMER && _i / 3 == 1)
        net_set_mask(p.net, hidden_frames);
    if (_i / 3 == 2)
        find_step(&p);
    assert_gradients(&p);
    ck_assert((gradient_of(kind == CONFORMER ? "conformer.layers.0."
                                             : "encoder.layers.0.") > 0) ==
              (_i / 3 != 2));
    pass_free(&p);
}
END_TEST

/* Gradients by one state in the middle: what is above gets none. */
START_TEST(net_backward_one_state)
{
    static const char *const layer[2] = { "conformer.layers.", "encoder."
                                          "layers." };
    struct net_options o = {0};
    struct pass p;
    char name[64];

    set_up(_i);
    pass_new(&p, o);
    pass_only(&p, 1);
    assert_gradients(&p);
    for (int k = 0; k < layers; k++) {
        snprintf(name, sizeof(name), "%s%d.", layer[kind != CONFORMER], k);
        ck_assert((gradient_of(name) > 0) == (k == 0));
    }
    pass_only(&p, -1); /* no state at all: nothing happens */
    backward(&p);
    ck_assert(grad_norm(params.grad.data, params.trained) == 0);
    pass_free(&p);
}
END_TEST

/* A net of all layers dropped is its front end and the last norm. */
START_TEST(net_all_dropped)
{
    struct net_options o = { .layer_drop = 1 };
    struct pass p;

    set_up(_i);
    pass_new(&p, o);
    loss(&p);
    for (int k = 0; k + 1 < layers; k++)
        ck_assert(is_dropped(&p, k));
    assert_gradients(&p);
    ck_assert(gradient_of("conformer.layers.") == 0);
    ck_assert(gradient_of("encoder.layers.") == 0);
    ck_assert(gradient_of(kind == CONFORMER ? "conv." : "feature_") > 0);
    pass_free(&p);
}
END_TEST

/* Dropout of a step is that of its seed and number, and of no other. */
START_TEST(net_dropout_by_step)
{
    struct net_options o = { .dropout = 0.2f };
    struct pass p;
    double first;

    set_up(_i);
    pass_new(&p, o);
    first = loss(&p);
    p.step = 2;
    ck_assert(loss(&p) != first);
    p.step = 1;
    ck_assert(loss(&p) == first);
    pass_free(&p);
}
END_TEST

/* ---- options ---- */

/* With checkpoints, dropout and dropped layers: gradients and running
 * statistics to the bit. */
START_TEST(net_checkpoint_same_bits)
{
    struct net_options o = { .dropout = 0.1f, .layer_drop = 0.5f };
    struct pass p;
    uint64_t step;
    float *grad, *start, *moved;

    set_up(_i);
    start = copy(params.value.data, params.all);
    pass_new(&p, o);
    find_step(&p);
    step = p.step;
    memcpy(params.value.data, start, (size_t)params.all * 4);
    backward(&p);
    grad = copy(params.grad.data, params.trained);
    moved = copy(params.value.data, params.all);
    pass_free(&p);

    memcpy(params.value.data, start, (size_t)params.all * 4);
    o.checkpoint = 1;
    pass_new(&p, o);
    p.step = step;
    backward(&p);
    ck_assert(grad_norm(grad, params.trained) > 0);
    ck_assert_mem_eq(grad, params.grad.data, (size_t)params.trained * 4);
    ck_assert_mem_eq(moved, params.value.data, (size_t)params.all * 4);
    free(grad);
    free(start);
    free(moved);
    pass_free(&p);
}
END_TEST

/* A net of the first layer only: its states are those of the whole one, whose
 * last norm it does not have. */
START_TEST(net_first_layers)
{
    static const char *const norm[KINDS] = { "conformer.layer_norm.",
                                             "encoder.layer_norm.", "none" };
    struct net_options o = { .layers = 1 };
    struct pass whole, part;
    int64_t n;

    set_up(_i);
    pass_new(&part, o);
    loss(&part);
    o.layers = 0;
    pass_new(&whole, o);
    loss(&whole);
    n = tensor_count(net_hidden(whole.net, 1));
    for (int k = 0; k < 2; k++)
        ck_assert_mem_eq(net_hidden(part.net, k)->data,
                         net_hidden(whole.net, k)->data, (size_t)n * 4);
    assert_gradients(&part);
    ck_assert(gradient_of(norm[_i]) == 0);
    backward(&whole);
    ck_assert(_i == BERT_POST || gradient_of(norm[_i]) > 0);
    pass_free(&whole);
    pass_free(&part);
}
END_TEST

START_TEST(net_too_few_samples)
{
    struct net_options o = {0};
    struct net *net = NULL;
    float x[13] = { 0 };
    struct err err = {0};

    set_up(BERT_PRE);
    ck_assert(!net_new(&net, &config, &params, &o, &err));
    ck_assert_int_eq(net_frames(net, 13), 0);
    ck_assert_int_eq(net_forward(net, x, 1, 13, 1, 1, &err), ERR_ARG);
    ck_assert(strstr(err.msg, "13 samples"));
    net_free(net);
}
END_TEST

/* ---- batch normalisation ---- */

static float counted(const char *prefix)
{
    char *name = xasprintf("%s.num_batches_tracked", prefix);
    float v = *value(name).data;

    free(name);
    return v;
}

/* A batch norm counts the batches that it saw: none where its layer is dropped,
 * none behind the layers that are run, one a step with checkpoints. */
START_TEST(net_counts_batches)
{
    struct net_options o = { .layer_drop = 0.5f, .layers = 2,
                             .checkpoint = 1 };
    struct pass p;
    int want[MAX_LAYERS] = { 0 }, steps = 0;
    char name[64];

    set_up(CONFORMER);
    pass_new(&p, o);
    pass_only(&p, 2);
    for (p.step = 1; p.step <= 6; p.step++) {
        backward(&p);
        steps++;
        for (int k = 0; k < 2; k++)
            want[k] += !is_dropped(&p, k);
    }
    ck_assert(want[0] > 0 && want[0] < steps && want[1] > 0);
    for (int k = 0; k < MAX_LAYERS; k++) {
        snprintf(name, sizeof(name),
                 "conformer.layers.%d.conv_module.batch_norm", k);
        ck_assert_int_eq((int)counted(name), want[k]);
    }
    for (int i = 0; i < 6; i++) {
        snprintf(name, sizeof(name), "conv.conv.%d.bn%d", i / 3, i % 3 + 1);
        ck_assert_int_eq((int)counted(name), steps);
    }
    pass_free(&p);
}
END_TEST

/* ---- the encoder at work ---- */

/* Rows that the batch norm of that name sees of time frames. */
static double rows_of(const char *name, int64_t time)
{
    int stride = config.encoder.time_strides[0], module;
    int64_t t = (time + stride - 1) / stride;

    if (sscanf(name, "conv.conv.%d.", &module) == 1 && module == 0)
        return (double)(BATCH * t * (config.mel.bands / 2));
    stride = config.encoder.time_strides[1];
    t = (t + stride - 1) / stride;
    return (double)(BATCH * t * (strncmp(name, "conv.", 5)
                                     ? 1 : config.mel.bands / 4));
}

static const char *ending(const char *name, const char *end)
{
    size_t n = strlen(name), m = strlen(end);

    return n >= m && !strcmp(name + n - m, end) ? name : NULL;
}

/* Running statistics that were 0 hold a tenth of the batch's after one step:
 * makes the batch's of them, the variance biased as a batch uses it. */
static void batch_statistics(int64_t time, int before)
{
    for (size_t i = 0; i < params.n; i++) {
        const struct param *q = &params.item[i];
        float *v = params.value.data + q->offset;
        double rows = rows_of(q->name, time);

        if (!ending(q->name, "running_mean") && !ending(q->name, "running_var"))
            continue;
        for (int64_t j = 0; j < q->count; j++)
            v[j] = before ? 0
                   : ending(q->name, "_mean")
                       ? v[j] * 10 : (float)(v[j] * 10 * (rows - 1) / rows);
    }
}

static struct encoder *open_encoder(struct model **m)
{
    struct strbuf json = STRBUF_INIT;
    struct encoder *e = NULL;
    struct err err = {0};
    char path[64];

    snprintf(path, sizeof(path), "net-%d.safetensors", (int)getpid());
    config_print(&config, &json);
    ck_assert(!params_write(&params, NULL, 0, NULL, NULL, path,
                            &(struct safetensors_meta){ (char *)"mfm", json.s },
                            1, &err));
    ck_assert_msg(!model_open(m, path, &err), "%s", err.msg);
    ck_assert_msg(!encoder_new(&e, *m, be, &err), "%s", err.msg);
    strbuf_release(&json);
    unlink(path);
    return e;
}

/* At 25, 50, 100 states a second and a time that no stride divides, the encoder
 * with the batch's statistics folded in gives the states that the batch had: it
 * computes another way (convolution and batch norm in one, pieces), so f32 sums
 * differ. */
START_TEST(net_states_as_encoder)
{
    static const int strides[3][2] = { { 2, 2 }, { 2, 1 }, { 1, 1 } };
    struct net_options o = {0};
    struct pass p;
    struct model *m = NULL;
    struct encoder *e;
    float *hidden[MAX_LAYERS + 1];
    struct encoder_out out = { hidden, NULL };
    int64_t n;

    kind = CONFORMER;
    nets_conformer_begin(&config, &params, be, strides[_i][0], strides[_i][1]);
    layers = MAX_LAYERS;
    pass_new(&p, o);
    batch_statistics(p.time, 1);
    loss(&p);
    batch_statistics(p.time, 0);
    e = open_encoder(&m);
    ck_assert_int_eq(encoder_frames(e, p.time), p.frames);
    n = BATCH * p.frames * DIM;
    for (int k = 0; k <= layers; k++)
        hidden[k] = xcalloc((size_t)n, sizeof(float));
    ck_assert(!encoder_forward(e, &out, p.input, BATCH, p.time, NULL));
    for (int k = 0; k <= layers; k++) {
        const float *want = net_hidden(p.net, k)->data;
        double diff = 0;

        for (int64_t i = 0; i < n; i++)
            diff = hypot(diff, (double)hidden[k][i] - want[i]);
        ck_assert_msg(diff <= 1e-5 * grad_norm(want, n), "state %d: %g of %g",
                      k, diff, grad_norm(want, n));
        free(hidden[k]);
    }
    pass_free(&p);
    encoder_free(e);
    model_free(m);
}
END_TEST

/* ---- bf16 ---- */

/* A tensor's gradient in bf16 and in f32. Rounding to 8 bits, some ten products
 * deep and of few terms each, moves it by up to 0.05, and by 5e-4 of the whole
 * where there is little of it. In the front end it takes units over the kinks
 * of the ReLUs, each of which is much of so small a net: 0.12, and 3e-3. */
static void assert_narrow(const struct param *q, const float *narrow,
                          const float *grad, double all)
{
    double diff = 0, size = grad_norm(grad + q->offset, q->count);
    int kinks = !strncmp(q->name, "conv.conv.", 10);

    for (int64_t j = q->offset; j < q->offset + q->count; j++)
        diff = hypot(diff, (double)grad[j] - narrow[j]);
    ck_assert_msg(diff <= (kinks ? 0.3 : 0.1) * size +
                              (kinks ? 1e-2 : 1e-3) * all,
                  "%s: %g of %g, %g in all", q->name, diff, size, all);
}

/* In a second round other weights stand where the first round's did: no copy of
 * those in 16 bits may be left. */
static void scale_weights(const float *start, int round)
{
    for (int64_t i = 0; i < params.trained; i++)
        params.value.data[i] = start[i] * (round ? 1.5f : 1);
}

START_TEST(net_backward_bf16)
{
    struct net_options o = {0};
    struct pass p;
    float *start, *grad[2];

    set_up(_i);
    pass_new(&p, o);
    start = copy(params.value.data, params.trained);
    for (int round = 0; round < 2; round++) {
        scale_weights(start, round);
        backward(&p);
        grad[round] = copy(params.grad.data, params.trained);
    }
    ck_assert(!backend_set_precision(be, PRECISION_BF16, NULL));
    for (int round = 0; round < 2; round++) {
        double all = grad_norm(grad[round], params.trained);

        scale_weights(start, round);
        backward(&p);
        ck_assert_mem_ne(params.grad.data, grad[round],
                         (size_t)params.trained * 4);
        for (size_t i = 0; i < params.n; i++)
            if (params.item[i].kind == PARAM_TRAINED)
                assert_narrow(&params.item[i], params.grad.data, grad[round],
                              all);
        free(grad[round]);
    }
    free(start);
    pass_free(&p);
}
END_TEST

static int has_bf16(void)
{
    struct backend *b = NULL;
    int yes = !backend_open(&b, "cpu", 1, NULL) &&
              !backend_set_precision(b, PRECISION_BF16, NULL);

    backend_close(b);
    return yes;
}

int main(void)
{
    Suite *s = suite_create("model_net");
    TCase *t = tcase_create("net");
    int bf16 = has_bf16(), rc;

    tcase_add_checked_fixture(t, open_backend, close_backend);
    tcase_add_loop_test(t, net_gradients, 0, 3 * KINDS);
    tcase_add_loop_test(t, net_backward_one_state, 0, KINDS);
    tcase_add_loop_test(t, net_all_dropped, 0, KINDS);
    tcase_add_loop_test(t, net_dropout_by_step, 0, KINDS);
    tcase_add_loop_test(t, net_checkpoint_same_bits, 0, KINDS);
    tcase_add_loop_test(t, net_first_layers, 0, KINDS);
    tcase_add_test(t, net_too_few_samples);
    tcase_add_test(t, net_counts_batches);
    tcase_add_loop_test(t, net_states_as_encoder, 0, 3);
    if (bf16)
        tcase_add_loop_test(t, net_backward_bf16, 0, KINDS);
    suite_add_tcase(s, t);
    rc = unit_run(s);
    if (rc || bf16)
        return rc;
    printf("skipped in part: this processor has no bf16\n");
    return 77;
}
