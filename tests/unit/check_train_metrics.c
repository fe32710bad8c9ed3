/* SPDX-License-Identifier: GPL-3.0-or-later */
/* metrics.ndjson: lines out and in, and what a resume drops. */
#include "unit.h"

#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <sys/resource.h>

#include "base/file.h"
#include "train/metrics.h"
#include "tree.h"

static struct tree tree;
static struct err err;

static void setup(void)
{
    tree_make(&tree);
}

static void stop(void)
{
    tree_remove(&tree);
}

static void expect_text(const char *want)
{
    struct strbuf sb = STRBUF_INIT;

    ck_assert(!file_read(&sb, tree_path(&tree, "m"), 1 << 20, &err));
    ck_assert_str_eq(sb.s, want);
    strbuf_release(&sb);
}

START_TEST(metrics_add_lines)
{
    struct metric a[] = { { "loss", 7.25 }, { "lr", 1e-5 } };
    struct metric b[] = { { "loss", NAN }, { "x", INFINITY },
                          { "a \"b\"\n", -0.1 } };
    struct metrics m = {0};

    ck_assert(!metrics_open(&m, tree_path(&tree, "m"), -1, &err));
    ck_assert(!metrics_add(&m, 100, a, 2, &err));
    ck_assert(!metrics_add(&m, 1000000000000, b, 3, &err));
    ck_assert(!metrics_add(&m, 7, NULL, 0, &err));
    metrics_close(&m);
    metrics_close(&m);
    expect_text("{\"step\":100,\"loss\":7.25,\"lr\":1e-05}\n"
                "{\"step\":1000000000000,\"loss\":null,\"x\":null,"
                "\"a \\\"b\\\"\\n\":-0.1}\n{\"step\":7}\n");
}
END_TEST

/* Lines behind the checkpoint, one cut off by a kill, and rubbish go; the rest
 * keeps its bytes. */
START_TEST(metrics_open_drops_later)
{
    struct metric v = { "loss", 5 };
    struct metrics m = {0};

    tree_put(&tree, "m", "{\"step\":10,  \"loss\":1.50}\n{\"step\":20}\nx\n"
                         "{\"step\":30}\n{\"loss\":1}\n{\"step\":2.5}\n"
                         "{\"step\":15}\n{\"step\":1");
    ck_assert(!metrics_open(&m, tree_path(&tree, "m"), 20, &err));
    ck_assert(!metrics_add(&m, 21, &v, 1, &err));
    metrics_close(&m);
    expect_text("{\"step\":10,  \"loss\":1.50}\n{\"step\":20}\n{\"step\":15}\n"
                "{\"step\":21,\"loss\":5}\n");
    ck_assert(!metrics_open(&m, tree_path(&tree, "m"), -1, &err));
    metrics_close(&m);
    expect_text("");
}
END_TEST

START_TEST(metrics_open_fails)
{
    struct metrics m = {0};

    ck_assert_int_eq(metrics_open(&m, "/no/such/folder/m", 1, &err), ERR_IO);
    ck_assert_ptr_nonnull(strstr(err.msg, "/no/such/folder/m"));
    metrics_close(&m);
    ck_assert_int_eq(metrics_open(&m, tree.root, 1, &err), ERR_IO);
    metrics_close(&m);
}
END_TEST

/* A line that a full disk cut off does not spoil the next. */
START_TEST(metrics_add_on_a_full_disk)
{
    struct metric v = { "loss", 5 };
    struct metrics_table t = {0};
    struct metrics m = {0};
    struct rlimit limit;

    signal(SIGXFSZ, SIG_IGN);
    ck_assert(!metrics_open(&m, tree_path(&tree, "m"), -1, &err));
    ck_assert(!metrics_add(&m, 1, &v, 1, &err));
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = 25;
    setrlimit(RLIMIT_FSIZE, &limit);
    ck_assert_int_eq(metrics_add(&m, 2, &v, 1, &err), ERR_IO);
    ck_assert_ptr_nonnull(strstr(err.msg, "/m: cannot write"));
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_FSIZE, &limit);
    ck_assert(!metrics_add(&m, 3, &v, 1, &err));
    metrics_close(&m);
    ck_assert(!metrics_read(&t, tree_path(&tree, "m"), &err));
    ck_assert_uint_eq(t.skipped, 1);
    ck_assert_uint_eq(t.series[0].n, 2);
    ck_assert_int_eq(t.series[0].step[1], 3);
    metrics_table_release(&t);
}
END_TEST

START_TEST(metrics_read_by_names)
{
    const struct metrics_series *s;
    struct metrics_table t = {0};

    tree_put(&tree, "m", "{\"step\":1,\"loss\":3,\"s\":\"text\"}\n"
                         "{\"step\":1,\"valid_loss\":4}\n\n"
                         "{\"step\":2,\"loss\":null,\"lr\":1e-4}\n");
    ck_assert(!metrics_read(&t, tree_path(&tree, "m"), &err));
    ck_assert_uint_eq(t.n, 3);
    ck_assert_uint_eq(t.skipped, 1);
    s = metrics_find(&t, "loss");
    ck_assert_uint_eq(s->n, 2);
    ck_assert_double_eq(s->value[0], 3);
    ck_assert(isnan(s->value[1]));
    ck_assert_int_eq(s->step[1], 2);
    ck_assert_double_eq(metrics_find(&t, "valid_loss")->value[0], 4);
    ck_assert_ptr_null(metrics_find(&t, "s"));
    metrics_table_release(&t);
    ck_assert_int_eq(metrics_read(&t, "/no/such", &err), ERR_IO);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("train/metrics");
    TCase *t = tcase_create("metrics");

    tcase_add_checked_fixture(t, setup, stop);
    tcase_add_test(t, metrics_add_lines);
    tcase_add_test(t, metrics_open_drops_later);
    tcase_add_test(t, metrics_open_fails);
    tcase_add_test(t, metrics_add_on_a_full_disk);
    tcase_add_test(t, metrics_read_by_names);
    suite_add_tcase(s, t);
    return unit_run(s);
}
