/* columns.cuh - each column of a matrix to mean 0 and variance 1 over its rows:
 * what batch, image and group normalisation share. */
#ifndef TENSOR_CUDA_COLUMNS_CUH
#define TENSOR_CUDA_COLUMNS_CUH

#include "tensor/cuda/common.cuh"

/* x (windows, rows, c); `each` neighbouring columns of one window have their
 * mean and variance in common. */
struct columns {
    int64_t windows, rows, c, each;
    int is_16;  /* values in the 16 bit of the backend's precision; else f32 */
    int across; /* over the rows of all processes: one window, each 1 */
};

struct columns_forward {
    void *y;
    const void *x;
    float *mean, *inv_std;             /* (windows, c / each) */
    float *running_mean, *running_var; /* (c) or NULL; one window, each 1 */
    const float *gamma, *beta;         /* (c) */
    float eps, momentum;
    int relu;
};

struct columns_backward {
    void *dx;
    float *dgamma, *dbeta;
    const void *dy, *y, *x; /* y NULL: without relu */
    const float *mean, *inv_std, *gamma;
    int dots_first; /* for across: dgamma before dbeta, as the CPU sends them */
};

int cuda_columns(struct cuda *c, const struct columns *s,
                 const struct columns_forward *f, struct err *err);
/* y alone, of mean and inv_std as they are; one window, each 1. */
int cuda_columns_apply(struct cuda *c, const struct columns *s,
                       const struct columns_forward *f, struct err *err);
int cuda_columns_backward(struct cuda *c, const struct columns *s,
                          const struct columns_backward *b, struct err *err);

#endif
