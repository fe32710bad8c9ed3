/* private.h - what the files of the CPU backend share. */
#ifndef TENSOR_CPU_PRIVATE_H
#define TENSOR_CPU_PRIVATE_H

#include <dnnl.h>
#include <math.h>
#include <stdint.h>
#include <string.h>
#include "base/clones.h"
#include "tensor/backend.h"
#include "tensor/cpu/arena.h"

/* One kind of operation on one shape: a oneDNN primitive, made once. */
struct cpu_key {
    int kind; /* CPU_MATMUL... */
    int flags;
    float scale;
    int bf16;
    int64_t dim[8];
};
enum {
    CPU_MATMUL = 1, CPU_MATMUL_DX, CPU_MATMUL_DW,
    CPU_CONV,       /* inference: weights are packed once */
    CPU_IMAGE_CONV, /* training: weights are packed at each call */
    CPU_IMAGE_DX, CPU_IMAGE_DW,
    CPU_CONV1D, CPU_CONV1D_DX, CPU_CONV1D_DW,
    CPU_ATTENTION,
    CPU_PACK, CPU_UNPACK /* weights to and from a primitive's own order */
};

/* Arguments. In a backward operation each stands for the gradient of the same,
 * as far as the operation has no use for the thing itself. */
enum { CPU_SRC, CPU_DST, CPU_BIAS, CPU_WEIGHTS, CPU_SCRATCH, CPU_ARGS };

struct cpu_prim {
    struct cpu_key key;
    dnnl_primitive_t prim;
    dnnl_memory_t mem[CPU_ARGS]; /* NULL where not used */
    size_t scratch;              /* bytes */
};

/* Rows of a batch at a time: what one operation leaves of them is in cache for
 * the next. */
enum { CPU_ROWS = 1280 };

/* Work memory, each grown as needed and kept. */
enum {
    CPU_BUF_SCRATCH, CPU_BUF_X, CPU_BUF_Y, CPU_BUF_WEIGHTS, CPU_BUF_SUMS,
    CPU_BUFS
};
struct cpu_buf {
    void *data;
    size_t size;
};

/* The angles of the last rotary call: see act.c. */
struct cpu_rotary {
    float *table;
    int64_t time, d;
    float base;
};

/* A matrix of weights as a primitive in bf16 wants it (pack.c). */
struct cpu_copy {
    const float *data; /* of the weights; n of them */
    int64_t n;
    dnnl_memory_desc_t plain, md; /* how they lie there, and in the copy: a
                                     square matrix and its transpose differ
                                     in the former only */
    void *packed;
    int stale;
};

struct cpu {
    struct backend base;
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    struct cpu_prim **prim;
    size_t nprim, cap;
    struct arena arena, kept; /* of tensors; of what the backend keeps, which
                                 would lie between them */
    struct cpu_buf buf[CPU_BUFS];
    int block; /* channels in a block of an f32 image */
    struct cpu_rotary rotary;
    struct cpu_copy *copy;
    size_t ncopy, copy_cap;
};

static inline int cpu_is_bf16(const struct cpu *cpu)
{
    return cpu->base.precision == PRECISION_BF16;
}

static inline struct cpu *cpu_of(struct backend *be)
{
    return (struct cpu *)be;
}

/* ERR_DEVICE with what failed, if s is not success. */
int cpu_check(dnnl_status_t s, const char *what, struct err *err);

/* The primitive for key, or NULL. */
struct cpu_prim *cpu_find(struct cpu *cpu, const struct cpu_key *key);

/* Makes a primitive and remembers it. hint is that of the forward operation for
 * a backward one, else NULL. */
int cpu_make(struct cpu *cpu, const struct cpu_key *key,
             const_dnnl_op_desc_t op, const_dnnl_primitive_attr_t attr,
             const_dnnl_primitive_desc_t hint, struct cpu_prim **out,
             struct err *err);
int cpu_keep(struct cpu *cpu, const struct cpu_key *key,
             const_dnnl_primitive_desc_t pd, struct cpu_prim **out,
             struct err *err);
/* Not the one made last, after all. */
void cpu_forget_last(struct cpu *cpu);

