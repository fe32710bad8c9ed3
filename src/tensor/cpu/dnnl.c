/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "tensor/cpu/cpu.h"
#include "tensor/cpu/private.h"

int cpu_check(dnnl_status_t s, const char *what, struct err *err)
{
    if (s == dnnl_success)
        return 0;
    if (s == dnnl_out_of_memory)
        return err_set(err, ERR_NOMEM, "%s: oneDNN is out of memory", what);
    return err_set(err, ERR_DEVICE, "%s: oneDNN error %d", what, (int)s);
}

/* ---- primitives ---- */

struct cpu_prim *cpu_find(struct cpu *cpu, const struct cpu_key *key)
{
    for (size_t i = 0; i < cpu->nprim; i++)
        if (!memcmp(&cpu->prim[i]->key, key, sizeof(*key)))
            return cpu->prim[i];
    return NULL;
}

static void prim_free(struct cpu_prim *p)
{
    for (int i = 0; i < CPU_ARGS; i++)
        if (p->mem[i])
            dnnl_memory_destroy(p->mem[i]);
    if (p->prim)
        dnnl_primitive_destroy(p->prim);
    free(p);
}

/* A song's odd last window has shapes of its own: keep the cache from growing
 * with the number of files. */
static void forget_oldest(struct cpu *cpu)
{
    enum { MAX_PRIMITIVES = 512 };

    if (cpu->nprim < MAX_PRIMITIVES)
        return;
    for (size_t i = 0; i < MAX_PRIMITIVES / 2; i++)
        prim_free(cpu->prim[i]);
    cpu->nprim -= MAX_PRIMITIVES / 2;
    memmove(cpu->prim, cpu->prim + MAX_PRIMITIVES / 2,
            cpu->nprim * sizeof(*cpu->prim));
}

void cpu_forget_last(struct cpu *cpu)
{
    prim_free(cpu->prim[--cpu->nprim]);
}

static const int *arg_names(int kind)
{
    static const int forward[CPU_ARGS] = {
        DNNL_ARG_SRC, DNNL_ARG_DST, DNNL_ARG_BIAS, DNNL_ARG_WEIGHTS,
        DNNL_ARG_SCRATCHPAD
    };
    static const int dx[CPU_ARGS] = {
        DNNL_ARG_DIFF_SRC, DNNL_ARG_DIFF_DST, 0, DNNL_ARG_WEIGHTS,
        DNNL_ARG_SCRATCHPAD
    };
    static const int dw[CPU_ARGS] = {
        DNNL_ARG_SRC, DNNL_ARG_DIFF_DST, DNNL_ARG_DIFF_BIAS,
        DNNL_ARG_DIFF_WEIGHTS, DNNL_ARG_SCRATCHPAD
    };

    return kind == CPU_IMAGE_DX ? dx : kind == CPU_IMAGE_DW ? dw : forward;
}

static int make_memories(struct cpu *cpu, struct cpu_prim *p,
                         const_dnnl_primitive_desc_t pd, struct err *err)
{
    const int *name = arg_names(p->key.kind);

    for (int i = 0; i < CPU_ARGS; i++) {
        const dnnl_memory_desc_t *md;

        if (!name[i])
            continue;
        md = dnnl_primitive_desc_query_md(pd, dnnl_query_exec_arg_md, name[i]);
        if (!md || !md->ndims)
            continue;
        TRY(cpu_check(dnnl_memory_create(&p->mem[i], md, cpu->engine,
                                         DNNL_MEMORY_NONE), "memory", err));
        if (i == CPU_SCRATCH)
            p->scratch = dnnl_memory_desc_get_size(md);
    }
    return 0;
}

int cpu_keep(struct cpu *cpu, const struct cpu_key *key,
             const_dnnl_primitive_desc_t pd, struct cpu_prim **out,
             struct err *err)
{
    struct cpu_prim *p = xcalloc(1, sizeof(*p));
    const char *info = "";
    int rc;

