/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The steps of a run with a pass that only pretends: gradients depend on the
 * step and the values, so that a run that goes on wrongly ends elsewhere. */
#include "unit.h"

#include <math.h>

#include "base/file.h"
#include "base/log.h"
#include "train.h"
#include "train/loop.h"
#include "tree.h"

enum { ROOM = 512, STEPS = 23 };

static struct tree tree;
static struct backend *be;

/* What the pass and the other calls do, and what they saw. */
struct fake {
    struct params p;
    struct optim o;
    struct loop_config c;
    volatile sig_atomic_t stop;
    int64_t stop_at, fail_at; /* in this step; -1: never */
    int64_t bad_from, bad_to; /* steps whose gradient is infinite */
    double most;              /* it is where the loss scale is above that; 0:
                                 any is well */
    int64_t began, passes, saved, last_valid;
    int valids, done_at;
    float mean[3];            /* running statistics before a bad step */
};

static int pass(void *ctx, int64_t step, struct loop_row *row,
                struct err *err)
{
    struct fake *f = ctx;
    struct tensor g = params_grad(&f->p, TRAIN_MATRIX);
    struct tensor v = params_value(&f->p, TRAIN_MATRIX);
    struct tensor mean = params_value(&f->p, TRAIN_MEAN);
    double factor = lossscale_factor(&f->o.scale);
    float grad[35], value[35], m[3];

    if (step == f->fail_at)
        return err_set(err, ERR_DEVICE, "enough");
    if (step == f->stop_at)
        f->stop = 1;
    train_get(&v, value);
    train_get(&g, grad);
    train_get(&mean, m);
    for (int i = 0; i < 35; i++) {
        ck_assert(grad[i] == 0); /* by the loop */
        grad[i] = (value[i] + train_gradient(0, i, (int)step)) * (float)factor;
    }
    for (int i = 0; i < 3; i++)
        m[i] = 0.9f * m[i] + 0.1f * (float)(step + i);
    if ((step >= f->bad_from && step < f->bad_to) ||
        (f->most > 0 && factor > f->most)) {
        train_get(&mean, f->mean);
        grad[3] = INFINITY;
        m[1] = NAN;
    }
    ck_assert(!tensor_upload(&g, grad, err) && !tensor_upload(&mean, m, err));
    row->loss = value[0];
    row->accuracy = 0.5;
    row->hours = 0.25;
    loop_metric(row, "own", (double)step);
    f->passes++;
    return 0;
}

static int valid(void *ctx, int64_t step, struct loop_row *row,
                 struct err *err)
{
    struct fake *f = ctx;

    (void)err;
    ck_assert_int_eq(f->saved, step); /* on the saved model */
    f->valids++;
    f->last_valid = step;
    loop_metric(row, "valid_loss", 1.0 / (double)step);
    return 0;
}

static int save(void *ctx, int64_t step, struct err *err)
{
    struct fake *f = ctx;

    (void)err;
    f->saved = step;
    return 0;
}

static int begin(void *ctx, int64_t step, struct err *err)
{
    struct fake *f = ctx;

    (void)err;
    f->began = step;
    return 0;
}

static int done(void *ctx)
{
    const struct fake *f = ctx;

    return f->done_at && f->valids >= f->done_at;
}

static void fake_init(struct fake *f, const char *dir, int resume)
{
    struct optim_options opt = optim_defaults;
    struct err err = {0};

    memset(f, 0, sizeof(*f));
    train_params(&f->p, be);
    opt.lr[0] = opt.lr[1] = 0.01f;
    opt.ema = 0.9f;
    ck_assert(!optim_init(&f->o, &opt, &f->p, NULL, &err));
    f->stop_at = f->fail_at = f->began = -1;
    f->c = (struct loop_config){
        .dir = xstrdup(tree_path(&tree, dir)), .optim = &f->o,
        .sched = { .kind = SCHED_COSINE, .warmup = 3, .steps = STEPS },
        .steps = STEPS, .log_every = 2, .valid_every = 6, .save_every = 5,
        .keep = 2, .most_skipped = 4, .seed = 3, .config = "{\"a\":1}",
        .data = "music", .title = "t", .resume = resume,
        .progress = TRAIN_SILENT, .stop = &f->stop, .pass = pass,
        .valid = valid, .save = save, .begin = begin, .done = done, .ctx = f
    };
    mkdir(f->c.dir, 0777);
}

