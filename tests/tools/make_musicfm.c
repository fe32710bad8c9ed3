/* SPDX-License-Identifier: GPL-3.0-or-later */
/* make_musicfm - writes a PyTorch checkpoint with the names and shapes of a
 * published MusicFM model (or of a smaller one) and random weights, scaled so
 * that activations stay finite. The same options give the same bytes. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/opt.h"
#include "base/xalloc.h"
#include "model/musicfm.h"
#include "model/torchfile.h"

struct random {
    uint64_t state;
};

/* splitmix64 (Steele, Lea, Flood 2014). */
static uint64_t random_bits(struct random *r)
{
    uint64_t z = r->state += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* Close to N(0, 1): the sum of four uniform numbers, scaled. */
static float random_normal(struct random *r)
{
    uint64_t b = random_bits(r);
    double sum = 0;

    for (int i = 0; i < 4; i++)
        sum += (double)(b >> 16 * i & 0xffff) / 65535 - 0.5;
    return (float)(sum * sqrt(3));
}

static int ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);

    return n >= m && !strcmp(s + n - m, end);
}

static void scale_rows(float *f, int64_t rows, int64_t width)
{
    for (int64_t i = 0; i < rows; i++) {
        double sum = 0;

        for (int64_t k = 0; k < width; k++)
            sum += (double)f[i * width + k] * f[i * width + k];
        for (int64_t k = 0; k < width; k++)
            f[i * width + k] = (float)(f[i * width + k] / sqrt(sum));
    }
}

static void fill(float *f, const struct stored *t, struct random *r)
{
    int64_t n = stored_count(t), fan_in = n / (t->ndim ? t->dim[0] : 1);
    float scale = 0.01f, offset = 0;

    if (ends_with(t->name, "random_projection"))
        scale = (float)sqrt(2. / (double)(t->dim[0] + t->dim[1]));
    else if (ends_with(t->name, "codebook"))
        scale = 1;
    else if (t->ndim >= 2)
        scale = (float)(1 / sqrt((double)fan_in));
    else if (ends_with(t->name, ".weight") || ends_with(t->name, "_var"))
        offset = 1;
    for (int64_t i = 0; i < n; i++) {
        float noise = random_normal(r);

        f[i] = offset != 0 ? offset : scale * noise;
    }
    if (ends_with(t->name, "inv_freq"))
        for (int64_t i = 0; i < n; i++)
            f[i] = (float)pow(10000, -(double)i / (double)n);
    if (ends_with(t->name, "codebook"))
        scale_rows(f, t->dim[0], t->dim[1]);
}

static int write_file(const char *path, const struct model_config *c, int seed,
                      int plain, struct err *err)
{
    struct layout l;
    struct stored *list;
    struct torchfile_out *out = NULL;
    struct random r = { (uint64_t)seed };
    int64_t values = 0;
    int rc;

    musicfm_layout(&l, c);
    list = xcalloc(l.n, sizeof(*list));
    for (size_t i = 0; i < l.n; i++) {
        list[i] = l.tensor[i].t;
        list[i].name = xasprintf("%s%s", plain ? "" : "model.",
                                 l.tensor[i].t.name);
        values += stored_count(&list[i]);
    }
    rc = torchfile_create(&out, path, list, l.n, !plain, err);
    for (size_t i = 0; i < l.n && !rc; i++) {
        float *f = xcalloc((size_t)stored_count(&list[i]) + 1, 8);

        if (list[i].type == STORED_F32)
            fill(f, &list[i], &r);
        torchfile_begin(out, i);
        torchfile_put(out, f, (size_t)stored_bytes(&list[i]));
        torchfile_end(out);
        free(f);
    }
    if (!rc)
        rc = torchfile_commit(out, err);
    torchfile_abort(out);
    if (!rc)
        printf("%zu tensors, %lld values\n", l.n, (long long)values);
    for (size_t i = 0; i < l.n; i++)
        free(list[i].name);
    free(list);
    layout_free(&l);
    return rc;
}

int main(int argc, char **argv)
{
    struct token_config token = { .type = TOKENS_RANDOM, .stack = 4, .dim = 16,
                                  .codes = 4096, .stages = 1 };
    struct model_config c = {
        .sample_rate = 24000,
        .mel = { 2048, 240, 128, 0, 1 },
        .encoder = { ENCODER_CONFORMER, 25, 1024, 12, 16, 4096, 31, 512,
                     { 2, 2 } },
        .tokens = &token,
        .n_tokens = 1
    };
    struct encoder_config *e = &c.encoder;
    int seed = 1, plain = 0, n = 0;
    const struct opt table[] = {
        { 0, "dim", OPT_INT, &e->dim, "N", "", 16, 65536, NULL },
        { 0, "layers", OPT_INT, &e->layers, "N", "", 1, 1000, NULL },
        { 0, "heads", OPT_INT, &e->heads, "N", "", 1, 1024, NULL },
        { 0, "ffn", OPT_INT, &e->ffn, "N", "", 1, 65536, NULL },
        { 0, "kernel", OPT_INT, &e->kernel, "N", "", 1, 1023, NULL },
        { 0, "conv-dim", OPT_INT, &e->conv_dim, "N", "", 1, 65536, NULL },
        { 0, "codes", OPT_INT, &token.codes, "N", "", 2, 65536, NULL },
        { 0, "stack", OPT_INT, &token.stack, "N", "", 1, 4, NULL },
        { 0, "seed", OPT_INT, &seed, "N", "", 0, 1e9, NULL },
        { 0, "plain", OPT_FLAG, &plain, NULL, "no prefix", 0, 0, NULL },
        { .kind = OPT_END }
    };
    struct err err = {0};

    if (opt_parse((const struct opt *const[]){ table, NULL }, argc, argv, &n,
                  NULL, &err) || n != 1) {
        fprintf(stderr, "make_musicfm: %s\n",
                *err.msg ? err.msg : "usage: make_musicfm [--dim N]... OUT.pt");
        return 2;
    }
    if (write_file(argv[0], &c, seed, plain, &err)) {
        fprintf(stderr, "make_musicfm: %s\n", err.msg);
        return 1;
    }
    return 0;
}