/* Attributes of an operation: what is done to the product on its way out. The
 * caller destroys *attr if it is not NULL, after a failure too. */
int cpu_attr(dnnl_primitive_attr_t *attr, struct matmul_opts o,
             struct err *err);

/* Runs it on these addresses. */
int cpu_run(struct cpu *cpu, struct cpu_prim *p, void *addr[CPU_SCRATCH],
            struct err *err);

/* size bytes aligned to 64 that arena_give takes back. */
int cpu_take(struct cpu *cpu, size_t size, void **out, struct err *err);

/* At least size bytes, aligned to 64, of work memory CPU_BUF_...; what was in
 * it is lost. */
int cpu_buf(struct cpu *cpu, int which, size_t size, void **out,
            struct err *err);

/* Weights in the order that a primitive wants (pack.c). */
struct cpu_weights {
    const dnnl_memory_desc_t *plain; /* of the float array */
    const struct cpu_prim *user;     /* CPU_WEIGHTS of it is the other side */
};
size_t cpu_packed_size(const struct cpu_prim *user);
int cpu_pack(struct cpu *cpu, struct cpu_weights w, void *packed,
             const float *data, struct err *err);
/* Adds what lies in packed to data. */
int cpu_unpack_add(struct cpu *cpu, struct cpu_weights w, float *data,
                   void *packed, struct err *err);

/* Weights w.plain at data packed for w.user, from a copy that is kept until
 * cpu_weights_changed. */
int cpu_kept_copy(struct cpu *cpu, struct cpu_weights w, const float *data,
                  void **out, struct err *err);
/* Other values than before may lie in these n floats: drops copies of them. */
void cpu_drop_copies(struct cpu *cpu, const float *data, int64_t n);
void cpu_drop_all_copies(struct cpu *cpu);

/* f32 to bf16, rounded to nearest even, and back (bf16.c): on one thread, on
 * all, and into work memory. */
void cpu_narrow_some(uint16_t *y, const float *x, int64_t n);
void cpu_widen_some(float *y, const uint16_t *x, int64_t n);
void cpu_narrow(uint16_t *y, const float *x, int64_t n);
int cpu_narrowed(struct cpu *cpu, int which, const float *x, int64_t n,
                 void **out, struct err *err);

/* How a 3 x 3 convolution of b images (h, w, c_in) is computed. */
struct cpu_conv {
    int kind; /* CPU_CONV, CPU_IMAGE_... */
    int stride_h, stride_w;
    int bias, accumulate;
    enum act act;
    int64_t b, h, w, c_in, c_out;
};
int cpu_conv_prim(struct cpu *cpu, const struct cpu_conv *c,
                  struct cpu_prim **out, struct err *err);
/* The weights (c_out, c_in, 3, 3) as they come. */
int cpu_conv_plain(dnnl_memory_desc_t *md, int64_t c_out, int64_t c_in,
                   struct err *err);

/* Where the values of an image or a batch of them lie: (b, groups, h, w,
 * block), with zeros in the channels past c. An image of one channel, and one
 * of bf16 values, is one group of c channels: oneDNN has AMX for that order
 * only. */
struct cpu_image {
    int64_t b, h, w, c, groups, block;
    int bf16;
};
/* Row i of all rows, (b, h), between an image and a vector of channels (c,
 * w). */
void cpu_image_row(const struct cpu_image *m, float *image, float *row,
                   int64_t i, int to_image);
/* The images of one channel are f32: *out is x's memory or, where the
 * convolution wants bf16, that of a copy. */
int cpu_conv_input(struct cpu *cpu, const struct cpu_image *m, const float *x,
                   void **out, struct err *err);
struct cpu_image cpu_image_of(const struct cpu *cpu, const struct tensor *t);

/* Sums over rows are made in chunks, the rows from cpu_chunk(rows, i) on in
 * chunk i, and the chunks are added in order: the same result for any number of
 * threads. cpu_parts gives the scratch memory for n sums in each chunk (not
 * cleared); cpu_fold adds the n sums of all chunks, stride apart, to sum. */
