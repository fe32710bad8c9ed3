/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cmd/tokenize.h"

#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "cmd/inputs.h"
#include "cmd/progress.h"
#include "model/config.h"
#include "train/tokenfit.h"

enum { MAX_BOOKS = 64, SAMPLE_RATE = 24000 };

void tokenize_fit_options(struct tokenize_fit *f,
                          struct opt out[TOKENIZE_FIT_OPTIONS])
{
    const struct opt all[TOKENIZE_FIT_OPTIONS] = {
        { 0, "fit", OPT_CHOICE, &f->kind, "KIND", "learn tokens from the "
          "inputs and write them to the file of -o: random, kmeans or rvq", 0,
          0, "random|kmeans|rvq" },
        { 0, "codes", OPT_STRING, &f->codes, "N", "codes in a codebook; for "
          "kmeans N,M: of timbre and of harmony (default: random 8192, kmeans "
          "300,200, rvq 1024)", 0, 0, NULL },
        { 0, "rate", OPT_CHOICE, &f->rate, "HZ", "tokens in a second: 25, 50 "
          "or 75 (default: kmeans 75, else 25)", 0, 0, "25|50|75" },
        { 0, "dim", OPT_INT, &f->dim, "N", "random: values of a code (default: "
          "16)", 1, 4096, NULL },
        { 0, "codebooks", OPT_INT, &f->codebooks, "N", "random: codebooks, one "
          "stream of tokens each (default: 1)", 1, MAX_BOOKS, NULL },
        { 0, "stages", OPT_INT, &f->stages, "N", "rvq: codebooks in a row "
          "(default: 8)", 1, MAX_BOOKS, NULL },
        { 0, "seed", OPT_INT, &f->seed, "N", "of all random numbers (default: "
          "0)", 0, 2147483647, NULL },
        { 0, "sample", OPT_INT, &f->sample, "N", "vectors to learn from, drawn "
          "from all (default: 100 for each code, at least 10000)", 1,
          100000000, NULL },
        { .kind = OPT_END }
    };

    memcpy(out, all, sizeof(all));
}

int tokenize_fit_unused(const struct tokenize_fit *f)
{
    const struct {
        const char *name;
        int set;
    } all[] = {
        { "codes", f->codes != NULL }, { "rate", f->rate != NULL },
        { "dim", f->dim },             { "codebooks", f->codebooks },
        { "stages", f->stages },       { "seed", f->seed },
        { "sample", f->sample }
    };

    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        if (all[i].set) {
            cmd_usage_error("tokenize", "--%s is for --fit", all[i].name);
            return 1;
        }
    return 0;
}

/* ---- what the options ask for ---- */

/* Numbers parted by commas: up to most, from 2 to 2^20; returns how many, 0 if
 * it is nothing of the kind. */
static int parse_codes(const char *s, int *out, int most)
{
    int n = 0;

    for (; n < most; s++) {
        char *end;
        long v = strtol(s, &end, 10);

        if (end == s || v < 2 || v > LIMIT_CODES)
            return 0;
        out[n++] = (int)v;
        if (!*end)
            return n;
        if (*end != ',')
            return 0;
        s = end;
    }
    return 0;
}

static int check(const struct tokenize_fit *f, const struct cmd_common *c,
                 struct err *err)
{
    int is_random = !strcmp(f->kind, "random");

    if (!c->output)
        return err_set(err, ERR_ARG, "--fit writes a file: give -o MODEL");
    if (c->out_dir || c->format)
        return err_set(err, ERR_ARG, "--fit writes a model file to -o: %s is "
                       "not for it", c->out_dir ? "--out-dir" : "--format");
    if (c->raw || c->from > 0 || isfinite(c->to) || c->resume)
        return err_set(err, ERR_ARG, "--raw, --from, --to and --resume are not "
                       "for --fit");
    if (strcmp(c->model, "default"))
        return err_set(err, ERR_ARG, "--fit makes a model: -m is not for it");
    if (!is_random && (f->dim || f->codebooks))
        return err_set(err, ERR_ARG, "--%s is for --fit random", f->dim
                       ? "dim" : "codebooks");
    if (strcmp(f->kind, "rvq") && f->stages)
        return err_set(err, ERR_ARG, "--stages is for --fit rvq");
    return 0;
}

static void set_mel_tokens(struct model_config *m, const struct tokenize_fit *f,
                           int codes, int stack)
{
    int is_rvq = !strcmp(f->kind, "rvq");
    int n = f->codebooks ? f->codebooks : 1;

    m->n_tokens = n;
    for (int i = 0; i < n; i++) {
        struct token_config *t = &m->tokens[i];

        t->type = is_rvq ? TOKENS_RVQ : TOKENS_RANDOM;
        t->stack = stack;
        t->dim = is_rvq ? t->stack * m->mel.bands : f->dim ? f->dim : 16;
        t->codes = codes;
        t->stages = is_rvq ? (f->stages ? f->stages : 8) : 1;
    }
}

static void set_feature_tokens(struct model_config *m, const int *codes,
                               int hop)
{
    m->n_tokens = 2;
    for (int i = 0; i < 2; i++)
        m->tokens[i] = (struct token_config){
            .type = TOKENS_KMEANS, .hop = hop, .stack = 1, .stages = 1,
            .feature = i ? TOKENS_CHROMA264 : TOKENS_LOGMEL229,
            .dim = i ? 264 : 229, .codes = codes[i]
        };
}

