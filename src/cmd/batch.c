/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cmd/batch.h"

#include <omp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "cmd/journal.h"
#include "cmd/madewith.h"
#include "cmd/outputs.h"
#include "cmd/progress.h"
#include "dist/dist.h"
#include "write/json.h"

/* Results that wait for those of inputs before them: so many, or so much. */
enum { LATE = 1024, LATE_BYTES = 64 << 20 };

struct batch_all {
    const struct batch_task *task;
    const struct cmd_common *common;
    struct inputs in;
    struct dist *dist;
    size_t *work, n_work;     /* inputs of this process that are to be done */
    int lines;                /* as struct batch */
    FILE *out;                /* of lines */
    struct file_out direct;   /* out, if that is a pipe or device of -o */
    struct journal journal;   /* out, if that is a file */
    struct madewith made;
    pthread_mutex_t lock;     /* of all that follows */
    pthread_cond_t turned;
    size_t next;              /* place to begin with */
    size_t turn;              /* place whose lines are due */
    struct late {
        struct strbuf text;
        int over;
    } late[LATE];             /* by place % LATE */
    size_t late_bytes;
    int writing;              /* to out, or a result to stdout */
    struct err lost;          /* the output can take no more */
    size_t failed;
    unsigned warned;          /* of batch_warn_once */
    struct progress progress;
};

static const char *main_path(const struct cmd_common *c)
{
    return c->output ? c->output : "-";
}

int batch_is_terminal(const struct cmd_common *c)
{
    return !c->out_dir && !strcmp(main_path(c), "-") && isatty(STDOUT_FILENO);
}

/* ---- lines, in the order of the inputs ---- */

/* The lock is held: nothing is drawn while something is written. */
static void begin_writing(struct batch_all *a)
{
    a->writing = 1;
    progress_clear(&a->progress);
}

static void lose(struct batch_all *a, const struct err *err)
{
    if (!a->lost.code) {
        a->lost = *err;
        progress_clear(&a->progress);
        log_error("%s", err->msg);
    }
    pthread_cond_broadcast(&a->turned);
}

/* Each line is in the system's hands before the next. */
static int print(struct batch_all *a, const struct strbuf *text,
                 struct err *err)
{
    if (fwrite(text->s, 1, text->len, a->out) == text->len && !fflush(a->out))
        return 0;
    if (a->journal.f)
        return err_sys(err, "%s: cannot write (--resume goes on with what is "
                       "there)", a->journal.part);
    return err_sys(err, "%s: cannot write",
                   a->out == stdout ? "stdout" : main_path(a->common));
}

/* The lock is held, but for the time of writing; one worker writes for all. */
static void write_due(struct batch_all *a)
{
    if (a->writing)
        return;
    begin_writing(a);
    while (a->late[a->turn % LATE].over && !a->lost.code) {
        struct late *l = &a->late[a->turn % LATE];
        struct err err = {0};
        int rc;

        pthread_mutex_unlock(&a->lock);
        rc = print(a, &l->text, &err);
        pthread_mutex_lock(&a->lock);
        a->late_bytes -= l->text.len;
        strbuf_release(&l->text);
        l->over = 0;
        if (rc)
            lose(a, &err);
        a->turn++;
        pthread_cond_broadcast(&a->turned);
    }
    a->writing = 0;
}

/* Hands this input's lines over; the lock is held. */
static void give_lines(struct batch *b)
{
    struct batch_all *a = b->all;
    struct late *l = &a->late[b->at % LATE];

    if (b->streaming)
        a->writing = 0;
    while (!a->lost.code && b->at != a->turn &&
           (b->at - a->turn >= LATE || a->late_bytes > LATE_BYTES))
        pthread_cond_wait(&a->turned, &a->lock);
    if (a->lost.code)
        return;
    l->text = b->text;
    l->over = 1;
    a->late_bytes += b->text.len;
    strbuf_init(&b->text);
    write_due(a);
}

int batch_lines(struct batch *b, FILE **out, struct err *err)
{
    struct batch_all *a = b->all;
    int rc = 0;

    pthread_mutex_lock(&a->lock);
    while (!b->streaming && !a->lost.code && (a->turn != b->at || a->writing))
        pthread_cond_wait(&a->turned, &a->lock);
    if (a->lost.code) {
        *err = a->lost;
        rc = err->code;
    } else {
        begin_writing(a);
        b->streaming = 1;
    }
    pthread_mutex_unlock(&a->lock);
    *out = a->out;
    return rc;
}

/* ---- results of their own ---- */

/* Where the result goes, in a folder that is there; the caller frees it. */
static int place(struct batch *b, const char *suffix, char **path,
                 struct err *err)
{
    const struct input *in = &b->all->in.item[b->index];
    char *slash;
    int rc = 0;