static void fake_release(struct fake *f)
{
    optim_release(&f->o);
    params_release(&f->p);
    free((char *)f->c.dir);
}

static int run(struct fake *f, struct err *err)
{
    memset(err, 0, sizeof(*err));
    return loop_run(&f->c, err);
}

/* All values, moments and the average. */
static void state(struct fake *f, float *out)
{
    train_get(&f->p.value, out);
    train_get(&f->o.m, out + ROOM);
    train_get(&f->o.v, out + 2 * ROOM);
    train_get(&f->o.ema, out + 3 * ROOM);
}

/* The metrics of a run without times; the caller frees. */
static char *lines(struct fake *f)
{
    char *path = xasprintf("%s/metrics.ndjson", f->c.dir), *s;
    struct strbuf text = STRBUF_INIT;

    ck_assert(!file_read(&text, path, 1 << 20, NULL));
    while ((s = strstr(text.s, "\"hours_per_s\":")) != NULL)
        memmove(s, strchr(s, ','), strlen(strchr(s, ',')) + 1);
    free(path);
    return text.s;
}

static int count(const char *text, const char *what)
{
    int n = 0;

    for (const char *s = text; (s = strstr(s, what)); s++)
        n++;
    return n;
}

static int is_there(struct fake *f, const char *name)
{
    char *path = xasprintf("%s/%s", f->c.dir, name);
    int yes = !access(path, F_OK);

    free(path);
    return yes;
}

static void setup(void)
{
    log_set_level(LOG_ERROR);
    tree_make(&tree);
    be = train_open();
}

static void teardown(void)
{
    backend_close(be);
    tree_remove(&tree);
}

START_TEST(loop_run_keeps_its_schedule)
{
    struct fake f;
    struct err err;
    char *text;

    fake_init(&f, "a", 0);
    ck_assert_msg(!run(&f, &err), "%s", err.msg);
    ck_assert_int_eq(f.began, 0);
    ck_assert_int_eq(f.passes, STEPS);
    ck_assert_int_eq(f.valids, 4); /* 6, 12, 18 and the last */
    ck_assert_int_eq(f.last_valid, STEPS);
    ck_assert_int_eq(f.saved, STEPS);
    ck_assert(is_there(&f, "report.html"));
    ck_assert(is_there(&f, "checkpoints/step-000000023.safetensors"));
    ck_assert(is_there(&f, "checkpoints/step-000000020.safetensors"));
    ck_assert(!is_there(&f, "checkpoints/step-000000015.safetensors"));
    text = lines(&f);
    ck_assert_int_eq(count(text, "\"loss\":"), 12); /* 2, 4.. 22, 23 */
    ck_assert_int_eq(count(text, "\"valid_loss\":"), 4);
    ck_assert_int_eq(count(text, "{\"step\":18,\"valid_loss\":"), 1);
    ck_assert_int_eq(count(text, "\"hours\":5.75,"), 1);
    ck_assert_int_eq(count(text, "\"own\":22"), 1);
    free(text);
    fake_release(&f);
}
END_TEST

/* Ended in any step, by a failure or a signal, and gone on with. */
START_TEST(loop_run_resumes_to_the_bit)
{
    static float want[4 * ROOM], got[4 * ROOM];
    struct fake whole, f;
    struct err err;
    char *a, *b;
    int at = 3 * _i + 1;

    fake_init(&whole, "whole", 0);
    ck_assert(!run(&whole, &err));
    state(&whole, want);
    fake_init(&f, "cut", 0);
    f.fail_at = at;
    ck_assert_int_eq(run(&f, &err), ERR_DEVICE);
    fake_release(&f);
    fake_init(&f, "cut", 1);
    f.stop_at = at + 2;
    ck_assert_int_eq(run(&f, &err), at + 3 < STEPS ? ERR_STOPPED : 0);
    ck_assert_int_eq(f.began, at / 5 * 5);
    if (at + 3 < STEPS) {
        ck_assert_int_eq(f.saved, at + 3);
        ck_assert_ptr_nonnull(strstr(err.msg, "--resume"));
    }
    fake_release(&f);
    fake_init(&f, "cut", 1);
    ck_assert_msg(!run(&f, &err), "%s", err.msg);
    state(&f, got);
    ck_assert_mem_eq(want, got, sizeof(want));
    a = lines(&whole);
    b = lines(&f);
    ck_assert_str_eq(a, b);
    free(a);
    free(b);
    fake_release(&f);
    fake_release(&whole);
}
END_TEST

