/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The estimates against published sizes, and against what a pass of a small net
 * allocates. */
#include "unit.h"

#include <math.h>
#include <string.h>

#include "model/net.h"
#include "train/dryrun.h"

static struct err err;

static void setup(void)
{
    setenv("MFM_PRESETS", unit_path("data/presets", ""), 1);
}

static struct preset open_with(const char *name, const char *const *set, int n)
{
    struct preset p;

    ck_assert_msg(!preset_open(&p, name, set, n, &err), "%s", err.msg);
    return p;
}

static int64_t trained(const struct dryrun *d)
{
    return d->values[0] + d->values[1] + d->values[2];
}

/* The published checkpoint (4096 codes): 329,170,226 values, 328,932,480 of
 * them trainable; 795, 25, 462 and 6 GFLOP for 30 s. */
START_TEST(dryrun_make_published)
{
    static const char *const set[] = { "tokens.0.codes=4096" };
    struct preset p = open_with("fm7", set, 1);
    struct dryrun d;

    dryrun_make(&d, &p, 8);
    ck_assert_int_eq(trained(&d) + d.unused, 328932480);
    /* the Hann window and the filter bank are in no net */
    ck_assert_int_eq(trained(&d) + d.unused + d.buffers + 2048 + 1025 * 128,
                     329170226);
    ck_assert_int_eq(d.values[DRYRUN_OUTPUT], 4096 * 1025);
    ck_assert_int_eq(d.frames, 750);
    ck_assert_double_eq_tol(d.flops[DRYRUN_FRONT], 820e9, 1e9);
    ck_assert_double_eq_tol(d.flops[DRYRUN_LAYERS], 462e9, 1e9);
    ck_assert_double_eq_tol(d.flops[DRYRUN_OUTPUT], 6.3e9, 0.1e9);
    ck_assert_int_eq(d.clips, 8);
    ck_assert_double_eq(d.step_tokens, 64 * 750);
    ck_assert_double_eq(d.step_seconds, 64 * 30);
    ck_assert_double_eq_tol(d.weights, 4 * 320.65e6, 4e5);
    ck_assert_double_eq(8 * d.moments, 2 * d.gradients); /* a part of eight */
    ck_assert_double_eq(d.average, 0);
    preset_release(&p);
}
END_TEST

/* Layers computed again cost a third more of them. Without that most memory is
 * in use at the last layer; with it in the front end's first module, which has
 * five images either way, but six of 750 x 32 x 512 are not there then. */
START_TEST(dryrun_make_checkpoint)
{
    static const char *const set[] = { "train.checkpoint=false" };
    struct preset p = open_with("fm7", NULL, 0), q = open_with("fm7", set, 1);
    double layer = 750.0 * (19 * 1024 + 2 * 4096 + 16);
    double once = 750.0 * (6 * 1024 + 2 * 4096), small = 512.0 * 750 * 32;
    struct dryrun d, e;

    dryrun_make(&d, &p, 1);
    dryrun_make(&e, &q, 1);
    ck_assert_double_eq_tol(d.step_flops - e.step_flops,
                            64 * d.flops[DRYRUN_LAYERS], 1);
    ck_assert(d.kept == e.kept && d.kept_checkpoint < d.kept);
    ck_assert_double_eq_tol(d.kept - d.kept_checkpoint,
                            64 * 4 * (12 * layer + once + 6 * small), 1);
    ck_assert_double_eq_tol(dryrun_bytes(&e, &q) - dryrun_bytes(&d, &p),
                            d.kept - d.kept_checkpoint, 1);
    preset_release(&p);
    preset_release(&q);
}
END_TEST

/* MERT-v1-330M has 315,428,992 values, masked_spec_embed (1024), which hidden
 * frames become, among them; fm1 has 500 logits of 1025 besides, and centres of
 * 300 * 229 and 200 * 264 that are not trained. */
START_TEST(dryrun_make_bert)
{
    struct preset p = open_with("fm1", NULL, 0);
    struct dryrun d;

    dryrun_make(&d, &p, 1);
    ck_assert_int_eq(d.values[DRYRUN_FRONT] + d.values[DRYRUN_LAYERS],
                     315428992);
    ck_assert_int_eq(d.buffers, 300 * 229 + 200 * 264);
    ck_assert_int_eq(d.values[DRYRUN_OUTPUT], 500 * 1025);
    ck_assert_int_eq(d.frames, 374); /* (120000 - 400) / 320 + 1 */
    ck_assert_int_eq(d.streams, 2);
    preset_release(&p);
}
END_TEST

/* ---- memory, measured ---- */

static int64_t in_use, peak;
static const struct backend_ops *real;

/* The size stands before the memory. */
static int counting_alloc(struct backend *be, float **out, int64_t n,
                          struct err *e)
{
    float *p = NULL;

    if (real->alloc(be, &p, n + 16, e))
        return ERR_NOMEM;
    memcpy(p, &n, sizeof(n));
    *out = p + 16;
    in_use += n;
    peak = in_use > peak ? in_use : peak;
    return 0;
}

static void counting_free(struct backend *be, float *p)
{
    int64_t n;

    if (!p)
        return;
    memcpy(&n, p - 16, sizeof(n));
    in_use -= n;
    real->free(be, p - 16);
}

