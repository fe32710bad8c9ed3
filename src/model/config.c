/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "model/config.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/xalloc.h"
#include "model/headconfig.h"
#include "model/melstack.h"

/* Limits leave room above anything sensible, and keep products of two of them
 * far from overflow. */
static const char *const encoder_types[] = { "conformer", "bert", "mel", NULL };
static const char *const bert_norms[] = { "pre", "post", NULL };
static const char *const token_types[] = { "random", "kmeans", "rvq", NULL };
static const char *const token_features[] = { "logmel229", "chroma264", NULL };
static const int feature_dims[] = { 229, 264 };

static int parse_object(const cJSON *obj, const char *name, const cJSON **out,
                        struct err *err)
{
    *out = cJSON_GetObjectItemCaseSensitive(obj, name);
    if (!cJSON_IsObject(*out))
        return err_set(err, ERR_FORMAT, "%s: %s", name,
                       *out ? "not an object" : "missing");
    return 0;
}

static int parse_mel(struct mel_settings *m, const cJSON *json, struct err *err)
{
    const cJSON *o;

    TRY(parse_object(json, "mel", &o, err));
    TRY(json_int(o, "mel", "n_fft", 1, 16, 65536, &m->n_fft, err));
    TRY(json_int(o, "mel", "hop", 1, 1, 65536, &m->hop, err));
    TRY(json_int(o, "mel", "bands", 1, 4, 4096, &m->bands, err));
    TRY(json_double(o, "mel", "mean", 1, -1e6, 1e6, &m->mean, err));
    return json_double(o, "mel", "std", 1, 1e-6, 1e6, &m->std, err);
}

static int parse_strides(const cJSON *o, int out[2], struct err *err)
{
    const cJSON *a = cJSON_GetObjectItemCaseSensitive(o, "time_strides");

    for (int i = 0; i < 2; i++) {
        const cJSON *v = cJSON_GetArrayItem(a, i);

        if (!cJSON_IsArray(a) || cJSON_GetArraySize(a) != 2 ||
            !cJSON_IsNumber(v) ||
            (v->valuedouble != 1 && v->valuedouble != 2))
            return err_set(err, ERR_FORMAT, "encoder.time_strides: not two "
                           "numbers that are 1 or 2");
        out[i] = v->valueint;
    }
    return 0;
}

/* An optional array of up to BERT_MAX_CONVS integers, or one for all *n of
 * them; 0 in *n: not known yet. */
static int parse_convs(const cJSON *o, const char *name, int out[], int *n,
                       struct err *err)
{
    const cJSON *a = cJSON_GetObjectItemCaseSensitive(o, name), *v;
    int count = cJSON_IsArray(a) ? cJSON_GetArraySize(a) : *n;

    if (!a)
        return 0;
    if (count < 1 || count > BERT_MAX_CONVS || (*n && count != *n))
        return err_set(err, ERR_FORMAT, "encoder.%s: not as many numbers as "
                       "there are convolutions (%d; up to %d are possible)",
                       name, *n, BERT_MAX_CONVS);
    *n = count;
    for (int i = 0; i < count; i++) {
        v = cJSON_IsArray(a) ? cJSON_GetArrayItem(a, i) : a;
        if (!cJSON_IsNumber(v) || v->valuedouble != v->valueint ||
            v->valueint < 1 || v->valueint > LIMIT_WIDTH)
            return err_set(err, ERR_FORMAT, "encoder.%s: not integers in "
                           "1..%d", name, LIMIT_WIDTH);
        out[i] = v->valueint;
    }
    return 0;
}