    if (!b->common->out_dir) {
        *path = xstrdup(main_path(b->common));
        return outputs_spare_input(*path, in->path, err);
    }
    *path = outputs_path(b->common->out_dir, in, suffix);
    TRY(outputs_spare_input(*path, in->path, err));
    slash = strrchr(*path, '/');
    if (strchr(in->path + in->name, '/')) {
        *slash = '\0';
        rc = file_make_folders(*path, err);
        *slash = '/';
    }
    return rc;
}

int batch_open(struct batch *b, const char *suffix, struct file_out *o,
               char **path, struct err *err)
{
    TRY(place(b, suffix, path, err));
    TRY(outputs_may_write(*path, b->common->force, NULL, err));
    return file_out_open(o, *path, err);
}

int batch_write(struct batch *b, const char *suffix, const struct strbuf *text,
                struct err *err)
{
    struct batch_all *a = b->all;
    char *path = NULL;
    int rc;

    if (b->lines && !b->common->out_dir) {
        strbuf_add(&b->text, text->s, text->len);
        return 0;
    }
    rc = place(b, suffix, &path, err);
    if (!rc && !b->common->out_dir) {
        pthread_mutex_lock(&a->lock);
        begin_writing(a);
        pthread_mutex_unlock(&a->lock);
    }
    if (!rc)
        rc = outputs_write(path, b->common->force, text, err);
    free(path);
    return rc;
}

/* ---- one input ---- */

void batch_progress(void *ctx, double done, double length)
{
    struct batch *b = ctx;
    struct batch_all *a = b->all;
    double part = length > 0 ? done / length : 0;

    part = part < 1 ? part : 1;
    pthread_mutex_lock(&a->lock);
    a->progress.parts += part - b->part;
    a->progress.heard += done - b->heard;
    b->part = part;
    b->heard = done;
    if (!a->writing)
        progress_show(&a->progress, a->in.item[b->index].path);
    pthread_mutex_unlock(&a->lock);
}

void batch_warn_once(struct batch *b, unsigned what, const char *text)
{
    struct batch_all *a = b->all;

    pthread_mutex_lock(&a->lock);
    if (what & ~a->warned) {
        progress_clear(&a->progress);
        log_warn("%s", text);
    }
    a->warned |= what;
    pthread_mutex_unlock(&a->lock);
}

static void error_line(struct batch *b, const char *path, const char *message)
{
    struct result r = { .file = strcmp(path, "-") ? path : "stdin",
                        .error = message };
    size_t n = strlen(r.file);

    if (!strncmp(message, r.file, n) && !strncmp(message + n, ": ", 2))
        r.error += n + 2; /* it is in "file" */
    strbuf_reset(&b->text);
    write_json_line(&b->text, &r, NULL);
}

/* Nothing more fits into the folder, whatever comes. */
static int is_full(const char *dir)
{
    struct statvfs fs;

    return dir && !statvfs(dir, &fs) && fs.f_blocks && !fs.f_bavail;
}

/* The lock is held. */
static void fail(struct batch *b, const char *path, const struct err *err)
{
    struct batch_all *a = b->all;
    const char *dir = b->common->out_dir;
    struct err full;

    if (a->lost.code)
        return;
    a->failed++;
    if (b->streaming) {
        lose(a, err); /* half a line is there */
        return;
    }
    progress_clear(&a->progress);
    log_error("%s", err->msg);
    if (b->lines && !dir)
        error_line(b, path, err->msg);
    if (is_full(dir)) {
        err_set(&full, ERR_IO, "%s: the disk is full (--resume goes on when "
                "there is room)", dir);
        lose(a, &full);
    }
}

static void run_one(struct batch *b, void *ctx)
{
    struct batch_all *a = b->all;
    const struct input *in = &a->in.item[b->index];
    struct err err = {0};
    int rc;

    batch_progress(b, 0, 0);
    rc = in->error ? err_set(&err, ERR_IO, "%s", in->error)
                   : a->task->fn(ctx, b, in->path, &err);
    pthread_mutex_lock(&a->lock);
    if (rc)
        fail(b, in->path, &err);
    if (b->lines && !b->common->out_dir)
        give_lines(b);
    a->progress.parts -= b->part;
    a->progress.done++;
    b->part = b->heard = 0;
    b->streaming = 0;
    pthread_mutex_unlock(&a->lock);
}

/* ---- workers ---- */

static void run_all(struct batch_all *a, void *ctx)
{
    struct batch b = { .common = a->common, .all = a, .lines = a->lines,
                       .text = STRBUF_INIT };

    for (;;) {
        int over;

        pthread_mutex_lock(&a->lock);
        over = a->next >= a->n_work || a->lost.code;
        b.at = a->next;
        a->next += !over;
        pthread_mutex_unlock(&a->lock);
        if (over)
            break;
        b.index = a->work[b.at];
        run_one(&b, ctx);
    }
    strbuf_release(&b.text);
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
    if (a->task->open(&mine, a->task->ctx, w->number, &err))
        log_warn("a job less: %s", err.msg);
    else
        run_all(a, mine);
    a->task->close(mine);
    return NULL;
}

