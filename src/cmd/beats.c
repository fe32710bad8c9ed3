/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/npy.h"
#include "cmd/cmd.h"
#include "cmd/session.h"
#include "cmd/task.h"
#include "decode/chain.h"
#include "decode/tempo.h"

struct args {
    struct task_options o;
    const char *bars, *activations;
    double fps, min_bpm, max_bpm, transition_lambda, observation_lambda;
    double threshold; /* -1: not given */
    int num_tempi;    /* -1: not given */
    int no_correct, no_downbeats;
};

/* "3,4" into c->bars. */
static int parse_bars(struct dbn_config *c, const char *list)
{
    const char *all = list;

    c->num_bars = 0;
    for (;;) {
        char *end;
        long v = strtol(list, &end, 10);

        if (end == list || v < 1 || v > DBN_MAX_BEATS ||
            c->num_bars == DBN_MAX_BARS || (*end && *end != ','))
            return cmd_usage_error("beats", "--beats-per-bar: '%s' is not a "
                                   "list, with commas between, of at most %d "
                                   "numbers that are in 1..%d", all,
                                   DBN_MAX_BARS, DBN_MAX_BEATS);
        c->bars[c->num_bars++] = (int)v;
        if (!*end)
            return CMD_GO;
        list = end + 1;
    }
}

/* Options over madmom's defaults, which differ with --no-downbeats. */
static int set_config(const struct args *a, struct dbn_config *c, int downbeats)
{
    dbn_config_init(c, a->fps, downbeats);
    c->min_bpm = a->min_bpm;
    c->max_bpm = a->max_bpm;
    c->transition_lambda = a->transition_lambda;
    c->observation_lambda = a->observation_lambda;
    c->correct = !a->no_correct;
    if (a->threshold >= 0)
        c->threshold = a->threshold;
    if (a->num_tempi >= 0)
        c->num_tempi = a->num_tempi;
    if (a->min_bpm > a->max_bpm)
        return cmd_usage_error("beats", "--min-bpm %g is above --max-bpm %g",
                               a->min_bpm, a->max_bpm);
    if (a->bars && a->no_downbeats)
        return cmd_usage_error("beats", "--beats-per-bar: --no-downbeats "
                               "knows no bars");
    return a->bars ? parse_bars(c, a->bars) : CMD_GO;
}

/* ---- --activations ---- */

/* Logits, percentages and NaN are taken for what they are not; rounding is
 * not. */
static int check_range(const char *path, const float *v, int64_t count,
                       int64_t columns, struct err *err)
{
    for (int64_t i = 0; i < count; i++)
        if (!(v[i] >= -1e-3f && v[i] <= 1 + 1e-3f))
            return err_set(err, ERR_FORMAT, "%s: frame %lld: activation %g is "
                           "not in [0, 1]", path, (long long)(i / columns),
                           (double)v[i]);
    return 0;
}

/* (T,) or (T, 2) as (T, 2); the caller frees *act. */
static int read_activations(const char *path, float **act, int64_t *n,
                            int *downbeats, struct err *err)
{
    struct npy x;
    float *v = NULL;
    int rc;

    TRY(npy_read(&x, path, err));
    *downbeats = x.ndim == 2;
    *n = x.ndim ? x.dim[0] : 0;
    if (x.type != 'f' || x.ndim < 1 || x.ndim > 2 ||
        (x.ndim == 2 && x.dim[1] != 2))
        rc = err_set(err, ERR_FORMAT, "%s: not activations: floats of shape "
                     "(T,) or (T, 2) are needed", path);
    else
        rc = npy_floats(&x, &v, err);
    if (!rc)
        rc = check_range(path, v, x.count, x.ndim, err);
    npy_release(&x);
    if (rc) {
        free(v);
        return rc;
    }
    *act = v;
    if (*downbeats)
        return 0;
    *act = calloc((size_t)*n * 2 + 1, sizeof(**act));
    if (!*act)
        rc = err_set(err, ERR_NOMEM, "%s: no memory", path);
    for (int64_t i = 0; !rc && i < *n; i++)
        (*act)[2 * i] = v[i];
    free(v);
    return rc;
}

static int decode_one(void *ctx, struct batch *b, const char *path,
                      struct err *err)
{
    struct args *a = ctx;
    struct beats beats = {0};
    struct result r;
    struct dbn_config c;
    float *act = NULL;
    int64_t n = 0;
    int downbeats, rc;

    TRY(read_activations(path, &act, &n, &downbeats, err));
    if (a->bars && !downbeats)
        batch_warn_once(b, 1, "--beats-per-bar: activations of (T,) know no "
                              "bars");
    set_config(a, &c, downbeats && !a->no_downbeats);
    rc = chain_beats(&(struct chain){0}, &beats, act, (size_t)n, &c, 0, err);
    if (rc)
        err_prefix(err, "%s", path);
    session_result(NULL, &r, path, 0, (double)n / a->fps);
    r.tempo = tempo_of_beats(&beats, act, (size_t)n, a->fps);
    for (size_t i = 0; i < beats.n; i++)
        beats.v[i].time += a->o.start_time;
    r.beats = &beats;
    r.meter = meter_of_beats(&beats);
    if (!rc)
        rc = task_write(b, format_find(a->o.common.format), &r, err);
    beats_release(&beats);
    free(act);
    return rc;
}

