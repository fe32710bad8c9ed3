/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cmd/common.h"

#include <omp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "tensor/backend.h"

enum { MOST_SHARED = 20 };

/* Two tables: what goes in and how it is computed; what comes out. */
struct shared {
    struct opt in[MOST_SHARED], out[MOST_SHARED];
    int n_in, n_out;
    char format_help[128];
};

static void input_options(struct shared *s, struct cmd_common *c, int groups)
{
    const int many = groups & CMD_MODELS;
    const struct opt model[] = {
        { 'm', "model", many ? OPT_LIST : OPT_STRING,
          many ? (void *)&c->models : &c->model, "FILE|NAME",
          "the model: a .safetensors file, or a name to look up in "
          "$MFM_MODELS, the user's data folder and the installed one "
          "(default: default)", 0, 0, NULL },
        { 0, "device", OPT_STRING, &c->device, "NAME",
          "where to compute: auto (a GPU, else the CPU), cpu, cuda or cuda:N",
          0, 0, NULL },
        { 0, "precision", OPT_CHOICE, &c->precision, "NAME",
          "arithmetic of products: auto (f32 on the CPU, bf16 on GPUs that "
          "have it), f32, bf16, or on CUDA also tf32, fp16", 0, 0,
          "auto|f32|tf32|bf16|fp16" },
        { 0, "threads", OPT_INT, &c->threads, "N",
          "threads to compute with (default: all cores)", 1, 1024, NULL },
    };
    const struct opt input[] = {
        { 0, "files-from", OPT_STRING, &c->files_from, "FILE",
          "also take the inputs that FILE names, one a line; - is stdin",
          0, 0, NULL },
        { '0', "null", OPT_FLAG, &c->nul, NULL,
          "names in --files-from end in NUL, not in a newline", 0, 0, NULL },
        { 'r', "recursive", OPT_FLAG, &c->recurse, NULL,
          "walk folders and take the audio files in them", 0, 0, NULL },
        { 0, "raw", OPT_STRING, &c->raw, "TYPE:RATE:CHANNELS",
          "inputs are PCM without a header, as f32le:44100:2 or s16le:8000:1",
          0, 0, NULL },
        { 0, "from", OPT_TIME, &c->from, "TIME",
          "take each input from this time on (default: 0)", 0, 1e9, NULL },
        { 0, "to", OPT_TIME, &c->to, "TIME",
          "take each input up to this time (default: its end)", 0, 1e9, NULL },
    };

    for (int i = 0; i < 4; i++)
        if (groups & CMD_MODEL || (i && groups & CMD_COMPUTE))
            s->in[s->n_in++] = model[i];
    for (int i = 0; i < (int)ARRAY_LEN(input) && groups & CMD_INPUT; i++)
        s->in[s->n_in++] = input[i];
    if (groups & CMD_JOBS)
        s->in[s->n_in++] = (struct opt){
            'j', "jobs", OPT_INT, &c->jobs, "N", "inputs at once (default: 1), "
            "each with its share of the threads; on the GPUs in turn", 1, 256,
            NULL
        };
    s->in[s->n_in] = (struct opt){ .kind = OPT_END };
}

