/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cmd/batch.h"

#include <omp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "cmd/outputs.h"
#include "write/json.h"

struct batch_all {
    const struct cmd_common *common;
    struct inputs in;
    batch_fn *fn;
    void *ctx;                /* of worker 0 */
    const struct batch_more *more;
    int text, lines;          /* as batch.h */
    pthread_mutex_t lock;     /* of all that follows */
    pthread_cond_t turned;
    size_t next;              /* input to begin with */
    size_t turn;              /* input whose result is due */
    size_t done;
    int writing;              /* workers that do: no progress is drawn */
    int failed;
    int results;              /* written to main so far */
    int said;                 /* that main can take no more */
    struct progress progress;
    struct file_out main;     /* stdout or -o, for JSON */
};

/* ---- results ---- */

static const char *main_path(const struct cmd_common *c)
{
    return c->output ? c->output : "-";
}

int batch_is_terminal(const struct cmd_common *c)
{
    return !c->out_dir && (!c->output || !strcmp(c->output, "-")) &&
           isatty(STDOUT_FILENO);
}

static int open_main(struct batch_all *a, struct err *err)
{
    const char *path = main_path(a->common);

    TRY(outputs_may_write(path, a->common->force, NULL, err));
    return file_out_open(&a->main, path, err);
}

/* Waits until all inputs before this one are through, where results stand one
 * after another; files of their own need not wait. */
static void take_turn(struct batch *b)
{
    struct batch_all *a = b->all;

    if (b->writing)
        return;
    b->writing = 1;
    pthread_mutex_lock(&a->lock);
    while (a->turn != b->index && !b->common->out_dir)
        pthread_cond_wait(&a->turned, &a->lock);
    a->writing++;
    progress_clear(&a->progress);
    pthread_mutex_unlock(&a->lock);
}

static void give_turn(struct batch *b)
{
    struct batch_all *a = b->all;

    b->writing = 0;
    pthread_mutex_lock(&a->lock);
    a->writing--;
    a->turn++;
    a->done++;
    pthread_cond_broadcast(&a->turned);
    pthread_mutex_unlock(&a->lock);
}

int batch_lines(struct batch *b, FILE **out, struct err *err)
{
    struct batch_all *a = b->all;
    int rc = 0;

    take_turn(b);
    pthread_mutex_lock(&a->lock);
    if (!a->main.f)
        rc = open_main(a, err);
    if (!rc) {
        a->results++;
        *out = a->main.f;
    }
    pthread_mutex_unlock(&a->lock);
    return rc;
}

int batch_open(struct batch *b, const char *suffix, struct file_out *o,
               char **path, struct err *err)
{
    take_turn(b);
    *path = b->common->out_dir
                ? outputs_path(b->common->out_dir,
                               b->all->in.item[b->index].path, suffix)
                : xstrdup(main_path(b->common));
    TRY(outputs_may_write(*path, b->common->force, NULL, err));
    return file_out_open(o, *path, err);
}

int batch_write(struct batch *b, const char *suffix, const struct strbuf *text,
                struct err *err)
{
    const char *main = main_path(b->common);
    FILE *f = NULL;

    take_turn(b);
    if (b->common->out_dir) {
        char *path = outputs_path(b->common->out_dir,
                                  b->all->in.item[b->index].path, suffix);
        int rc = outputs_write(path, b->common->force, text, err);

        free(path);
        return rc;
    }
    if (b->text && strcmp(main, "-"))
        return outputs_write(main, b->common->force, text, err);
    TRY(batch_lines(b, &f, err));
    if (fwrite(text->s, 1, text->len, f) != text->len ||
        (f == stdout && fflush(f)))
        return err_sys(err, "%s: cannot write", f == stdout ? "stdout" : main);
    return 0;
}

