/* bertnet.h - the parts of BERT in training; bert.h is the interface. Names and
 * formulas: bert.h, MODEL.md 4 of the design. */
#ifndef MODEL_BERTNET_H
#define MODEL_BERTNET_H

#include "base/err.h"
#include "model/config.h"
#include "model/netblock.h"

/* ---- sound to hidden state 0 ---- */

struct bert_net_front {
    struct params *p;
    const struct encoder_config *config;
    int conv[BERT_MAX_CONVS];         /* (Cout, Cin, K) */
    struct net_norm group, project_norm;
    struct net_linear project;
    int pos_v, pos_g, pos_bias;       /* (D, D / groups, K), (1, 1, K), (D) */
    int mask;                         /* masked_spec_embed (D) */
    const uint8_t *hidden;            /* (B * T') of the next pass, or NULL */
    struct net_norm norm;             /* "post" only */
    /* kept for the backward pass; what is cheap is computed again there */
    struct tensor wave;               /* (B, N, 1) */
    struct tensor c[BERT_MAX_CONVS];  /* (B, T, Cout), before normalisation */
    struct tensor mean, inv_std;      /* (B, Cout) of the first layer */
    struct tensor n;                  /* (B, T', C), normalised */
    struct tensor x, u, s;            /* (B, T', D): what the position
                                         convolution reads, writes; the sum */
    /* work space */
    struct tensor a, d, e;            /* (B, T, Cout) */
    struct tensor w, dw;              /* weights in the operations' order */
    struct tensor pos_w, pos_norm;
};

void bert_net_front_find(struct bert_net_front *f, struct params *p,
                         const struct encoder_config *c);
void bert_net_front_release(struct bert_net_front *f);

/* x (B, T', D) of samples, host (B, time). */
int bert_net_front_forward(struct bert_net_front *f, struct tensor *x,
                           const float *samples, int64_t batch, int64_t time,
                           struct err *err);
/* dx is overwritten. Adds to the gradients; nothing is before it. */
int bert_net_front_backward(struct bert_net_front *f, struct tensor *dx,
                            struct err *err);

/* ---- one layer ---- */

struct bert_net_layer {
    int pre; /* norm "pre" */
    int heads;
    struct net_norm attn_norm, ffn_norm;
    struct net_linear q, k, v, out;
    struct net_ffn ffn;
};

struct bert_net_save {
    struct tensor h1, q, k, v, y, lse; /* h1: "pre" only */
    struct tensor s1, x1;              /* x + attention; "pre": s1 only */
    struct tensor h2, u, s2;           /* h2: "pre", s2: "post" only */
};

/* What no pass keeps: one for all layers. */
struct bert_net_work {
    struct net_ffn_work ffn;
    struct tensor d, dh, dy, dq, dk, dv; /* (B, T, D) */
};

void bert_net_layer_find(struct bert_net_layer *l, struct params *p, int index,
                         const struct encoder_config *c);
/* y (B, T, D) from x. */
int bert_net_layer_forward(const struct bert_net_layer *l,
                           struct bert_net_save *s, struct bert_net_work *w,
                           struct tensor *y, const struct tensor *x,
                           const struct net_drop *drop, struct err *err);
/* dx in place of dy. x is the forward's input. */
int bert_net_layer_backward(const struct bert_net_layer *l,
                            struct bert_net_save *s, struct bert_net_work *w,
                            struct tensor *dx, const struct tensor *x,
                            const struct net_drop *drop, struct err *err);
void bert_net_save_release(struct bert_net_save *s);
void bert_net_work_release(struct bert_net_work *w);

/* ---- all parts, for net.c ---- */

struct bert_net {
    struct bert_net_front front;
    int layers;
    struct bert_net_layer *layer;
    struct bert_net_save *save; /* one a layer */
    struct bert_net_work work;
};

/* As net_describe. */
void bert_net_describe(const struct model_config *c, struct params *p);

/* The first so many layers of c; c and p are borrowed. */
struct bert_net *bert_net_new(const struct model_config *c, struct params *p,
                              int layers);
void bert_net_free(struct bert_net *n); /* NULL is allowed */

#endif
