/* cpu.h - the CPU backend: oneDNN for matrix products and convolutions, OpenMP
 * loops for the rest. oneDNN is named in this folder only. */
#ifndef TENSOR_CPU_CPU_H
#define TENSOR_CPU_CPU_H

#include "tensor/backend.h"

int backend_cpu_open(struct backend **out, int threads, struct err *err);

#endif
