/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "model/mert.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/xalloc.h"

static const char first_conv[] = "feature_extractor.conv_layers.0.conv.weight";

/* ---- the tensors of a configuration ---- */

static void add_extractor(struct layout *l, const struct bert_config *b)
{
    for (int i = 0; i < b->n_convs; i++)
        layout_add(l, xasprintf("feature_extractor.conv_layers.%d.conv.weight",
                                i), 1, 3, b->conv_dim[i],
                   i ? b->conv_dim[i - 1] : 1, b->conv_kernel[i]);
    layout_norm(l, "feature_extractor.conv_layers.0.layer_norm",
                b->conv_dim[0]);
}

static void add_layer(struct layout *l, const struct encoder_config *e, int i)
{
    const struct { const char *name; int out, in; } linear[] = {
        { "attention.k_proj", e->dim, e->dim },
        { "attention.v_proj", e->dim, e->dim },
        { "attention.q_proj", e->dim, e->dim },
        { "attention.out_proj", e->dim, e->dim },
        { "feed_forward.intermediate_dense", e->ffn, e->dim },
        { "feed_forward.output_dense", e->dim, e->ffn },
    };
    char name[128];

    for (size_t k = 0; k < ARRAY_LEN(linear); k++) {
        snprintf(name, sizeof(name), "encoder.layers.%d.%s", i,
                 linear[k].name);
        layout_linear(l, name, linear[k].out, linear[k].in, 1);
    }
    snprintf(name, sizeof(name), "encoder.layers.%d.layer_norm", i);
    layout_norm(l, name, e->dim);
    snprintf(name, sizeof(name), "encoder.layers.%d.final_layer_norm", i);
    layout_norm(l, name, e->dim);
}

void mert_layout(struct layout *l, const struct model_config *c)
{
    static const char pos[] = "encoder.pos_conv_embed.conv";
    const struct encoder_config *e = &c->encoder;
    const struct bert_config *b = &e->bert;
    int width = b->conv_dim[b->n_convs - 1];

    memset(l, 0, sizeof(*l));
    layout_add(l, xstrdup("masked_spec_embed"), 0, 1, e->dim);
    add_extractor(l, b);
    layout_norm(l, "feature_projection.layer_norm", width);
    layout_linear(l, "feature_projection.projection", e->dim, width, 1);
    layout_add(l, xasprintf("%s.bias", pos), 1, 1, e->dim);
    layout_add(l, xasprintf("%s.weight_g", pos), 1, 3, 1, 1, b->pos_kernel);
    layout_add(l, xasprintf("%s.weight_v", pos), 1, 3, e->dim,
               e->dim / b->pos_groups, b->pos_kernel);
    layout_norm(l, "encoder.layer_norm", e->dim);
    for (int i = 0; i < e->layers; i++)
        add_layer(l, e, i);
    layout_tokens(l, c);
    layout_predict(l, c);
}

int mert_is(const struct stored *list, size_t n)
{
    return layout_find(list, n, first_conv) != NULL;
}

/* ---- config.json ---- */

static int unsupported(const char *name, const char *is, const char *due,
                       struct err *err)
{
    return err_set(err, ERR_UNSUPPORTED, "%s: %.60s in its config.json; mfm "
                   "runs MERT with %s only", name, is, due);
}

/* What must be as it is in the published models, where it is given. */
static int check_architecture(const cJSON *json, struct err *err)
{
    static const struct { const char *name; int due; } flags[] = {
        { "deepnorm", 0 }, { "feature_extractor_cqt", 0 }, { "conv_bias", 0 },
        { "feat_proj_layer_norm", 1 }, { "conv_pos_batch_norm", 0 },
        { "add_adapter", 0 },
    };
    static const struct { const char *name, *due; } words[] = {
        { "model_type", "mert_model" }, { "feat_extract_norm", "group" },
        { "feat_extract_activation", "gelu" }, { "hidden_act", "gelu" },
    };
    double eps = 1e-5;

    for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
        const cJSON *v = cJSON_GetObjectItemCaseSensitive(json, flags[i].name);

        if (flags[i].due ? cJSON_IsFalse(v) : cJSON_IsTrue(v))
            return unsupported(flags[i].name, flags[i].due ? "false" : "true",
                               flags[i].due ? "true" : "false", err);
    }
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        const char *s = words[i].due;

        TRY(json_string(json, "", words[i].name, 0, &s, err));
        if (strcmp(s, words[i].due))
            return unsupported(words[i].name, s, words[i].due, err);
    }
    TRY(json_double(json, "", "layer_norm_eps", 0, 0, 1, &eps, err));
    if (fabs(eps - 1e-5) > 1e-12)
        return unsupported("layer_norm_eps", "another number", "1e-05", err);
    return 0;
}

/* An array of *n integers; *n 0: of as many as there are. */
static int read_convs(const cJSON *json, const char *name, int out[], int *n,
                      struct err *err)
{
    const cJSON *a = cJSON_GetObjectItemCaseSensitive(json, name);
    int count = cJSON_GetArraySize(a);

