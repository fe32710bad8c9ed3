/* SPDX-License-Identifier: GPL-3.0-or-later */
/* BERT's way from sound to hidden state 0: extractor with its group norm,
 * projection, hidden frames, position convolution. */
#include "grad.h"

#include "model/bert.h"
#include "model/bertnet.h"
#include "nets.h"

enum { B = 2, TIME = 170, DIM = 12, MAX_FRAMES = 16 };

static struct backend *be;
static struct model_config config;
static struct params p;

struct front {
    struct bert_net_front f;
    struct tensor x, dx;
    float *sound, *r;
    int64_t n; /* values in x */
};

static void set_up(void)
{
    ck_assert(!backend_open(&be, "cpu", 1, NULL));
}

static void tear_down(void)
{
    params_release(&p);
    config_release(&config);
    backend_close(be);
}

static double loss(void *ctx)
{
    struct front *c = ctx;
    double sum = 0;

    be->ops->weights_changed(be);
    ck_assert(!bert_net_front_forward(&c->f, &c->x, c->sound, B, TIME, NULL));
    for (int64_t i = 0; i < c->n; i++)
        sum += (double)c->x.data[i] * c->r[i];
    return sum;
}

static void begin(struct front *c, int pre)
{
    int64_t dim[3] = { B, 0, DIM };

    nets_bert_begin(&config, &p, be, pre);
    memset(c, 0, sizeof(*c));
    bert_net_front_find(&c->f, &p, &config.encoder);
    dim[1] = bert_frames(&config.encoder.bert, TIME);
    c->n = B * dim[1] * DIM;
    ck_assert(dim[1] > 8 && dim[1] <= MAX_FRAMES);
    c->sound = grad_noises(2, B * TIME);
    c->r = grad_noises(3, c->n);
    ck_assert(!tensor_reserve(&c->x, be, 3, dim, NULL));
    ck_assert(!tensor_reserve(&c->dx, be, 3, dim, NULL));
}

static void backward(struct front *c)
{
    ck_assert(!params_zero_grad(&p, NULL));
    loss(c);
    ck_assert(!tensor_upload(&c->dx, c->r, NULL));
    ck_assert(!bert_net_front_backward(&c->f, &c->dx, NULL));
}

static void end(struct front *c)
{
    bert_net_front_release(&c->f);
    tensor_release(&c->x);
    tensor_release(&c->dx);
    free(c->sound);
    free(c->r);
}

/* Row B * T' of c, the first, the last and some others. */
static const uint8_t hidden[B * MAX_FRAMES] = { 1, 0, 1, [13] = 1, [17] = 1,
                                                1 };

/* Bit 0: norm before; 1: some frames are hidden. */
START_TEST(bert_net_front_gradients)
{
    static const char *const part[] = { "feature_extractor.",
                                        "feature_projection.",
                                        "encoder.pos_conv_embed.",
                                        "encoder.layer_norm.",
                                        "masked_spec_embed" };
    struct grad g = { .loss = loss };
    struct front c;
    struct tensor mask, norm;

    begin(&c, _i & 1);
    g.ctx = &c;
    c.f.hidden = _i & 2 ? hidden : NULL;
    backward(&c);
    mask = params_grad(&p, params_index(&p, "masked_spec_embed"));
    norm = params_grad(&p, params_index(&p, "encoder.layer_norm.weight"));
    ck_assert((grad_norm(mask.data, DIM) > 0) == (_i >= 2));
    ck_assert((grad_norm(norm.data, DIM) > 0) == !(_i & 1));
    for (int i = 0; i < 5; i++) {
        g.prefix = part[i];
        backward(&c);
        grad_assert_params(&g, &p);
    }
    end(&c);
}
END_TEST

/* Hidden frames are all alike, whatever sounds there: with the taps of the
 * position convolution at 0 and the norms before, their states are the vector
 * itself, and no gradient goes on to the sound. */
START_TEST(bert_net_front_hides)
{
    static const char g[] = "encoder.pos_conv_embed.conv.weight_g";
    static const char bias[] = "encoder.pos_conv_embed.conv.bias";
    static uint8_t all[B * MAX_FRAMES];
    struct tensor t;
    struct front c;
    const float *v;

    begin(&c, 1);
    t = params_value(&p, params_index(&p, g));
    ck_assert(!be->ops->axpby(be, &t, 0, NULL, 0, NULL));
    t = params_value(&p, params_index(&p, bias));
    ck_assert(!be->ops->axpby(be, &t, 0, NULL, 0, NULL));
    v = params_value(&p, params_index(&p, "masked_spec_embed")).data;
    c.f.hidden = hidden;
    loss(&c);
    for (int64_t i = 0; i < c.n / DIM; i++)
        ck_assert_int_eq(!memcmp(c.x.data + i * DIM, v, DIM * 4), hidden[i]);
    memset(all, 1, sizeof(all));
    c.f.hidden = all;
    backward(&c);
    for (size_t i = 0; i < p.n; i++)
        if (!strncmp(p.item[i].name, "feature_", 8))
            ck_assert(grad_norm(p.grad.data + p.item[i].offset,
                                p.item[i].count) == 0);
    end(&c);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("grad_bertfront");
    TCase *t = tcase_create("front");

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_loop_test(t, bert_net_front_gradients, 0, 4);
    tcase_add_test(t, bert_net_front_hides);
    suite_add_tcase(s, t);
    return unit_run(s);
}
