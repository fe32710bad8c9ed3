/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "model/layout.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

void layout_add(struct layout *l, char *name, int needed, int ndim, ...)
{
    struct layout_tensor *m;
    va_list ap;

    ARRAY_GROW(l->tensor, l->n, l->cap);
    m = &l->tensor[l->n++];
    memset(m, 0, sizeof(*m));
    m->needed = needed;
    m->t.name = name;
    m->t.type = STORED_F32;
    m->t.ndim = ndim;
    va_start(ap, ndim);
    for (int i = 0; i < ndim; i++)
        m->t.dim[i] = va_arg(ap, int);
    va_end(ap);
}

void layout_linear(struct layout *l, const char *prefix, int out, int in,
                   int needed)
{
    layout_add(l, xasprintf("%s.weight", prefix), needed, 2, out, in);
    layout_add(l, xasprintf("%s.bias", prefix), needed, 1, out);
}

void layout_norm(struct layout *l, const char *prefix, int n)
{
    layout_add(l, xasprintf("%s.weight", prefix), 1, 1, n);
    layout_add(l, xasprintf("%s.bias", prefix), 1, 1, n);
}

void layout_tokens(struct layout *l, const struct model_config *c)
{
    for (int i = 0; i < c->n_tokens; i++) {
        struct config_tensor t[2];
        int n = config_token_tensors(c, i, t);

        for (int k = 0; k < n; k++)
            layout_add(l, xstrdup(t[k].name), 1, t[k].ndim, t[k].dim[0],
                       t[k].dim[1], t[k].dim[2]);
    }
}

void layout_predict(struct layout *l, const struct model_config *c)
{
    if (c->n_tokens)
        layout_linear(l, "linear", config_outputs(c), c->encoder.dim, 0);
}

void layout_free(struct layout *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->tensor[i].t.name);
    free(l->tensor);
    memset(l, 0, sizeof(*l));
}

const struct stored *layout_find(const struct stored *list, size_t n,
                                 const char *name)
{
    struct stored key = { .name = (char *)name };

    return n ? bsearch(&key, list, n, sizeof(*list), stored_by_name) : NULL;
}

static int check_one(const struct stored *want, const struct stored *t,
                     struct err *err)
{
    char is[200], due[200];

    if (!t)
        return err_set(err, ERR_FORMAT, "no tensor \"%s\"", want->name);
    if (t->ndim != want->ndim || memcmp(t->dim, want->dim, sizeof(t->dim)))
        return err_set(err, ERR_FORMAT, "tensor \"%s\" has shape %s, %s is "
                       "due", want->name, stored_shape(t, is, sizeof(is)),
                       stored_shape(want, due, sizeof(due)));
    if (!stored_type_is_float(t->type))
        return err_set(err, ERR_FORMAT, "tensor \"%s\" holds %s, not floats",
                       want->name, stored_type_name(t->type));
    return 0;
}

int layout_check(const struct layout *l, const struct stored *list, size_t n,
                 struct err *err)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->tensor[i].needed)
            TRY(check_one(&l->tensor[i].t,
                          layout_find(list, n, l->tensor[i].t.name), err));
    return 0;
}