    if (!a)
        return 0;
    if (!cJSON_IsArray(a) || count < 1 || count > BERT_MAX_CONVS ||
        (*n && count != *n))
        return err_set(err, ERR_FORMAT, "%s: not an array of %d integers", name,
                       *n ? *n : 7);
    *n = count;
    for (int i = 0; i < count; i++) {
        const cJSON *v = cJSON_GetArrayItem(a, i);

        if (!cJSON_IsNumber(v) || v->valuedouble != v->valueint ||
            v->valueint < 1 || v->valueint > LIMIT_WIDTH)
            return err_set(err, ERR_FORMAT, "%s[%d]: not an integer in 1..%d",
                           name, i, LIMIT_WIDTH);
        out[i] = v->valueint;
    }
    return 0;
}

static int read_encoder(struct model_config *c, const cJSON *json,
                        struct err *err)
{
    struct encoder_config *e = &c->encoder;
    struct bert_config *b = &e->bert;
    int n = 0;

    e->type = ENCODER_BERT;
    e->dim = 768;
    e->layers = e->heads = 12;
    e->ffn = 3072;
    config_bert_defaults(b, 512);
    TRY(json_int(json, "", "hidden_size", 0, 2, LIMIT_WIDTH, &e->dim, err));
    TRY(json_int(json, "", "num_hidden_layers", 0, 1, LIMIT_LAYERS,
                 &e->layers, err));
    TRY(json_int(json, "", "num_attention_heads", 0, 1, LIMIT_WIDTH, &e->heads,
                 err));
    TRY(json_int(json, "", "intermediate_size", 0, 1, LIMIT_WIDTH, &e->ffn,
                 err));
    TRY(json_int(json, "", "num_conv_pos_embeddings", 0, 1, 4096,
                 &b->pos_kernel, err));
    TRY(json_int(json, "", "num_conv_pos_embedding_groups", 0, 1, LIMIT_WIDTH,
                 &b->pos_groups, err));
    TRY(read_convs(json, "conv_dim", b->conv_dim, &n, err));
    n = n ? n : b->n_convs;
    TRY(read_convs(json, "conv_kernel", b->conv_kernel, &n, err));
    TRY(read_convs(json, "conv_stride", b->conv_stride, &n, err));
    if (n > b->n_convs && !cJSON_HasObjectItem(json, "conv_kernel"))
        return err_set(err, ERR_FORMAT, "conv_kernel: missing");
    b->n_convs = n;
    b->norm = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(
                  json, "do_stable_layer_norm"))
                  ? BERT_PRE_NORM : BERT_POST_NORM;
    return 0;
}

/* A layer of the file that the configuration does not speak of. */
static int check_layers(const struct model_config *c,
                        const struct stored *list, size_t n, struct err *err)
{
    char name[96];

    snprintf(name, sizeof(name), "encoder.layers.%d.layer_norm.weight",
             c->encoder.layers);
    if (!layout_find(list, n, name))
        return 0;
    return err_set(err, ERR_FORMAT, "num_hidden_layers is %d in config.json, "
                   "but the file has more", c->encoder.layers);
}

static int read_all(struct model_config *c, const struct stored *list, size_t n,
                    const cJSON *json, struct err *err)
{
    if (!json)
        return err_set(err, ERR_ARG, "a MERT checkpoint, and no config.json "
                       "beside it: give the one published with it with "
                       "--config");
    TRY(check_architecture(json, err));
    TRY(read_encoder(c, json, err));
    c->sample_rate = 24000;
    c->window = 5;
    c->mel = (struct mel_settings){ 2048, 160, 128, 0, 1 };
    TRY(json_int(json, "", "sample_rate", 0, 1000, 192000, &c->sample_rate,
                 err));
    TRY(json_double(json, "", "window", 0, 1, 600, &c->window, err));
    c->encoder.rate = (double)c->sample_rate / config_hop(c);
    TRY(config_check(c, err));
    TRY(check_layers(c, list, n, err));
    return mert_check(c, list, n, err);
}

int mert_config(struct model_config *c, const struct stored *list, size_t n,
                const cJSON *json, const char *name, struct err *err)
{
    const char *given = name;
    int rc = json_string(json, "", "name", 0, &given, err);

    memset(c, 0, sizeof(*c));
    if (rc)
        return rc;
    c->name = xstrdup(given);
    c->provenance = xstrdup("converted from a MERT checkpoint");
    c->license = xstrdup("");
    rc = read_all(c, list, n, json, err);
    if (rc)
        config_release(c);
    return rc;
}

int mert_check(const struct model_config *c, const struct stored *list,
               size_t n, struct err *err)
{
    struct layout l;
    int rc;

    mert_layout(&l, c);
    rc = layout_check(&l, list, n, err);
    layout_free(&l);
    return rc;
}
