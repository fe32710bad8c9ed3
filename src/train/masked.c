/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "train/masked.h"

#include <string.h>

int masked_init(struct masked *m, const struct model_config *c,
                struct params *p, struct err *err)
{
    memset(m, 0, sizeof(*m));
    m->p = p;
    m->weight = params_index(p, "linear.weight");
    m->bias = params_index(p, "linear.bias");
    if (m->weight < 0 || m->bias < 0 || !c->n_tokens)
        return err_set(err, ERR_FORMAT, "the model has no tokens to predict");
    for (int i = 0; i < c->n_tokens; i++)
        for (int k = 0; k < c->tokens[i].stages; k++) {
            if (m->streams == MASKED_STREAMS)
                return err_set(err, ERR_FORMAT, "more than %d streams of "
                               "tokens", MASKED_STREAMS);
            m->codes[m->streams++] = c->tokens[i].codes;
        }
    return 0;
}

void masked_release(struct masked *m)
{
    tensor_release(&m->logits);
    memset(m, 0, sizeof(*m));
}

/* The rows of the layer that belong to one stream. */
struct part {
    struct tensor w, b, dw, db;
};

static struct part part_of(const struct masked *m, int64_t first, int64_t codes)
{
    struct tensor w = params_value(m->p, m->weight);
    struct tensor b = params_value(m->p, m->bias);
    struct tensor dw = params_grad(m->p, m->weight);
    struct tensor db = params_grad(m->p, m->bias);
    int64_t d = w.dim[1], wd[2] = { codes, d };

    return (struct part){ tensor_view(&w, first * d, 2, wd),
                          tensor_view(&b, first, 1, &codes),
                          tensor_view(&dw, first * d, 2, wd),
                          tensor_view(&db, first, 1, &codes) };
}

int masked_loss(struct masked *m, struct loss_sum *sum, struct tensor *dhidden,
                const struct tensor *hidden, const int32_t *const *target,
                const float *scale, struct err *err)
{
    struct backend *be = m->p->be;
    const struct backend_ops *ops = be->ops;
    struct matmul_opts plain = {0};
    int64_t first = 0;

    for (int k = 0; k < m->streams; k++) {
        struct matmul_opts add = { .accumulate = k > 0 };
        struct part part = part_of(m, first, m->codes[k]);

        TRY(tensor_reserve(&m->logits, be, 2, (int64_t[]){
                           tensor_rows(hidden), m->codes[k] }, err));
        TRY(ops->matmul(be, &m->logits, hidden, &part.w, &part.b, plain, err));
        TRY(ops->cross_entropy(be, &sum[k], &m->logits, &m->logits, target[k],
                               scale[k], err));
        first += m->codes[k];
        if (!dhidden)
            continue;
        TRY(ops->matmul_dw(be, &part.dw, &part.db, &m->logits, hidden, 1, err));
        TRY(ops->matmul_dx(be, dhidden, &m->logits, &part.w, add, err));
    }
    tensor_release(&m->logits);
    return 0;
}