    p->key = *key;
    rc = cpu_check(dnnl_primitive_create(&p->prim, pd), "primitive", err);
    if (!rc)
        rc = make_memories(cpu, p, pd, err);
    if (rc) {
        prim_free(p);
        return rc;
    }
    dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0, &info);
    log_debug("oneDNN %s, kind %d, %lld x %lld x %lld x %lld x %lld, "
              "scratch %zu", info, key->kind, (long long)key->dim[0],
              (long long)key->dim[1], (long long)key->dim[2],
              (long long)key->dim[3], (long long)key->dim[4], p->scratch);
    forget_oldest(cpu);
    ARRAY_GROW(cpu->prim, cpu->nprim, cpu->cap);
    cpu->prim[cpu->nprim++] = p;
    *out = p;
    return 0;
}

int cpu_make(struct cpu *cpu, const struct cpu_key *key,
             const_dnnl_op_desc_t op, const_dnnl_primitive_attr_t attr,
             const_dnnl_primitive_desc_t hint, struct cpu_prim **out,
             struct err *err)
{
    dnnl_primitive_desc_t pd = NULL;
    int rc;

    rc = cpu_check(dnnl_primitive_desc_create(&pd, op, attr, cpu->engine, hint),
                   "primitive", err);
    if (!rc)
        rc = cpu_keep(cpu, key, pd, out, err);
    if (pd)
        dnnl_primitive_desc_destroy(pd);
    return rc;
}

static int append_act(dnnl_post_ops_t ops, enum act act)
{
    switch (act) {
    case ACT_RELU:
        return dnnl_post_ops_append_eltwise(ops, 1, dnnl_eltwise_relu, 0, 0);
    case ACT_SWISH:
        return dnnl_post_ops_append_eltwise(ops, 1, dnnl_eltwise_swish, 1, 0);
    case ACT_GELU:
        return dnnl_post_ops_append_eltwise(ops, 1, dnnl_eltwise_gelu_erf, 0,
                                            0);
    default:
        return dnnl_success;
    }
}

int cpu_attr(dnnl_primitive_attr_t *attr, struct matmul_opts o,
             struct err *err)
{
    dnnl_post_ops_t ops = NULL;
    int s = dnnl_primitive_attr_create(attr);

    if (!s)
        s = dnnl_post_ops_create(&ops);

    if (!s && o.scale && o.scale != 1)
        s = dnnl_post_ops_append_eltwise(ops, 1, dnnl_eltwise_linear, o.scale,
                                         0);
    if (!s && o.accumulate)
        s = dnnl_post_ops_append_sum(ops, 1);
    if (!s)
        s = append_act(ops, o.act);
    if (!s)
        s = dnnl_primitive_attr_set_post_ops(*attr, ops);
    if (!s)
        s = dnnl_primitive_attr_set_scratchpad_mode(*attr,
                                                    dnnl_scratchpad_mode_user);
    if (ops)
        dnnl_post_ops_destroy(ops);
    return cpu_check(s, "attributes", err);
}

static int run(struct cpu *cpu, struct cpu_prim *p, void *addr[CPU_SCRATCH],
               void *scratch, struct err *err)
{
    const int *name = arg_names(p->key.kind);
    dnnl_exec_arg_t arg[CPU_ARGS];
    int n = 0;

    for (int i = 0; i < CPU_ARGS; i++) {
        void *a = i == CPU_SCRATCH ? scratch : addr[i];

        if (!p->mem[i])
            continue;
        TRY(cpu_check(dnnl_memory_set_data_handle(p->mem[i], a), "memory",
                      err));
        arg[n].arg = name[i];
        arg[n++].memory = p->mem[i];
    }
    TRY(cpu_check(dnnl_primitive_execute(p->prim, cpu->stream, n, arg), "run",
                  err));
    return cpu_check(dnnl_stream_wait(cpu->stream), "run", err);
}

/* A convolution's scratch memory may be larger than all it works on: it is
 * given back at once. */
int cpu_run(struct cpu *cpu, struct cpu_prim *p, void *addr[CPU_SCRATCH],
            struct err *err)
{
    void *scratch = NULL;
    int rc;

    if (p->scratch)
        TRY(cpu_take(cpu, p->scratch, &scratch, err));
    rc = run(cpu, p, addr, scratch, err);
    arena_give(&cpu->arena, scratch);
    return rc;
}