/* All but the statistics. */
static int make_config(struct model_config *m, const struct tokenize_fit *f,
                       struct err *err)
{
    int is_kmeans = !strcmp(f->kind, "kmeans");
    int is_rvq = !strcmp(f->kind, "rvq");
    int rate = atoi(f->rate ? f->rate : is_kmeans ? "75" : "25");
    int codes[2] = { is_kmeans ? 300 : is_rvq ? 1024 : 8192, 200 };
    int n = f->codes ? parse_codes(f->codes, codes, is_kmeans ? 2 : 1) : 2;

    if (n < (is_kmeans ? 2 : 1))
        return err_set(err, ERR_ARG, "--codes %s: not %s from 2 to 1048576",
                       f->codes, is_kmeans ? "two numbers N,M" : "a number");
    memset(m, 0, sizeof(*m));
    m->name = xasprintf("tokens-%s", f->kind);
    m->provenance = xstrdup("");
    m->license = xstrdup("");
    m->sample_rate = SAMPLE_RATE;
    m->mel = (struct mel_settings){ 2048, rate == 75 ? 160 : 240, 128, 0, 1 };
    m->encoder.type = ENCODER_NONE;
    m->window = 30;
    m->tokens = xcalloc(MAX_BOOKS, sizeof(*m->tokens));
    if (is_kmeans)
        set_feature_tokens(m, codes, SAMPLE_RATE / rate);
    else
        set_mel_tokens(m, f, codes[0], SAMPLE_RATE / rate / m->mel.hop);
    if (config_check(m, err)) /* 64 streams of a million codes */
        return err_set(err, ERR_ARG, "%s", err->msg);
    return 0;
}

/* ---- running ---- */

struct fitting {
    struct progress progress;
    size_t done;
    int failed;
};

static void done(void *ctx, const char *path, const struct err *failure)
{
    struct fitting *f = ctx;

    f->done++;
    if (failure) {
        f->failed = 1;
        progress_clear(&f->progress);
        log_error("%s", failure->msg);
    }
    f->progress.done = f->done;
    progress_show(&f->progress, path);
}

/* Paths of the inputs that can be tried; the others are reported. */
static char **list_paths(const struct inputs *in, size_t *n,
                         struct fitting *f)
{
    char **path = xcalloc(in->n + 1, sizeof(*path));

    *n = 0;
    for (size_t i = 0; i < in->n; i++) {
        if (in->item[i].error) {
            log_error("%s", in->item[i].error);
            f->failed = 1;
        } else {
            path[(*n)++] = in->item[i].path;
        }
    }
    return path;
}

static void print_report(const struct tokenfit *fit,
                         const struct model_config *m, const char *path)
{
    fprintf(stderr, "mfm: %s: %zu of %zu files, %.3g h; mel %.4f dB on "
            "average, standard deviation %.4f\n", path, fit->files,
            fit->files + fit->failed, fit->seconds / 3600, m->mel.mean,
            m->mel.std);
    for (int k = 0; k < fit->streams; k++)
        fprintf(stderr, "mfm: %s: stream %d: %d codes, %.1f %% used, "
                "perplexity %.1f\n", path, k, fit->usage[k].codes,
                100 * fit->usage[k].used, fit->usage[k].perplexity);
}

static int fit_all(const struct tokenize_fit *f, const struct cmd_common *c,
                   const struct inputs *in, struct model_config *m,
                   struct err *err)
{
    struct fitting state = {0};
    struct tokenfit_config config = {
        .jobs = c->jobs > 0 ? c->jobs : omp_get_max_threads(),
        .seed = (uint64_t)f->seed, .sample = f->sample, .done = done,
        .ctx = &state
    };
    struct tokenfit fit;
    size_t n;
    char **path = list_paths(in, &n, &state);
    int rc;

    /* the threads were divided by the jobs, which read only */
    if (c->jobs > 1)
        omp_set_num_threads(c->threads * c->jobs);
    progress_init(&state.progress, c, n, isatty(STDERR_FILENO));
    rc = tokenfit_run(&fit, m, path, n, &config, err);
    progress_clear(&state.progress);
    if (!rc) {
        free(m->provenance);
        m->provenance = xasprintf("mfm tokenize --fit %s: %zu files, %.0f s, "
                                  "seed %d", f->kind, fit.files, fit.seconds,
                                  f->seed);
        rc = tokenfit_write(&fit, m, c->output, err);
    }
    if (!rc && !c->quiet)
        print_report(&fit, m, c->output);
    tokenfit_release(&fit);
    free(path);
    return rc ? rc : state.failed;
}

/* A file that is there is replaced only with --force: it may be a model that
 * took weeks to train. */
static int check_output(const struct cmd_common *c, struct err *err)
{
    struct stat st;

    if (c->force || !strcmp(c->output, "-") || stat(c->output, &st) ||
        !S_ISREG(st.st_mode) || !st.st_size)
        return 0;
    return err_set(err, ERR_ARG, "%s: exists; give another name with -o, or "
                   "--force", c->output);
}

int tokenize_fit_run(const struct tokenize_fit *f, const struct cmd_common *c,
                     int n, char **operands)
{
    struct model_config m = {0};
    struct inputs in = {0};
    struct err err = {0};
    int rc = check(f, c, &err);

    if (!rc)
        rc = make_config(&m, f, &err);
    if (!rc)
        rc = check_output(c, &err);
    if (!rc)
        rc = inputs_collect(&in, c, n, operands, isatty(STDIN_FILENO), &err);
    if (rc) {
        rc = cmd_start_error("tokenize", &err);
    } else {
        rc = fit_all(f, c, &in, &m, &err);
        if (rc < 0)
            log_error("%s", err.msg);
        rc = rc ? CMD_FAILED : CMD_DONE;
    }
    inputs_release(&in);
    config_release(&m);
    return rc;
}
