/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "unit.h"

#include "train/lengths.h"
#include "tree.h"

enum { RATE = 24000 };

static struct tree tree;

static void setup(void)
{
    tree_make(&tree);
}

static void teardown(void)
{
    tree_remove(&tree);
}

static char *file(const char *name)
{
    return xstrdup(tree_path(&tree, name));
}

/* Two files, the second with a space in its name. */
static void write_two(const char *cache, char **a, char **b)
{
    struct lengths l = {0};
    struct err err = {0};

    tree_wav(&tree, "a.wav");
    tree_wav(&tree, "b c.wav");
    *a = file("a.wav");
    *b = file("b c.wav");
    lengths_add(&l, *b, 77);
    lengths_add(&l, *a, 24000);
    lengths_add(&l, "no such file", 5);
    ck_assert_uint_eq(l.n, 2);
    ck_assert_msg(!lengths_write(&l, cache, RATE, &err), "%s", err.msg);
    lengths_release(&l);
}

START_TEST(lengths_are_remembered)
{
    char *cache = file("cache"), *a, *b;
    struct lengths l = {0};

    lengths_read(&l, cache, RATE); /* absent */
    ck_assert_uint_eq(l.n, 0);
    write_two(cache, &a, &b);
    lengths_read(&l, cache, RATE);
    ck_assert_int_eq(lengths_find(&l, a), 24000);
    ck_assert_int_eq(lengths_find(&l, b), 77);
    ck_assert_int_eq(lengths_find(&l, "c.wav"), 0);
    tree_put(&tree, "a.wav", "changed");
    ck_assert_int_eq(lengths_find(&l, a), 0);
    lengths_release(&l);
    lengths_read(&l, cache, RATE + 1); /* of another rate */
    ck_assert_uint_eq(l.n, 0);
    free(a);
    free(b);
    free(cache);
}
END_TEST

/* Whatever is cut off or put in: nothing, or what is whole, is taken. */
START_TEST(lengths_read_damaged)
{
    char *cache = file("cache"), *a, *b;
    static const char *const bad[] = {
        "", "x", "mfm-lengths 1 24000\n1 2\n", "mfm-lengths 1 24000\n0 2 3 a\n",
        "mfm-lengths 1 24000\n-4 2 3 a\n", "mfm-lengths 1 24000\n4 2 3 a",
        "mfm-lengths 1 24000\nx 2 3 a\n", "mfm-lengths 2 24000\n4 2 3 a\n",
    };
    struct lengths l = {0};

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        tree_put(&tree, "cache", bad[i]);
        lengths_read(&l, cache, RATE);
        ck_assert_msg(!l.n, "%s", bad[i]);
        lengths_release(&l);
    }
    write_two(cache, &a, &b);
    free(a);
    free(b);
    free(cache);
}
END_TEST

START_TEST(lengths_measure_by_header)
{
    static const int16_t x[1000];
    int64_t n = 0;

    tree_wav16(&tree, "a.wav", x, 1000, RATE);
    ck_assert(!lengths_measure(tree_path(&tree, "a.wav"), RATE, &n, NULL));
    ck_assert_int_eq(n, 1000);
    ck_assert(!lengths_measure(tree_path(&tree, "a.wav"), RATE / 2, &n, NULL));
    ck_assert_int_eq(n, 500);
}
END_TEST

/* The header of a stream claims 2^31 bytes: they are counted. */
START_TEST(lengths_measure_by_decoding)
{
    static const int16_t x[20000];
    unsigned char wav[44 + 40000];
    int64_t n = 0;
    FILE *f;

    tree_wav16(&tree, "a.wav", x, 20000, RATE);
    f = fopen(tree_path(&tree, "a.wav"), "rb");
    ck_assert_uint_eq(fread(wav, 1, sizeof(wav), f), sizeof(wav));
    fclose(f);
    memset(wav + 4, 0xff, 4);
    memset(wav + 40, 0xff, 4);
    tree_write(&tree, "b.wav", wav, sizeof(wav));
    ck_assert(!lengths_measure(tree_path(&tree, "b.wav"), RATE, &n, NULL));
    ck_assert_int_eq(n, 20000);
}
END_TEST

START_TEST(lengths_measure_fails)
{
    struct err err = {0};
    int64_t n;

    ck_assert_int_eq(lengths_measure(tree_path(&tree, "x.wav"), RATE, &n, &err),
                     ERR_IO);
    tree_put(&tree, "x.wav", "RIFF");
    ck_assert_int_eq(lengths_measure(tree_path(&tree, "x.wav"), RATE, &n, &err),
                     ERR_FORMAT);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("train_lengths");
    TCase *t = tcase_create("lengths");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, lengths_are_remembered);
    tcase_add_test(t, lengths_read_damaged);
    tcase_add_test(t, lengths_measure_by_header);
    tcase_add_test(t, lengths_measure_by_decoding);
    tcase_add_test(t, lengths_measure_fails);
    suite_add_tcase(s, t);
    return unit_run(s);
}