static void run_workers(struct batch_all *a)
{
    size_t want = a->task->open && a->common->jobs > 1
                      ? (size_t)a->common->jobs : 1;
    struct worker *w;
    size_t made;

    want = want < a->n_work ? want : a->n_work;
    w = xcalloc(want + 1, sizeof(*w));
    for (made = 1; made < want; made++) {
        w[made] = (struct worker){ .all = a, .number = (int)made };
        if (pthread_create(&w[made].thread, NULL, work, &w[made]))
            break;
    }
    run_all(a, a->task->ctx);
    for (size_t i = 1; i < made; i++)
        pthread_join(w[i].thread, NULL);
    free(w);
    progress_clear(&a->progress);
}

/* ---- before and after ---- */

static int open_lines(struct batch_all *a, struct err *err)
{
    const struct cmd_common *c = a->common;
    const char *path = main_path(c);
    struct stat st;

    a->out = stdout;
    if (!strcmp(path, "-"))
        return 0;
    TRY(outputs_may_write(path, c->force, NULL, err));
    for (size_t i = 0; i < a->in.n && !access(path, F_OK); i++)
        TRY(outputs_spare_input(path, a->in.item[i].path, err));
    if (!stat(path, &st) && !S_ISREG(st.st_mode)) {
        TRY(file_out_open(&a->direct, path, err));
        a->out = a->direct.f;
        return 0;
    }
    TRY(journal_open(&a->journal, path, dist_size(a->dist), dist_rank(a->dist),
                     c->resume && !a->made.redo, c->force, &a->in, err));
    a->out = a->journal.f;
    a->failed = dist_rank(a->dist) ? 0 : a->journal.failed;
    return 0;
}

/* Better now than when the result is there. */
static int try_output(const struct batch_all *a, struct err *err)
{
    const char *path = main_path(a->common);
    struct file_out out = {0};
    struct stat st;
    int there = !stat(path, &st);

    if (!strcmp(path, "-") || (there && !S_ISREG(st.st_mode)))
        return 0;
    TRY(outputs_may_write(path, a->common->force, NULL, err));
    TRY(file_out_open(&out, path, err));
    file_out_abort(&out);
    if (a->common->resume && there && st.st_size && a->in.n == 1)
        a->in.item[0].done = 1;
    return 0;
}

static int check_ranks(const struct batch_all *a, struct err *err)
{
    if (dist_size(a->dist) == 1)
        return 0;
    if (!a->common->out_dir && !strcmp(main_path(a->common), "-"))
        return err_set(err, ERR_ARG, "several processes need --out-dir or -o: "
                       "their results would mix on stdout");
    for (size_t i = 0; i < a->in.n; i++)
        if (!strcmp(a->in.item[i].path, "-"))
            return err_set(err, ERR_ARG, "several processes cannot share "
                           "stdin");
    return 0;
}

static int open_output(struct batch_all *a, struct err *err)
{
    const struct cmd_common *c = a->common;

    if (c->out_dir && c->resume && !a->made.redo)
        outputs_find_done(c->out_dir, &a->in, a->task->suffix);
    return c->out_dir ? 0 : a->lines ? open_lines(a, err) : try_output(a, err);
}

/* Of lines only while there are parts of them. */
static int check_made_with(struct batch_all *a, struct err *err)
{
    static const char *const lines[] = { "lines", NULL };
    const struct batch_task *t = a->task;
    const char *path = main_path(a->common);
    struct cmd_common c = *a->common;
    struct stat st;
    char *name;
    int rc;

    if (!t->made_with || (!c.out_dir && (!a->lines || !strcmp(path, "-") ||
        (!stat(path, &st) && !S_ISREG(st.st_mode)))))
        return 0;
    if (!c.out_dir && !journal_begun(path, dist_size(a->dist))) {
        c.resume = 0;
        c.force = 1; /* of old ones nothing is left */
    }
    name = c.out_dir ? xasprintf("%s/" MADEWITH_NAME, c.out_dir)
                     : xasprintf("%s.part.options", path);
    rc = madewith_check(&a->made, name, c.out_dir ? c.out_dir : path,
                        c.out_dir ? t->suffix : lines, t->made_with, &c, err);
    free(name);
    return rc;
}

static void save_made_with(const struct batch_all *a)
{
    struct err err = {0};

    if (!dist_rank(a->dist) && madewith_save(&a->made, &err))
        log_warn("%s: --resume will not know the options of this run",
                 err.msg);
}

