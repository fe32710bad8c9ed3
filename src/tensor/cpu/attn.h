/* attn.h - what the two precisions of attention share. */
#ifndef TENSOR_CPU_ATTN_H
#define TENSOR_CPU_ATTN_H

#include "tensor/cpu/private.h"

enum { QUERIES = 64 }; /* rows of scores in work at a time */

/* The heads of one call: (B, T, n * d), of which each head is a matrix of T
 * rows of d, stride apart. */
struct heads {
    int64_t batch, time, n, d, stride;
    int64_t blocks; /* of queries */
    float scale;    /* of the scores, 1 / sqrt(d) */
};

/* Work on some queries and all keys of one head. Pointers are to the head's
 * first value. The forward pass looks at the first group alone. */
struct task {
    const float *q, *k, *v; /* rows of stride */
    float *y;
    float *lse;        /* (T), or NULL in the forward pass */
    float *scores;     /* (QUERIES, T) */
    struct half *half; /* NULL in f32 */
    int64_t head;      /* of batch * n */
    int thread;

    const float *dy;
    float *dq;
    float *dk, *dv; /* rows of ld; d in 16 bits */
    int64_t ld;
    float *dp; /* (QUERIES, T) */
};

/* Sum of a * b over n values. */
float attn_row_dot(const float *a, const float *b, int64_t n);

/* ---- products of 16 bits, attn16.c ---- */

/* One call: copies of the inputs, and a primitive for each product of a whole
 * block of queries and of the last one. */
struct half {
    struct cpu *cpu;
    uint16_t *q, *k, *v, *dy; /* (B, n, T, d) */
    uint16_t *p, *ds;         /* (threads, QUERIES, T) */
    float *y;                 /* (threads, QUERIES, d) */
    char *scratch;            /* of scratch_size for each thread */
    size_t scratch_size;
    struct cpu_prim *prim[2][4];
};

/* Fills a struct half whose memory is the backend's; dy NULL: forward only.
 * ERR_NOMEM or ERR_DEVICE. */
int half_begin(struct half *a, struct cpu *cpu, const struct heads *h,
               const struct tensor *q, const struct tensor *k,
               const struct tensor *v, const struct tensor *dy, int threads,
               struct err *err);
/* The n queries from t on, as the functions of attn.c for f32. A oneDNN
 * status. */
int half_block(const struct heads *h, const struct task *a, int64_t t,
               int64_t n);
int half_block_backward(const struct heads *h, const struct task *a, int64_t t,
                        int64_t n, int first);

#endif
