/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Checkpoints: going on to the bit, kills, full disks, damage. */
#include "unit.h"

#include <math.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#include "base/file.h"
#include "base/log.h"
#include "train.h"
#include "train/checkpoint.h"
#include "tree.h"

enum { ROOM = 512 };

static struct backend *be;
static struct tree tree;
static struct err err;

struct run {
    struct params p;
    struct optim o;
};

static void setup(void)
{
    log_set_level(LOG_ERROR);
    tree_make(&tree);
    be = train_open();
}

static void stop(void)
{
    backend_close(be);
    tree_remove(&tree);
}

static void run_start(struct run *r, float ema)
{
    struct optim_options opt = optim_defaults;

    opt.lr[0] = opt.lr[1] = 0.01f;
    opt.clip = 1;
    opt.ema = ema;
    train_params(&r->p, be);
    ck_assert_int_lt(r->p.all, ROOM);
    ck_assert_msg(!optim_init(&r->o, &opt, &r->p, NULL, &err), "%s", err.msg);
}

static void run_stop(struct run *r)
{
    optim_release(&r->o);
    params_release(&r->p);
}

static void run_steps(struct run *r, int from, int to)
{
    struct optim_result result;

    for (int t = from; t < to; t++) {
        train_pass(&r->p, t);
        ck_assert(!optim_step(&r->o, 1, 1, &result, &err));
    }
}

static void same_tensor(const struct tensor *a, const struct tensor *b,
                        int64_t n)
{
    float x[ROOM], y[ROOM];

    train_get(a, x);
    train_get(b, y);
    ck_assert_mem_eq(x, y, (size_t)n * sizeof(*x));
}

static void same_run(const struct run *a, const struct run *b)
{
    same_tensor(&a->p.value, &b->p.value, a->p.all);
    same_tensor(&a->o.m, &b->o.m, a->p.trained);
    same_tensor(&a->o.v, &b->o.v, a->p.trained);
    if (a->o.ema.data)
        same_tensor(&a->o.ema, &b->o.ema, a->p.all);
    ck_assert_int_eq(a->o.steps, b->o.steps);
    ck_assert_int_eq(a->o.skipped, b->o.skipped);
}

static void save(struct run *r, int64_t step, int keep)
{
    struct checkpoint c = { .step = step, .seed = UINT64_MAX - 1,
                            .hours = 1.0 / 3, .config = "{\"dim\":64}",
                            .data = "ab\"c\n" };

    ck_assert_msg(!checkpoint_write(tree.root, keep, &c, &r->o, &err), "%s",
                  err.msg);
}

static char *newest(void)
{
    char *path = NULL;

    ck_assert_msg(!checkpoint_newest(&path, tree.root, &err), "%s", err.msg);
    ck_assert_ptr_nonnull(path);
    return path;
}

static int count_files(void)
{
    DIR *d = opendir(tree.root);
    const struct dirent *item;
    int n = 0;

    while ((item = readdir(d)))
        n += item->d_name[0] != '.';
    closedir(d);
    return n;
}

static void check_round_trip(float ema)
{
    struct run a = {0}, b = {0};
    struct checkpoint c = {0};
    char *path;

    run_start(&a, ema);
    run_steps(&a, 0, 3);
    a.o.skipped = 5;
    save(&a, 3, 2);
    run_start(&b, ema);
    path = newest();
    ck_assert_msg(!checkpoint_restore(path, &c, &b.o, &err), "%s", err.msg);
    ck_assert_int_eq(c.step, 3);
    ck_assert(c.seed == UINT64_MAX - 1 && c.hours == 1.0 / 3);
    ck_assert_str_eq(c.config, "{\"dim\":64}");
    ck_assert_str_eq(c.data, "ab\"c\n");
    ck_assert_str_eq(c.version, MFM_VERSION);
    same_run(&a, &b);
    run_steps(&a, 3, 6);
    run_steps(&b, 3, 6);
    same_run(&a, &b);
    checkpoint_release(&c);
    free(path);
    run_stop(&a);
    run_stop(&b);
}

START_TEST(checkpoint_goes_on_to_the_bit)
{
    check_round_trip(0.99f);
}
END_TEST

START_TEST(checkpoint_without_average)
{
    check_round_trip(0);
}
END_TEST

/* It is there where it is in use, and comes back where it is in use again. */
START_TEST(checkpoint_keeps_the_loss_scale)
{
    struct run a = {0}, b = {0};
    struct checkpoint c = {0};
    char *path;

    run_start(&a, 0);
    a.o.scale = (struct lossscale){ _i & 1 ? 4096.5 : 0, 1999 };
    save(&a, 3, 2);
    run_start(&b, 0);
    b.o.scale.value = _i & 2 ? 65536 : 0;
    path = newest();
    ck_assert_msg(!checkpoint_restore(path, &c, &b.o, &err), "%s", err.msg);
    ck_assert(b.o.scale.value == (_i == 3 ? 4096.5 : _i == 2 ? 65536 : 0));
    ck_assert_int_eq(b.o.scale.good, _i == 3 ? 1999 : 0);
    checkpoint_release(&c);
    free(path);
    run_stop(&a);
    run_stop(&b);
}
END_TEST