void config_bert_defaults(struct bert_config *b, int width)
{
    static const int kernel[] = { 10, 3, 3, 3, 3, 2, 2 };
    static const int stride[] = { 5, 2, 2, 2, 2, 2, 2 };

    memset(b, 0, sizeof(*b));
    b->norm = BERT_PRE_NORM;
    b->n_convs = (int)ARRAY_LEN(kernel);
    memcpy(b->conv_kernel, kernel, sizeof(kernel));
    memcpy(b->conv_stride, stride, sizeof(stride));
    for (int i = 0; i < b->n_convs; i++)
        b->conv_dim[i] = width;
    b->pos_kernel = 128;
    b->pos_groups = 16;
}

static int parse_bert(struct bert_config *b, const cJSON *o, struct err *err)
{
    const char *p = "encoder";
    int norm = BERT_PRE_NORM, n = 0;

    config_bert_defaults(b, 512);
    if (cJSON_GetObjectItemCaseSensitive(o, "norm"))
        TRY(json_word(o, p, "norm", bert_norms, &norm, err));
    b->norm = (enum bert_norm)norm;
    TRY(parse_convs(o, "conv_kernel", b->conv_kernel, &n, err));
    n = n ? n : b->n_convs;
    TRY(parse_convs(o, "conv_stride", b->conv_stride, &n, err));
    for (int i = b->n_convs; i < n; i++)
        b->conv_dim[i] = b->conv_dim[0];
    TRY(parse_convs(o, "conv_dim", b->conv_dim, &n, err));
    b->n_convs = n;
    TRY(json_int(o, p, "pos_kernel", 0, 1, 4096, &b->pos_kernel, err));
    return json_int(o, p, "pos_groups", 0, 1, LIMIT_WIDTH, &b->pos_groups, err);
}

static int parse_encoder(struct model_config *c, const cJSON *json,
                         struct err *err)
{
    struct encoder_config *e = &c->encoder;
    const char *p = "encoder";
    const cJSON *o;
    int type = 0;

    TRY(parse_object(json, p, &o, err));
    TRY(json_word(o, p, "type", encoder_types, &type, err));
    e->type = (enum encoder_type)type;
    TRY(json_double(o, p, "rate", 1, 0.01, 1000, &e->rate, err));
    if (e->type != ENCODER_BERT)
        TRY(parse_strides(o, e->time_strides, err));
    if (e->type == ENCODER_MEL)
        return melstack_parse(e, o, c->mel.bands, err);
    TRY(json_int(o, p, "dim", 1, 2, LIMIT_WIDTH, &e->dim, err));
    TRY(json_int(o, p, "layers", 1, 1, LIMIT_LAYERS, &e->layers, err));
    TRY(json_int(o, p, "heads", 1, 1, LIMIT_WIDTH, &e->heads, err));
    TRY(json_int(o, p, "ffn", 1, 1, LIMIT_WIDTH, &e->ffn, err));
    if (e->type == ENCODER_BERT)
        return parse_bert(&e->bert, o, err);
    TRY(json_int(o, p, "kernel", 1, 1, 1023, &e->kernel, err));
    return json_int(o, p, "conv_dim", 1, 1, LIMIT_WIDTH, &e->conv_dim, err);
}

static int parse_kmeans(struct token_config *t, const cJSON *o,
                        const char *path, struct err *err)
{
    int feature = 0;

    TRY(json_word(o, path, "feature", token_features, &feature, err));
    t->feature = (enum token_feature)feature;
    t->dim = feature_dims[feature];
    return json_int(o, path, "hop", 1, 1, 1023, &t->hop, err);
}

static int parse_token(struct token_config *t, const cJSON *o, const char *path,
                       struct err *err)
{
    int type = 0, is_kmeans;

    TRY(json_word(o, path, "type", token_types, &type, err));
    t->type = (enum token_type)type;
    t->stages = t->stack = 1;
    is_kmeans = t->type == TOKENS_KMEANS;
    if (is_kmeans)
        TRY(parse_kmeans(t, o, path, err));
    TRY(json_int(o, path, "stack", !is_kmeans, 1, 64, &t->stack, err));
    TRY(json_int(o, path, "dim", !is_kmeans, 1, LIMIT_WIDTH, &t->dim, err));
    TRY(json_int(o, path, "codes", 1, 2, LIMIT_CODES, &t->codes, err));
    return json_int(o, path, "stages", 0, 1, LIMIT_PARTS, &t->stages, err);
}

