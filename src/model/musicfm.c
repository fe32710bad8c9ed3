/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "model/musicfm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

enum {
    SAMPLE_RATE = 24000,
    N_FFT = 2048,
    POS_KERNEL = 128, /* of the unused convolutional position embedding */
    POS_GROUPS = 16,
    WINDOW_S = 30     /* the published models saw 30 s in training */
};

/* ---- the tensors of a configuration ---- */

static void add_batch_norm(struct layout *l, const char *prefix, int n)
{
    layout_norm(l, prefix, n);
    layout_add(l, xasprintf("%s.running_mean", prefix), 1, 1, n);
    layout_add(l, xasprintf("%s.running_var", prefix), 1, 1, n);
    layout_add(l, xasprintf("%s.num_batches_tracked", prefix), 0, 0);
    l->tensor[l->n - 1].t.type = STORED_I64;
}

static void add_front_end(struct layout *l,
                          const struct model_config *c)
{
    int width = c->encoder.conv_dim;
    char name[64];

    for (int module = 0; module < 2; module++)
        for (int k = 1; k <= 3; k++) {
            int in = module == 0 && k != 2 ? 1 : width;

            snprintf(name, sizeof(name), "conv.conv.%d.conv%d", module, k);
            layout_add(l, xasprintf("%s.weight", name), 1, 4, width, in, 3, 3);
            layout_add(l, xasprintf("%s.bias", name), 1, 1, width);
            snprintf(name, sizeof(name), "conv.conv.%d.bn%d", module, k);
            add_batch_norm(l, name, width);
        }
    layout_linear(l, "conv.linear", c->encoder.dim, width * (c->mel.bands / 4),
                  1);
}

static void add_part(struct layout *l, int layer, const char *part,
                     int out, int in)
{
    char name[256];

    snprintf(name, sizeof(name), "conformer.layers.%d.%s", layer, part);
    if (in)
        layout_linear(l, name, out, in, 1);
    else
        layout_norm(l, name, out);
}

static void add_block(struct layout *l, const struct encoder_config *e,
                      int i)
{
    static const char *const attention[] = { "q", "k", "v", "out" };
    char name[96];
    int d = e->dim;

    add_part(l, i, "ffn1_layer_norm", d, 0);
    add_part(l, i, "ffn1.intermediate_dense", e->ffn, d);
    add_part(l, i, "ffn1.output_dense", d, e->ffn);
    add_part(l, i, "self_attn_layer_norm", d, 0);
    for (int k = 0; k < 4; k++) {
        snprintf(name, sizeof(name), "self_attn.linear_%s", attention[k]);
        add_part(l, i, name, d, d);
    }
    add_part(l, i, "conv_module.layer_norm", d, 0);
    snprintf(name, sizeof(name), "conformer.layers.%d.conv_module", i);
    layout_add(l, xasprintf("%s.pointwise_conv1.weight", name), 1, 3, 2 * d, d,
               1);
    layout_add(l, xasprintf("%s.depthwise_conv.weight", name), 1, 3, d, 1,
               e->kernel);
    snprintf(name, sizeof(name), "conformer.layers.%d.conv_module.batch_norm",
             i);
    add_batch_norm(l, name, d);
    snprintf(name, sizeof(name), "conformer.layers.%d.conv_module", i);
    layout_add(l, xasprintf("%s.pointwise_conv2.weight", name), 1, 3, d, d, 1);
    add_part(l, i, "ffn2_layer_norm", d, 0);
    add_part(l, i, "ffn2.intermediate_dense", e->ffn, d);
    add_part(l, i, "ffn2.output_dense", d, e->ffn);
    add_part(l, i, "final_layer_norm", d, 0);
}

void musicfm_layout(struct layout *l, const struct model_config *c)
{
    static const char mel[] = "preprocessor_melspec_2048.mel_stft";
    static const char pos[] = "conformer.pos_conv_embed.conv";
    const struct encoder_config *e = &c->encoder;

    memset(l, 0, sizeof(*l));
    if (e->type == ENCODER_NONE || e->type == ENCODER_MEL) {
        layout_tokens(l, c);
        return;
    }
    layout_add(l, xstrdup("cls_token"), 0, 1, e->dim);
    layout_add(l, xasprintf("%s.spectrogram.window", mel), 0, 1, c->mel.n_fft);
    layout_add(l, xasprintf("%s.mel_scale.fb", mel), 0, 2, c->mel.n_fft / 2 + 1,
        c->mel.bands);
    layout_tokens(l, c);
    add_front_end(l, c);
    layout_add(l, xstrdup("conformer.embed_positions.inv_freq"), 1, 1,
        e->dim / e->heads / 2);
    layout_add(l, xasprintf("%s.bias", pos), 0, 1, e->dim);
    layout_add(l, xasprintf("%s.weight_g", pos), 0, 3, 1, 1, POS_KERNEL);
    layout_add(l, xasprintf("%s.weight_v", pos), 0, 3, e->dim,
        e->dim < POS_GROUPS ? 1 : e->dim / POS_GROUPS, POS_KERNEL);
    layout_norm(l, "conformer.layer_norm", e->dim);
    for (int i = 0; i < e->layers; i++)
        add_block(l, e, i);
    layout_predict(l, c);
}

