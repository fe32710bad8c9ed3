/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <assert.h>
#include <stdlib.h>

#include "base/xalloc.h"
#include "tensor/cpu/pack16.h"
#include "tensor/cpu/private.h"

static int weights_md(const struct cpu_prim *user,
                      const dnnl_memory_desc_t **md, struct err *err)
{
    return cpu_check(dnnl_memory_get_memory_desc(user->mem[CPU_WEIGHTS], md),
                     "weights", err);
}

size_t cpu_packed_size(const struct cpu_prim *user)
{
    const dnnl_memory_desc_t *md;

    return weights_md(user, &md, NULL) ? 0 : dnnl_memory_desc_get_size(md);
}

/* One reorder for each primitive that wants one: user's key names it. */
static struct cpu_key pack_key(int kind, const struct cpu_prim *user)
{
    struct cpu_key key = user->key;

    assert(key.kind < 16);
    key.flags = user->key.flags * 16 + user->key.kind;
    key.kind = kind;
    return key;
}

static int make_reorder(struct cpu *cpu, const struct cpu_key *key,
                        const dnnl_memory_desc_t *from,
                        const dnnl_memory_desc_t *to, int add,
                        struct cpu_prim **out, struct err *err)
{
    struct matmul_opts o = { .accumulate = add };
    dnnl_primitive_attr_t attr = NULL;
    dnnl_primitive_desc_t pd = NULL;
    int rc = cpu_attr(&attr, o, err);

    if (!rc)
        rc = cpu_check(dnnl_reorder_primitive_desc_create(
                           &pd, from, cpu->engine, to, cpu->engine, attr),
                       "reorder of weights", err);
    if (!rc)
        rc = cpu_keep(cpu, key, pd, out, err);
    if (pd)
        dnnl_primitive_desc_destroy(pd);
    if (attr)
        dnnl_primitive_attr_destroy(attr);
    return rc;
}

int cpu_pack(struct cpu *cpu, struct cpu_weights w, void *packed,
             const float *data, struct err *err)
{
    struct cpu_key key = pack_key(CPU_PACK, w.user);
    struct cpu_prim *p = cpu_find(cpu, &key);
    void *addr[CPU_SCRATCH] = { (void *)data, packed };
    const dnnl_memory_desc_t *md;
    struct cpu_pack16 pack;

    TRY(weights_md(w.user, &md, err));
    if (w.plain->format_desc.blocking.strides[0] != 1 &&
        cpu_pack16_of(&pack, md)) {
        cpu_pack16(&pack, packed, data);
        return 0;
    }
    if (!p)
        TRY(make_reorder(cpu, &key, w.plain, md, 0, &p, err));
    return cpu_run(cpu, p, addr, err);
}

int cpu_unpack_add(struct cpu *cpu, struct cpu_weights w, float *data,
                   void *packed, struct err *err)
{
    struct cpu_key key = pack_key(CPU_UNPACK, w.user);
    struct cpu_prim *p = cpu_find(cpu, &key);
    void *addr[CPU_SCRATCH] = { packed, data };
    const dnnl_memory_desc_t *md;

    if (!p) {
        TRY(weights_md(w.user, &md, err));
        TRY(make_reorder(cpu, &key, md, w.plain, 1, &p, err));
    }
    return cpu_run(cpu, p, addr, err);
}

/* ---- copies of weights that are kept ---- */

static void drop(struct cpu *cpu, size_t i)
{
    arena_give(&cpu->kept, cpu->copy[i].packed);
    cpu->copy[i] = cpu->copy[--cpu->ncopy];
}

static struct cpu_copy *find_copy(struct cpu *cpu, const float *data, int64_t n,
                                  const dnnl_memory_desc_t *plain,
                                  const dnnl_memory_desc_t *md)
{
    for (size_t i = 0; i < cpu->ncopy; i++) {
        struct cpu_copy *c = &cpu->copy[i];

        if (c->data == data && c->n == n &&
            dnnl_memory_desc_equal(&c->plain, plain) &&
            dnnl_memory_desc_equal(&c->md, md))
            return c;
    }
    return NULL;
}

static int new_copy(struct cpu *cpu, const float *data, int64_t n,
                    const dnnl_memory_desc_t *plain,
                    const dnnl_memory_desc_t *md, struct cpu_copy **out,
                    struct err *err)
{
    struct cpu_copy c = { .data = data, .n = n, .plain = *plain, .md = *md,
                          .stale = 1 };

    c.packed = arena_take(&cpu->kept, dnnl_memory_desc_get_size(md));
    if (!c.packed)
        return err_set(err, ERR_NOMEM, "no memory for weights");
    ARRAY_GROW(cpu->copy, cpu->ncopy, cpu->copy_cap);
    *out = &cpu->copy[cpu->ncopy++];
    **out = c;
    return 0;
}

int cpu_kept_copy(struct cpu *cpu, struct cpu_weights w, const float *data,
                  void **out, struct err *err)
{
    int64_t n = w.plain->dims[0] * w.plain->dims[1];
    const dnnl_memory_desc_t *md;
    struct cpu_copy *c;

    TRY(weights_md(w.user, &md, err));
    c = find_copy(cpu, data, n, w.plain, md);
    if (!c)
        TRY(new_copy(cpu, data, n, w.plain, md, &c, err));
    if (c->stale)
        TRY(cpu_pack(cpu, w, c->packed, data, err));
    c->stale = 0;
    *out = c->packed;
    return 0;
}

void cpu_drop_copies(struct cpu *cpu, const float *data, int64_t n)
{
    for (size_t i = cpu->ncopy; i-- > 0;)
        if (cpu->copy[i].data < data + n &&
            data < cpu->copy[i].data + cpu->copy[i].n)
            drop(cpu, i);
}

void cpu_drop_all_copies(struct cpu *cpu)
{
    while (cpu->ncopy)
        drop(cpu, cpu->ncopy - 1);
}

/* Memory of copies that nothing asked for since the last change is freed. */
void cpu_weights_changed(struct backend *be)
{
    struct cpu *cpu = cpu_of(be);

    for (size_t i = cpu->ncopy; i-- > 0;)
        if (cpu->copy[i].stale)
            drop(cpu, i);
        else
            cpu->copy[i].stale = 1;
}