int cpu_take(struct cpu *cpu, size_t size, void **out, struct err *err)
{
    *out = arena_take(&cpu->arena, size);
    return *out ? 0 : err_set(err, ERR_NOMEM, "no memory for %zu bytes", size);
}

int cpu_buf(struct cpu *cpu, int which, size_t size, void **out,
            struct err *err)
{
    struct cpu_buf *b = &cpu->buf[which];

    if (size > b->size) {
        arena_give(&cpu->kept, b->data);
        b->size = 0;
        b->data = arena_take(&cpu->kept, size);
        if (!b->data)
            return err_set(err, ERR_NOMEM, "no memory for %zu bytes of scratch",
                           size);
        b->size = size;
    }
    *out = b->data;
    return 0;
}

/* ---- memory ---- */

static int cpu_alloc(struct backend *be, float **out, int64_t n,
                     struct err *err)
{
    void *p;

    TRY(cpu_take(cpu_of(be), (size_t)n * sizeof(float), &p, err));
    *out = p;
    cpu_drop_copies(cpu_of(be), p, n);
    return 0;
}

static void cpu_free(struct backend *be, float *p)
{
    arena_give(&cpu_of(be)->arena, p);
}

static int cpu_import(struct backend *be, struct tensor *t, const float *host,
                      struct err *err)
{
    (void)err;
    t->data = (float *)host; /* weights are only read */
    cpu_drop_copies(cpu_of(be), host, tensor_count(t));
    return 0;
}

static int cpu_copy(struct backend *be, float *to, const float *from, int64_t n,
                    struct err *err)
{
    (void)err;
    memcpy(to, from, (size_t)n * sizeof(*to));
    cpu_drop_copies(cpu_of(be), to, n);
    return 0;
}

static int cpu_set_precision(struct backend *be, enum precision p,
                             struct err *err)
{
    if (p == PRECISION_BF16 &&
        dnnl_get_effective_cpu_isa() < dnnl_cpu_isa_avx512_core_bf16)
        return err_set(err, ERR_UNSUPPORTED, "--precision bf16: this processor "
                       "does not have it; use f32");
    if (p == PRECISION_TF32 || p == PRECISION_FP16)
        return err_set(err, ERR_UNSUPPORTED, "--precision %s: it is for CUDA; "
                       "the CPU computes in f32 or bf16",
                       p == PRECISION_TF32 ? "tf32" : "fp16");
    cpu_drop_all_copies(cpu_of(be));
    be->image_channels = p == PRECISION_F32 ? cpu_of(be)->block : 0;
    return 0;
}

/* ---- open and close ---- */

static void cpu_close(struct backend *be)
{
    struct cpu *cpu = cpu_of(be);

    for (size_t i = 0; i < cpu->nprim; i++)
        prim_free(cpu->prim[i]);
    free(cpu->prim);
    for (int i = 0; i < CPU_BUFS; i++)
        arena_give(&cpu->kept, cpu->buf[i].data);
    free(cpu->rotary.table);
    cpu_drop_all_copies(cpu);
    free(cpu->copy);
    arena_release(&cpu->arena);
    arena_release(&cpu->kept);
    if (cpu->stream)
        dnnl_stream_destroy(cpu->stream);
    if (cpu->engine)
        dnnl_engine_destroy(cpu->engine);
    free(cpu);
}

