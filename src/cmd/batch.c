/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cmd/batch.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "cmd/outputs.h"
#include "write/json.h"

static const char *main_path(const struct batch *b)
{
    return b->common->output ? b->common->output : "-";
}

int batch_is_terminal(const struct cmd_common *c)
{
    return !c->out_dir && (!c->output || !strcmp(c->output, "-")) &&
           isatty(STDOUT_FILENO);
}

static int open_main(struct batch *b, struct err *err)
{
    TRY(outputs_may_write(main_path(b), b->common->force, NULL, err));
    return file_out_open(&b->main, main_path(b), err);
}

int batch_lines(struct batch *b, FILE **out, struct err *err)
{
    if (!b->main.f)
        TRY(open_main(b, err));
    progress_clear(&b->progress);
    b->results++;
    *out = b->main.f;
    return 0;
}

int batch_open(struct batch *b, const char *suffix, struct file_out *o,
               char **path, struct err *err)
{
    *path = b->common->out_dir
                ? outputs_path(b->common->out_dir, b->in.item[b->index].path,
                               suffix)
                : xstrdup(main_path(b));
    TRY(outputs_may_write(*path, b->common->force, NULL, err));
    progress_clear(&b->progress);
    return file_out_open(o, *path, err);
}

int batch_write(struct batch *b, const char *suffix, const struct strbuf *text,
                struct err *err)
{
    FILE *f = NULL;

    if (b->common->out_dir) {
        char *path = outputs_path(b->common->out_dir,
                                  b->in.item[b->index].path, suffix);
        int rc = outputs_write(path, b->common->force, text, err);

        free(path);
        return rc;
    }
    if (b->text && strcmp(main_path(b), "-"))
        return outputs_write(main_path(b), b->common->force, text, err);
    TRY(batch_lines(b, &f, err));
    if (fwrite(text->s, 1, text->len, f) != text->len ||
        (f == stdout && fflush(f)))
        return err_sys(err, "%s: cannot write", f == stdout ? "stdout"
                                                            : main_path(b));
    return 0;
}

void batch_progress(void *ctx, double done, double length)
{
    struct batch *b = ctx;
    double part = length > 0 ? done / length : 0;

    progress_show(&b->progress, b->index, part < 1 ? part : 1,
                  b->in.item[b->index].path);
}

static void error_line(struct batch *b, const char *path, const char *message)
{
    struct strbuf text = STRBUF_INIT;
    struct result r = { .file = path, .error = message };
    FILE *f;

    if (!write_json(&text, &r, 0, NULL) && !batch_lines(b, &f, NULL))
        fwrite(text.s, 1, text.len, f);
    strbuf_release(&text);
}

/* Whether the output can take no more, so that going on is of no use. */
static int is_lost(const struct batch *b)
{
    return b->main.f && ferror(b->main.f);
}

static int run_all(struct batch *b, batch_fn *fn, void *ctx)
{
    int failed = 0;

    for (b->index = 0; b->index < b->in.n && !is_lost(b); b->index++) {
        const struct input *in = &b->in.item[b->index];
        struct err err = {0};
        int rc;

        progress_show(&b->progress, b->index, 0, in->path);
        rc = in->error ? err_set(&err, ERR_IO, "%s", in->error)
                       : fn(ctx, b, in->path, &err);
        if (!rc)
            continue;
        failed = 1;
        progress_clear(&b->progress);
        log_error("%s", err.msg);
        b->said = is_lost(b);
        if (b->lines && !b->common->out_dir && !is_lost(b))
            error_line(b, in->path, err.msg);
    }
    progress_clear(&b->progress);
    return failed;
}

/* A single input that failed leaves no file behind. */
static int finish(struct batch *b, int failed)
{
    struct err err = {0};

    if (b->main.f && !b->said && (!failed || b->results) &&
        file_out_commit(&b->main, &err)) {
        log_error("%s", err.msg);
        failed = 1;
    }
    file_out_abort(&b->main);
    return failed ? CMD_FAILED : CMD_DONE;
}

int batch_run(const struct cmd_usage *usage, const struct cmd_common *c, int n,
              char **operands, int text, batch_fn *fn, void *ctx)
{
    struct batch b = { .common = c, .text = text };
    struct err err = {0};
    int rc, fault;

    rc = inputs_collect(&b.in, c, n, operands, isatty(STDIN_FILENO), &err);
    if (!rc)
        rc = outputs_prepare(c, &b.in, text, &err);
    /* better now than when the first result is there */
    fault = !rc && !text && !c->out_dir && open_main(&b, &err);
    if (rc) {
        rc = cmd_start_error(usage->name, &err);
    } else if (fault) {
        log_error("%s", err.msg);
        rc = CMD_FAILED;
    } else {
        b.lines = !text && (b.in.n > 1 ||
                            (c->format && !strcmp(c->format, "ndjson")));
        progress_init(&b.progress, c, b.in.n, isatty(STDERR_FILENO));
        rc = finish(&b, run_all(&b, fn, ctx));
    }
    inputs_release(&b.in);
    return rc;
}
