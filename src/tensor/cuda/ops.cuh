/* ops.cuh - the operations of the CUDA backend, by the file that holds them.
 * What they do: struct backend_ops in tensor/backend.h. */
#ifndef TENSOR_CUDA_OPS_CUH
#define TENSOR_CUDA_OPS_CUH

struct cuda;

/* gemm.cu */
int cuda_matmul(struct backend *be, struct tensor *y, const struct tensor *x,
                const struct tensor *w, const struct tensor *bias,
                struct matmul_opts opts, struct err *err);
int cuda_matmul_dx(struct backend *be, struct tensor *dx,
                   const struct tensor *dy, const struct tensor *w,
                   struct matmul_opts opts, struct err *err);
int cuda_matmul_dw(struct backend *be, struct tensor *dw, struct tensor *dbias,
                   const struct tensor *dy, const struct tensor *x, float scale,
                   struct err *err);
int cuda_matmul_backward(struct backend *be, struct tensor *dx,
                         struct tensor *dw, struct tensor *dbias,
                         const struct tensor *dy, const struct tensor *x,
                         const struct tensor *w, struct matmul_opts opts,
                         struct err *err);
void cuda_weights_changed(struct backend *be);

/* act.cu */
int cuda_act(struct backend *be, struct tensor *y, const struct tensor *x,
             enum act act, struct err *err);
int cuda_act_backward(struct backend *be, struct tensor *dx,
                      const struct tensor *dy, const struct tensor *x,
                      enum act act, struct err *err);
int cuda_glu(struct backend *be, struct tensor *y, const struct tensor *x,
             struct err *err);
int cuda_glu_backward(struct backend *be, struct tensor *dx,
                      const struct tensor *dy, const struct tensor *x,
                      struct err *err);
int cuda_rotary(struct backend *be, struct tensor *y, const struct tensor *x,
                int heads, float base, struct err *err);
int cuda_rotary_backward(struct backend *be, struct tensor *dx,
                         const struct tensor *dy, int heads, float base,
                         int accumulate, struct err *err);

/* attn.cu */
int cuda_attention(struct backend *be, struct tensor *y, const struct tensor *q,
                   const struct tensor *k, const struct tensor *v, int heads,
                   struct err *err);
int cuda_attention_save(struct backend *be, struct tensor *y,
                        struct tensor *lse, const struct tensor *q,
                        const struct tensor *k, const struct tensor *v,
                        int heads, struct err *err);
int cuda_attention_backward(struct backend *be, struct tensor *dq,
                            struct tensor *dk, struct tensor *dv,
                            const struct tensor *dy, const struct tensor *y,
                            const struct tensor *lse, const struct tensor *q,
                            const struct tensor *k, const struct tensor *v,
                            int heads, struct err *err);

/* batchnorm.cu */
int cuda_batch_norm(struct backend *be, struct tensor *y, struct tensor *mean,
                    struct tensor *inv_std, struct tensor *running_mean,
                    struct tensor *running_var, const struct tensor *x,
                    const struct tensor *gamma, const struct tensor *beta,
                    float eps, float momentum, struct err *err);
int cuda_batch_norm_backward(struct backend *be, struct tensor *dx,
                             struct tensor *dgamma, struct tensor *dbeta,
                             const struct tensor *dy, const struct tensor *x,
                             const struct tensor *mean,
                             const struct tensor *inv_std,
                             const struct tensor *gamma, struct err *err);

/* conv.cu */
int cuda_conv2d_new(struct backend *be, struct conv2d **out,
                    const float *weight, const float *bias, int c_out, int c_in,
                    int stride_h, int stride_w, struct err *err);
void cuda_conv2d_free(struct backend *be, struct conv2d *c);
int cuda_conv2d(struct backend *be, struct tensor *y, const struct tensor *x,
                struct conv2d *c, enum act act, int accumulate,
                struct err *err);