/* ---- names ---- */

/* "PRE" MIDDLE "..." -> "PRE" with "..." behind other: NULL if name has not
 * from in it. */
static char *replace(const char *name, const char *from, const char *to)
{
    const char *at = strstr(name, from);

    return at ? xasprintf("%.*s%s%s", (int)(at - name), name, to,
                          at + strlen(from))
              : NULL;
}

char *musicfm_name(const char *name)
{
    static const struct { const char *from, *to; } other[] = {
        { "quantizer_melspec_2048.", "quantizer_melspec_2048_0." },
        { "parametrizations.weight.original0", "weight_g" },
        { "parametrizations.weight.original1", "weight_v" },
    };
    char *s;

    if (!strncmp(name, "model.", 6))
        name += 6;
    for (size_t i = 0; i < ARRAY_LEN(other); i++) {
        s = replace(name, other[i].from, other[i].to);
        if (s)
            return s;
    }
    return xstrdup(name);
}

/* ---- the configuration of a checkpoint ---- */

/* One size of a tensor that must be there with ndim dimensions. */
static int size_of(const struct stored *list, size_t n, const char *name,
                   int ndim, int axis, int *out, struct err *err)
{
    const struct stored *t = layout_find(list, n, name);
    char shape[200];

    if (!t)
        return err_set(err, ERR_FORMAT, "not a MusicFM checkpoint: no tensor "
                       "\"%s\"", name);
    if (t->ndim != ndim || t->dim[axis] < 1 || t->dim[axis] > 1 << 24)
        return err_set(err, ERR_FORMAT, "tensor \"%s\" has shape %s, %d "
                       "dimensions of sensible size are due", name,
                       stored_shape(t, shape, sizeof(shape)), ndim);
    *out = (int)t->dim[axis];
    return 0;
}

static int read_encoder(struct model_config *c, const struct stored *list,
                        size_t n, struct err *err)
{
    struct encoder_config *e = &c->encoder;
    char name[96];
    int inputs = 0, half = 0;

    TRY(size_of(list, n, "conv.conv.0.conv1.weight", 4, 0, &e->conv_dim, err));
    TRY(size_of(list, n, "conv.linear.weight", 2, 0, &e->dim, err));
    TRY(size_of(list, n, "conv.linear.weight", 2, 1, &inputs, err));
    TRY(size_of(list, n, "conformer.layers.0.ffn1.intermediate_dense.weight",
                2, 0, &e->ffn, err));
    TRY(size_of(list, n, "conformer.layers.0.conv_module.depthwise_conv.weight",
                3, 2, &e->kernel, err));
    TRY(size_of(list, n, "conformer.embed_positions.inv_freq", 1, 0, &half,
                err));
    if (inputs % e->conv_dim || inputs / e->conv_dim > 1024 ||
        e->dim % (2 * half))
        return err_set(err, ERR_FORMAT, "conv.linear.weight, conv.conv.0."
                       "conv1.weight and inv_freq do not fit one another");
    c->mel.bands = inputs / e->conv_dim * 4;
    e->heads = e->dim / (2 * half);
    do
        snprintf(name, sizeof(name),
                 "conformer.layers.%d.final_layer_norm.weight", ++e->layers);
    while (e->layers < 1000 && layout_find(list, n, name));
    return 0;
}

static int read_tokens(struct model_config *c, const struct stored *list,
                       size_t n, struct err *err)
{
    static const char *const part[] = { "random_projection", "codebook" };
    char name[2][96];

    c->tokens = xcalloc(64, sizeof(*c->tokens));
    for (int i = 0; i < 64; i++) {
        struct token_config *t = &c->tokens[i];
        int rows = 0;

        for (int k = 0; k < 2; k++)
            snprintf(name[k], sizeof(name[k]), "quantizer_melspec_2048_%d.%s",
                     i, part[k]);
        if (!layout_find(list, n, name[0]))
            break;
        TRY(size_of(list, n, name[0], 2, 0, &rows, err));
        TRY(size_of(list, n, name[1], 2, 0, &t->codes, err));
        TRY(size_of(list, n, name[1], 2, 1, &t->dim, err));
        if (rows % c->mel.bands)
            return err_set(err, ERR_FORMAT, "tensor \"%s\" has %d rows, not a "
                           "multiple of the %d bands", name[0], rows,
                           c->mel.bands);
        t->type = TOKENS_RANDOM;
        t->stages = 1;
        t->stack = rows / c->mel.bands;
        c->n_tokens++;
    }
    return 0;
}

