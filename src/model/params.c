/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "model/params.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "base/xalloc.h"

struct param *params_add(struct params *p, const char *name,
                         enum param_kind kind, enum param_init init,
                         float value, int ndim, const int64_t *dim)
{
    struct param *q;

    assert(ndim >= 0 && ndim <= STORED_MAX_DIMS);
    ARRAY_GROW(p->item, p->n, p->cap);
    q = &p->item[p->n++];
    memset(q, 0, sizeof(*q));
    q->name = xstrdup(name);
    q->kind = kind;
    q->ndim = ndim;
    q->init = init;
    q->value = value;
    q->decay = kind == PARAM_TRAINED && ndim >= 2;
    q->count = 1;
    for (int i = 0; i < ndim; i++) {
        q->dim[i] = dim[i];
        q->count *= dim[i];
    }
    return q;
}

/* Tensors begin at multiples of 16 floats: kernels like aligned rows. */
static int64_t place(struct params *p, int trained, int64_t at)
{
    for (size_t i = 0; i < p->n; i++) {
        struct param *q = &p->item[i];

        if ((q->kind == PARAM_TRAINED) != trained)
            continue;
        q->offset = at;
        at = (at + q->count + 15) / 16 * 16;
    }
    return at;
}

int params_alloc(struct params *p, struct backend *be, struct err *err)
{
    p->be = be;
    p->trained = place(p, 1, 0);
    p->all = place(p, 0, p->trained);
    TRY(tensor_reserve(&p->value, be, 1, &p->all, err));
    TRY(tensor_reserve(&p->grad, be, 1, &p->trained, err));
    /* the gaps between tensors are summed over too: no garbage in them */
    TRY(be->ops->axpby(be, &p->value, 0, NULL, 0, err));
    return params_zero_grad(p, err);
}

void params_release(struct params *p)
{
    for (size_t i = 0; i < p->n; i++)
        free(p->item[i].name);
    free(p->item);
    tensor_release(&p->value);
    tensor_release(&p->grad);
    memset(p, 0, sizeof(*p));
}

int params_index(const struct params *p, const char *name)
{
    for (size_t i = 0; i < p->n; i++)
        if (!strcmp(p->item[i].name, name))
            return (int)i;
    return -1;
}

static struct tensor view(const struct tensor *block, const struct param *q)
{
    if (q->ndim > TENSOR_MAX_DIMS)
        return tensor_view(block, q->offset, 1, &q->count);
    return tensor_view(block, q->offset, q->ndim, q->dim);
}

struct tensor params_value(const struct params *p, int i)
{
    assert(i >= 0 && (size_t)i < p->n);
    return view(&p->value, &p->item[i]);
}

struct tensor params_grad(const struct params *p, int i)
{
    assert(i >= 0 && (size_t)i < p->n);
    assert(p->item[i].kind == PARAM_TRAINED);
    return view(&p->grad, &p->item[i]);
}

int params_zero_grad(struct params *p, struct err *err)
{
    return p->be->ops->axpby(p->be, &p->grad, 0, NULL, 0, err);
}

/* ---- first values ---- */

static double unit(uint32_t u)
{
    return (u + 0.5) * 0x1p-32;
}

/* Two numbers of each block of four words, by Box and Muller for normals. */
static void draw(const struct param *q, uint64_t seed, float *out)
{
    uint64_t stream = rng_name(q->name);

    for (int64_t j = 0; j < q->count; j += 2) {
        double pair[2];
        uint32_t r[4];

        rng_block(r, seed, stream, (uint64_t)(j / 2));
        if (q->init == INIT_NORMAL) {
            double radius = sqrt(-2 * log(unit(r[0])));

            pair[0] = radius * cos(2 * M_PI * unit(r[1]));
            pair[1] = radius * sin(2 * M_PI * unit(r[1]));
        } else {
            pair[0] = 2 * unit(r[0]) - 1;
            pair[1] = 2 * unit(r[1]) - 1;
        }
        for (int64_t k = 0; k < 2 && j + k < q->count; k++)
            out[j + k] = (float)(pair[k] * q->value);
    }
}

static void fill(const struct param *q, uint64_t seed, float *out)
{
    if (q->init == INIT_NORMAL || q->init == INIT_UNIFORM) {
        draw(q, seed, out);
        return;
    }
    for (int64_t j = 0; j < q->count; j++)
        out[j] = q->init == INIT_CONST
                     ? q->value
                     : (float)pow(q->value, -(double)j / (double)q->count);
}

/* One tensor's values, host to device. */
static int set_value(struct params *p, int i, const float *host,
                     struct err *err)
{
    struct tensor t = params_value(p, i);