static const struct backend_ops cpu_ops = {
    .name = "cpu",
    .close = cpu_close,
    .set_precision = cpu_set_precision,
    .alloc = cpu_alloc,
    .free = cpu_free,
    .image_size = cpu_image_size,
    .import = cpu_import,
    .upload = cpu_copy,
    .download = cpu_copy,
    .matmul = cpu_matmul,
    .conv2d_new = cpu_conv2d_new,
    .conv2d_free = cpu_conv2d_free,
    .conv2d = cpu_conv2d,
    .image_flatten = cpu_image_flatten,
    .layer_norm = cpu_layer_norm,
    .glu = cpu_glu,
    .rotary = cpu_rotary,
    .attention = cpu_attention,
    .depthwise = cpu_depthwise,
    .conv1d = cpu_conv1d,
    .conv1d_dx = cpu_conv1d_dx,
    .conv1d_dw = cpu_conv1d_dw,
    .conv1d_grouped = cpu_conv1d_grouped,
    .conv1d_grouped_backward = cpu_conv1d_grouped_backward,
    .group_norm = cpu_group_norm,
    .group_norm_backward = cpu_group_norm_backward,
    .weight_norm = cpu_weight_norm,
    .weight_norm_backward = cpu_weight_norm_backward,
    .weights_changed = cpu_weights_changed,
    .matmul_dx = cpu_matmul_dx,
    .matmul_dw = cpu_matmul_dw,
    .matmul_backward = cpu_matmul_backward,
    .image_conv = cpu_image_conv,
    .image_conv_dx = cpu_image_conv_dx,
    .image_conv_dw = cpu_image_conv_dw,
    .image_batch_norm = cpu_image_batch_norm,
    .image_normalise = cpu_image_normalise,
    .image_batch_norm_backward = cpu_image_batch_norm_backward,
    .image_add_relu = cpu_image_add_relu,
    .image_relu_backward = cpu_image_relu_backward,
    .image_rows = cpu_image_rows,
    .image_rows_backward = cpu_image_rows_backward,
    .act = cpu_act,
    .act_backward = cpu_act_backward,
    .layer_norm_backward = cpu_layer_norm_backward,
    .glu_backward = cpu_glu_backward,
    .rotary_backward = cpu_rotary_backward,
    .attention_save = cpu_attention_save,
    .attention_backward = cpu_attention_backward,
    .depthwise_backward = cpu_depthwise_backward,
    .transpose = cpu_transpose,
    .batch_norm = cpu_batch_norm,
    .batch_norm_backward = cpu_batch_norm_backward,
    .pool = cpu_pool,
    .pool_backward = cpu_pool_backward,
    .dropout = cpu_dropout,
    .cross_entropy = cpu_cross_entropy,
    .replace_rows = cpu_replace_rows,
    .replace_rows_backward = cpu_replace_rows_backward,
    .axpby = cpu_axpby,
    .dot = cpu_dot,
    .adam = cpu_adam,
};

/* "CPU AMD EPYC 9R14, 2 threads, 15.3 GiB" */
static void describe(char *out, size_t size)
{
    FILE *f = fopen("/proc/cpuinfo", "re");
    double pages = (double)sysconf(_SC_PHYS_PAGES);
    char line[128], *name = NULL;

    for (int i = 0; f && !name && i < 8 && fgets(line, sizeof(line), f); i++)
        if (!strncmp(line, "model name", 10) && strchr(line, ':'))
            name = strchr(line, ':') + 1;
    if (f)
        fclose(f);
    if (name)
        name[strcspn(name, "\n")] = '\0';
    snprintf(out, size, "CPU%s, %d thread%s, %.1f GiB", name ? name : "",
             omp_get_max_threads(), omp_get_max_threads() > 1 ? "s" : "",
             pages * (double)sysconf(_SC_PAGESIZE) / (1 << 30));
}

int backend_cpu_open(struct backend **out, int threads, struct err *err)
{
    struct cpu *cpu = xcalloc(1, sizeof(*cpu));
    int rc;

    cpu->base.ops = &cpu_ops;
    cpu->base.windows = 1;
    cpu->base.image_bytes = 20 << 20;
    cpu->base.rows = CPU_ROWS;
    cpu->block = dnnl_get_effective_cpu_isa() >= dnnl_cpu_isa_avx512_core
                     ? 16 : 8;
    cpu->base.image_channels = cpu->block;
    if (threads > 0)
        omp_set_num_threads(threads);
    describe(cpu->base.device, sizeof(cpu->base.device));
    rc = cpu_check(dnnl_engine_create(&cpu->engine, dnnl_cpu, 0), "engine",
                   err);
    if (!rc)
        rc = cpu_check(dnnl_stream_create(&cpu->stream, cpu->engine,
                                          dnnl_stream_default_flags),
                       "stream", err);
    if (rc) {
        cpu_close(&cpu->base);
        return rc;
    }
    *out = &cpu->base;
    return 0;
}