/* The options that shapes tell too must agree with them. */
static int check_options(const struct model_config *c, const cJSON *options,
                         struct err *err)
{
    const struct { const char *key; int value; } known[] = {
        { "dim", c->encoder.dim }, { "depth", c->encoder.layers },
        { "layers", c->encoder.layers }, { "heads", c->encoder.heads },
        { "ffn", c->encoder.ffn }, { "kernel", c->encoder.kernel },
        { "conv_dim", c->encoder.conv_dim },
        { "stack", c->n_tokens ? c->tokens[0].stack : 0 },
        { "codebook_size", c->n_tokens ? c->tokens[0].codes : 0 },
    };

    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        int v = known[i].value;

        TRY(json_int(options, "", known[i].key, 0, 0, 1 << 24, &v, err));
        if (known[i].value && v != known[i].value)
            return err_set(err, ERR_FORMAT, "%s is %d in the options, but the "
                           "tensors say %d", known[i].key, v, known[i].value);
    }
    return 0;
}

/* Strides follow from how many mel frames make a token. */
static int read_rate(struct model_config *c, const cJSON *options,
                     struct err *err)
{
    const cJSON *strides =
        cJSON_GetObjectItemCaseSensitive(options, "time_strides");
    int *s = c->encoder.time_strides, stack = 0;

    c->sample_rate = SAMPLE_RATE;
    c->mel.n_fft = N_FFT;
    c->mel.hop = 240;
    c->window = WINDOW_S;
    TRY(json_int(options, "", "sample_rate", 0, 1000, 192000, &c->sample_rate,
                 err));
    TRY(json_int(options, "", "hop", 0, 1, 65536, &c->mel.hop, err));
    TRY(json_double(options, "", "window", 0, 0.1, 3600, &c->window, err));
    TRY(json_int(options, "", "stack", 0, 1, 4, &stack, err));
    if (c->n_tokens)
        stack = c->tokens[0].stack;
    s[0] = stack == 1 ? 1 : 2;
    s[1] = stack == 4 ? 2 : 1;
    for (int i = 0; cJSON_IsArray(strides) && i < 2; i++) {
        const cJSON *v = cJSON_GetArrayItem(strides, i);

        s[i] = cJSON_IsNumber(v) && v->valuedouble == 2 ? 2 : 1;
    }
    if (stack && s[0] * s[1] != stack)
        return err_set(err, ERR_FORMAT, "tokens of %d mel frames do not fit "
                       "time strides %d and %d", stack, s[0], s[1]);
    if (!stack && !strides)
        return err_set(err, ERR_ARG, "no quantizer in the file, so its rate is "
                       "not known: give time_strides with --config");
    c->encoder.rate = (double)c->sample_rate / c->mel.hop / (s[0] * s[1]);
    return 0;
}

static int read_stats(struct model_config *c, const cJSON *options,
                      const cJSON *stats, struct err *err)
{
    static const char mean[] = "melspec_2048_mean", std[] = "melspec_2048_std";
    const cJSON *from =
        cJSON_GetObjectItemCaseSensitive(stats, mean) ? stats : options;

    if (!cJSON_GetObjectItemCaseSensitive(from, mean))
        return err_set(err, ERR_ARG, "%s and %s are not known: give the JSON "
                       "file with the statistics of its training data, "
                       "published beside the checkpoint, with --stats", mean,
                       std);
    TRY(json_double(from, "", mean, 1, -1e6, 1e6, &c->mel.mean, err));
    return json_double(from, "", std, 1, 1e-6, 1e6, &c->mel.std, err);
}

static int read_config(struct model_config *c, const struct stored *list,
                       size_t n, const cJSON *options, const cJSON *stats,
                       struct err *err)
{
    TRY(read_encoder(c, list, n, err));
    TRY(read_tokens(c, list, n, err));
    TRY(check_options(c, options, err));
    TRY(read_rate(c, options, err));
    TRY(read_stats(c, options, stats, err));
    TRY(config_check(c, err));
    return musicfm_check(c, list, n, err);
}

int musicfm_config(struct model_config *c, const struct stored *list, size_t n,
                   const cJSON *options, const cJSON *stats, const char *name,
                   struct err *err)
{
    const char *given = name;
    int rc = json_string(options, "", "name", 0, &given, err);

    memset(c, 0, sizeof(*c));
    if (rc)
        return rc;
    c->name = xstrdup(given);
    c->provenance = xstrdup("converted from a MusicFM checkpoint");
    c->license = xstrdup("");
    rc = read_config(c, list, n, options, stats, err);
    if (rc)
        config_release(c);
    return rc;
}

int musicfm_check(const struct model_config *c, const struct stored *list,
                  size_t n, struct err *err)
{
    struct layout l;
    int rc;

    musicfm_layout(&l, c);
    rc = layout_check(&l, list, n, err);
    layout_free(&l);
    return rc;
}