void batch_progress(void *ctx, double done, double length)
{
    struct batch *b = ctx;
    struct batch_all *a = b->all;
    double part = length > 0 ? done / length : 0;

    pthread_mutex_lock(&a->lock);
    if (!a->writing)
        progress_show(&a->progress, a->done, part < 1 ? part : 1,
                      a->in.item[b->index].path);
    pthread_mutex_unlock(&a->lock);
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

/* ---- workers ---- */

/* Whether the output can take no more, so that going on is of no use. */
static int is_lost(const struct batch_all *a)
{
    return a->main.f && ferror(a->main.f);
}

/* The turn is this worker's. */
static void fail(struct batch *b, const char *path, const char *message)
{
    struct batch_all *a = b->all;
    int lost, said;

    pthread_mutex_lock(&a->lock);
    said = a->said;
    lost = is_lost(a);
    a->said |= lost;
    a->failed = 1;
    pthread_mutex_unlock(&a->lock);
    if (!said)
        log_error("%s", message);
    if (b->lines && !b->common->out_dir && !lost)
        error_line(b, path, message);
}

static void run_one(struct batch *b, void *ctx)
{
    const struct input *in = &b->all->in.item[b->index];
    struct err err = {0};
    int rc;

    batch_progress(b, 0, 0);
    rc = in->error ? err_set(&err, ERR_IO, "%s", in->error)
                   : b->all->fn(ctx, b, in->path, &err);
    take_turn(b);
    if (rc)
        fail(b, in->path, err.msg);
    give_turn(b);
}

static void run_all(struct batch_all *a, void *ctx)
{
    struct batch b = { .common = a->common, .all = a, .text = a->text,
                       .lines = a->lines };

    for (;;) {
        int over;

        pthread_mutex_lock(&a->lock);
        over = a->next >= a->in.n || is_lost(a);
        b.index = a->next;
        a->next += !over;
        pthread_mutex_unlock(&a->lock);
        if (over)
            break;
        run_one(&b, ctx);
    }
}

struct worker {
    struct batch_all *all;
    int number;
    pthread_t thread;
};

/* One that cannot begin leaves the inputs to the others. */
static void *work(void *arg)
{
    const struct worker *w = arg;
    struct batch_all *a = w->all;
    struct err err = {0};
    void *mine = NULL;

    omp_set_num_threads(a->common->threads);
    if (a->more->open(&mine, a->ctx, w->number, &err))
        log_warn("a job less: %s", err.msg);
    else
        run_all(a, mine);
    a->more->close(mine);
    return NULL;
}

static void run_workers(struct batch_all *a)
{
    size_t want = a->more && a->common->jobs > 1 ? (size_t)a->common->jobs : 1;
    struct worker *w;
    size_t made;

    want = want < a->in.n ? want : a->in.n;
    w = xcalloc(want + 1, sizeof(*w));
    for (made = 1; made < want; made++) {
        w[made] = (struct worker){ .all = a, .number = (int)made };
        if (pthread_create(&w[made].thread, NULL, work, &w[made]))
            break;
    }
    run_all(a, a->ctx);
    for (size_t i = 1; i < made; i++)
        pthread_join(w[i].thread, NULL);
    free(w);
    progress_clear(&a->progress);
}

/* A single input that failed leaves no file behind. */
static int finish(struct batch_all *a)
{
    struct err err = {0};

    if (a->main.f && !a->said && (!a->failed || a->results) &&
        file_out_commit(&a->main, &err)) {
        log_error("%s", err.msg);
        a->failed = 1;
    }
    file_out_abort(&a->main);
    return a->failed ? CMD_FAILED : CMD_DONE;
}

int batch_run(const struct cmd_usage *usage, const struct cmd_common *c, int n,
              char **operands, int text, batch_fn *fn, void *ctx,
              const struct batch_more *more)
{
    struct batch_all a = { .common = c, .text = text, .fn = fn, .ctx = ctx,
                           .more = more, .lock = PTHREAD_MUTEX_INITIALIZER,
                           .turned = PTHREAD_COND_INITIALIZER };
    struct err err = {0};
    int rc, fault;

    rc = inputs_collect(&a.in, c, n, operands, isatty(STDIN_FILENO), &err);
    if (!rc)
        rc = outputs_prepare(c, &a.in, text, &err);
    /* better now than when the first result is there */
    fault = !rc && !text && !c->out_dir && open_main(&a, &err);
    if (rc) {
        rc = cmd_start_error(usage->name, &err);
    } else if (fault) {
        log_error("%s", err.msg);
        rc = CMD_FAILED;
    } else {
        a.lines = !text && (a.in.n > 1 ||
                            (c->format && !strcmp(c->format, "ndjson")));
        progress_init(&a.progress, c, a.in.n, isatty(STDERR_FILENO));
        run_workers(&a);
        rc = finish(&a);
    }
    inputs_release(&a.in);
    return rc;
}