static int prepare(struct batch_all *a, int n, char **operands, struct err *err)
{
    const struct cmd_common *c = a->common;
    int text = a->task->text;

    TRY(inputs_collect(&a->in, c, n, operands, isatty(STDIN_FILENO), err));
    TRY(check_ranks(a, err));
    TRY(outputs_prepare(c, &a->in, text, err));
    a->lines = !text && (a->in.n > 1 ||
                         (c->format && !strcmp(c->format, "ndjson")));
    return check_made_with(a, err);
}

/* Of what is left each process takes one in turn. */
static void share_work(struct batch_all *a)
{
    size_t ranks = (size_t)dist_size(a->dist);
    size_t rank = (size_t)dist_rank(a->dist), left = 0;

    a->work = xcalloc(a->in.n + 1, sizeof(*a->work));
    for (size_t i = 0; i < a->in.n; i++)
        if (!a->in.item[i].done && left++ % ranks == rank)
            a->work[a->n_work++] = i;
    if (left < a->in.n)
        log_info("%zu of %zu inputs are done", a->in.n - left, a->in.n);
}

/* Where it is one of several, after all others. */
static void finish_lines(struct batch_all *a)
{
    struct err err = {0};
    int rc = 0;

    if (a->direct.f)
        rc = file_out_commit(&a->direct, &err);
    else if (a->journal.f && !dist_rank(a->dist))
        rc = journal_commit(&a->journal, dist_size(a->dist), &a->in, &err);
    if (rc)
        lose(a, &err);
}

static void say_summary(const struct batch_all *a, const double *sum)
{
    char rate[64];

    if (a->in.n < 2 || dist_rank(a->dist))
        return;
    progress_rate(rate, sizeof(rate), sum[2], progress_seconds(&a->progress));
    if (sum[0] > 0)
        log_warn("%.0f of %zu inputs failed", sum[0], a->in.n);
    else
        log_info("%.0f inputs done%s", sum[1], rate);
}

/* The exit code. Processes wait for each other, or mpirun would end those that
 * are still at work when one leaves with 1. */
static int finish(struct batch_all *a)
{
    double sum[] = { (double)a->failed, (double)a->progress.done,
                     a->progress.heard, a->lost.code != 0 };
    struct err err = {0};

    if (dist_sum(a->dist, sum, 4, &err)) {
        log_error("%s", err.msg);
        return CMD_FAILED;
    }
    if (!(sum[3] > 0))
        finish_lines(a);
    say_summary(a, sum);
    return sum[0] > 0 || sum[3] > 0 || a->lost.code ? CMD_FAILED : CMD_DONE;
}

/* All of them begin, or none. */
static int agree(struct batch_all *a, int rc)
{
    double failed = rc != 0;
    struct err err = {0};

    if (dist_sum(a->dist, &failed, 1, &err)) {
        log_error("%s", err.msg);
        return 0;
    }
    return failed > 0 ? 0 : 1;
}

static int run(struct batch_all *a, int n, char **operands)
{
    const char *name = a->task->usage->name;
    struct err err = {0};
    int rc;

    if (dist_open(&a->dist, &err))
        return cmd_start_error(name, &err);
    rc = prepare(a, n, operands, &err) ? cmd_start_error(name, &err) : 0;
    if (!rc && open_output(a, &err)) {
        log_error("%s", err.msg);
        rc = CMD_FAILED;
    }
    if (!agree(a, rc))
        return rc ? rc : CMD_FAILED;
    save_made_with(a);
    share_work(a);
    progress_init(&a->progress, a->common, a->n_work, isatty(STDERR_FILENO));
    if (dist_rank(a->dist)) /* they would write over each other's */
        a->progress.mode = PROGRESS_OFF;
    run_workers(a);
    return finish(a);
}

int batch_run(const struct batch_task *t, int n, char **operands)
{
    struct batch_all *a = xcalloc(1, sizeof(*a));
    int rc;

    a->task = t;
    a->common = t->common;
    pthread_mutex_init(&a->lock, NULL);
    pthread_cond_init(&a->turned, NULL);
    for (size_t i = 0; i < LATE; i++)
        strbuf_init(&a->late[i].text);
    rc = run(a, n, operands);
    file_out_abort(&a->direct);
    journal_close(&a->journal);
    if (a->made.path && !t->common->out_dir && !dist_rank(a->dist) &&
        !journal_begun(main_path(t->common), dist_size(a->dist)))
        unlink(a->made.path);
    madewith_release(&a->made);
    for (size_t i = 0; i < LATE; i++)
        strbuf_release(&a->late[i].text);
    pthread_cond_destroy(&a->turned);
    pthread_mutex_destroy(&a->lock);
    inputs_release(&a->in);
    free(a->work);
    dist_close(a->dist);
    free(a);
    return rc;
}