/* One step's passes; returns the bytes beside weights and gradients. */
static double measure(const struct preset *p, int batch)
{
    struct net_options o = { .checkpoint = p->train.checkpoint };
    int64_t time = (int64_t)(p->train.crop * p->model.sample_rate), base;
    struct backend_ops ops;
    struct backend *be = NULL;
    struct params params = {0};
    struct net *net = NULL;
    struct tensor d = {0}, **list;
    int bert = p->model.encoder.type == ENCODER_BERT;
    int layers = p->model.encoder.layers;
    float *input;

    time = bert ? time : time / p->model.mel.hop;
    input = calloc((size_t)(batch * time * (bert ? 1 : p->model.mel.bands)),
                   sizeof(*input));
    list = calloc((size_t)layers + 1, sizeof(*list));
    ck_assert(!backend_open(&be, "cpu", 1, &err));
    real = be->ops;
    ops = *real;
    ops.alloc = counting_alloc;
    ops.free = counting_free;
    be->ops = &ops;
    net_describe(&p->model, &params);
    ck_assert(!params_alloc(&params, be, &err));
    ck_assert(!params_init(&params, 1, &err));
    base = peak = in_use;
    ck_assert(!net_new(&net, &p->model, &params, &o, &err));
    ck_assert_msg(!net_forward(net, input, batch, time, 1, 1, &err), "%s",
                  err.msg);
    ck_assert(!tensor_reserve(&d, be, 3, net_hidden(net, layers)->dim, &err));
    ck_assert(!ops.axpby(be, &d, 0, NULL, 0, &err));
    list[layers] = &d;
    ck_assert(!net_backward(net, list, &err));
    tensor_release(&d);
    net_free(net);
    params_release(&params);
    be->ops = real;
    backend_close(be);
    free(list);
    free(input);
    return 4.0 * (double)(peak - base);
}

static void check_memory(const char *name, const char *const *set, int n)
{
    struct preset p = open_with(name, set, n);
    struct dryrun d;
    double want, got;

    dryrun_make(&d, &p, 1);
    want = p.train.checkpoint ? d.kept_checkpoint : d.kept;
    got = measure(&p, d.clips);
    ck_assert_msg(fabs(got / want - 1) < 0.06, "%s: %g estimated, %g in use",
                  name, want, got);
    preset_release(&p);
}

/* k-means centres of a Conformer are no trained values either. */
START_TEST(dryrun_make_centres)
{
    struct preset p = open_with("tiny", NULL, 0);
    struct token_config kmeans = { .type = TOKENS_KMEANS, .stack = 1,
                                   .dim = 229, .codes = 1024, .stages = 1,
                                   .hop = 480 };
    struct dryrun d, e;

    dryrun_make(&d, &p, 1);
    p.model.tokens[0] = kmeans;
    dryrun_make(&e, &p, 1);
    ck_assert_int_eq(trained(&d), trained(&e));
    ck_assert_int_eq(e.buffers - d.buffers,
                     1024 * 229 - 1024 * 16 - 2 * 128 * 16);
    preset_release(&p);
}
END_TEST

/* Within 6 %: weights in another order and rows of statistics are left out. */
START_TEST(dryrun_make_memory)
{
    static const char *const set[] = {
        "train.batch=2", "train.crop=3", "tokens.0.codes=2",
        "train.checkpoint=true", "encoder.layers=5",
    };
    static const char *const bert[] = {
        "train.batch=2", "train.crop=3", "train.checkpoint=false",
        "encoder.layers=3", "encoder.dim=128", "encoder.ffn=512",
        "encoder.heads=2", "encoder.conv_dim=[64, 64, 64, 64, 64, 64, 64]",
        "tokens.0.codes=2",
    };

    check_memory("tiny", set, 3);
    check_memory("tiny", set, 5);
    check_memory("fm3", bert, 9);
}
END_TEST

START_TEST(dryrun_print_table)
{
    static const char *const set[] = { "tokens.0.codes=4096" };
    static const char *const lines[] = {
        "fm7: Conformer, 12 layers of 1024, 25 Hz\n",
        "trained             320,541,696  1.29 T\n",
        "more that no pass reads: 328,932,480)\n",
        "a step: 64 clips of 30 s, 48,000 tokens, 277 TFLOP (layers computed "
        "again)\n",
        "the run: 400,000 steps, 213,333 hours of audio, 111 EFLOP\n",
        "memory of a device, f32, 8 clips at once, GiB\n",
        "weights              1.19\n",
        "at 1 PFLOP/s: 0.277 s a step, 173,",
        " hours of audio a second, 1.3 days\n",
    };
    struct strbuf text = STRBUF_INIT;
    struct preset p = open_with("fm7", set, 1);
    struct dryrun d;

    dryrun_make(&d, &p, 8);
    dryrun_print(&d, &p, 1e15, &text);
    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
        ck_assert_msg(strstr(text.s, lines[i]) != NULL, "no \"%s\" in\n%s",
                      lines[i], text.s);
    strbuf_reset(&text);
    dryrun_print(&d, &p, 0, &text);
    ck_assert_ptr_null(strstr(text.s, "FLOP/s"));
    strbuf_release(&text);
    preset_release(&p);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("train/dryrun");
    TCase *t = tcase_create("dryrun");

    tcase_add_checked_fixture(t, setup, NULL);
    tcase_add_test(t, dryrun_make_published);
    tcase_add_test(t, dryrun_make_checkpoint);
    tcase_add_test(t, dryrun_make_bert);
    tcase_add_test(t, dryrun_make_centres);
    tcase_add_test(t, dryrun_make_memory);
    tcase_add_test(t, dryrun_print_table);
    suite_add_tcase(s, t);
    return unit_run(s);
}
