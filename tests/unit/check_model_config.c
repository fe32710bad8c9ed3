/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "unit.h"

#include <math.h>

#include <string.h>

#include "base/xalloc.h"
#include "model/headconfig.h"

static const char good[] =
    "{\"format\":1,\"name\":\"t\",\"sample_rate\":24000,\"mel\":{\"n_fft\":2048"
    ",\"hop\":240,\"bands\":128,\"mean\":-4.864137186497289,\"std\":18.5},"
    "\"encoder\":{\"type\":\"conformer\",\"rate\":50,\"dim\":192,\"layers\":6,"
    "\"heads\":3,\"ffn\":768,\"kernel\":31,\"conv_dim\":32,\"time_strides\":["
    "2,1]},\"tokens\":[{\"type\":\"random\",\"stack\":2,\"dim\":16,\"codes\":"
    "1024},{\"type\":\"rvq\",\"stack\":2,\"dim\":256,"
    "\"codes\":64,\"stages\":8},"
    "{\"type\":\"kmeans\",\"feature\":\"chroma264\",\"hop\":480,"
    "\"dim\":264,\"codes\":200}],"
    "\"window\":24,\"heads\":{\"structure\":{\"hidden\":512,\"rate\":5,"
    "\"activation\":\"softmax\",\"layer\":3,\"boundary\":true,\"classes\":["
    "\"a\",\"b\"]},\"tag\":{\"hidden\":0,\"rate\":\"clip\",\"activation\":"
    "\"sigmoid\",\"layer\":\"mix\",\"confidence\":[0.5,-1.25],"
    "\"bars\":[3,16],\"classes\":[\"x\"]}},"
    "\"provenance\":\"p\",\"license\":\"CC0-1.0\"}";

START_TEST(config_parse_all_fields)
{
    struct model_config c;
    struct err err = {0};
    const struct head_config *h;

    ck_assert_msg(!config_parse_text(&c, good, &err), "%s", err.msg);
    ck_assert_str_eq(c.name, "t");
    ck_assert(c.mel.mean == -4.864137186497289 && c.mel.std == 18.5);
    ck_assert(c.mel.n_fft == 2048 && c.mel.hop == 240 && c.mel.bands == 128);
    ck_assert(c.encoder.rate == 50 && c.encoder.dim == 192);
    ck_assert(c.encoder.layers == 6 && c.encoder.heads == 3);
    ck_assert(c.encoder.ffn == 768 && c.encoder.kernel == 31);
    ck_assert(c.encoder.conv_dim == 32 && c.encoder.time_strides[0] == 2 &&
              c.encoder.time_strides[1] == 1);
    ck_assert(c.n_tokens == 3 && c.tokens[0].codes == 1024 &&
              c.tokens[0].stages == 1 && c.tokens[1].type == TOKENS_RVQ &&
              c.tokens[1].stages == 8);
    ck_assert(c.tokens[2].type == TOKENS_KMEANS && c.tokens[2].hop == 480 &&
              c.tokens[2].feature == TOKENS_CHROMA264 &&
              c.tokens[2].stack == 1);
    ck_assert(config_streams(&c) == 10 && config_token_step(&c) == 480);
    ck_assert(c.window == 24 && c.n_heads == 2);
    h = config_head(&c, "structure");
    ck_assert(h && h->layer == 3 && h->boundary && h->rate == 5 &&
              h->n_classes == 2 && !strcmp(h->classes[1], "b"));
    h = config_head(&c, "tag");
    ck_assert(h && h->rate == 0 && h->layer == HEAD_MIX && !h->boundary &&
              h->activation == HEAD_SIGMOID);
    ck_assert(h->slope == 0.5 && h->offset == -1.25);
    /* logit(0.8) = log 4; half of it less 1.25 */
    ck_assert_double_eq_tol(head_confidence(h, 0.8),
                            1 / (1 + exp(1.25 - 0.5 * log(4))), 1e-12);
    ck_assert(head_confidence(h, 0) < 1e-3 && head_confidence(h, 0) > 0);
    ck_assert_double_nan(head_confidence(h, NAN));
    h = config_head(&c, "structure");
    ck_assert(h->slope == 1 && !h->offset && head_confidence(h, 1) == 1);
    ck_assert_ptr_null(config_head(&c, "key"));
    ck_assert_str_eq(c.license, "CC0-1.0");
    config_release(&c);
}
END_TEST

