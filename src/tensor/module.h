/* module.h - mfm-cuda.so, the file of the CUDA backend (cuda/cuda.h): where it
 * is, what it says of itself, and loading it. */
#ifndef TENSOR_MODULE_H
#define TENSOR_MODULE_H

#include <stddef.h>
#include "base/err.h"
#include "tensor/cuda/cuda.h"

enum { MODULE_PATH = 4096 };

/* The file that MFM_CUDA_MODULE names, else mfm-cuda.so beside the program or
 * where make install puts it, into path (MODULE_PATH). ERR_UNSUPPORTED if there
 * is none. */
int module_find(char *path, struct err *err);

/* What is in the file, read without loading it, which would load the driver:
 * CUDA's version as 13000, and whether it is the emulation of the tests.
 * ERR_UNSUPPORTED if it is not this mfm's module. */
struct module_about {
    int cuda, emulated;
};
int module_read(struct module_about *a, const char *path, struct err *err);

/* Loads the module, for the life of the process. ERR_UNSUPPORTED with what is
 * missing. */
struct module {
    __typeof__(backend_cuda_open) *open;
    __typeof__(backend_cuda_count) *count;
};
int module_load(struct module *m, struct err *err);

/* Whether it is worth loading where no device was asked for: what it is linked
 * with takes 70 ms and 200 MB, and that there is no driver shows at once. The
 * emulation wants none; of what cannot be read, module_load will say why. */
int module_has_driver(void);

#endif