int cuda_image_conv(struct backend *be, struct tensor *y,
                    const struct tensor *x, const struct tensor *w,
                    const struct tensor *bias, int stride_h, int stride_w,
                    struct err *err);
int cuda_image_conv_dx(struct backend *be, struct tensor *dx,
                       const struct tensor *dy, const struct tensor *w,
                       int stride_h, int stride_w, int accumulate,
                       struct err *err);
int cuda_image_conv_dw(struct backend *be, struct tensor *dw,
                       struct tensor *dbias, const struct tensor *dy,
                       const struct tensor *x, int stride_h, int stride_w,
                       struct err *err);

/* conv1d.cu */
int cuda_conv1d(struct backend *be, struct tensor *y, const struct tensor *x,
                const struct tensor *w, int stride, struct err *err);
int cuda_conv1d_dx(struct backend *be, struct tensor *dx,
                   const struct tensor *dy, const struct tensor *w, int stride,
                   struct err *err);
int cuda_conv1d_dw(struct backend *be, struct tensor *dw,
                   const struct tensor *dy, const struct tensor *x, int stride,
                   struct err *err);

/* conv1d_grouped.cu */
int cuda_conv1d_grouped(struct backend *be, struct tensor *y,
                        const struct tensor *x, const struct tensor *w,
                        const struct tensor *bias, int groups, struct err *err);
int cuda_conv1d_grouped_backward(struct backend *be, struct tensor *dx,
                                 struct tensor *dw, struct tensor *dbias,
                                 const struct tensor *dy,
                                 const struct tensor *x, const struct tensor *w,
                                 int groups, struct err *err);

/* depthwise.cu */
int cuda_depthwise(struct backend *be, struct tensor *y, const struct tensor *x,
                   const struct tensor *w, const struct tensor *bias,
                   enum act act, struct err *err);
int cuda_depthwise_backward(struct backend *be, struct tensor *dx,
                            struct tensor *dw, const struct tensor *dy,
                            const struct tensor *x, const struct tensor *w,
                            struct err *err);

/* dropout.cu */
int cuda_dropout(struct backend *be, struct tensor *y, const struct tensor *x,
                 float p, uint64_t seed, uint64_t stream, int64_t first,
                 struct err *err);

/* groupnorm.cu */
int cuda_group_norm(struct backend *be, struct tensor *y, struct tensor *mean,
                    struct tensor *inv_std, const struct tensor *x,
                    const struct tensor *gamma, const struct tensor *beta,
                    int groups, float eps, struct err *err);
int cuda_group_norm_backward(struct backend *be, struct tensor *dx,
                             struct tensor *dgamma, struct tensor *dbeta,
                             const struct tensor *dy, const struct tensor *x,
                             const struct tensor *mean,
                             const struct tensor *inv_std,
                             const struct tensor *gamma, int groups,
                             struct err *err);

/* group.cu */
int cuda_group_id(struct backend *be, struct group_id *id, struct err *err);
int cuda_group_join(struct backend *be, const struct group_id *id, int rank,
                    int size, struct err *err);
int cuda_group_reduce(struct backend *be, float *v, int64_t n, int root,
                      struct err *err);
int cuda_group_wait(struct backend *be, struct err *err);
int cuda_group_share(struct backend *be, float *all, const int64_t *first,
                     struct err *err);
int cuda_group_gather(struct backend *be, float *all, const float *part,
                      const int64_t *first, struct err *err);
void cuda_group_leave(struct cuda *c); /* nothing where there is no group */

/* image.cu */
int64_t cuda_image_size(struct backend *be, int64_t h, int64_t w, int64_t c);
int cuda_image_flatten(struct backend *be, struct tensor *y,
                       const struct tensor *x, int64_t first, struct err *err);
int cuda_image_rows(struct backend *be, struct tensor *y,
                    const struct tensor *x, struct err *err);
int cuda_image_rows_backward(struct backend *be, struct tensor *dx,
                             const struct tensor *dy, struct err *err);
