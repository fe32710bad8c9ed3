/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "cmd/cmd.h"
#include "cmd/common.h"
#include "model/convert.h"

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

/* What a model is called whose file does not say it. The names that Hugging Face
 * gives all its files say nothing: then that of the output does. */
static char *model_name(const char *in, const char *out)
{
    char *name = stem(in, 0);

    if (!out || !strcmp(out, "-") ||
        (strcmp(name, "pytorch_model") && strcmp(name, "model")))
        return name;
    free(name);
    return stem(out, 0);
}

/* A file that is there is replaced only with --force: it may be a model that
 * took weeks to train. */
static int may_write(const char *path, int force)
{
    struct stat st;

    return force || !strcmp(path, "-") || lstat(path, &st) ||
           !(S_ISREG(st.st_mode) || S_ISLNK(st.st_mode));
}

static int run(struct convert *job, const struct cmd_common *c)
{
    char *name = model_name(job->in, c->output), *base = stem(job->in, 1);
    char *out = c->output ? xstrdup(c->output)
                          : xasprintf("%s%s", base,
                                      job->to_pt ? ".pt" : ".safetensors");
    struct err err = {0};
    int rc = CMD_FAILED;

    job->name = name;
    job->out = out;
    if (!may_write(out, c->force))
        log_error("%s: exists; give another name with -o, or --force", out);
    else if (convert_run(job, &err))
        log_error("%s", err.msg);
    else
        rc = CMD_DONE;
    if (rc == CMD_DONE)
        log_info("%s: written", out);
    free(name);
    free(base);
    free(out);
    return rc;
}

int cmd_convert(int argc, char **argv)
{
    struct cmd_common c = CMD_COMMON_INIT;
    struct convert job = {0};
    const char *precision = NULL;
    const struct opt own[] = {
        { 'o', "output", OPT_STRING, &c.output, "FILE", "write to FILE instead "
          "of the input's name with .safetensors (or .pt); - is stdout", 0, 0,
          NULL },
        { 0, "force", OPT_FLAG, &c.force, NULL, "overwrite the output", 0, 0,
          NULL },
        { 0, "stats", OPT_STRING, &job.stats, "FILE", "JSON with "
          "melspec_2048_mean and melspec_2048_std of the training data", 0, 0,
          NULL },
        { 0, "config", OPT_STRING, &job.config, "FILE", "JSON with what the "
          "checkpoint does not tell: hop, time_strides, window, name; for MERT "
          "its config.json", 0, 0, NULL },
        { 0, "precision", OPT_CHOICE, &precision, "f32|bf16", "type of the "
          "weights; as they are if not given", 0, 0, "f32|bf16" },
        { 0, "to-pt", OPT_FLAG, &job.to_pt, NULL, "write a PyTorch checkpoint "
          "with the original names", 0, 0, NULL },
        { .kind = OPT_END }
    };
    const struct cmd_usage usage = {
        "convert", "mfm convert [OPTIONS] FILE",
        "Makes a model file of a published MusicFM or MERT checkpoint, changes "
        "the\nprecision of a model file, or writes one for PyTorch.\n",
        own, 0
    };
    int n = 0, rc = cmd_begin(&usage, &c, argc, argv, &n);

    if (rc != CMD_GO)
        return rc;
    if (n != 1)
        return cmd_usage_error("convert", n ? "one file at a time"
                                            : "no file given");
    if (!strcmp(argv[0], "-"))
        return cmd_usage_error("convert", "the input must be a file, not "
                               "stdin");
    if (precision)
        job.precision = strcmp(precision, "f32") ? CONVERT_BF16 : CONVERT_F32;
    job.in = argv[0];
    return run(&job, &c);
}