START_TEST(config_print_reads_back)
{
    struct model_config c;
    struct strbuf sb = STRBUF_INIT;

    ck_assert(!config_parse_text(&c, good, NULL));
    config_print(&c, &sb);
    ck_assert_str_eq(sb.s, good);
    config_release(&c);
    strbuf_release(&sb);
}
END_TEST

static const struct bad {
    const char *from, *to; /* replaced in the good one */
    int code;
    const char *word;
} bad[] = {
    { "\"format\":1", "\"format\":2", ERR_UNSUPPORTED, "newer" },
    { "\"format\":1,", "", ERR_FORMAT, "format: missing" },
    { "\"dim\":192", "\"dim\":0", ERR_FORMAT, "encoder.dim" },
    { "\"dim\":192", "\"dim\":1e9", ERR_FORMAT, "encoder.dim" },
    { "\"dim\":192", "\"dim\":\"192\"", ERR_FORMAT, "encoder.dim" },
    { "\"dim\":192", "\"dim\":190", ERR_FORMAT, "encoder.heads" },
    { "\"layers\":6", "\"layers\":6.5", ERR_FORMAT, "encoder.layers" },
    { "\"conformer\"", "\"bert\"", ERR_FORMAT, "encoder.rate" },
    { "\"conformer\"", "\"x\"", ERR_FORMAT, "conformer, bert" },
    { "\"rate\":50", "\"rate\":25", ERR_FORMAT, "encoder.rate" },
    { "\"kernel\":31", "\"kernel\":30", ERR_FORMAT, "not odd" },
    { "[2,1]", "[2,3]", ERR_FORMAT, "time_strides" },
    { "[2,1]", "[2]", ERR_FORMAT, "time_strides" },
    { "\"stack\":2", "\"stack\":4", ERR_FORMAT, "tokens[0].stack" },
    { "\"hop\":480", "\"hop\":320", ERR_FORMAT, "tokens[2].hop" },
    { "\"hop\":480", "\"hop\":0", ERR_FORMAT, "tokens[2].hop" },
    { "chroma264", "mfcc", ERR_FORMAT, "logmel229, chroma264" },
    { "\"dim\":264", "\"dim\":12", ERR_FORMAT, "tokens[2].dim" },
    { "\"dim\":256", "\"dim\":16", ERR_FORMAT, "tokens[1].dim" },
    { "\"codes\":200", "\"codes\":200,\"stages\":2", ERR_FORMAT,
      "tokens[2].stages" },
    { "\"codes\":200", "\"codes\":200,\"stack\":2", ERR_FORMAT,
      "tokens[2].stack" },
    { "\"stages\":8", "\"stages\":64", ERR_FORMAT, "66 streams" },
    { "\"std\":18.5", "\"std\":0", ERR_FORMAT, "mel.std" },
    { "\"bands\":128", "\"bands\":126", ERR_FORMAT, "mel.bands" },
    { "\"layer\":\"mix\"", "\"layer\":\"mux\"", ERR_FORMAT,
      "heads.tag.layer" },
    { "\"layer\":3", "\"layer\":7", ERR_FORMAT, "heads.structure.layer" },
    { "\"clip\"", "\"song\"", ERR_FORMAT, "heads.tag.rate" },
    { "[\"x\"]", "[]", ERR_FORMAT, "heads.tag.classes" },
    { "[0.5,-1.25]", "[0.5]", ERR_FORMAT, "heads.tag.confidence" },
    { "[0.5,-1.25]", "[-0.5,0]", ERR_FORMAT, "heads.tag.confidence" },
    { "[0.5,-1.25]", "[1,1e9]", ERR_FORMAT, "heads.tag.confidence" },
    { "[0.5,-1.25]", "[1,0],\"as_in\":[\"x\"]", ERR_FORMAT, "as_in" },
    { "[3,16]", "[]", ERR_FORMAT, "heads.tag.bars: not 1 to 8" },
    { "[3,16]", "3", ERR_FORMAT, "heads.tag.bars" },
    { "[3,16]", "[3.5]", ERR_FORMAT, "heads.tag.bars" },
    { "[3,16]", "[0]", ERR_FORMAT, "heads.tag.bars" },
    { "[3,16]", "[3,17]", ERR_FORMAT, "heads.tag.bars" },
    { "[3,16]", "[2,3,4,5,6,7,8,9,10]", ERR_FORMAT, "heads.tag.bars" },
    { "[0.5,-1.25]", "\"x\"", ERR_FORMAT, "heads.tag.confidence" },
    { "[\"x\"]", "[1]", ERR_FORMAT, "heads.tag.classes[0]" },
    { "\"tag\"", "\"structure\"", ERR_FORMAT, "twice" },
    { "\"window\":24", "\"window\":-1", ERR_FORMAT, "window" },
    { "{\"format\"", "[{\"format\"", ERR_FORMAT, "JSON" },
};

