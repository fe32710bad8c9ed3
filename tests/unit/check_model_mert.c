/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "unit.h"

#include <string.h>

#include "base/xalloc.h"
#include "model/mert.h"

/* What the config.json of MERT-v1-330M says of its architecture. */
static const char published[] =
    "{\"architectures\":[\"MERTModel\"],\"attention_relax\":32.0,"
    "\"conv_bias\":false,\"conv_dim\":[512,512,512,512,512,512,512],"
    "\"conv_kernel\":[10,3,3,3,3,2,2],\"conv_stride\":[5,2,2,2,2,2,2],"
    "\"deepnorm\":false,\"do_stable_layer_norm\":true,\"feat_extract_activation"
    "\":\"gelu\",\"feat_extract_norm\":\"group\",\"feat_proj_layer_norm\":true,"
    "\"feature_extractor_cqt\":false,\"hidden_act\":\"gelu\",\"hidden_size\":"
    "1024,\"intermediate_size\":4096,\"layer_norm_eps\":1e-05,\"model_type\":"
    "\"mert_model\",\"num_attention_heads\":16,\"num_conv_pos_embedding_groups"
    "\":16,\"num_conv_pos_embeddings\":128,\"num_hidden_layers\":24,"
    "\"sample_rate\":24000}";

/* The tensors of a layout as a list, sorted by name; names are borrowed. */
static struct stored *list_of(const struct layout *l)
{
    struct stored *list = xcalloc(l->n + 1, sizeof(*list));

    for (size_t i = 0; i < l->n; i++)
        list[i] = l->tensor[i].t;
    qsort(list, l->n, sizeof(*list), stored_by_name);
    return list;
}

static void published_layout(struct layout *l)
{
    struct model_config c = { .sample_rate = 24000 };

    c.encoder.type = ENCODER_BERT;
    c.encoder.dim = 1024;
    c.encoder.layers = 24;
    c.encoder.heads = 16;
    c.encoder.ffn = 4096;
    config_bert_defaults(&c.encoder.bert, 512);
    mert_layout(l, &c);
}

static cJSON *parse(const char *text)
{
    struct err err = {0};
    cJSON *json = NULL;

    ck_assert_msg(!json_parse(&json, text, strlen(text), &err), "%s", err.msg);
    return json;
}

/* The counts that the published file has. */
START_TEST(mert_layout_published)
{
    struct layout l;
    int64_t values = 0;

    published_layout(&l);
    for (size_t i = 0; i < l.n; i++)
        values += stored_count(&l.tensor[i].t);
    ck_assert_uint_eq(l.n, 403);
    ck_assert_int_eq(values, 315428992);
    layout_free(&l);
}
END_TEST

START_TEST(mert_config_published)
{
    struct layout l;
    struct stored *list;
    struct model_config c;
    cJSON *json = parse(published);
    struct err err = {0};

    published_layout(&l);
    list = list_of(&l);
    ck_assert(mert_is(list, l.n) && !mert_is(list, 0));
    ck_assert_msg(!mert_config(&c, list, l.n, json, "m", &err), "%s", err.msg);
    ck_assert(c.encoder.type == ENCODER_BERT && c.encoder.rate == 75);
    ck_assert(c.encoder.dim == 1024 && c.encoder.layers == 24);
    ck_assert(c.encoder.heads == 16 && c.encoder.ffn == 4096);
    ck_assert(c.encoder.bert.norm == BERT_PRE_NORM && c.window == 5);
    ck_assert(c.encoder.bert.pos_kernel == 128 && config_hop(&c) == 320);
    ck_assert(!strcmp(c.name, "m") && !c.n_tokens && !c.n_heads);
    config_release(&c);
    cJSON_Delete(json);
    free(list);
    layout_free(&l);
}
END_TEST

/* Hugging Face leaves out what has its default value. */
START_TEST(mert_config_defaults)
{
    struct model_config c = { .sample_rate = 24000 };
    struct layout l;
    struct stored *list;
    cJSON *json = parse("{\"name\":\"given\",\"window\":30}");
    struct err err = {0};

    c.encoder.dim = 768;
    c.encoder.layers = 12;
    c.encoder.ffn = 3072;
    config_bert_defaults(&c.encoder.bert, 512);
    mert_layout(&l, &c);
    list = list_of(&l);
    ck_assert_msg(!mert_config(&c, list, l.n, json, "m", &err), "%s", err.msg);
    ck_assert(c.encoder.heads == 12 && c.window == 30);
    ck_assert(c.encoder.bert.norm == BERT_POST_NORM);
    ck_assert_str_eq(c.name, "given");
    config_release(&c);
    cJSON_Delete(json);
    free(list);
    layout_free(&l);
}
END_TEST