static int parse_tokens(struct model_config *c, const cJSON *json,
                        struct err *err)
{
    const cJSON *a = cJSON_GetObjectItemCaseSensitive(json, "tokens"), *o;
    char path[40];

    if (!a)
        return 0; /* a model that only annotates needs none */
    if (!cJSON_IsArray(a) || cJSON_GetArraySize(a) > LIMIT_PARTS)
        return err_set(err, ERR_FORMAT, "tokens: not an array of up to %d",
                       LIMIT_PARTS);
    c->tokens = xcalloc((size_t)cJSON_GetArraySize(a) + 1, sizeof(*c->tokens));
    cJSON_ArrayForEach(o, a) {
        snprintf(path, sizeof(path), "tokens[%d]", c->n_tokens);
        TRY(parse_token(&c->tokens[c->n_tokens], o, path, err));
        c->n_tokens++;
    }
    return 0;
}

static int parse_heads(struct model_config *c, const cJSON *json,
                       struct err *err)
{
    const cJSON *o = cJSON_GetObjectItemCaseSensitive(json, "heads"), *v;

    if (!o)
        return 0;
    if (!cJSON_IsObject(o) || cJSON_GetArraySize(o) > LIMIT_PARTS)
        return err_set(err, ERR_FORMAT, "heads: not an object of up to %d",
                       LIMIT_PARTS);
    c->heads = xcalloc((size_t)cJSON_GetArraySize(o) + 1, sizeof(*c->heads));
    cJSON_ArrayForEach(v, o) {
        if (config_head(c, v->string))
            return err_set(err, ERR_FORMAT, "heads.%.60s comes twice",
                           v->string);
        TRY(head_config_parse(&c->heads[c->n_heads++], v, c->encoder.layers,
                              err));
    }
    return 0;
}

static int parse_strings(struct model_config *c, const cJSON *json,
                         struct err *err)
{
    const char *name = NULL, *provenance = "", *license = "";

    TRY(json_string(json, "", "name", 1, &name, err));
    TRY(json_string(json, "", "provenance", 0, &provenance, err));
    TRY(json_string(json, "", "license", 0, &license, err));
    c->name = xstrdup(name);
    c->provenance = xstrdup(provenance);
    c->license = xstrdup(license);
    return 0;
}

static int parse_all(struct model_config *c, const cJSON *json,
                     struct err *err)
{
    int format = 0;

    if (!cJSON_IsObject(json))
        return err_set(err, ERR_FORMAT, "the configuration is not an object");
    TRY(json_int(json, "", "format", 1, 1, 1000000, &format, err));
    if (format > CONFIG_FORMAT)
        return err_set(err, ERR_UNSUPPORTED, "format %d is newer than this "
                       "version of mfm, which reads %d", format,
                       CONFIG_FORMAT);
    TRY(parse_strings(c, json, err));
    TRY(json_int(json, "", "sample_rate", 1, 1000, 192000, &c->sample_rate,
                 err));
    TRY(parse_mel(&c->mel, json, err));
    if (cJSON_GetObjectItemCaseSensitive(json, "encoder"))
        TRY(parse_encoder(c, json, err));
    else
        c->encoder.type = ENCODER_NONE;
    TRY(parse_tokens(c, json, err));
    TRY(json_double(json, "", "window", 1, 0.1, 3600, &c->window, err));
    TRY(parse_heads(c, json, err));
    return config_check(c, err);
}

int config_hop(const struct model_config *c)
{
    const struct encoder_config *e = &c->encoder;
    int hop = 1;

    if (e->type == ENCODER_NONE)
        return config_token_step(c);
    if (e->type != ENCODER_BERT)
        return c->mel.hop * e->time_strides[0] * e->time_strides[1];
    for (int i = 0; i < e->bert.n_convs; i++)
        hop *= e->bert.conv_stride[i];
    return hop;
}

