/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "train/tokens.h"

#include <stdlib.h>
#include <string.h>

#include "base/npy.h"
#include "base/xalloc.h"
#include "train/modelmel.h"

/* ---- tokenizers ---- */

static int fill_part(struct tokenizer_part *p, const struct model_config *c,
                     int i, tokens_lookup *get, void *ctx, struct err *err)
{
    static const enum tokenizer_kind kinds[] = {
        [TOKENS_RANDOM] = TOKENIZER_RANDOM,
        [TOKENS_KMEANS] = TOKENIZER_KMEANS,
        [TOKENS_RVQ] = TOKENIZER_RVQ
    };
    static const enum feature features[] = {
        [TOKENS_LOGMEL229] = FEATURE_LOGMEL229,
        [TOKENS_CHROMA264] = FEATURE_CHROMA264
    };
    const struct token_config *t = &c->tokens[i];
    struct config_tensor tensor[2];
    const float *value[2];
    int n = config_token_tensors(c, i, tensor);

    for (int k = 0; k < n; k++) {
        int64_t shape[3];

        for (int d = 0; d < tensor[k].ndim; d++)
            shape[d] = tensor[k].dim[d];
        TRY(get(ctx, tensor[k].name, shape, tensor[k].ndim, &value[k], err));
    }
    *p = (struct tokenizer_part){
        .kind = kinds[t->type], .feature = features[t->feature],
        .hop = t->hop, .stack = t->stack, .dim = t->dim, .codes = t->codes,
        .stages = t->stages, .projection = n == 2 ? value[0] : NULL,
        .centers = value[n - 1]
    };
    return 0;
}

int tokens_build(struct tokenizer **out, const struct model_config *c,
                 tokens_lookup *get, void *ctx, struct err *err)
{
    struct tokenizer_part *part;
    struct tokenizer_config config = {
        .mel = mel_config_of(&c->mel, c->sample_rate),
        .mean = c->mel.mean, .std = c->mel.std, .n_parts = c->n_tokens
    };
    int rc = 0;

    if (!c->n_tokens)
        return err_set(err, ERR_FORMAT, "the model holds no tokens");
    part = xcalloc((size_t)c->n_tokens, sizeof(*part));
    for (int i = 0; i < c->n_tokens && !rc; i++)
        rc = fill_part(&part[i], c, i, get, ctx, err);
    config.part = part;
    if (!rc)
        rc = tokenizer_new(out, &config, err);
    free(part);
    return rc;
}

static int of_model(void *ctx, const char *name, const int64_t *shape, int ndim,
                    const float **out, struct err *err)
{
    static const char first[] = "quantizer_melspec_2048_0.";
    static const char only[] = "quantizer_melspec_2048.";
    struct model *m = ctx;
    char *other;
    int rc;

    if (model_has(m, name) || strncmp(name, first, sizeof(first) - 1))
        return model_tensor(m, name, shape, ndim, out, err);
    other = xasprintf("%s%s", only, name + sizeof(first) - 1);
    rc = model_tensor(m, model_has(m, other) ? other : name, shape, ndim, out,
                      err);
    free(other);
    return rc;
}

int tokens_from_model(struct tokenizer **out, struct model *m,
                      struct err *err)
{
    if (!m->config.n_tokens)
        return err_set(err, ERR_FORMAT, "%s: the model holds no tokens",
                       m->path);
    return tokens_build(out, &m->config, of_model, m, err);
}

/* ---- tokens of other programs ---- */

static int64_t integer(const struct npy *a, int64_t i)
{
    const unsigned char *p = (const unsigned char *)a->data + i * a->size;
    int64_t v = 0;
    int16_t v16;
    int32_t v32;

    switch (a->size) {
    case 1:
        return a->type == 'u' ? *p : (int64_t)(signed char)*p;
    case 2:
        memcpy(&v16, p, 2);
        return a->type == 'u' ? (uint16_t)v16 : v16;
    case 4:
        memcpy(&v32, p, 4);
        return a->type == 'u' ? (int64_t)(uint32_t)v32 : v32;
    default:
        memcpy(&v, p, 8); /* above 2^63 it is negative: out of range too */
        return v;
    }
}

static int check_array(const struct npy *a, int streams, const char *path,
                       struct err *err)
{
    if (a->type != 'i' && a->type != 'u')
        return err_set(err, ERR_FORMAT, "%s: not tokens: an array of integers "
                       "is needed, it holds %s", path,
                       a->type == 'f' ? "floats" : "something else");
    if (a->ndim == 1 && streams == 1)
        return 0;
    if (a->ndim == 2 && a->dim[1] == streams)
        return 0;
    if (a->ndim == 2 && a->dim[0] == streams)
        return err_set(err, ERR_FORMAT, "%s: shape (%lld, %lld), (T, %d) is "
                       "due: transpose the array", path, (long long)a->dim[0],
                       (long long)a->dim[1], streams);
    return err_set(err, ERR_FORMAT, "%s: %d dimensions, the last of %lld; (T, "
                   "%d) is due for the %d streams of the model", path, a->ndim,
                   a->ndim ? (long long)a->dim[a->ndim - 1] : 0LL, streams,
                   streams);
}

/* The codes of each stream into codes (streams). */
static void list_codes(const struct model_config *c, int *codes)
{
    for (int i = 0; i < c->n_tokens; i++)
        for (int s = 0; s < c->tokens[i].stages; s++)
            *codes++ = c->tokens[i].codes;
}

static int take_values(int32_t *token, const struct npy *a,
                       const struct model_config *c, const char *path,
                       struct err *err)
{
    int streams = config_streams(c);
    int *codes = xcalloc((size_t)streams, sizeof(*codes));
    int rc = 0;

    list_codes(c, codes);
    for (int64_t i = 0; i < a->count && !rc; i++) {
        int64_t v = integer(a, i);
        int limit = codes[i % streams];

        if (v < 0 || v >= limit)
            rc = err_set(err, ERR_FORMAT, "%s: frame %lld, stream %lld: token "
                         "%lld, not 0 to %d", path, (long long)(i / streams),
                         (long long)(i % streams), (long long)v, limit - 1);
        token[i] = (int32_t)v;
    }
    free(codes);
    return rc;
}

int tokens_read_npy(int32_t **token, int64_t *count, const char *path,
                    const struct model_config *c, struct err *err)
{
    int streams = config_streams(c), rc;
    struct npy a = {0};
    int32_t *made = NULL;

    if (!streams)
        return err_set(err, ERR_FORMAT, "%s: the model holds no tokens", path);
    TRY(npy_read(&a, path, err));
    rc = check_array(&a, streams, path, err);
    if (!rc) {
        made = malloc(((size_t)a.count + 1) * sizeof(*made));
        rc = made ? take_values(made, &a, c, path, err)
                  : err_set(err, ERR_NOMEM, "%s: no memory for %lld tokens",
                            path, (long long)a.count);
    }
    if (rc) {
        free(made);
    } else {
        *token = made;
        *count = a.count / streams;
    }
    npy_release(&a);
    return rc;
}

char *tokens_npy_path(const char *audio, const char *dir)
{
    const char *slash = strrchr(audio, '/');
    const char *name = slash ? slash + 1 : audio;
    const char *dot = strrchr(name, '.');
    int stem = (int)(dot && dot > name ? dot - name : (long)strlen(name));
    size_t n = dir ? strlen(dir) : 0;

    if (dir)
        return xasprintf("%s%s%.*s.npy", dir,
                         n && dir[n - 1] == '/' ? "" : "/", stem, name);
    return xasprintf("%.*s%.*s.npy", (int)(name - audio), audio, stem, name);
}
