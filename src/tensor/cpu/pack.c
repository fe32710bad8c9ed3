/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <assert.h>

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

    if (!p) {
        TRY(weights_md(w.user, &md, err));
        TRY(make_reorder(cpu, &key, w.plain, md, 0, &p, err));
    }
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

void cpu_weights_changed(struct backend *be)
{
    (void)be; /* no copies are kept in f32 */
}