static int check_conformer(const struct model_config *c, struct err *err)
{
    const struct encoder_config *e = &c->encoder;
    double rate = (double)c->sample_rate / config_hop(c);

    if (fabs(rate - e->rate) > 1e-9 * rate)
        return err_set(err, ERR_FORMAT, "encoder.rate: %g, but %d Hz, hop %d "
                       "and strides %d, %d give %g", e->rate, c->sample_rate,
                       c->mel.hop, e->time_strides[0], e->time_strides[1],
                       rate);
    if (e->dim % (2 * e->heads))
        return err_set(err, ERR_FORMAT, "encoder.heads: dim %d does not part "
                       "into %d heads of even width", e->dim, e->heads);
    if (e->kernel % 2 == 0)
        return err_set(err, ERR_FORMAT, "encoder.kernel: %d is not odd",
                       e->kernel);
    return 0;
}

static int check_bert(const struct model_config *c, struct err *err)
{
    const struct encoder_config *e = &c->encoder;
    const struct bert_config *b = &e->bert;
    int64_t hop = 1, field = 1;

    for (int i = 0; i < b->n_convs; i++) {
        field += (b->conv_kernel[i] - 1) * hop;
        hop *= b->conv_stride[i];
        if (hop > c->sample_rate || field > c->sample_rate)
            return err_set(err, ERR_FORMAT, "encoder.conv_stride, "
                           "encoder.conv_kernel: a state of more than a "
                           "second");
    }
    if (fabs((double)c->sample_rate / (double)hop - e->rate) > 1e-9 * e->rate)
        return err_set(err, ERR_FORMAT, "encoder.rate: %g, but %d Hz and "
                       "strides of %lld samples give %g", e->rate,
                       c->sample_rate, (long long)hop,
                       (double)c->sample_rate / (double)hop);
    if (e->dim % e->heads)
        return err_set(err, ERR_FORMAT, "encoder.heads: dim %d does not part "
                       "into %d heads", e->dim, e->heads);
    if (e->dim % b->pos_groups)
        return err_set(err, ERR_FORMAT, "encoder.pos_groups: dim %d does not "
                       "part into %d groups", e->dim, b->pos_groups);
    return 0;
}

static int token_step(const struct model_config *c, int i)
{
    const struct token_config *t = &c->tokens[i];

    return t->type == TOKENS_KMEANS ? t->hop : t->stack * c->mel.hop;
}

/* A kind's own sizes. */
static int check_token(const struct model_config *c, int i, struct err *err)
{
    const struct token_config *t = &c->tokens[i];
    int due = t->type == TOKENS_RVQ      ? t->stack * c->mel.bands
              : t->type == TOKENS_KMEANS ? feature_dims[t->feature] : t->dim;

    if (t->dim != due)
        return err_set(err, ERR_FORMAT, "tokens[%d].dim: %d, but its vectors "
                       "have %d values", i, t->dim, due);
    if (t->type == TOKENS_KMEANS && t->stack != 1)
        return err_set(err, ERR_FORMAT, "tokens[%d].stack: %d frames, kmeans "
                       "takes one", i, t->stack);
    if (t->type != TOKENS_RVQ && t->stages != 1)
        return err_set(err, ERR_FORMAT, "tokens[%d].stages: %d, only rvq has "
                       "stages", i, t->stages);
    return 0;
}