START_TEST(config_parse_refuses)
{
    const struct bad *b = &bad[_i];
    const char *at = strstr(good, b->from);
    struct model_config c;
    struct err err = {0};
    char *text;

    ck_assert_ptr_nonnull(at);
    text = xasprintf("%.*s%s%s", (int)(at - good), good, b->to,
                     at + strlen(b->from));
    ck_assert_int_eq(config_parse_text(&c, text, &err), b->code);
    ck_assert_msg(strstr(err.msg, b->word) != NULL, "%s", err.msg);
    free(text);
}
END_TEST

/* ---- BERT ---- */

static const char bert[] =
    "{\"format\":1,\"name\":\"t\",\"sample_rate\":24000,\"mel\":{\"n_fft\":2048"
    ",\"hop\":160,\"bands\":128,\"mean\":0,\"std\":1},\"encoder\":{\"type\":"
    "\"bert\",\"rate\":75,\"dim\":1024,\"layers\":24,\"heads\":16,\"ffn\":4096,"
    "\"norm\":\"post\",\"conv_dim\":[512,512,512,512,512,512,500],"
    "\"conv_kernel\":[10,3,3,3,3,2,2],\"conv_stride\":[5,2,2,2,2,2,2],"
    "\"pos_kernel\":127,\"pos_groups\":8},\"tokens\":[{\"type\":\"random\","
    "\"stack\":2,\"dim\":16,\"codes\":1024}],\"window\":5,\"heads\":{}}";

START_TEST(config_parse_bert)
{
    struct model_config c;
    struct err err = {0};
    struct strbuf sb = STRBUF_INIT;

    ck_assert_msg(!config_parse_text(&c, bert, &err), "%s", err.msg);
    ck_assert(c.encoder.type == ENCODER_BERT && c.encoder.dim == 1024);
    ck_assert(c.encoder.bert.norm == BERT_POST_NORM);
    ck_assert(c.encoder.bert.n_convs == 7 && c.encoder.bert.conv_dim[6] == 500);
    ck_assert(c.encoder.bert.conv_kernel[0] == 10);
    ck_assert(c.encoder.bert.conv_stride[0] == 5);
    ck_assert(c.encoder.bert.pos_kernel == 127 &&
              c.encoder.bert.pos_groups == 8);
    ck_assert_int_eq(config_hop(&c), 320);
    config_print(&c, &sb);
    ck_assert_str_eq(sb.s, bert);
    strbuf_release(&sb);
    config_release(&c);
}
END_TEST

/* What is not there is MERT's; one width serves all convolutions. */
START_TEST(config_parse_bert_defaults)
{
    static const char part[] = "\"norm\":\"post\"";
    const char *at = strstr(bert, part), *end = strstr(bert, "},\"tokens\"");
    char *text = xasprintf("%.*s\"conv_dim\":32%s", (int)(at - bert), bert,
                           end);
    struct bert_config due;
    struct model_config c;
    struct err err = {0};

    config_bert_defaults(&due, 32);
    ck_assert_msg(!config_parse_text(&c, text, &err), "%s", err.msg);
    ck_assert_int_eq(c.encoder.bert.n_convs, due.n_convs);
    ck_assert(c.encoder.bert.norm == BERT_PRE_NORM);
    ck_assert(c.encoder.bert.pos_kernel == 128 &&
              c.encoder.bert.pos_groups == 16);
    for (int i = 0; i < due.n_convs; i++)
        ck_assert(c.encoder.bert.conv_dim[i] == 32 &&
                  c.encoder.bert.conv_kernel[i] == due.conv_kernel[i] &&
                  c.encoder.bert.conv_stride[i] == due.conv_stride[i]);
    config_release(&c);
    free(text);
}
END_TEST

