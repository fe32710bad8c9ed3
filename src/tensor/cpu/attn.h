/* attn.h - what the two precisions of attention share. */
#ifndef TENSOR_CPU_ATTN_H
#define TENSOR_CPU_ATTN_H

#include "tensor/cpu/private.h"

enum { ROWS = 64 }; /* of scores in work at a time */

/* The heads of one call: (B, T, n * d), of which each head is a matrix of T
 * rows of d, stride apart. */
struct heads {
    int64_t batch, time, n, d, stride;
    int64_t blocks; /* of rows */
    float scale;    /* of the scores, 1 / sqrt(d) */
};

/* Work on some rows of one head's scores: on queries and all keys in the
 * forward pass, on keys and all queries in the backward pass, whose sums over
 * queries then are products like any other. Pointers are to the head's first
 * value. */
struct task {
    const float *q, *k, *v; /* rows of stride */
    const float *turned[2]; /* f32, of all heads, (d, T): k; backward q, dy */
    float *y;
    float *lse;        /* (T), or NULL in the forward pass */
    float *scores;     /* (ROWS, T) */
    struct half *half; /* NULL in f32 */
    int64_t head;      /* of batch * n */
    int thread;

    /* backward pass */
    const float *dy, *delta; /* delta (T): the sums of dy * y */
    float *dk, *dv;
    float *dq; /* rows of ld: added to by block after block */
    int64_t ld;
    float *dp; /* (ROWS, T) */
};

/* ---- products of 16 bits, attn16.c ---- */

/* One side of a product, of all heads. */
struct half_side {
    char *data;  /* of size for each head */
    size_t size;
};

/* One call: copies of the inputs, and a primitive for each product of a whole
 * block of rows and of the last one. */
struct half {
    struct cpu *cpu;
    struct half_side rows[2];  /* (T, d): q; backward k, v */
    struct half_side right[4]; /* k^T, v; backward q^T, dy^T, q, dy */
    uint16_t *p, *ds;          /* (threads, ROWS, T) */
    float *y;                  /* (threads, ROWS, d) */
    char *scratch;             /* of scratch_size for each thread */
    size_t scratch_size;
    struct cpu_prim *prim[2][4];
};

/* Fills a struct half whose memory is the backend's; dy NULL: forward only.
 * ERR_NOMEM or ERR_DEVICE. */
int half_begin(struct half *a, struct cpu *cpu, const struct heads *h,
               const struct tensor *q, const struct tensor *k,
               const struct tensor *v, const struct tensor *dy, int threads,
               struct err *err);
/* The n rows from t on, as the functions of attn.c for f32. A oneDNN status. */
int half_block(const struct heads *h, const struct task *a, int64_t t,
               int64_t n);
int half_block_backward(const struct heads *h, const struct task *a, int64_t t,
                        int64_t n, int first);

#endif
