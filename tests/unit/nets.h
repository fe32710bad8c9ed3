/* nets.h - small Conformers and BERTs that the tests of training share. */
#ifndef TESTS_NETS_H
#define TESTS_NETS_H

#include "base/rng.h"
#include "base/xalloc.h"
#include "model/net.h"
#include "unit.h"

/* Rate, channels and time strides are to be filled in; frames of mel come 100
 * times a second. */
static const char nets_conformer[] =
    "{\"format\":1,\"name\":\"t\",\"sample_rate\":1200,\"mel\":{\"n_fft\":64,"
    "\"hop\":12,\"bands\":8,\"mean\":0,\"std\":1},\"encoder\":{\"type\":"
    "\"conformer\",\"rate\":%d,\"dim\":12,\"layers\":3,\"heads\":3,\"ffn\":10,"
    "\"kernel\":5,\"conv_dim\":%d,\"time_strides\":[%d,%d]},\"tokens\":[{"
    "\"type\":\"random\",\"stack\":%d,\"dim\":3,\"codes\":8}],\"window\":1,"
    "\"heads\":{}}";

/* The norm is to be filled in; 100 states of 12 samples a second. */
static const char nets_bert[] =
    "{\"format\":1,\"name\":\"t\",\"sample_rate\":1200,\"mel\":{\"n_fft\":64,"
    "\"hop\":12,\"bands\":4,\"mean\":0,\"std\":1},\"encoder\":{\"type\":"
    "\"bert\",\"rate\":100,\"dim\":12,\"layers\":2,\"heads\":3,\"ffn\":10,"
    "\"norm\":\"%s\",\"conv_dim\":[6,5,7],\"conv_kernel\":[4,3,2],"
    "\"conv_stride\":[3,2,2],\"pos_kernel\":6,\"pos_groups\":3},\"tokens\":[{"
    "\"type\":\"random\",\"stack\":1,\"dim\":3,\"codes\":8}],\"window\":1,"
    "\"heads\":{}}";

/* The configuration of json, which is freed, and its tensors: as drawn, and
 * noise on all that are trained, so that no bias is 0 and no factor 1. */
static inline void nets_begin(struct model_config *c, struct params *p,
                              struct backend *be, char *json)
{
    struct err err = {0};

    ck_assert_msg(!config_parse_text(c, json, &err), "%s", err.msg);
    free(json);
    memset(p, 0, sizeof(*p));
    net_describe(c, p);
    ck_assert(!params_alloc(p, be, &err));
    ck_assert(!params_init(p, 3, &err));
    for (int64_t i = 0; i < p->trained; i++) {
        uint32_t r[4];

        rng_block(r, 99, 1, (uint64_t)i);
        p->value.data[i] += 0.1f * (float)(r[0] * 0x1p-31 - 1);
    }
}

static inline void nets_wide_begin(struct model_config *c, struct params *p,
                                   struct backend *be, int channels,
                                   int stride0, int stride1)
{
    int hop = stride0 * stride1;

    nets_begin(c, p, be, xasprintf(nets_conformer, 100 / hop, channels,
                                   stride0, stride1, hop));
}

static inline void nets_conformer_begin(struct model_config *c,
                                        struct params *p, struct backend *be,
                                        int stride0, int stride1)
{
    nets_wide_begin(c, p, be, 3, stride0, stride1);
}

static inline void nets_bert_begin(struct model_config *c, struct params *p,
                                   struct backend *be, int pre)
{
    nets_begin(c, p, be, xasprintf(nets_bert, pre ? "pre" : "post"));
}

#endif