static const struct bad {
    const char *from, *to; /* replaced in the published one; NULL: no JSON */
    int code;
    const char *word;
} bad[] = {
    { NULL, NULL, ERR_ARG, "--config" },
    { "\"deepnorm\":false", "\"deepnorm\":true", ERR_UNSUPPORTED, "deepnorm" },
    { "_cqt\":false", "_cqt\":true", ERR_UNSUPPORTED,
      "feature_extractor_cqt: true" },
    { "\"conv_bias\":false", "\"conv_bias\":true", ERR_UNSUPPORTED,
      "conv_bias" },
    { "\"feat_proj_layer_norm\":true", "\"feat_proj_layer_norm\":false",
      ERR_UNSUPPORTED, "feat_proj_layer_norm: false" },
    { "\"group\"", "\"layer\"", ERR_UNSUPPORTED, "feat_extract_norm: layer" },
    { "\"hidden_act\":\"gelu\"", "\"hidden_act\":\"relu\"", ERR_UNSUPPORTED,
      "hidden_act: relu" },
    { "\"feat_extract_activation\":\"gelu\"",
      "\"feat_extract_activation\":\"silu\"", ERR_UNSUPPORTED,
      "feat_extract_activation: silu" },
    { "\"mert_model\"", "\"hubert\"", ERR_UNSUPPORTED, "model_type: hubert" },
    { "1e-05", "1e-06", ERR_UNSUPPORTED, "layer_norm_eps" },
    { "\"hidden_size\":1024", "\"hidden_size\":512", ERR_FORMAT,
      "feature_projection.projection.weight" },
    { "\"hidden_size\":1024", "\"hidden_size\":1000", ERR_FORMAT, "encoder." },
    { "\"hidden_size\":1024", "\"hidden_size\":\"big\"", ERR_FORMAT,
      "hidden_size" },
    { "\"intermediate_size\":4096", "\"intermediate_size\":4095", ERR_FORMAT,
      "intermediate_dense" },
    { "\"num_hidden_layers\":24", "\"num_hidden_layers\":25", ERR_FORMAT,
      "no tensor \"encoder.layers.24" },
    { "\"num_hidden_layers\":24", "\"num_hidden_layers\":23", ERR_FORMAT,
      "the file has more" },
    { "\"num_attention_heads\":16", "\"num_attention_heads\":15", ERR_FORMAT,
      "heads" },
    { "[10,3,3,3,3,2,2]", "[10,3,3,3,3,2]", ERR_FORMAT, "conv_kernel" },
    { "[10,3,3,3,3,2,2]", "[10,3,3,3,3,2,3]", ERR_FORMAT,
      "feature_extractor.conv_layers.6" },
    { "[5,2,2,2,2,2,2]", "[5,2,2,2,2,2,0]", ERR_FORMAT, "conv_stride[6]" },
    { "[5,2,2,2,2,2,2]", "\"5\"", ERR_FORMAT, "conv_stride" },
    { "[5,2,2,2,2,2,2]", "[5,200,200,2,2,2,2]", ERR_FORMAT, "conv_stride" },
};

START_TEST(mert_config_refuses)
{
    const struct bad *b = &bad[_i];
    const char *at = b->from ? strstr(published, b->from) : NULL;
    struct layout l;
    struct stored *list;
    struct model_config c;
    cJSON *json = NULL;
    struct err err = {0};

    if (b->from) {
        char *text;

        ck_assert_ptr_nonnull(at);
        text = xasprintf("%.*s%s%s", (int)(at - published), published, b->to,
                         at + strlen(b->from));
        json = parse(text);
        free(text);
    }
    published_layout(&l);
    list = list_of(&l);
    ck_assert_int_eq(mert_config(&c, list, l.n, json, "m", &err), b->code);
    ck_assert_msg(strstr(err.msg, b->word) != NULL, "%s", err.msg);
    cJSON_Delete(json);
    free(list);
    layout_free(&l);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("model_mert");
    TCase *t = tcase_create("mert");

    tcase_add_test(t, mert_layout_published);
    tcase_add_test(t, mert_config_published);
    tcase_add_test(t, mert_config_defaults);
    tcase_add_loop_test(t, mert_config_refuses, 0, (int)ARRAY_LEN(bad));
    suite_add_tcase(s, t);
    return unit_run(s);
}