enum { CPU_CHUNKS = 64 };
static inline int64_t cpu_chunk(int64_t rows, int64_t i)
{
    return rows * i / CPU_CHUNKS;
}
int cpu_parts(struct backend *be, float **part, int64_t n, struct err *err);
void cpu_fold(float *sum, const float *part, int64_t n, int64_t stride);

/* Of c columns the number of rows *n, the mean and the sum of squared
 * differences from it become those of all processes' rows (batchnorm.c). */
int cpu_across_moments(struct backend *be, double *n, double *mean, double *sq,
                       int64_t c, struct err *err);
/* Sums over all processes; nothing where there is one. */
int cpu_across(struct backend *be, double *v, int64_t n, struct err *err);

/* e^x within 2 units in the last place for x in -87..88, clamped outside: a
 * loop over it vectorises, one over expf does not. Cody-Waite reduction and a
 * degree 6 Taylor polynomial on |r| <= ln(2)/2. */
static inline float cpu_exp(float x)
{
    float n, r, p;
    uint32_t bits;

    x = x < -87.0f ? -87.0f : x > 88.0f ? 88.0f : x;
    n = x * 1.44269504f + 12582912.0f;
    memcpy(&bits, &n, 4); /* ends in n as an integer; any bits of a NaN do */
    n -= 12582912.0f;
    r = x - n * 0.693359375f;
    r = r + n * 2.12194440e-4f;
    p = 1.0f / 720;
    p = p * r + 1.0f / 120;
    p = p * r + 1.0f / 24;
    p = p * r + 1.0f / 6;
    p = p * r + 0.5f;
    p = p * r * r + r + 1.0f;
    bits = (bits - 0x4b400000 + 127) << 23;
    memcpy(&r, &bits, 4);
    return p * r;
}

/* y (cols, rows) = x (rows, cols) transposed, added to y if accumulate; on the
 * calling thread (transpose.c). */
void cpu_turn(float *y, int64_t y_stride, const float *x, int64_t x_stride,
              int64_t rows, int64_t cols, int accumulate);

/* BERT's: conv1d.c, conv1d_grouped.c, groupnorm.c, weightnorm.c */
int cpu_conv1d(struct backend *be, struct tensor *y, const struct tensor *x,
               const struct tensor *w, int stride, struct err *err);
int cpu_conv1d_dx(struct backend *be, struct tensor *dx,
                  const struct tensor *dy, const struct tensor *w, int stride,
                  struct err *err);
int cpu_conv1d_dw(struct backend *be, struct tensor *dw,
                  const struct tensor *dy, const struct tensor *x, int stride,
                  struct err *err);
int cpu_conv1d_grouped(struct backend *be, struct tensor *y,
                       const struct tensor *x, const struct tensor *w,
                       const struct tensor *bias, int groups, struct err *err);
int cpu_conv1d_grouped_backward(struct backend *be, struct tensor *dx,
                                struct tensor *dw, struct tensor *dbias,
                                const struct tensor *dy,
                                const struct tensor *x, const struct tensor *w,
                                int groups, struct err *err);
int cpu_group_norm(struct backend *be, struct tensor *y, struct tensor *mean,
                   struct tensor *inv_std, const struct tensor *x,
                   const struct tensor *gamma, const struct tensor *beta,
                   int groups, float eps, struct err *err);
int cpu_group_norm_backward(struct backend *be, struct tensor *dx,
                            struct tensor *dgamma, struct tensor *dbeta,
                            const struct tensor *dy, const struct tensor *x,
                            const struct tensor *mean,
                            const struct tensor *inv_std,
                            const struct tensor *gamma, int groups,
                            struct err *err);
int cpu_weight_norm(struct backend *be, struct tensor *w, struct tensor *norm,
                    const struct tensor *v, const struct tensor *g,
                    struct err *err);
int cpu_weight_norm_backward(struct backend *be, struct tensor *dv,
                             struct tensor *dg, const struct tensor *dw,
                             const struct tensor *v, const struct tensor *g,
                             const struct tensor *norm, struct err *err);

/* y (n, m) of x (n, k) and w (k, m), bias (1, m): how they lie. status is what
 * making the descriptors returned, or-ed. */