static int check_tokens(const struct model_config *c, struct err *err)
{
    int hop = config_hop(c);
    int64_t outputs = 0;

    if (c->encoder.type == ENCODER_NONE && !c->n_tokens)
        return err_set(err, ERR_FORMAT, "encoder: missing, and there are no "
                       "tokens either");
    if (c->encoder.type == ENCODER_NONE && c->n_heads)
        return err_set(err, ERR_FORMAT, "encoder: missing, but there are "
                       "heads");
    for (int i = 0; i < c->n_tokens; i++) {
        const struct token_config *t = &c->tokens[i];

        TRY(check_token(c, i, err));
        if (token_step(c, i) != hop)
            return err_set(err, ERR_FORMAT, "tokens[%d].%s: a token each %d "
                           "samples, but %s each %d", i,
                           t->type == TOKENS_KMEANS ? "hop" : "stack",
                           token_step(c, i),
                           c->encoder.type == ENCODER_NONE
                               ? "tokens[0] has one"
                               : "the encoder has a hidden state", hop);
        outputs += (int64_t)t->codes * t->stages;
    }
    if (config_streams(c) > LIMIT_PARTS || outputs > LIMIT_OUTPUTS)
        return err_set(err, ERR_FORMAT, "tokens: %d streams of %lld codes, up "
                       "to %d of %d are possible", config_streams(c),
                       (long long)outputs, LIMIT_PARTS, LIMIT_OUTPUTS);
    return 0;
}

int config_check(const struct model_config *c, struct err *err)
{
    if (c->encoder.type == ENCODER_BERT)
        TRY(check_bert(c, err));
    if (c->encoder.type == ENCODER_CONFORMER)
        TRY(check_conformer(c, err));
    if (c->encoder.type == ENCODER_MEL)
        TRY(melstack_check(c, err));
    if (c->mel.bands % 4)
        return err_set(err, ERR_FORMAT, "mel.bands: %d is not a multiple of 4",
                       c->mel.bands);
    return check_tokens(c, err);
}

int config_parse(struct model_config *c, const cJSON *json, struct err *err)
{
    int rc;

    memset(c, 0, sizeof(*c));
    rc = parse_all(c, json, err);
    if (rc)
        config_release(c);
    return rc;
}

int config_parse_text(struct model_config *c, const char *json,
                      struct err *err)
{
    cJSON *v = NULL;
    int rc = json_parse(&v, json, strlen(json), err);

    if (!rc)
        rc = config_parse(c, v, err);
    cJSON_Delete(v);
    return rc;
}

void config_release(struct model_config *c)
{
    for (int i = 0; i < c->n_heads; i++)
        head_config_release(&c->heads[i]);
    free(c->heads);
    free(c->tokens);
    free(c->name);
    free(c->provenance);
    free(c->license);
    memset(c, 0, sizeof(*c));
}

const struct head_config *config_head(const struct model_config *c,
                                      const char *task)
{
    for (int i = 0; i < c->n_heads; i++)
        if (c->heads[i].task && !strcmp(c->heads[i].task, task))
            return &c->heads[i];
    return NULL;
}

int config_streams(const struct model_config *c)
{
    int n = 0;

    for (int i = 0; i < c->n_tokens; i++)
        n += c->tokens[i].stages;
    return n;
}

int config_token_step(const struct model_config *c)
{
    return c->n_tokens ? token_step(c, 0) : 0;
}

int config_token_tensors(const struct model_config *c, int i,
                         struct config_tensor out[2])
{
    const struct token_config *t = &c->tokens[i];
    const int room = sizeof(out->name);

    if (t->type == TOKENS_RANDOM) {
        out[0] = (struct config_tensor){ "", 2, { t->stack * c->mel.bands,
                                                  t->dim } };
        snprintf(out[0].name, room,
                 "quantizer_melspec_2048_%d.random_projection", i);
        out[1] = (struct config_tensor){ "", 2, { t->codes, t->dim } };
        snprintf(out[1].name, room, "quantizer_melspec_2048_%d.codebook", i);
        return 2;
    }
    out[0] = t->type == TOKENS_RVQ
                 ? (struct config_tensor){ "", 3, { t->stages, t->codes,
                                                    t->dim } }
                 : (struct config_tensor){ "", 2, { t->codes, t->dim } };
    snprintf(out[0].name, room, "tokens.%d.centers", i);
    return 1;
}

