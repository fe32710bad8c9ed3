/* SPDX-License-Identifier: GPL-3.0-or-later */
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
#include "cmd/tokenize.h"
#include "token/tokenizer.h"
#include "train/tokens.h"
#include "write/json.h"

struct tokenize {
    const struct cmd_common *common;
    struct session session;
    struct analyser *analyser;
    struct tokenizer *tokenizer; /* of the first worker, if session borrows */
    struct tokenizer_run *run;
    int streams;
    /* of the recording in work */
    const int32_t *token; /* (n, streams) */
    size_t n;
};

static int take_samples(void *ctx, const float *x, int64_t n, struct err *err)
{
    struct tokenize *t = ctx;

    return tokenizer_push(t->run, x, (size_t)n, err);
}

/* ---- output ---- */

/* Share of the codes of stream k that occur, and e^entropy of their use. */
static cJSON *usage_of(const struct tokenize *t, int k)
{
    cJSON *o = cJSON_CreateObject();
    double perplexity;
    int used = tokenizer_usage(t->tokenizer, k, t->token, t->n, &perplexity);

    cJSON_AddNumberToObject(o, "used",
                            (double)used / tokenizer_codes(t->tokenizer, k));
    if (t->n)
        cJSON_AddNumberToObject(o, "perplexity", perplexity);
    else
        cJSON_AddNullToObject(o, "perplexity");
    return o;
}

static cJSON *describe(struct tokenize *t, const char *file,
                       const struct analysis *heard)
{
    struct result r;
    cJSON *o, *codes, *use;

    session_result(&t->session, &r, file, heard->start, heard->duration);
    o = write_json_object(&r);
    cJSON_AddNumberToObject(o, "rate", tokenizer_rate(t->tokenizer));
    codes = cJSON_AddArrayToObject(o, "codes");
    use = cJSON_AddArrayToObject(o, "usage");
    for (int k = 0; k < t->streams; k++) {
        int n = tokenizer_codes(t->tokenizer, k);

        cJSON_AddItemToArray(codes, cJSON_CreateNumber(n));
        cJSON_AddItemToArray(use, usage_of(t, k));
    }
    return o;
}

/* The object on one line, tokens last. */
static void print_object(struct strbuf *out, struct tokenize *t,
                         const char *path, const struct analysis *heard,
                         int tokens)
{
    cJSON *o = describe(t, path, heard);

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
                       const struct analysis *heard, struct err *err)
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

        print_object(&text, t, path, heard, 0);
        rc = outputs_write(beside, b->common->force, &text, err);
        free(beside);
    }
    strbuf_release(&text);
    free(name);
    return rc;
}

static int is_array(const struct cmd_common *c)
{
    return c->format && !strcmp(c->format, "npy");
}

static int tokenize_one(void *ctx, struct batch *b, const char *path,
                        struct err *err)
{
    struct tokenize *t = ctx;
    struct strbuf text = STRBUF_INIT;
    struct analysis heard;
    int rc;

    tokenizer_reset(t->run);
    analyser_progress(t->analyser, batch_progress, b);
    TRY(analyser_run(t->analyser, path, &heard, err));
    TRY(tokenizer_finish(t->run, &t->token, &t->n, err));
    if (is_array(b->common))
        return write_array(t, b, path, &heard, err);
    print_object(&text, t, path, &heard, 1);
    rc = batch_write(b, ".json", &text, err);
    strbuf_release(&text);
    return rc;
}

static int open_all(struct tokenize *t, int worker,
                    const struct tokenize *first, struct err *err)
{
    struct analyser_config a = { .emit_samples = take_samples, .ctx = t,
                                 .common = t->common };

    TRY(session_open(&t->session, t->common, worker,
                     first ? &first->session : NULL, err));
    if (first)
        t->tokenizer = first->tokenizer;
    else
        TRY(tokens_from_model(&t->tokenizer, t->session.model, err));
    t->streams = tokenizer_streams(t->tokenizer);
    TRY(tokenizer_run_new(&t->run, t->tokenizer, err));
    return analyser_new(&t->analyser, t->session.model, t->session.be, &a, err);
}

static void release(struct tokenize *t)
{
    tokenizer_run_free(t->run);
    if (!t->session.borrowed)
        tokenizer_free(t->tokenizer);
    analyser_free(t->analyser);
    session_release(&t->session);
}

static int open_more(void **out, const void *first, int worker,
                     struct err *err)
{
    struct tokenize *t = xcalloc(1, sizeof(*t));

    *out = t;
    t->common = ((const struct tokenize *)first)->common;
    return open_all(t, worker, first, err);
}

static void close_more(void *mine)
{
    if (mine)
        release(mine);
    free(mine);
}

static int tokenize_all(const struct cmd_usage *usage,
                        const struct cmd_common *common, int n, char **argv)
{
    static const char *const arrays[] = { ".npy", ".npy.json", NULL };
    static const char *const objects[] = { ".json", NULL };
    struct tokenize t = { .common = common };
    struct err err = {0};
    int arr = is_array(common), rc;
    char *made_with;

    if (arr && batch_is_terminal(common))
        return cmd_usage_error("tokenize", "an array is not for a terminal: "
                               "give -o FILE, or --format json");
    if (open_all(&t, 0, NULL, &err)) {
        rc = cmd_start_error("tokenize", &err);
    } else {
        made_with = session_made_with(&t.session, common, "tokenize", "format");
        rc = batch_run(&(struct batch_task){
                           .usage = usage, .common = common, .text = arr,
                           .made_with = made_with,
                           .suffix = arr ? arrays : objects,
                           .fn = tokenize_one, .ctx = &t, .open = open_more,
                           .close = close_more }, n, argv);
        free(made_with);
    }
    release(&t);
    return rc;
}

int cmd_tokenize(int argc, char **argv)
{
    struct cmd_common common = CMD_COMMON_INIT;
    struct tokenize_fit fit = {0};
    struct opt own[TOKENIZE_FIT_OPTIONS];
    const struct cmd_usage usage = {
        "tokenize", "mfm tokenize [OPTIONS] [FILE...]\n"
        "mfm tokenize --fit KIND [OPTIONS] -o MODEL [FILE...]",
        "Turns audio into the token ids that the model learned to predict, or\n"
        "with --fit learns from audio what the tokens of a new model are to "
        "be.\n",
        own,
        CMD_MODEL | CMD_INPUT | CMD_JOBS | CMD_OUTPUT | CMD_OUT_DIR |
            CMD_FORMAT | CMD_PROGRESS
    };
    int n, rc;

    tokenize_fit_options(&fit, own);
    common.formats = "json|npy";
    rc = cmd_begin(&usage, &common, argc, argv, &n);
    if (rc != CMD_GO)
        return rc;
    return fit.kind ? tokenize_fit_run(&fit, &common, n, argv)
           : tokenize_fit_unused(&fit) ? CMD_USAGE
           : tokenize_all(&usage, &common, n, argv);
}