/* What is no ordinary number keeps its bits too. */
START_TEST(checkpoint_keeps_odd_values)
{
    static const float odd[7] = { -0.0f, 1e-45f, INFINITY, -INFINITY, 0x1p-126f,
                                  3.4028234e38f, 1 };
    struct run a = {0}, b = {0};
    struct checkpoint c = {0};
    struct tensor t;
    float nan_bits[7];
    uint32_t bits = 0x7fa12345; /* a signalling NaN with a payload */
    char *path;

    run_start(&a, 0);
    memcpy(nan_bits, odd, sizeof(odd));
    memcpy(&nan_bits[6], &bits, sizeof(bits));
    t = params_value(&a.p, TRAIN_BIAS);
    ck_assert(!tensor_upload(&t, nan_bits, &err));
    save(&a, 1, 1);
    run_start(&b, 0);
    path = newest();
    ck_assert(!checkpoint_restore(path, &c, &b.o, &err));
    same_run(&a, &b);
    checkpoint_release(&c);
    free(path);
    run_stop(&a);
    run_stop(&b);
}
END_TEST

START_TEST(checkpoint_write_keeps_the_last)
{
    struct run a = {0};
    char *path;

    run_start(&a, 0);
    for (int step = 100; step <= 500; step += 100)
        save(&a, step, 2);
    ck_assert_int_eq(count_files(), 2);
    path = newest();
    ck_assert_str_eq(path, tree_path(&tree, "step-000000500.safetensors"));
    ck_assert(!access(tree_path(&tree, "step-000000400.safetensors"), F_OK));
    /* the run was taken up again before these */
    save(&a, 401, 2);
    ck_assert_int_eq(count_files(), 2);
    free(path);
    path = newest();
    ck_assert_str_eq(path, tree_path(&tree, "step-000000401.safetensors"));
    free(path);
    run_stop(&a);
}
END_TEST

static void write_for_ever(struct run *r, int64_t step)
{
    for (;; step++) {
        struct checkpoint c = { .step = step };

        if (checkpoint_write(tree.root, 2, &c, &r->o, NULL))
            _exit(1);
    }
}

/* kill -9 at 20 moments: what is named like a checkpoint is whole, and there
 * is one at any time. */
START_TEST(checkpoint_write_survives_a_kill)
{
    struct run a = {0};

    run_start(&a, 0.9f);
    save(&a, 1, 2);
    for (int i = 0; i < 20; i++) {
        struct timespec wait = { 0, 1000000 + 700000 * i };
        struct checkpoint c = {0};
        char *path = newest();
        pid_t pid;
        int status;

        ck_assert(!checkpoint_peek(path, &c, &err));
        free(path);
        pid = fork();
        if (!pid)
            write_for_ever(&a, c.step + 1);
        nanosleep(&wait, NULL);
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
        ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        checkpoint_release(&c);
        log_set_level(LOG_ERROR);
        path = newest();
        ck_assert(!checkpoint_restore(path, &c, &a.o, &err));
        checkpoint_release(&c);
        free(path);
    }
    save(&a, 1000000, 2);
    ck_assert_int_eq(count_files(), 2);
    run_stop(&a);
}
END_TEST

/* A full disk, as a limit on the size of files (EFBIG in place of ENOSPC). */
START_TEST(checkpoint_write_on_a_full_disk)
{
    struct run a = {0};
    struct checkpoint c = { .step = 2 };
    struct rlimit limit;
    char *path;

    run_start(&a, 0.9f);
    save(&a, 1, 1);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = 1000;
    setrlimit(RLIMIT_FSIZE, &limit);
    ck_assert_int_eq(checkpoint_write(tree.root, 1, &c, &a.o, &err), ERR_IO);
    ck_assert_ptr_nonnull(strstr(err.msg, "step-000000002.safetensors: cannot "
                                          "write: File too large"));
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_FSIZE, &limit);
    ck_assert_int_eq(count_files(), 1);
    path = newest();
    ck_assert_ptr_nonnull(strstr(path, "step-000000001."));
    free(path);
    c.step = 3;
    ck_assert_int_eq(checkpoint_write("/no/such/folder", 1, &c, &a.o, &err),
                     ERR_IO);
    ck_assert_ptr_nonnull(strstr(err.msg, "/no/such/folder"));
    run_stop(&a);
}
END_TEST

static void copy_damaged(const char *from, size_t size, size_t flip)
{
    struct strbuf sb = STRBUF_INIT;

    ck_assert(!file_read(&sb, from, 1 << 24, &err));
    if (flip < sb.len)
        sb.s[flip] ^= 0x10;
    tree_write(&tree, "damaged", sb.s, size ? size : sb.len);
    strbuf_release(&sb);
}