int config_outputs(const struct model_config *c)
{
    int n = 0;

    for (int i = 0; i < c->n_tokens; i++)
        n += c->tokens[i].codes * c->tokens[i].stages;
    return n;
}

/* ---- printing ---- */

static cJSON *number(cJSON *obj, const char *name, double v)
{
    return cJSON_AddNumberToObject(obj, name, v);
}

static void print_ints(cJSON *o, const char *name, const int *v, int n)
{
    cJSON_AddItemToObject(o, name, cJSON_CreateIntArray(v, n));
}

static void print_bert(cJSON *o, const struct bert_config *b)
{
    cJSON_AddStringToObject(o, "norm", bert_norms[b->norm]);
    print_ints(o, "conv_dim", b->conv_dim, b->n_convs);
    print_ints(o, "conv_kernel", b->conv_kernel, b->n_convs);
    print_ints(o, "conv_stride", b->conv_stride, b->n_convs);
    number(o, "pos_kernel", b->pos_kernel);
    number(o, "pos_groups", b->pos_groups);
}

static void print_encoder(cJSON *root, const struct encoder_config *e)
{
    cJSON *o = cJSON_AddObjectToObject(root, "encoder");

    cJSON_AddStringToObject(o, "type", encoder_types[e->type]);
    number(o, "rate", e->rate);
    if (e->type == ENCODER_MEL) {
        melstack_print(o, e);
        return;
    }
    number(o, "dim", e->dim);
    number(o, "layers", e->layers);
    number(o, "heads", e->heads);
    number(o, "ffn", e->ffn);
    if (e->type == ENCODER_BERT) {
        print_bert(o, &e->bert);
        return;
    }
    number(o, "kernel", e->kernel);
    number(o, "conv_dim", e->conv_dim);
    print_ints(o, "time_strides", e->time_strides, 2);
}

static void print_tokens(cJSON *root, const struct model_config *c)
{
    cJSON *a = cJSON_AddArrayToObject(root, "tokens");

    for (int i = 0; i < c->n_tokens; i++) {
        const struct token_config *t = &c->tokens[i];
        cJSON *o = cJSON_CreateObject();

        cJSON_AddItemToArray(a, o);
        cJSON_AddStringToObject(o, "type", token_types[t->type]);
        if (t->type == TOKENS_KMEANS) {
            cJSON_AddStringToObject(o, "feature", token_features[t->feature]);
            number(o, "hop", t->hop);
        } else {
            number(o, "stack", t->stack);
        }
        number(o, "dim", t->dim);
        number(o, "codes", t->codes);
        if (t->stages > 1)
            number(o, "stages", t->stages);
    }
}

void config_print(const struct model_config *c, struct strbuf *out)
{
    cJSON *root = cJSON_CreateObject(), *o;

    number(root, "format", CONFIG_FORMAT);
    cJSON_AddStringToObject(root, "name", c->name);
    number(root, "sample_rate", c->sample_rate);
    o = cJSON_AddObjectToObject(root, "mel");
    number(o, "n_fft", c->mel.n_fft);
    number(o, "hop", c->mel.hop);
    number(o, "bands", c->mel.bands);
    number(o, "mean", c->mel.mean);
    number(o, "std", c->mel.std);
    if (c->encoder.type != ENCODER_NONE)
        print_encoder(root, &c->encoder);
    print_tokens(root, c);
    number(root, "window", c->window);
    o = cJSON_AddObjectToObject(root, "heads");
    for (int i = 0; i < c->n_heads; i++)
        head_config_print(o, &c->heads[i]);
    if (*c->provenance)
        cJSON_AddStringToObject(root, "provenance", c->provenance);
    if (*c->license)
        cJSON_AddStringToObject(root, "license", c->license);
    json_print(out, root);
    cJSON_Delete(root);
}
