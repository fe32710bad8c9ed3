/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/opt.h"
#include "base/xalloc.h"
#include "cmd/cmd.h"
#include "model/convert.h"

struct args {
    const char *output, *stats, *config, *precision;
    int to_pt, force, quiet, verbose, help;
};

static int usage_error(const char *message)
{
    log_error("convert: %s (see mfm convert -h)", message);
    return 2;
}

static void print_help(const struct opt *table)
{
    struct strbuf text = STRBUF_INIT;

    strbuf_addstr(&text,
                  "usage: mfm convert [OPTIONS] FILE\n\n"
                  "Makes a model file of a published MusicFM checkpoint, "
                  "changes the precision of\n"
                  "a model file, or writes one for PyTorch.\n\n"
                  "Options:\n");
    opt_help(&text, table);
    fputs(text.s, stdout);
    strbuf_release(&text);
}

/* The last part of path without its extension, and what is before it if whole.
 * The caller frees. */
static char *stem(const char *path, int whole)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    const char *dot = strrchr(name, '.');
    const char *end = dot && dot > name ? dot : name + strlen(name);
    const char *from = whole ? path : name;

    return xstrndup(from, (size_t)(end - from));
}

static int run(const char *in, const struct args *a)
{
    char *name = stem(in, 0), *base = stem(in, 1);
    char *out = a->output ? xstrdup(a->output)
                          : xasprintf("%s%s", base,
                                      a->to_pt ? ".pt" : ".safetensors");
    struct convert job = {
        .in = in, .out = out, .name = name, .stats = a->stats,
        .config = a->config, .to_pt = a->to_pt,
        .precision = !a->precision ? CONVERT_KEEP
                     : strcmp(a->precision, "f32") ? CONVERT_BF16 : CONVERT_F32
    };
    struct err err = {0};
    struct stat st;
    int rc = 1;

    if (strcmp(out, "-") && !a->force && !lstat(out, &st) &&
        (S_ISREG(st.st_mode) || S_ISLNK(st.st_mode)))
        log_error("%s: exists; give another name with -o, or --force", out);
    else if (convert_run(&job, &err))
        log_error("%s", err.msg);
    else
        rc = 0;
    if (!rc)
        log_info("%s: written", out);
    free(name);
    free(base);
    free(out);
    return rc;
}

int cmd_convert(int argc, char **argv)
{
    struct args a = {0};
    const struct opt table[] = {
        { 'o', "output", OPT_STRING, &a.output, "FILE", "write to FILE "
          "instead of the input's name with .safetensors (or .pt); - is "
          "stdout", 0, 0, NULL },
        { 0, "stats", OPT_STRING, &a.stats, "FILE", "JSON with "
          "melspec_2048_mean and melspec_2048_std of the training data", 0, 0,
          NULL },
        { 0, "config", OPT_STRING, &a.config, "FILE", "JSON with what the "
          "checkpoint does not tell: hop, time_strides, window, name", 0, 0,
          NULL },
        { 0, "precision", OPT_CHOICE, &a.precision, "f32|bf16", "type of the "
          "weights; as they are if not given", 0, 0, "f32|bf16" },
        { 0, "to-pt", OPT_FLAG, &a.to_pt, NULL, "write a PyTorch checkpoint "
          "with the original names", 0, 0, NULL },
        { 0, "force", OPT_FLAG, &a.force, NULL, "overwrite the output", 0, 0,
          NULL },
        { 'q', "quiet", OPT_FLAG, &a.quiet, NULL, "no warnings", 0, 0, NULL },
        { 'v', "verbose", OPT_COUNT, &a.verbose, NULL, "say what is done", 0,
          0, NULL },
        { 'h', "help", OPT_FLAG, &a.help, NULL, "this text", 0, 0, NULL },
        { .kind = OPT_END }
    };
    struct err err = {0};
    int n = 0;

    if (opt_parse((const struct opt *const[]){ table, NULL }, argc, argv, &n,
                  &err))
        return usage_error(err.msg);
    if (a.help) {
        print_help(table);
        return 0;
    }
    if (n != 1)
        return usage_error(n ? "one file at a time" : "no file given");
    if (!strcmp(argv[0], "-"))
        return usage_error("the input must be a file, not stdin");
    log_set_level(a.quiet ? LOG_ERROR : a.verbose ? LOG_INFO : LOG_WARN);
    return run(argv[0], &a);
}
