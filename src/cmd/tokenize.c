/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/npy.h"
#include "base/xalloc.h"
#include "cmd/analyse.h"
#include "cmd/batch.h"
#include "cmd/cmd.h"
#include "cmd/common.h"
#include "cmd/outputs.h"
#include "cmd/session.h"
#include "token/quant.h"
#include "write/json.h"

enum { BATCH = 256 }; /* tokens computed at a time */

struct tokenize {
    struct session session;
    struct analyser *analyser;
    struct quant **quant;  /* streams of them */
    int streams, stack;    /* mel frames in a token */
    int bands;
    float mean, inv_std;
    /* of the recording in work */
    float *pending;        /* up to BATCH * stack frames */
    int n_pending;
    int32_t *token;        /* (n, streams) */
    size_t n, cap;
};

/* ---- tokens as the mel comes ---- */

/* Tokens of the whole stacks that are pending; frames left over are dropped, so
 * this is for a full buffer and for the end. */
static void flush_pending(struct tokenize *t)
{
    size_t n = (size_t)(t->n_pending / t->stack), streams = (size_t)t->streams;
    int32_t one[BATCH];

    while (t->cap < (t->n + n) * streams)
        ARRAY_GROW(t->token, t->cap, t->cap);
    for (size_t k = 0; k < streams; k++) {
        quant_tokens(t->quant[k], one, t->pending, (int64_t)n);
        for (size_t i = 0; i < n; i++)
            t->token[(t->n + i) * streams + k] = one[i];
    }
    t->n += n;
    t->n_pending = 0;
}

static int take_mel(void *ctx, const float *mel, int64_t n, struct err *err)
{
    struct tokenize *t = ctx;

    (void)err;
    for (int64_t i = 0; i < n; i++) {
        float *to = t->pending + t->n_pending * t->bands;

        for (int b = 0; b < t->bands; b++)
            to[b] = (mel[i * t->bands + b] - t->mean) * t->inv_std;
        if (++t->n_pending == BATCH * t->stack)
            flush_pending(t);
    }
    return 0;
}

/* ---- output ---- */

/* Share of the codes of stream k that occur, and e^entropy of their use. */
static cJSON *usage_of(const struct tokenize *t, int k)
{
    int codes = quant_codes(t->quant[k]), used = 0;
    size_t *count = xcalloc((size_t)codes, sizeof(*count));
    cJSON *o = cJSON_CreateObject();
    double h = 0;

    for (size_t i = 0; i < t->n; i++)
        count[t->token[i * (size_t)t->streams + (size_t)k]]++;
    for (int c = 0; c < codes; c++)
        if (count[c]) {
            double p = (double)count[c] / (double)t->n;

            used++;
            h -= p * log(p);
        }
    free(count);
    cJSON_AddNumberToObject(o, "used", (double)used / codes);
    if (t->n)
        cJSON_AddNumberToObject(o, "perplexity", exp(h));
    else
        cJSON_AddNullToObject(o, "perplexity");
    return o;
}

static cJSON *describe(struct tokenize *t, const char *file, double duration)
{
    const struct model_config *c = &t->session.model->config;
    struct result r;
    cJSON *o, *codes, *use;

    session_result(&t->session, &r, file, duration);
    o = write_json_object(&r);
    cJSON_AddNumberToObject(o, "rate", (double)c->sample_rate / c->mel.hop /
                                           t->stack);
    codes = cJSON_AddArrayToObject(o, "codes");
    use = cJSON_AddArrayToObject(o, "usage");
    for (int k = 0; k < t->streams; k++) {
        cJSON_AddItemToArray(codes,
                             cJSON_CreateNumber(quant_codes(t->quant[k])));
        cJSON_AddItemToArray(use, usage_of(t, k));
    }
    return o;
}

/* The object on one line, tokens last. */
static void print_object(struct strbuf *out, struct tokenize *t,
                         const char *path, double duration, int tokens)
{
    cJSON *o = describe(t, path, duration);

    json_print(out, o);
    cJSON_Delete(o);
    if (tokens) {
        out->s[--out->len] = '\0'; /* the closing brace */
        strbuf_addstr(out, ",\"tokens\":[");
        for (size_t i = 0; i < t->n; i++) {
            const int32_t *v = t->token + i * (size_t)t->streams;

            if (i)
                strbuf_addch(out, ',');
            for (int k = 0; k < t->streams; k++)
                strbuf_addf(out, "%s%d", k ? "," : t->streams > 1 ? "[" : "",
                            v[k]);
            if (t->streams > 1)
                strbuf_addch(out, ']');
        }
        strbuf_addstr(out, "]}");
    }
    strbuf_addch(out, '\n');
}

static int write_array(struct tokenize *t, struct batch *b, const char *path,
                       double duration, struct err *err)
{
    int64_t dim[2] = { (int64_t)t->n, t->streams };
    struct strbuf text = STRBUF_INIT;
    struct file_out out = {0};
    char *name = NULL;
    int rc = batch_open(b, ".npy", &out, &name, err);

    if (!rc) {
        npy_write_header(out.f, "<i4", dim, t->streams > 1 ? 2 : 1);
        fwrite(t->token, sizeof(*t->token), t->n * (size_t)t->streams, out.f);
        rc = file_out_commit(&out, err);
    }
    file_out_abort(&out);
    if (!rc && strcmp(name, "-")) {
        char *beside = xasprintf("%s.json", name);

        print_object(&text, t, path, duration, 0);
        rc = outputs_write(beside, b->common->force, &text, err);
        free(beside);
    }
    strbuf_release(&text);
    free(name);
    return rc;
}