START_TEST(loop_run_goes_further)
{
    static float want[4 * ROOM], got[4 * ROOM];
    struct fake whole, f;
    struct err err;

    fake_init(&whole, "whole", 0);
    whole.c.sched.kind = SCHED_CONSTANT;
    ck_assert(!run(&whole, &err));
    state(&whole, want);
    fake_init(&f, "part", 0);
    f.c.sched.kind = SCHED_CONSTANT;
    f.c.steps = 8;
    ck_assert(!run(&f, &err));
    fake_release(&f);
    fake_init(&f, "part", 1);
    f.c.sched.kind = SCHED_CONSTANT;
    f.c.steps = 7;
    ck_assert_int_eq(run(&f, &err), ERR_ARG);
    fake_release(&f);
    fake_init(&f, "part", 1);
    f.c.sched.kind = SCHED_CONSTANT;
    ck_assert(!run(&f, &err));
    state(&f, got);
    ck_assert_mem_eq(want, got, sizeof(want));
    fake_release(&f);
    fake_release(&whole);
}
END_TEST

/* A step that is not finite changes nothing, running statistics included. */
START_TEST(loop_run_skips)
{
    struct fake f;
    struct err err;
    float mean[3], ema[ROOM];
    struct tensor t;
    char *text;

    fake_init(&f, "a", 0);
    f.bad_from = 7;
    f.bad_to = 10; /* three in a row: one less than ends a run */
    f.c.steps = 10;
    ck_assert_msg(!run(&f, &err), "%s", err.msg);
    ck_assert_int_eq(f.o.skipped, 3);
    ck_assert_int_eq(f.o.steps, 7);
    t = params_value(&f.p, TRAIN_MEAN);
    train_get(&t, mean);
    ck_assert_mem_eq(mean, f.mean, sizeof(mean));
    train_get(&f.o.ema, ema);
    for (int64_t i = 0; i < f.p.all; i++)
        ck_assert(isfinite(ema[i]));
    text = lines(&f);
    ck_assert_int_eq(count(text, "\"grad_norm\":null"), 2);
    ck_assert_int_eq(count(text, "\"skipped\":3"), 1);
    free(text);
    fake_release(&f);
}
END_TEST

/* What was not skipped is to the bit as without a scale. */
START_TEST(loop_run_finds_its_loss_scale)
{
    static float want[4 * ROOM], got[4 * ROOM];
    struct fake plain, f;
    struct err err;
    char *text;

    fake_init(&plain, "plain", 0);
    plain.bad_to = 6; /* steps 0..5; none of them is taken */
    plain.c.most_skipped = 7;
    ck_assert(!run(&plain, &err));
    state(&plain, want);
    fake_init(&f, "a", 0);
    f.o.scale.value = 65536;
    f.most = 1024;
    ck_assert_msg(!run(&f, &err), "%s", err.msg); /* six are over 4 in a row */
    ck_assert_int_eq(f.o.skipped, 6);
    ck_assert(f.o.scale.value == 1024 && f.o.scale.good == STEPS - 6);
    state(&f, got);
    ck_assert_mem_eq(want, got, sizeof(want));
    text = lines(&f);
    ck_assert_int_eq(count(text, "\"loss_scale\":"), 12);
    ck_assert_int_eq(count(text, "\"loss_scale\":32768,"), 1); /* step 2 */
    ck_assert_int_eq(count(text, "\"loss_scale\":2048,"), 1);
    ck_assert_int_eq(count(text, "\"loss_scale\":1024,"), 9);
    free(text);
    text = lines(&plain);
    ck_assert_int_eq(count(text, "loss_scale"), 0);
    free(text);
    fake_release(&f);
    fake_release(&plain);
}
END_TEST