    return tensor_upload(&t, host, err);
}

int params_init(struct params *p, uint64_t seed, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; i < p->n && !rc; i++) {
        float *host = malloc((size_t)p->item[i].count * sizeof(*host));

        if (!host)
            return err_set(err, ERR_NOMEM, "no memory for the %lld values of "
                           "%s", (long long)p->item[i].count,
                           p->item[i].name);
        fill(&p->item[i], seed, host);
        rc = set_value(p, (int)i, host, err);
        free(host);
    }
    p->be->ops->weights_changed(p->be);
    return rc;
}

/* ---- files ---- */

/* One value, whatever number the file holds it as. */
static int load_counter(struct params *p, int i, const struct model *m,
                        struct err *err)
{
    const struct stored *t = NULL;
    float v = 0;

    TRY(model_stored(m, p->item[i].name, NULL, 0, &t, err));
    TRY(stored_floats(t, &v, err));
    return set_value(p, i, &v, err);
}

int params_load_some(struct params *p, struct model *m,
                     int (*filter)(const struct param *, void *), void *ctx,
                     size_t *taken, struct err *err)
{
    size_t n = 0;

    for (size_t i = 0; i < p->n; i++) {
        const struct param *q = &p->item[i];
        const float *host = NULL;

        if (!model_has(m, q->name) || (filter && !filter(q, ctx)))
            continue;
        n++;
        if (q->kind == PARAM_COUNTER) {
            TRY(load_counter(p, (int)i, m, err));
            continue;
        }
        TRY(model_tensor(m, q->name, q->dim, q->ndim, &host, err));
        TRY(set_value(p, (int)i, host, err));
        model_forget(m, host, q->count);
    }
    if (taken)
        *taken = n;
    p->be->ops->weights_changed(p->be);
    return 0;
}

int params_load(struct params *p, struct model *m, size_t *taken,
                struct err *err)
{
    return params_load_some(p, m, NULL, NULL, taken, err);
}

/* The tensors of a file: their names are p's. */
static struct stored *list_stored(const struct params *p, int bf16,
                                  int (*filter)(const struct param *, void *),
                                  void *ctx, size_t *n)
{
    struct stored *list = xcalloc(p->n + 1, sizeof(*list));

    *n = 0;
    for (size_t i = 0; i < p->n; i++) {
        const struct param *q = &p->item[i];
        struct stored *t = &list[*n];

        if (filter && !filter(q, ctx))
            continue;
        t->name = q->name;
        t->type = q->kind == PARAM_COUNTER ? STORED_I64
                  : bf16 && q->ndim >= 2   ? STORED_BF16 : STORED_F32;
        t->ndim = q->ndim;
        memcpy(t->dim, q->dim, sizeof(t->dim));
        (*n)++;
    }
    return list;
}

static void put_tensor(struct safetensors_out *out, const struct stored *as,
                       const float *v)
{
    struct stored t = *as;
    int64_t count;

    if (t.type == STORED_I64) {
        count = llrintf(*v);
        safetensors_put(out, &count, sizeof(count));
        return;
    }
    t.type = STORED_F32;
    t.data = (const unsigned char *)v;
    stored_set_strides(&t);
    stored_emit(&t, as->type, safetensors_put, out);
}

static int write_list(const struct params *p, const float *block,
                      const struct stored *list, size_t n, const char *path,
                      const struct safetensors_meta *meta, size_t n_meta,
                      struct err *err)
{
    struct safetensors_out out = {0};
    int rc = safetensors_create(&out, path, list, n, meta, n_meta, err);

    for (size_t i = 0; i < n && !rc; i++) {
        int k = params_index(p, out.tensor[i]->name);

        put_tensor(&out, out.tensor[i], block + p->item[k].offset);
    }
    if (!rc)
        rc = safetensors_commit(&out, err);
    safetensors_abort(&out);
    return rc;
}

int params_write(const struct params *p, const float *block, int bf16,
                 int (*filter)(const struct param *, void *), void *ctx,
                 const char *path, const struct safetensors_meta *meta,
                 size_t n_meta, struct err *err)
{
    struct stored *list;
    float *own = NULL;
    size_t n;
    int rc = 0;

    if (!block) {
        own = malloc((size_t)p->all * sizeof(*own));
        if (!own)
            return err_set(err, ERR_NOMEM, "%s: no memory for %lld values",
                           path, (long long)p->all);
        rc = tensor_download(own, &p->value, err);
        block = own;
    }
    list = list_stored(p, bf16, filter, ctx, &n);
    if (!rc)
        rc = write_list(p, block, list, n, path, meta, n_meta, err);
    free(list);
    free(own);
    return rc;
}