static int tokenize_one(void *ctx, struct batch *b, const char *path,
                        struct err *err)
{
    struct tokenize *t = ctx;
    struct strbuf text = STRBUF_INIT;
    struct analysis result;
    int rc;

    t->n = 0;
    t->n_pending = 0;
    analyser_progress(t->analyser, batch_progress, b);
    TRY(analyser_run(t->analyser, path, &result, err));
    flush_pending(t);
    if (b->text)
        return write_array(t, b, path, result.duration, err);
    print_object(&text, t, path, result.duration, 1);
    rc = batch_write(b, ".json", &text, err);
    strbuf_release(&text);
    return rc;
}

/* ---- the model's codebooks ---- */

/* Stream k; the published files number from 0, and some forks leave the number
 * of the only one out. */
static int open_quant(struct tokenize *t, int k, struct err *err)
{
    struct model *m = t->session.model;
    const struct stored *p, *c;
    const float *projection, *codebook;
    char name[2][96];
    int one = k == 0 && !model_has(m, "quantizer_melspec_2048_0.codebook");

    for (int i = 0; i < 2; i++) {
        int n = one ? snprintf(name[i], sizeof(name[i]),
                               "quantizer_melspec_2048")
                    : snprintf(name[i], sizeof(name[i]),
                               "quantizer_melspec_2048_%d", k);

        snprintf(name[i] + n, sizeof(name[i]) - (size_t)n, ".%s",
                 i ? "codebook" : "random_projection");
    }
    TRY(model_stored(m, name[0], (int64_t[]){ -1, -1 }, 2, &p, err));
    TRY(model_stored(m, name[1], (int64_t[]){ -1, p->dim[1] }, 2, &c, err));
    TRY(model_tensor(m, name[0], p->dim, 2, &projection, err));
    TRY(model_tensor(m, name[1], c->dim, 2, &codebook, err));
    if (p->dim[0] % t->bands || (k && p->dim[0] != t->stack * t->bands))
        return err_set(err, ERR_FORMAT, "%s: %s has %lld rows, no whole number "
                       "of mel frames", m->path, name[0],
                       (long long)p->dim[0]);
    t->stack = (int)(p->dim[0] / t->bands);
    return quant_new(&t->quant[k], projection, codebook, (int)p->dim[0],
                     (int)p->dim[1], (int)c->dim[0], err);
}

static int open_all(struct tokenize *t, const struct cmd_common *common,
                    struct err *err)
{
    struct analyser_config a = { .emit_mel = take_mel, .ctx = t };
    const struct model_config *c;

    TRY(session_open(&t->session, common, err));
    c = &t->session.model->config;
    t->bands = c->mel.bands;
    t->mean = (float)c->mel.mean;
    t->inv_std = (float)(1 / c->mel.std);
    if (!c->n_tokens)
        return err_set(err, ERR_FORMAT, "%s: the model holds no tokens",
                       t->session.model->path);
    t->quant = xcalloc((size_t)c->n_tokens, sizeof(*t->quant));
    for (; t->streams < c->n_tokens; t->streams++) {
        if (c->tokens[t->streams].type != TOKENS_RANDOM)
            return err_set(err, ERR_UNSUPPORTED, "%s: only random-projection "
                           "tokens are supported in this version",
                           t->session.model->path);
        TRY(open_quant(t, t->streams, err));
    }
    t->pending = xcalloc((size_t)BATCH * (size_t)t->stack *
                             (size_t)t->bands,
                         sizeof(*t->pending));
    return analyser_new(&t->analyser, t->session.model, t->session.be, &a, err);
}

static void release(struct tokenize *t)
{
    for (int k = 0; k < t->streams; k++)
        quant_free(t->quant[k]);
    free(t->quant);
    free(t->pending);
    free(t->token);
    analyser_free(t->analyser);
    session_release(&t->session);
}

int cmd_tokenize(int argc, char **argv)
{
    struct cmd_common common = CMD_COMMON_INIT;
    struct tokenize t = {0};
    const struct cmd_usage usage = {
        "tokenize", "mfm tokenize [OPTIONS] [FILE...]",
        "Turns audio into the token ids that the model learned to predict.\n",
        NULL,
        CMD_MODEL | CMD_INPUT | CMD_OUTPUT | CMD_OUT_DIR | CMD_FORMAT |
            CMD_PROGRESS
    };
    struct err err = {0};
    int n, rc, is_array;

    common.formats = "json|npy";
    rc = cmd_begin(&usage, &common, argc, argv, &n);
    if (rc != CMD_GO)
        return rc;
    is_array = common.format && !strcmp(common.format, "npy");
    if (is_array && batch_is_terminal(&common))
        return cmd_usage_error("tokenize", "an array is not for a terminal: "
                               "give -o FILE, or --format json");
    if (open_all(&t, &common, &err))
        rc = cmd_start_error("tokenize", &err);
    else
        rc = batch_run(&usage, &common, n, argv, is_array, tokenize_one, &t);
    release(&t);
    return rc;
}