int cuda_image_add_relu(struct backend *be, struct tensor *y,
                        const struct tensor *a, const struct tensor *b,
                        struct err *err);
int cuda_image_relu_backward(struct backend *be, struct tensor *dx,
                             const struct tensor *dy, const struct tensor *y,
                             struct err *err);

/* imagenorm.cu */
int cuda_image_batch_norm(struct backend *be, struct tensor *y,
                          struct tensor *mean, struct tensor *inv_std,
                          struct tensor *running_mean,
                          struct tensor *running_var, const struct tensor *x,
                          const struct tensor *gamma, const struct tensor *beta,
                          float eps, float momentum, int relu, struct err *err);
int cuda_image_normalise(struct backend *be, struct tensor *y,
                         const struct tensor *x, const struct tensor *mean,
                         const struct tensor *inv_std,
                         const struct tensor *gamma, const struct tensor *beta,
                         int relu, struct err *err);
int cuda_image_batch_norm_backward(struct backend *be, struct tensor *dx,
                                   struct tensor *dgamma, struct tensor *dbeta,
                                   const struct tensor *dy,
                                   const struct tensor *y,
                                   const struct tensor *x,
                                   const struct tensor *mean,
                                   const struct tensor *inv_std,
                                   const struct tensor *gamma, int relu,
                                   struct err *err);

/* loss.cu */
int cuda_cross_entropy(struct backend *be, struct loss_sum *sum,
                       struct tensor *dlogits, const struct tensor *logits,
                       const int32_t *target, float scale, struct err *err);

/* mel.cu */
int cuda_mel(struct backend *be, struct tensor *y, const struct tensor *x,
             const struct tensor *window, const struct tensor *filters,
             int64_t hop, float mean, float scale, struct err *err);

/* norm.cu */
int cuda_layer_norm(struct backend *be, struct tensor *y,
                    const struct tensor *x, const struct tensor *gamma,
                    const struct tensor *beta, float eps, struct err *err);
int cuda_layer_norm_backward(struct backend *be, struct tensor *dx,
                             struct tensor *dgamma, struct tensor *dbeta,
                             const struct tensor *dy, const struct tensor *x,
                             const struct tensor *gamma, float eps,
                             int accumulate, struct err *err);

/* optim.cu */
int cuda_axpby(struct backend *be, struct tensor *y, float a,
               const struct tensor *x, float b, struct err *err);
int cuda_dot(struct backend *be, double *out, const struct tensor *a,
             const struct tensor *b, struct err *err);
int cuda_adam(struct backend *be, struct tensor *w, struct tensor *m,
              struct tensor *v, const struct tensor *g, struct adam_step step,
              struct err *err);

/* pool.cu */
int cuda_pool(struct backend *be, struct tensor *y, const struct tensor *x,
              struct err *err);
int cuda_pool_backward(struct backend *be, struct tensor *dx,
                       const struct tensor *dy, struct err *err);

/* rows.cu */
int cuda_replace_rows(struct backend *be, struct tensor *x,
                      const uint8_t *hidden, const struct tensor *v,
                      struct err *err);
int cuda_replace_rows_backward(struct backend *be, struct tensor *dx,
                               struct tensor *dv, const uint8_t *hidden,
                               struct err *err);

/* transpose.cu */
int cuda_transpose(struct backend *be, struct tensor *y, const struct tensor *x,
                   int accumulate, struct err *err);

/* weightnorm.cu */
int cuda_weight_norm(struct backend *be, struct tensor *w, struct tensor *norm,
                     const struct tensor *v, const struct tensor *g,
                     struct err *err);
int cuda_weight_norm_backward(struct backend *be, struct tensor *dv,
                              struct tensor *dg, const struct tensor *dw,
                              const struct tensor *v, const struct tensor *g,
                              const struct tensor *norm, struct err *err);

#endif
