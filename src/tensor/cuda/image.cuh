/* image.cuh - how images lie on the device: (B, H, W, C), C fastest, without
 * gaps; values of 16 bit where the precision has them and there is more than
 * one channel, else f32. */
#ifndef TENSOR_CUDA_IMAGE_CUH
#define TENSOR_CUDA_IMAGE_CUH

#include "tensor/cuda/common.cuh"

struct cuda_image {
    int64_t b, h, w, c;
    int is_16;
    void *data;
};

/* t is (H, W, C) or (B, H, W, C). */
static inline struct cuda_image cuda_image_of(const struct cuda *cuda,
                                              const struct tensor *t)
{
    const int64_t *d = t->dim + t->ndim - 3;
    struct cuda_image m;

    assert(t->ndim == 3 || t->ndim == 4);
    m.b = t->ndim == 4 ? t->dim[0] : 1;
    m.h = d[0];
    m.w = d[1];
    m.c = d[2];
    m.is_16 = m.c > 1 && cuda_is_16(cuda);
    m.data = t->data;
    return m;
}

/* Returns call, an expression with V as the type of the image's values: bf16,
 * f16 or float. */
#define CUDA_IMAGE_CALL(c, m, call)                       \
    do {                                                  \
        if ((m).is_16 &&                                  \
            (c)->base.precision == PRECISION_BF16) {      \
            typedef bf16 V;                               \
            return call;                                  \
        }                                                 \
        if ((m).is_16) {                                  \
            typedef f16 V;                                \
            return call;                                  \
        }                                                 \
        typedef float V;                                  \
        return call;                                      \
    } while (0)

#endif
