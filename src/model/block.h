/* block.h - one Conformer block (Gulati et al. 2020 as in Hugging Face's
 * Wav2Vec2-Conformer with rotary positions, which the published model uses):
 *
 *     x += FFN1(LN(x)) / 2
 *     x += attention(LN(x)), rotary applied to the input of Q and K
 *     x += convolution module(LN(x))
 *     x += FFN2(LN(x)) / 2
 *     x  = LN(x)
 */
#ifndef MODEL_BLOCK_H
#define MODEL_BLOCK_H

#include "base/err.h"
#include "model/model.h"
#include "tensor/backend.h"

struct block_norm {
    struct tensor weight, bias; /* (D) */
};
struct block_linear {
    struct tensor weight, bias; /* (out, in), (out) */
};
struct block_ffn {
    struct block_norm norm;
    struct block_linear up, down; /* (F, D), (D, F) */
};

struct block {
    struct block_ffn ffn[2];
    struct block_norm attn_norm;
    struct block_linear q, k, v, out; /* (D, D) */
    struct block_norm conv_norm;
    struct tensor expand; /* (2 D, D) */
    struct tensor taps;   /* (K, D), batch norm folded in */
    struct tensor shift;  /* (D) */
    struct tensor mix;    /* (D, D) */
    struct block_norm final;
};

/* Activations that all blocks share, for up to so many frames; narrow. */
struct block_work {
    struct tensor h, r, q, k, v; /* (B, T, D) */
    struct tensor wide;          /* (B, T, max(F, 2 D)) */
};

/* Takes the weights of layer index from m; b is zeroed. */
int block_init(struct block *b, struct model *m, struct backend *be, int index,
               struct err *err);
void block_release(struct block *b);

/* x (B, T, D) in place. */
int block_forward(const struct block *b, struct block_work *w,
                  struct tensor *x, int heads, struct err *err);
void block_work_release(struct block_work *w);

/* weight and bias of name into a layer normalisation, a linear layer. */
int block_norm_init(struct block_norm *n, struct model *m, struct backend *be,
                    const char *name, int64_t dim, struct err *err);
int block_linear_init(struct block_linear *l, struct model *m,
                      struct backend *be, const char *name, int64_t out,
                      int64_t in, struct err *err);
void block_norm_release(struct block_norm *n);
void block_linear_release(struct block_linear *l);

/* y (.., C) = layer normalisation of x (eps 1e-5), in place allowed; y (..,
 * out) of x (.., in) as the operation matmul. */
int block_norm_forward(const struct block_norm *n, struct tensor *y,
                       const struct tensor *x, struct err *err);
int block_linear_forward(const struct block_linear *l, struct tensor *y,
                         const struct tensor *x, struct matmul_opts opts,
                         struct err *err);

#endif