/* One wrong bit at every 61st byte, header and metadata included, and the file
 * cut at every 611th. */
START_TEST(checkpoint_verify_finds_damage)
{
    struct run a = {0};
    struct file_map map = {0};
    char *path;

    run_start(&a, 0.9f);
    save(&a, 1, 1);
    path = newest();
    ck_assert(!file_map(&map, path, &err));
    for (size_t i = 0; i < map.size; i += 61) {
        copy_damaged(path, 0, i);
        /* white space behind the header's JSON means nothing */
        if (map.data[i] == ' ' && map.data[i + 1] == ' ')
            continue;
        ck_assert_msg(checkpoint_verify(tree_path(&tree, "damaged"), &err),
                      "byte %zu of %zu", i, map.size);
        ck_assert_ptr_nonnull(strstr(err.msg, "/damaged: "));
        ck_assert_ptr_null(strchr(err.msg, '\n'));
    }
    for (size_t i = 1; i < map.size; i += 611) {
        copy_damaged(path, i, SIZE_MAX);
        ck_assert(checkpoint_verify(tree_path(&tree, "damaged"), &err));
    }
    file_unmap(&map);
    free(path);
    run_stop(&a);
}
END_TEST

START_TEST(checkpoint_newest_passes_over_damage)
{
    static const char one[] = "step-000000001.safetensors";
    static const char two[] = "step-000000002.safetensors";
    struct run a = {0};
    char *path;

    run_start(&a, 0);
    save(&a, 1, 2);
    save(&a, 2, 2);
    tree_put(&tree, two, "cut off");
    path = newest();
    ck_assert_str_eq(path, tree_path(&tree, one));
    free(path);
    tree_put(&tree, one, "");
    ck_assert_int_eq(checkpoint_newest(&path, tree.root, &err), ERR_FORMAT);
    ck_assert_ptr_nonnull(strstr(err.msg, "none of the 2"));
    run_stop(&a);
}
END_TEST

static void refuse(struct run *r, const char *path, int code, const char *why)
{
    struct checkpoint c = {0};

    ck_assert_int_eq(checkpoint_restore(path, &c, &r->o, &err), code);
    ck_assert_msg(strstr(err.msg, why) != NULL, "%s", err.msg);
    ck_assert_ptr_null(c.config);
}

/* Of another model, with another average, or no checkpoint at all: refused, and
 * nothing is changed. */
START_TEST(checkpoint_restore_refuses)
{
    struct safetensors_meta newer = { "mfm_checkpoint", "2" };
    struct run a = {0}, b = {0}, c = {0};
    struct tensor ema;
    char *path;

    run_start(&a, 0);
    run_start(&b, 0.5f);
    run_start(&c, 0);
    run_steps(&a, 0, 2);
    save(&a, 2, 1);
    path = newest();
    refuse(&b, path, ERR_FORMAT, "other settings: it has no ema/matrix");
    ema = b.o.ema;
    b.o.ema.data = NULL; /* only to look at the shapes */
    b.p.item[TRAIN_HEAD].dim[0] = 1;
    refuse(&b, path, ERR_FORMAT, "value/head is F32 [2, 7], this run has F32 "
                                 "[1, 7]");
    c.p.n--;
    refuse(&c, path, ERR_FORMAT, "of another model or with other settings");
    free(path);
    c.p.n++;
    ck_assert(!params_write(&a.p, NULL, 0, NULL, NULL,
                            tree_path(&tree, "x"), NULL, 0, &err));
    refuse(&c, tree_path(&tree, "x"), ERR_FORMAT, "not a checkpoint of mfm");
    ck_assert(!params_write(&a.p, NULL, 0, NULL, NULL,
                            tree_path(&tree, "x"), &newer, 1, &err));
    refuse(&c, tree_path(&tree, "x"), ERR_UNSUPPORTED, "format 2 is newer");
    refuse(&c, "/no/such/file", ERR_IO, "/no/such/file");
    ck_assert_int_eq(c.o.steps, 0);
    b.o.ema = ema;
    run_stop(&a);
    run_stop(&b);
    run_stop(&c);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("train/checkpoint");
    TCase *t = tcase_create("checkpoint");

    tcase_add_checked_fixture(t, setup, stop);
    tcase_add_test(t, checkpoint_goes_on_to_the_bit);
    tcase_add_test(t, checkpoint_without_average);
    tcase_add_loop_test(t, checkpoint_keeps_the_loss_scale, 0, 4);
    tcase_add_test(t, checkpoint_keeps_odd_values);
    tcase_add_test(t, checkpoint_write_keeps_the_last);
    tcase_add_test(t, checkpoint_write_survives_a_kill);
    tcase_add_test(t, checkpoint_write_on_a_full_disk);
    tcase_add_test(t, checkpoint_verify_finds_damage);
    tcase_add_test(t, checkpoint_newest_passes_over_damage);
    tcase_add_test(t, checkpoint_restore_refuses);
    suite_add_tcase(s, t);
    return unit_run(s);
}