static void output_options(struct shared *s, struct cmd_common *c, int groups)
{
    const struct opt all[] = {
        { 'o', "output", OPT_STRING, &c->output, "FILE",
          "write to FILE; - is stdout (the default)", 0, 0, NULL },
        { 0, "out-dir", OPT_STRING, &c->out_dir, "DIR",
          "write one file for each input and result into DIR", 0, 0, NULL },
        { 0, "keep-folders", OPT_FLAG, &c->keep_folders, NULL,
          "in --out-dir, put results into the folders that the inputs are in; "
          "with -r they are put into those below the folder given, always",
          0, 0, NULL },
        { 0, "resume", OPT_FLAG, &c->resume, NULL,
          "go on with a run that was cut off: leave out what is done", 0, 0,
          NULL },
        { 0, "format", OPT_CHOICE, &c->format, "NAME", s->format_help, 0, 0,
          c->formats },
        { 0, "force", OPT_FLAG, &c->force, NULL,
          "overwrite files that mfm did not write", 0, 0, NULL },
        { 0, "progress", OPT_CHOICE, &c->progress, "WHEN",
          "progress on stderr: auto, always or never", 0, 0,
          "auto|always|never" },
        { 'q', "quiet", OPT_FLAG, &c->quiet, NULL,
          "no warnings and no progress; errors only", 0, 0, NULL },
        { 'v', "verbose", OPT_COUNT, &c->verbose, NULL,
          "say what is done; twice: in detail", 0, 0, NULL },
        { 'h', "help", OPT_FLAG, &c->help, NULL, "this text", 0, 0, NULL },
    };
    const int group[] = { CMD_OUTPUT, CMD_OUT_DIR, CMD_OUT_DIR, CMD_OUT_DIR,
                          CMD_FORMAT, CMD_OUTPUT, CMD_PROGRESS, 0, 0, 0 };

    snprintf(s->format_help, sizeof(s->format_help), "one of %s%s%s%s",
             c->formats ? c->formats : "", c->format ? " (default: " : "",
             c->format ? c->format : "", c->format ? ")" : "");
    for (int i = 0; i < (int)ARRAY_LEN(group); i++)
        if ((groups & group[i]) == group[i])
            s->out[s->n_out++] = all[i];
    s->out[s->n_out] = (struct opt){ .kind = OPT_END };
}

static void shared_options(struct shared *s, struct cmd_common *c, int groups)
{
    *s = (struct shared){0};
    input_options(s, c, groups);
    output_options(s, c, groups);
}

void cmd_usage_text(struct strbuf *out, const struct cmd_usage *usage,
                    struct cmd_common *c)
{
    struct shared s;
    const char *p = usage->synopsis, *lead = "usage: ";

    while (*p) {
        size_t n = strcspn(p, "\n");

        strbuf_addf(out, "%s%.*s\n", lead, (int)n, p);
        p += n + (p[n] == '\n');
        lead = "   or: ";
    }
    strbuf_addf(out, "\n%s", usage->about);
    shared_options(&s, c, usage->groups);
    if (usage->own) {
        strbuf_addstr(out, "\nOptions of this command:\n");
        opt_help(out, usage->own);
    }
    if (s.n_in) {
        strbuf_addstr(out, "\nInput and model:\n");
        opt_help(out, s.in);
    }
    strbuf_addstr(out, usage->groups & (CMD_OUTPUT | CMD_OUT_DIR | CMD_FORMAT)
                           ? "\nOutput and messages:\n" : "\nMessages:\n");
    opt_help(out, s.out);
    strbuf_addf(out, "\nThe manual: mfm help %s\n", usage->name);
}

int cmd_usage_error(const char *name, const char *fmt, ...)
{
    char msg[1100];
    size_t n;
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(msg, sizeof(msg), fmt, ap);
    va_end(ap);
    n = strlen(msg);
    if (n > 2 && !strcmp(msg + n - 2, "?)")) /* a hint: one bracket for both */
        log_error("%s: %.*s; see mfm %s -h)", name, (int)n - 1, msg, name);
    else
        log_error("%s: %s (see mfm %s -h)", name, msg, name);
    return CMD_USAGE;
}

int cmd_refuse(const struct cmd_common *c, const char *command,
               const char *names, const char *why)
{
    const char *name = opt_first_given(&c->given, names);

    return name ? cmd_usage_error(command, "--%s: %s", name, why) : CMD_GO;
}

int cmd_start_error(const char *name, const struct err *err)
{
    if (err->code == ERR_ARG)
        return cmd_usage_error(name, "%s", err->msg);
    log_error("%s", err->msg);
    return CMD_FAILED;
}