static int run_activations(const struct cmd_usage *usage, struct args *a, int n)
{
    const struct format *format = format_find(a->o.common.format);
    const char *suffix[TASKS + 1];
    char *file = (char *)a->activations;
    int rc;

    if (n || a->o.common.files_from || a->o.save_activations || a->o.click)
        return cmd_usage_error("beats", "--activations goes with no other "
                               "input, and not with --save-activations or "
                               "--click");
    rc = cmd_refuse(&a->o.common, "beats", "raw|from|to|recursive|model|device|"
                    "precision|window|hop|rate", "it is for audio, and says "
                    "nothing of --activations");
    if (rc != CMD_GO)
        return rc;
    if (!(a->fps > 0))
        return cmd_usage_error("beats", "--activations needs --fps");
    return batch_run(&(struct batch_task){
                         .usage = usage, .common = &a->o.common,
                         .text = !format_is_json(format),
                         .suffix = task_suffixes(suffix, &a->o, format),
                         .fn = decode_one, .ctx = a }, 1, &file);
}

/* ---- the command ---- */

static int same_output(const char *a, const char *b)
{
    return a && b && strcmp(a, "-") && !strcmp(a, b);
}

static int run(const struct cmd_usage *usage, struct args *a, int n,
               char **operands)
{
    int rc;

    if (a->num_tempi == 1)
        log_warn("--num-tempi 1: only --max-bpm is looked for, %g BPM",
                 a->max_bpm);
    if (a->activations) {
        struct dbn_config checked;

        rc = set_config(a, &checked, 1);
        return rc == CMD_GO ? run_activations(usage, a, n) : rc;
    }
    if (a->fps > 0)
        return cmd_usage_error("beats", "--fps goes with --activations");
    if ((a->o.save_activations || a->o.click) &&
        (n > 1 || a->o.common.files_from || a->o.common.recurse))
        return cmd_usage_error("beats", "--%s takes one input",
                               a->o.click ? "click" : "save-activations");
    if (same_output(a->o.click, a->o.save_activations) ||
        same_output(a->o.click, a->o.common.output) ||
        same_output(a->o.save_activations, a->o.common.output))
        return cmd_usage_error("beats", "two outputs have one name");
    if (a->o.click && !strcmp(a->o.click, "-") && !a->o.common.out_dir &&
        (!a->o.common.output || !strcmp(a->o.common.output, "-")))
        return cmd_usage_error("beats", "--click - and the beats cannot both "
                               "go to stdout: give -o FILE");
    a->o.all_beats = a->threshold >= 0; /* who asks for them gets them */
    a->o.own_bars = a->bars != NULL;
    rc = set_config(a, &a->o.dbn, !a->no_downbeats);
    return rc == CMD_GO ? task_run(usage, &a->o, n, operands) : rc;
}

int cmd_beats(int argc, char **argv)
{
    struct args a = { .min_bpm = 55, .max_bpm = 215, .transition_lambda = 100,
                      .observation_lambda = 16, .threshold = -1,
                      .num_tempi = -1 };
    struct opt own[15 + TASK_SHARED_OPTIONS] = {
        { 0, "beats-per-bar", OPT_STRING, &a.bars, "LIST",
          "numbers of beats that a bar may have (the model's, or 3,4)", 0, 0,
          NULL },
        { 0, "min-bpm", OPT_DOUBLE, &a.min_bpm, "BPM", "slowest tempo (55)", 1,
          10000, NULL },
        { 0, "max-bpm", OPT_DOUBLE, &a.max_bpm, "BPM", "fastest tempo (215)", 1,
          10000, NULL },
        { 0, "num-tempi", OPT_INT, &a.num_tempi, "N",
          "tempi to model between the two (60)", 1, 10000, NULL },
        { 0, "transition-lambda", OPT_DOUBLE, &a.transition_lambda, "X",
          "how firmly the tempo is kept (100)", 0, 1e6, NULL },
        { 0, "observation-lambda", OPT_DOUBLE, &a.observation_lambda, "N",
          "a beat takes one part in N of a beat interval (16)", 1.01, 1e6,
          NULL },
        { 0, "threshold", OPT_DOUBLE, &a.threshold, "P",
          "no beats before the first and after the last activation of P "
          "(0.05)", 0, 1, NULL },
        { 0, "no-correct", OPT_FLAG, &a.no_correct, NULL,
          "do not move beats to the highest activation near by", 0, 0, NULL },
        { 0, "no-downbeats", OPT_FLAG, &a.no_downbeats, NULL,
          "beats only, without positions in the bar", 0, 0, NULL },
        { 0, "start-time", OPT_TIME, &a.o.start_time, "TIME",
          "seconds added to every time (0)", -1e6, 1e6, NULL },
        { 0, "activations", OPT_STRING, &a.activations, "FILE.npy",
          "decode these activations instead of audio", 0, 0, NULL },
        { 0, "fps", OPT_DOUBLE, &a.fps, "R",
          "frames a second of --activations", 0.001, 100000, NULL },
        { 0, "save-activations", OPT_STRING, &a.o.save_activations,
          "FILE.npy", "write the activations of the one input as well", 0, 0,
          NULL },
        { 0, "click", OPT_STRING, &a.o.click, "OUT.wav",
          "write the one input with a click on each beat as well", 0, 0, NULL },
    };
    struct cmd_usage usage = {
        "beats", "mfm beats [OPTIONS] [FILE...]\n"
                 "mfm beats --activations FILE.npy --fps R [OPTIONS]",
        "Tracks beats and downbeats.\n", NULL, 0
    };
    int n, rc;

    task_options_init(&a.o);
    a.o.wanted[TASK_BEATS] = 1;
    rc = task_begin(&usage, &a.o, own, 14, argc, argv, &n);
    return rc == CMD_GO ? run(&usage, &a, n, argv) : rc;
}
