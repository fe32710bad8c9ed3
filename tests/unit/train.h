/* train.h - a small set of parameters that the tests of training share. */
#ifndef TESTS_TRAIN_H
#define TESTS_TRAIN_H

#include <check.h>
#include <string.h>

#include "train/optim.h"

enum { TRAIN_MATRIX, TRAIN_BIAS, TRAIN_MEAN, TRAIN_FROZEN, TRAIN_CODEBOOK,
       TRAIN_COUNT, TRAIN_HEAD };

/* Odd sizes; trained tensors, buffers and a counter mixed up. */
static inline void train_params(struct params *p, struct backend *be)
{
    struct err err = {0};
    struct param *q;

    memset(p, 0, sizeof(*p));
    params_add(p, "matrix", PARAM_TRAINED, INIT_NORMAL, 0.5f, 2,
               (int64_t[]){ 7, 5 });
    params_add(p, "bias", PARAM_TRAINED, INIT_UNIFORM, 0.3f, 1,
               (int64_t[]){ 7 });
    params_add(p, "mean", PARAM_BUFFER, INIT_CONST, 0, 1, (int64_t[]){ 3 });
    q = params_add(p, "frozen", PARAM_TRAINED, INIT_NORMAL, 1, 2,
                   (int64_t[]){ 3, 3 });
    q->frozen = 1;
    params_add(p, "codebook", PARAM_BUFFER, INIT_NORMAL, 1, 2,
               (int64_t[]){ 11, 4 });
    params_add(p, "count", PARAM_COUNTER, INIT_CONST, 0, 0, NULL);
    q = params_add(p, "head", PARAM_TRAINED, INIT_NORMAL, 0.2f, 2,
                   (int64_t[]){ 2, 7 });
    q->group = PARAM_GROUP_HEAD;
    ck_assert_msg(!params_alloc(p, be, &err), "%s", err.msg);
    ck_assert_msg(!params_init(p, 7, &err), "%s", err.msg);
}

/* Element j of tensor i in step t. */
static inline float train_gradient(int i, int64_t j, int t)
{
    uint32_t h = (uint32_t)(i * 7919 + (int)j * 104729 + t * 1299709);

    h = (h ^ h >> 15) * 2246822519u;
    h = (h ^ h >> 13) * 3266489917u;
    return (float)(h >> 8) / (1 << 23) - 1;
}

/* Gradients of step t, and running statistics as a forward pass changes
 * them. */
static inline void train_pass(struct params *p, int t)
{
    float buf[64];
    struct err err = {0};

    for (int i = 0; i < (int)p->n; i++) {
        struct tensor to;

        if (p->item[i].kind == PARAM_TRAINED)
            to = params_grad(p, i);
        else if (i == TRAIN_CODEBOOK)
            continue;
        else
            to = params_value(p, i);
        for (int64_t j = 0; j < p->item[i].count; j++)
            buf[j] = i == TRAIN_COUNT ? (float)t + 1 : train_gradient(i, j, t);
        ck_assert(!tensor_upload(&to, buf, &err));
    }
}

static inline struct backend *train_open(void)
{
    struct backend *be = NULL;
    struct err err = {0};

    ck_assert_msg(!backend_open(&be, "cpu", 1, &err), "%s", err.msg);
    return be;
}

static inline void train_get(const struct tensor *t, float *out)
{
    struct err err = {0};

    ck_assert_msg(!tensor_download(out, t, &err), "%s", err.msg);
}

#endif
