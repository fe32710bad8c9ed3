/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <assert.h>
#include <stdlib.h>

#include "base/xalloc.h"
#include "tensor/cpu/private.h"

/* Images lie as (C/block, H, W, block), which Winograd needs; an image of one
 * channel is plain. The weights are kept as they came and once more in each
 * order that a primitive asked for (Winograd, direct, a few in bf16). */
struct conv2d {
    int c_out, c_in, stride_h, stride_w;
    float *weight, *bias;
    struct packed {
        dnnl_memory_desc_t md;
        float *data;
    } packed[4];
    int npacked;
};

int cpu_conv2d_new(struct backend *be, struct conv2d **out,
                   const float *weight, const float *bias, int c_out, int c_in,
                   int stride_h, int stride_w, struct err *err)
{
    struct conv2d *c = xcalloc(1, sizeof(*c));
    size_t n = (size_t)c_out * (size_t)c_in * 9;

    c->c_out = c_out;
    c->c_in = c_in;
    c->stride_h = stride_h;
    c->stride_w = stride_w;
    c->weight = malloc(n * sizeof(float));
    c->bias = malloc((size_t)c_out * sizeof(float));
    if (!c->weight || !c->bias) {
        cpu_conv2d_free(be, c);
        return err_set(err, ERR_NOMEM, "no memory for %zu weights", n);
    }
    memcpy(c->weight, weight, n * sizeof(float));
    memcpy(c->bias, bias, (size_t)c_out * sizeof(float));
    *out = c;
    return 0;
}

void cpu_conv2d_free(struct backend *be, struct conv2d *c)
{
    (void)be;
    if (!c)
        return;
    for (int i = 0; i < c->npacked; i++)
        free(c->packed[i].data);
    free(c->weight);
    free(c->bias);
    free(c);
}

/* ---- weights in the order a primitive wants ---- */

static int packed_weights(struct cpu *cpu, struct conv2d *c,
                          const struct cpu_prim *user, float **out,
                          struct err *err)
{
    dnnl_memory_desc_t plain;
    struct cpu_weights to = { &plain, user };
    const dnnl_memory_desc_t *md;
    struct packed *p;
    void *data;
    int rc;

    TRY(cpu_check(dnnl_memory_get_memory_desc(user->mem[CPU_WEIGHTS], &md),
                  "weights", err));
    for (int i = 0; i < c->npacked; i++)
        if (dnnl_memory_desc_equal(&c->packed[i].md, md)) {
            *out = c->packed[i].data;
            return 0;
        }
    if (c->npacked == (int)ARRAY_LEN(c->packed))
        free(c->packed[--c->npacked].data);
    TRY(cpu_conv_plain(&plain, c->c_out, c->c_in, err));
    if (posix_memalign(&data, 64, cpu_packed_size(user)))
        return err_set(err, ERR_NOMEM, "no memory for weights");
    rc = cpu_pack(cpu, to, data, c->weight, err);
    if (rc) {
        free(data);
        return rc;
    }
    p = &c->packed[c->npacked++];
    p->md = *md;
    p->data = data;
    *out = data;
    return 0;
}

int cpu_conv2d(struct backend *be, struct tensor *y, const struct tensor *x,
               struct conv2d *c, enum act act, int accumulate,
               struct err *err)
{
    struct cpu *cpu = cpu_of(be);
    struct cpu_conv how = {
        .kind = CPU_CONV, .stride_h = c->stride_h, .stride_w = c->stride_w,
        .bias = 1, .accumulate = accumulate, .act = act, .b = 1,
        .h = x->dim[0], .w = x->dim[1], .c_in = c->c_in, .c_out = c->c_out,
    };
    struct cpu_prim *p;
    struct cpu_image m = cpu_image_of(cpu, x);
    void *addr[CPU_SCRATCH] = { NULL, y->data, c->bias, NULL };
    float *weights = NULL;

    assert(x->dim[2] == c->c_in && y->dim[2] == c->c_out);
    assert(y->dim[0] == (x->dim[0] - 1) / c->stride_h + 1);
    assert(y->dim[1] == (x->dim[1] - 1) / c->stride_w + 1);
    assert(act == ACT_NONE || act == ACT_RELU);
    TRY(cpu_conv_prim(cpu, &how, &p, err));
    TRY(packed_weights(cpu, c, p, &weights, err));
    TRY(cpu_conv_input(cpu, &m, x->data, &addr[CPU_SRC], err));
    addr[CPU_WEIGHTS] = weights;
    return cpu_run(cpu, p, addr, err);
}

int cpu_image_flatten(struct backend *be, struct tensor *y,
                      const struct tensor *x, int64_t first, struct err *err)
{
    struct cpu_image m = cpu_image_of(cpu_of(be), x);
    int64_t n = y->dim[0], cols = m.w * m.c;

    (void)err;
    assert(y->dim[1] == cols && first + n <= m.h);
    #pragma omp parallel for
    for (int64_t i = 0; i < n; i++)
        cpu_image_row(&m, x->data, y->data + i * cols, first + i, 0);
    return 0;
}
