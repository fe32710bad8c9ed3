/* netblock.h - one Conformer block in training (block.h has the formulas), and
 * layers that other nets share. Outputs come first; saved activations are kept
 * in structs between the forward and the backward pass. */
#ifndef MODEL_NETBLOCK_H
#define MODEL_NETBLOCK_H

#include "base/err.h"
#include "model/config.h"
#include "model/params.h"

/* Where a step's random numbers come from; p 0: no dropout. stream is unlike
 * for each place that drops; first: the number of the batch's first sample
 * among those that several processes work on. */
struct net_drop {
    float p;
    uint64_t seed, stream;
    int64_t first;
};

/* ---- shared layers: numbers are those of params_index ---- */

struct net_linear {
    struct params *p;
    int weight, bias; /* (M, K), (M); bias -1: none */
};
struct net_norm {
    struct params *p;
    int weight, bias; /* (C) */
};

/* Whether a tensor's name ends so. */
int net_name_ends(const char *name, const char *end);

/* Adds a tensor that is not trained by gradients, with its first values. */
void net_describe_buffer(struct params *p, const struct stored *t);

/* "NAME.weight", "NAME.bias"; both must be there (bias may lack in a linear
 * layer). */
struct net_linear net_linear_find(struct params *p, const char *name);
struct net_norm net_norm_find(struct params *p, const char *name);

/* y (.., M) = opts of x (.., K). dx is written, or added to if opts.accumulate;
 * NULL: not wanted. opts.scale is that of the forward pass. */
int net_linear_forward(const struct net_linear *l, struct tensor *y,
                       const struct tensor *x, struct matmul_opts opts,
                       struct err *err);
int net_linear_backward(const struct net_linear *l, struct tensor *dx,
                        const struct tensor *dy, const struct tensor *x,
                        struct matmul_opts opts, struct err *err);
int net_norm_forward(const struct net_norm *n, struct tensor *y,
                     const struct tensor *x, struct err *err);
int net_norm_backward(const struct net_norm *n, struct tensor *dx,
                      const struct tensor *dy, const struct tensor *x,
                      int accumulate, struct err *err);
/* In place; nothing happens where d->p is 0. */
int net_dropout(struct tensor *x, const struct net_drop *d, uint64_t place,
                struct err *err);
/* y = x + scale * l(in), the part behind + dropped out. d: work space. */
int net_residual(const struct net_linear *l, struct tensor *y,
                 const struct tensor *x, const struct tensor *in, float scale,
                 struct tensor *d, const struct net_drop *drop, uint64_t place,
                 struct err *err);
/* din, the gradient by in, of that by y; dy stays as it is. */
int net_residual_backward(const struct net_linear *l, struct tensor *din,
                          const struct tensor *dy, const struct tensor *in,
                          float scale, struct tensor *d,
                          const struct net_drop *drop, uint64_t place,
                          struct err *err);
/* y = x, shaped like it. */
int net_copy(struct tensor *y, const struct tensor *x, struct err *err);

/* ---- feed-forward part: y = x + scale * drop(down(a)), a = drop(act(u)),
 * u = up(h) ---- */

struct net_ffn {
    struct net_linear up, down;
    enum act act;
    float scale;
};
/* Work space, shared by all layers. */
struct net_ffn_work {
    struct tensor a, da; /* (rows, F), of a stretch of rows */
    struct tensor d;     /* with dropout: (rows, D) */
};

/* u (B, T, F) is kept for the backward pass, a is not: it is large, and cheap.
 * Places of dropout: place and the next. */
int net_ffn_forward(const struct net_ffn *f, struct tensor *u,
                    struct net_ffn_work *w, struct tensor *y,
                    const struct tensor *x, const struct tensor *h,
                    const struct net_drop *drop, uint64_t place,
                    struct err *err);
/* dh is written, or added to if accumulate; it may be dy then. */
int net_ffn_backward(const struct net_ffn *f, const struct tensor *u,
                     struct net_ffn_work *w, struct tensor *dh,
                     const struct tensor *dy, const struct tensor *h,
                     int accumulate, const struct net_drop *drop,
                     uint64_t place, struct err *err);
void net_ffn_work_release(struct net_ffn_work *w);

/* ---- block ---- */

struct net_block {
    struct net_norm ffn_norm[2];
    struct net_ffn ffn[2];
    struct net_norm attn_norm;
    struct net_linear q, k, v, out;
    struct net_norm conv_norm;
    struct net_linear expand, mix;
    int taps;                       /* (D, 1, K) */
    struct net_norm bn;
    int bn_mean, bn_var, bn_count;  /* running statistics */
    struct net_norm final;
    int heads;
};

struct net_block_save {
    struct tensor h[2], u[2];                /* feed-forward parts */
    struct tensor x1, x2, x3, x4;            /* behind each part */
    struct tensor h2, r, q, k, v, y, lse;    /* attention */
    struct tensor h3, wide, g, c, n, s;      /* convolution module */
    struct tensor mean, inv_std;             /* of its batch norm */
};

/* What no pass keeps: one for all blocks. */
struct net_block_work {
    struct net_ffn_work ffn;
    struct tensor d, dx, dq, dk, dv; /* (B, T, D) */
    struct tensor wide;              /* (B, T, 2 D) */
    struct tensor taps, dtaps, zero; /* (K, D), (D) */
};

void net_block_find(struct net_block *b, struct params *p, int index,
                    int heads);

/* y (B, T, D) from x. first: running statistics are updated (not in a second
 * pass over the same batch). */
int net_block_forward(const struct net_block *b, struct net_block_save *s,
                      struct net_block_work *w, struct tensor *y,
                      const struct tensor *x, const struct net_drop *drop,
                      int first, struct err *err);
/* dx in place of dy. x is the forward's input. */
int net_block_backward(const struct net_block *b, struct net_block_save *s,
                       struct net_block_work *w, struct tensor *dx,
                       const struct tensor *x, const struct net_drop *drop,
                       struct err *err);
void net_block_save_release(struct net_block_save *s);
void net_block_work_release(struct net_block_work *w);

#endif