struct cpu_operands {
    dnnl_memory_desc_t x, w, y, bias;
    int has_bias, status;
};
int cpu_make_product(struct cpu *cpu, const struct cpu_key *key,
                     const struct cpu_operands *a, struct matmul_opts o,
                     struct cpu_prim **out, struct err *err);

/* the operations, by file */
int cpu_matmul(struct backend *be, struct tensor *y, const struct tensor *x,
               const struct tensor *w, const struct tensor *bias,
               struct matmul_opts opts, struct err *err);
int cpu_matmul_dx(struct backend *be, struct tensor *dx,
                  const struct tensor *dy, const struct tensor *w,
                  struct matmul_opts opts, struct err *err);
int cpu_matmul_backward(struct backend *be, struct tensor *dx,
                        struct tensor *dw, struct tensor *dbias,
                        const struct tensor *dy, const struct tensor *x,
                        const struct tensor *w, struct matmul_opts opts,
                        struct err *err);
int cpu_matmul_dw(struct backend *be, struct tensor *dw, struct tensor *dbias,
                  const struct tensor *dy, const struct tensor *x, float scale,
                  struct err *err);
void cpu_weights_changed(struct backend *be);
int64_t cpu_image_size(struct backend *be, int64_t h, int64_t w, int64_t c);
int cpu_conv2d_new(struct backend *be, struct conv2d **out,
                   const float *weight, const float *bias, int c_out, int c_in,
                   int stride_h, int stride_w, struct err *err);
void cpu_conv2d_free(struct backend *be, struct conv2d *c);
int cpu_conv2d(struct backend *be, struct tensor *y, const struct tensor *x,
               struct conv2d *c, enum act act, int accumulate,
               struct err *err);
int cpu_image_flatten(struct backend *be, struct tensor *y,
                      const struct tensor *x, int64_t first, struct err *err);
int cpu_image_conv(struct backend *be, struct tensor *y,
                   const struct tensor *x, const struct tensor *w,
                   const struct tensor *bias, int stride_h, int stride_w,
                   struct err *err);
int cpu_image_conv_dx(struct backend *be, struct tensor *dx,
                      const struct tensor *dy, const struct tensor *w,
                      int stride_h, int stride_w, int accumulate,
                      struct err *err);
int cpu_image_conv_dw(struct backend *be, struct tensor *dw,
                      struct tensor *dbias, const struct tensor *dy,
                      const struct tensor *x, int stride_h, int stride_w,
                      struct err *err);
int cpu_image_batch_norm(struct backend *be, struct tensor *y,
                         struct tensor *mean, struct tensor *inv_std,
                         struct tensor *running_mean,
                         struct tensor *running_var, const struct tensor *x,
                         const struct tensor *gamma, const struct tensor *beta,
                         float eps, float momentum, int relu, struct err *err);
int cpu_image_normalise(struct backend *be, struct tensor *y,
                        const struct tensor *x, const struct tensor *mean,
                        const struct tensor *inv_std,
                        const struct tensor *gamma, const struct tensor *beta,
                        int relu, struct err *err);
int cpu_image_batch_norm_backward(struct backend *be, struct tensor *dx,
                                  struct tensor *dgamma, struct tensor *dbeta,
                                  const struct tensor *dy,
                                  const struct tensor *y,
                                  const struct tensor *x,
                                  const struct tensor *mean,
                                  const struct tensor *inv_std,
                                  const struct tensor *gamma, int relu,
                                  struct err *err);
int cpu_image_add_relu(struct backend *be, struct tensor *y,
                       const struct tensor *a, const struct tensor *b,
                       struct err *err);
int cpu_image_relu_backward(struct backend *be, struct tensor *dx,
                            const struct tensor *dy, const struct tensor *y,
                            struct err *err);
int cpu_image_rows(struct backend *be, struct tensor *y,
                   const struct tensor *x, struct err *err);
int cpu_image_rows_backward(struct backend *be, struct tensor *dx,
                            const struct tensor *dy, struct err *err);
int cpu_layer_norm(struct backend *be, struct tensor *y,
                   const struct tensor *x, const struct tensor *gamma,
                   const struct tensor *beta, float eps, struct err *err);
int cpu_glu(struct backend *be, struct tensor *y, const struct tensor *x,
            struct err *err);