static const struct bad bad_bert[] = {
    { "\"rate\":75", "\"rate\":50", ERR_FORMAT, "encoder.rate" },
    { "\"heads\":16", "\"heads\":15", ERR_FORMAT, "encoder.heads" },
    { "\"pos_groups\":8", "\"pos_groups\":7", ERR_FORMAT,
      "encoder.pos_groups" },
    { "\"pos_kernel\":127", "\"pos_kernel\":0", ERR_FORMAT,
      "encoder.pos_kernel" },
    { "\"norm\":\"post\"", "\"norm\":\"deep\"", ERR_FORMAT, "pre, post" },
    { "[5,2,2,2,2,2,2]", "[5,2,2,2,2,2]", ERR_FORMAT, "encoder.conv_stride" },
    { "[5,2,2,2,2,2,2]", "[5,2,2,2,2,2,0]", ERR_FORMAT,
      "encoder.conv_stride" },
    { "[5,2,2,2,2,2,2]", "[5,2,2,2,2,2,1.5]", ERR_FORMAT,
      "encoder.conv_stride" },
    { "[5,2,2,2,2,2,2]", "[60000,60000,60000,60000,60000,60000,2]", ERR_FORMAT,
      "more than a second" },
    { "[10,3,3,3,3,2,2]", "[]", ERR_FORMAT, "encoder.conv_kernel" },
    { "[10,3,3,3,3,2,2]", "[10,3,3,3,3,2,60000]", ERR_FORMAT,
      "more than a second" },
    { "[10,3,3,3,3,2,2]", "\"10\"", ERR_FORMAT, "encoder.conv_kernel" },
    { "\"stack\":2", "\"stack\":4", ERR_FORMAT, "tokens[0].stack" },
};

START_TEST(config_parse_refuses_bert)
{
    const struct bad *b = &bad_bert[_i];
    const char *at = strstr(bert, b->from);
    struct model_config c;
    struct err err = {0};
    char *text;

    ck_assert_ptr_nonnull(at);
    text = xasprintf("%.*s%s%s", (int)(at - bert), bert, b->to,
                     at + strlen(b->from));
    ck_assert_int_eq(config_parse_text(&c, text, &err), b->code);
    ck_assert_msg(strstr(err.msg, b->word) != NULL, "%s", err.msg);
    free(text);
}
END_TEST

/* ---- tokens alone ---- */

static const char tokens_only[] =
    "{\"format\":1,\"name\":\"t\",\"sample_rate\":24000,\"mel\":{\"n_fft\":2048"
    ",\"hop\":160,\"bands\":128,\"mean\":-4,\"std\":18.5},\"tokens\":[{"
    "\"type\":\"kmeans\",\"feature\":\"logmel229\",\"hop\":320,\"dim\":229,"
    "\"codes\":300},{\"type\":\"random\",\"stack\":2,\"dim\":16,\"codes\":1024}"
    "],\"window\":30,\"heads\":{}}";

START_TEST(config_parse_tokens_only)
{
    struct config_tensor t[2];
    struct model_config c;
    struct strbuf sb = STRBUF_INIT;

    ck_assert(!config_parse_text(&c, tokens_only, NULL));
    ck_assert(c.encoder.type == ENCODER_NONE && c.n_tokens == 2);
    ck_assert_int_eq(config_hop(&c), 320);
    config_print(&c, &sb);
    ck_assert_str_eq(sb.s, tokens_only);
    ck_assert_int_eq(config_token_tensors(&c, 0, t), 1);
    ck_assert_str_eq(t[0].name, "tokens.0.centers");
    ck_assert(t[0].ndim == 2 && t[0].dim[0] == 300 && t[0].dim[1] == 229);
    ck_assert_int_eq(config_token_tensors(&c, 1, t), 2);
    ck_assert_str_eq(t[1].name, "quantizer_melspec_2048_1.codebook");
    ck_assert(t[0].dim[0] == 256 && t[0].dim[1] == 16 && t[1].dim[0] == 1024);
    c.tokens[1].stack = 4;
    ck_assert_int_eq(config_check(&c, NULL), ERR_FORMAT);
    c.tokens[1].stack = 2;
    ck_assert_int_eq(config_check(&c, NULL), 0);
    c.n_heads = 1;
    ck_assert_int_eq(config_check(&c, NULL), ERR_FORMAT);
    c.n_heads = c.n_tokens = 0;
    ck_assert_int_eq(config_check(&c, NULL), ERR_FORMAT);
    config_release(&c);
    strbuf_release(&sb);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("model_config");
    TCase *t = tcase_create("config");

    tcase_add_test(t, config_parse_all_fields);
    tcase_add_test(t, config_print_reads_back);
    tcase_add_test(t, config_parse_tokens_only);
    tcase_add_loop_test(t, config_parse_refuses, 0, (int)ARRAY_LEN(bad));
    tcase_add_test(t, config_parse_bert);
    tcase_add_test(t, config_parse_bert_defaults);
    tcase_add_loop_test(t, config_parse_refuses_bert, 0,
                        (int)ARRAY_LEN(bad_bert));
    suite_add_tcase(s, t);
    return unit_run(s);
}
