/* pack16.h - f32 matrices into the order in which oneDNN's products want their
 * second operand in bf16 (BA16a64b2a and the like): columns in blocks, rows in
 * blocks of 32 within them, pairs of rows side by side. For row-major matrices
 * this takes half the time of oneDNN's own reorder (1024 x 4096: 1.9 and 4.0 ms
 * on two cores), for those that lie across twice (2.6 and 1.4): these are
 * packed here only block by block, where many small ones are packed at once. */
#ifndef TENSOR_CPU_PACK16_H
#define TENSOR_CPU_PACK16_H

#include "tensor/cpu/private.h"

enum { CPU_PACK16_WIDE = 64 }; /* columns in a block at most */

struct cpu_pack16 {
    int64_t rows, cols, wide;
};

/* 0 if md is of another order. */
int cpu_pack16_of(struct cpu_pack16 *p, const dnnl_memory_desc_t *md);

/* x: (rows, cols). What is past them in out becomes 0. */
void cpu_pack16(const struct cpu_pack16 *p, void *out, const float *x);

/* Block i of cpu_pack16_blocks alone; x lies so, or across as (cols, rows),
 * with stride from row to row. */
int64_t cpu_pack16_blocks(const struct cpu_pack16 *p);
void cpu_pack16_block(const struct cpu_pack16 *p, int64_t i, void *out,
                      const float *x, int64_t stride, int across);

#endif
