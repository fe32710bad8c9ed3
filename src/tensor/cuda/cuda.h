/* cuda.h - the CUDA backend, a module (mfm-cuda.so) that tensor/backend.c loads
 * when a device is asked for: one package serves machines with a GPU and
 * without. It is built by nvcc, and for the tests once more as C++ for the host
 * (tests/emu). Only these functions are seen from outside. */
#ifndef TENSOR_CUDA_CUDA_H
#define TENSOR_CUDA_CUDA_H

#ifdef __cplusplus
extern "C" {
#endif

#include "tensor/backend.h"

/* What program and module must agree on; in the module's note. */
#define MODULE_INTERFACE \
    (uint32_t)(sizeof(struct backend_ops) + sizeof(struct backend) + \
               sizeof(struct tensor))

/* Opens device n (0, 1, ..). ERR_UNSUPPORTED with one line that says what is
 * missing: a device, one as new as sm_75, a driver as new as the CUDA that the
 * module was built with. */
__attribute__((visibility("default")))
int backend_cuda_open(struct backend **out, int n, struct err *err);

/* How many devices there are; 0 where there is no driver. */
__attribute__((visibility("default")))
int backend_cuda_count(void);

#ifdef __cplusplus
}
#endif

#endif