int cpu_rotary(struct backend *be, struct tensor *y, const struct tensor *x,
               int heads, float base, struct err *err);
int cpu_attention(struct backend *be, struct tensor *y, const struct tensor *q,
                  const struct tensor *k, const struct tensor *v, int heads,
                  struct err *err);
int cpu_depthwise(struct backend *be, struct tensor *y, const struct tensor *x,
                  const struct tensor *w, const struct tensor *bias,
                  enum act act, struct err *err);

/* training */
int cpu_act(struct backend *be, struct tensor *y, const struct tensor *x,
            enum act act, struct err *err);
int cpu_act_backward(struct backend *be, struct tensor *dx,
                     const struct tensor *dy, const struct tensor *x,
                     enum act act, struct err *err);
int cpu_layer_norm_backward(struct backend *be, struct tensor *dx,
                            struct tensor *dgamma, struct tensor *dbeta,
                            const struct tensor *dy, const struct tensor *x,
                            const struct tensor *gamma, float eps,
                            int accumulate, struct err *err);
int cpu_glu_backward(struct backend *be, struct tensor *dx,
                     const struct tensor *dy, const struct tensor *x,
                     struct err *err);
int cpu_rotary_backward(struct backend *be, struct tensor *dx,
                        const struct tensor *dy, int heads, float base,
                        int accumulate, struct err *err);
int cpu_attention_save(struct backend *be, struct tensor *y, struct tensor *lse,
                       const struct tensor *q, const struct tensor *k,
                       const struct tensor *v, int heads, struct err *err);
int cpu_attention_backward(struct backend *be, struct tensor *dq,
                           struct tensor *dk, struct tensor *dv,
                           const struct tensor *dy, const struct tensor *y,
                           const struct tensor *lse, const struct tensor *q,
                           const struct tensor *k, const struct tensor *v,
                           int heads, struct err *err);
int cpu_depthwise_backward(struct backend *be, struct tensor *dx,
                           struct tensor *dw, const struct tensor *dy,
                           const struct tensor *x, const struct tensor *w,
                           struct err *err);
int cpu_transpose(struct backend *be, struct tensor *y, const struct tensor *x,
                  int accumulate, struct err *err);
int cpu_batch_norm(struct backend *be, struct tensor *y, struct tensor *mean,
                   struct tensor *inv_std, struct tensor *running_mean,
                   struct tensor *running_var, const struct tensor *x,
                   const struct tensor *gamma, const struct tensor *beta,
                   float eps, float momentum, struct err *err);
int cpu_batch_norm_backward(struct backend *be, struct tensor *dx,
                            struct tensor *dgamma, struct tensor *dbeta,
                            const struct tensor *dy, const struct tensor *x,
                            const struct tensor *mean,
                            const struct tensor *inv_std,
                            const struct tensor *gamma, struct err *err);
int cpu_pool(struct backend *be, struct tensor *y, const struct tensor *x,
             struct err *err);
int cpu_pool_backward(struct backend *be, struct tensor *dx,
                      const struct tensor *dy, struct err *err);
int cpu_dropout(struct backend *be, struct tensor *y, const struct tensor *x,
                float p, uint64_t seed, uint64_t stream, int64_t first,
                struct err *err);
int cpu_cross_entropy(struct backend *be, struct loss_sum *sum,
                      struct tensor *dlogits, const struct tensor *logits,
                      const int32_t *target, float scale, struct err *err);
int cpu_axpby(struct backend *be, struct tensor *y, float a,
              const struct tensor *x, float b, struct err *err);
int cpu_dot(struct backend *be, double *out, const struct tensor *a,
            const struct tensor *b, struct err *err);
int cpu_adam(struct backend *be, struct tensor *w, struct tensor *m,
             struct tensor *v, const struct tensor *g, struct adam_step step,
             struct err *err);

int cpu_replace_rows(struct backend *be, struct tensor *x,
                     const uint8_t *hidden, const struct tensor *v,
                     struct err *err);
int cpu_replace_rows_backward(struct backend *be, struct tensor *dx,
                              struct tensor *dv, const uint8_t *hidden,
                              struct err *err);

#endif