/* "s16le:44100:2" */
static int parse_raw(struct cmd_pcm *out, const char *s, struct err *err)
{
    static const struct {
        const char *name;
        enum decode_raw kind;
    } types[] = { { "f32le", DECODE_F32LE }, { "s16le", DECODE_S16LE } };
    size_t n = strcspn(s, ":");
    int used = 0;

    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (strlen(types[i].name) == n && !strncmp(types[i].name, s, n))
            out->kind = types[i].kind;
    if (!out->kind || sscanf(s + n, ":%9d:%4d%n", &out->rate, &out->channels,
                             &used) != 2 || s[n + (size_t)used] ||
        out->rate < DECODE_MIN_RATE || out->rate > DECODE_MAX_RATE ||
        out->channels < 1 || out->channels > DECODE_MAX_CHANNELS)
        return err_set(err, ERR_ARG, "--raw: '%s' is not TYPE:RATE:CHANNELS, "
                       "TYPE f32le or s16le, RATE %d to %d (Hz), CHANNELS 1 to "
                       "%d", s, DECODE_MIN_RATE, DECODE_MAX_RATE,
                       DECODE_MAX_CHANNELS);
    return 0;
}

static int check(struct cmd_common *c, struct err *err)
{
    TRY(backend_check_device(c->device, err));
    if (!strcmp(c->device, "cpu") && (!strcmp(c->precision, "tf32") ||
                                      !strcmp(c->precision, "fp16")))
        return err_set(err, ERR_ARG, "--precision %s: it is for CUDA; the CPU "
                       "computes in f32 or bf16", c->precision);
    if (c->raw)
        TRY(parse_raw(&c->pcm, c->raw, err));
    if (!(c->from < c->to))
        return err_set(err, ERR_ARG, "--from %g is not before --to %g",
                       c->from, c->to);
    if (c->nul && !c->files_from)
        return err_set(err, ERR_ARG, "-0 says how --files-from is written; "
                       "there is no --files-from");
    if (c->output && c->out_dir)
        return err_set(err, ERR_ARG, "-o and --out-dir exclude each other");
    if (c->keep_folders && !c->out_dir)
        return err_set(err, ERR_ARG, "--keep-folders goes with --out-dir");
    if (c->resume && !c->out_dir && (!c->output || !strcmp(c->output, "-")))
        return err_set(err, ERR_ARG, "--resume needs to see what is done: give "
                       "-o FILE or --out-dir DIR, as before");
    if (c->output && !*c->output)
        return err_set(err, ERR_ARG, "-o: no name given");
    return 0;
}

static cmd_visit *visitor;
static void *visitor_ctx;

void cmd_show_options(cmd_visit *visit, void *ctx)
{
    visitor = visit;
    visitor_ctx = ctx;
}

int cmd_begin(const struct cmd_usage *usage, struct cmd_common *c, int argc,
              char **argv, int *n)
{
    static const struct opt none[] = { { .kind = OPT_END } };
    struct err err = {0};
    struct shared s;
    const struct opt *tables[4];

    shared_options(&s, c, usage->groups);
    tables[0] = usage->own ? usage->own : none;
    tables[1] = s.in;
    tables[2] = s.out;
    tables[3] = NULL;
    if (visitor) {
        visitor(visitor_ctx, usage, tables);
        return CMD_DONE;
    }
    if (opt_parse(tables, argc, argv, n, &c->given, &err))
        return cmd_start_error(usage->name, &err);
    if (c->models.n)
        c->model = c->models.item[c->models.n - 1];
    if (c->help) {
        struct strbuf text = STRBUF_INIT;

        cmd_usage_text(&text, usage, c);
        fputs(text.s, stdout);
        strbuf_release(&text);
        return CMD_DONE;
    }
    if (check(c, &err))
        return cmd_start_error(usage->name, &err);
    log_set_level(c->quiet ? LOG_ERROR
                           : c->verbose > 1 ? LOG_DEBUG
                           : c->verbose ? LOG_INFO : LOG_WARN);
    if (c->jobs > 1) {
        int all = c->threads ? c->threads : omp_get_max_threads();

        c->threads = all > c->jobs ? all / c->jobs : 1;
    }
    if (c->threads)
        omp_set_num_threads(c->threads);
    return CMD_GO;
}
