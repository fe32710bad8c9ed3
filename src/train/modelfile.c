/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "train/modelfile.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

int modelfile_of_head(const char *tensor, const char *task)
{
    size_t n = strlen(task);

    return !strncmp(tensor, "head.", 5) && !strncmp(tensor + 5, task, n) &&
           tensor[5 + n] == '.';
}

/* ---- tensors ---- */

/* Whether a tensor of the old model is none of the new one's. */
static int is_replaced(const struct model_config *c, const struct params *p,
                       const char *name)
{
    for (int h = 0; h < c->n_heads; h++)
        if (modelfile_of_head(name, c->heads[h].task))
            return 1;
    return params_index(p, name) >= 0;
}

/* Names, types and shapes; data is set for those of the old model. */
static struct stored *list(const struct model_config *c, const struct params *p,
                           const struct model *init, size_t *n)
{
    size_t old = init ? init->weights.n : 0;
    struct stored *all = xcalloc(p->n + old + 1, sizeof(*all));

    for (*n = 0; *n < p->n; ++*n) {
        const struct param *q = &p->item[*n];
        struct stored *t = &all[*n];

        t->name = q->name;
        t->type = q->kind == PARAM_COUNTER ? STORED_I64 : STORED_F32;
        t->ndim = q->ndim;
        memcpy(t->dim, q->dim, sizeof(t->dim));
    }
    for (size_t i = 0; i < old; i++)
        if (!is_replaced(c, p, init->weights.tensor[i].name))
            all[(*n)++] = init->weights.tensor[i];
    return all;
}

static void put(struct safetensors_out *out, const struct stored *t,
                const struct params *p, const float *values)
{
    const float *v;
    int64_t count;

    if (t->data) {
        stored_emit(t, t->type, safetensors_put, out);
        return;
    }
    v = values + p->item[params_index(p, t->name)].offset;
    if (t->type == STORED_F32) {
        safetensors_put(out, v, (size_t)stored_bytes(t));
        return;
    }
    count = llrintf(*v);
    safetensors_put(out, &count, sizeof(count));
}

/* ---- the file ---- */

/* c with the heads of the old model that it has not. */
static void print_config(const struct model_config *c, const struct model *init,
                         struct strbuf *out)
{
    struct model_config all = *c;
    int old = init ? init->config.n_heads : 0;

    all.heads = xcalloc((size_t)(c->n_heads + old) + 1, sizeof(*all.heads));
    if (c->n_heads)
        memcpy(all.heads, c->heads, (size_t)c->n_heads * sizeof(*all.heads));
    for (int i = 0; i < old; i++)
        if (!config_head(c, init->config.heads[i].task))
            all.heads[all.n_heads++] = init->config.heads[i];
    config_print(&all, out);
    free(all.heads);
}

int modelfile_write(const char *path, const struct model_config *c,
                    const char *figures, const struct params *p,
                    const struct tensor *values, const struct model *init,
                    struct err *err)
{
    float *host = malloc((size_t)(p->all + 1) * sizeof(*host));
    struct safetensors_out out = {0};
    struct strbuf json = STRBUF_INIT;
    struct stored *all;
    size_t n;
    int rc;

    if (!host)
        return err_set(err, ERR_NOMEM, "%s: no memory for %lld values", path,
                       (long long)p->all);
    print_config(c, init, &json);
    all = list(c, p, init, &n);
    rc = tensor_download(host, values, err);
    if (!rc)
        rc = safetensors_create(&out, path, all, n, (struct safetensors_meta[]){
                 { (char *)"format", (char *)"pt" },
                 { (char *)"mfm", json.s },
                 { (char *)"mfm_training", (char *)figures } },
                 *figures ? 3 : 2, err);
    for (size_t i = 0; i < n && !rc; i++)
        put(&out, out.tensor[i], p, host);
    if (!rc)
        rc = safetensors_commit(&out, err);
    safetensors_abort(&out);
    strbuf_release(&json);
    free(all);
    free(host);
    return rc;
}