/* At the least scale a gradient that is not finite counts. */
START_TEST(loop_run_gives_up_scaling)
{
    struct fake f;
    struct err err;

    fake_init(&f, "a", 0);
    f.o.scale.value = 16;
    f.bad_from = 7;
    f.bad_to = STEPS;
    ck_assert_int_eq(run(&f, &err), ERR_FORMAT);
    ck_assert_int_eq(f.passes, 15); /* 7, four that halve, four in a row */
    ck_assert(f.o.scale.value == 1);
    fake_release(&f);
}
END_TEST

/* Cut off while the scale is being found, and behind it. */
START_TEST(loop_run_resumes_its_loss_scale)
{
    static float want[4 * ROOM], got[4 * ROOM];
    struct fake whole, f;
    struct err err;
    char *a, *b;

    for (int k = 0; k < 3; k++) {
        fake_init(k == 0 ? &whole : &f, k ? "cut" : "whole", k == 2);
        (k ? &f : &whole)->o.scale.value = 65536;
        (k ? &f : &whole)->most = 1024;
        if (k == 1)
            f.stop_at = _i;
        ck_assert_int_eq(run(k ? &f : &whole, &err), k == 1 ? ERR_STOPPED : 0);
        if (k == 1)
            fake_release(&f);
    }
    state(&whole, want);
    state(&f, got);
    ck_assert_mem_eq(want, got, sizeof(want));
    ck_assert(whole.o.scale.value == f.o.scale.value &&
              whole.o.scale.good == f.o.scale.good);
    ck_assert_int_eq(whole.o.skipped, f.o.skipped);
    a = lines(&whole);
    b = lines(&f);
    ck_assert_str_eq(a, b);
    free(a);
    free(b);
    fake_release(&f);
    fake_release(&whole);
}
END_TEST

START_TEST(loop_run_gives_up)
{
    struct fake f;
    struct err err;

    fake_init(&f, "a", 0);
    f.bad_from = 7;
    f.bad_to = STEPS;
    ck_assert_int_eq(run(&f, &err), ERR_FORMAT);
    ck_assert_int_eq(f.passes, 11); /* the fourth of them */
    ck_assert_ptr_nonnull(strstr(err.msg, "gradient"));
    ck_assert_ptr_nonnull(strstr(err.msg, "step 11"));
    ck_assert(is_there(&f, "checkpoints/step-000000010.safetensors"));
    ck_assert_int_eq(f.saved, 10);
    fake_release(&f);
}
END_TEST

START_TEST(loop_run_ends_early)
{
    struct fake f;
    struct err err;

    fake_init(&f, "a", 0);
    f.done_at = 2;
    ck_assert(!run(&f, &err));
    ck_assert_int_eq(f.passes, 12);
    ck_assert_int_eq(f.saved, 12);
    ck_assert(is_there(&f, "checkpoints/step-000000012.safetensors"));
    fake_release(&f);
}
END_TEST

START_TEST(loop_run_refuses_another_run)
{
    struct fake f;
    struct err err;

    fake_init(&f, "a", 0);
    f.c.steps = 5;
    ck_assert(!run(&f, &err));
    fake_release(&f);
    fake_init(&f, "a", 1);
    optim_release(&f.o); /* one without an average */
    ck_assert(!optim_init(&f.o, &optim_defaults, &f.p, NULL, &err));
    ck_assert_int_eq(run(&f, &err), ERR_FORMAT);
    ck_assert_int_eq(f.began, -1);
    fake_release(&f);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("train_loop");
    TCase *t = tcase_create("loop");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, loop_run_keeps_its_schedule);
    tcase_add_loop_test(t, loop_run_resumes_to_the_bit, 0, 7);
    tcase_add_test(t, loop_run_goes_further);
    tcase_add_test(t, loop_run_skips);
    tcase_add_test(t, loop_run_finds_its_loss_scale);
    tcase_add_test(t, loop_run_gives_up_scaling);
    tcase_add_loop_test(t, loop_run_resumes_its_loss_scale, 1, 20);
    tcase_add_test(t, loop_run_gives_up);
    tcase_add_test(t, loop_run_ends_early);
    tcase_add_test(t, loop_run_refuses_another_run);
    suite_add_tcase(s, t);
    return unit_run(s);
}
