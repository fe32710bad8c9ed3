/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "unit.h"

#include <stdatomic.h>

#include "music.h"
#include "train/loader.h"

enum { CROP = 3000, BATCH = 6, STEPS = 8 };

static struct tree tree;
static struct manifest music;
static struct corpus *corpus;

static void setup(void)
{
    music_make(&tree, &music);
    ck_assert(!corpus_new(&corpus, &music, 0, NULL));
}

static void teardown(void)
{
    corpus_free(corpus);
    manifest_release(&music);
    tree_remove(&tree);
}

/* Part 0 is the audio, part 1 (of other samples' audio) a sum, step, number. */
static int prepare(void *ctx, const struct loader_sample *s, void *const *part,
                   struct err *err)
{
    double *out = part[1];
    float other[CROP];

    if (ctx && !atomic_fetch_sub((atomic_int *)ctx, 1))
        return err_set(err, ERR_DEVICE, "enough");
    memcpy(part[0], s->x, CROP * sizeof(*s->x));
    TRY(loader_other(s, (s->draw.sample + 1) % BATCH, other, err));
    out[0] = out[1] = 0;
    for (int i = 0; i < CROP; i++) {
        out[0] += other[i] * (i + 1);
        out[1] += s->x[i] * (i + 1);
    }
    out[2] = (double)s->draw.step;
    out[3] = s->draw.sample;
    return 0;
}

static struct loader_config config_of(int threads)
{
    return (struct loader_config){
        .corpus = corpus, .seed = 11, .batch = BATCH, .count = BATCH,
        .crop = CROP, .threads = threads, .prepare = prepare,
        .part_bytes = { CROP * sizeof(float), 4 * sizeof(double) },
    };
}

static struct loader *start(const struct loader_config *c)
{
    struct loader *l = NULL;
    struct err err = {0};

    ck_assert_msg(!loader_new(&l, c, &err), "%s", err.msg);
    return l;
}

static struct batch_data next(struct loader *l, uint64_t step)
{
    struct batch_data b;
    struct err err = {0};

    ck_assert_msg(!loader_next(l, step, &b, &err), "%s", err.msg);
    ck_assert_uint_eq(b.step, step);
    return b;
}

static void same(const struct batch_data *a, size_t a_at,
                 const struct batch_data *b, size_t b_at, size_t n)
{
    const float *x = a->part[0], *y = b->part[0];
    const double *u = a->part[1], *v = b->part[1];

    ck_assert_mem_eq(x + a_at * CROP, y + b_at * CROP, n * CROP * sizeof(*x));
    ck_assert_mem_eq(u + a_at * 4, v + b_at * 4, n * 4 * sizeof(*u));
}

START_TEST(loader_gives_the_same_on_any_threads)
{
    struct loader_config one = config_of(1), many = config_of(_i + 1);
    struct loader *a = start(&one), *b = start(&many);

    for (uint64_t s = 0; s < STEPS; s++) {
        struct batch_data x = next(a, s), y = next(b, s);

        same(&x, 0, &y, 0, BATCH);
    }
    loader_free(a);
    loader_free(b);
}
END_TEST

START_TEST(loader_gives_all_samples_in_order)
{
    struct loader_config c = config_of(3);
    struct loader *l = start(&c);
    double last = 0;

    for (uint64_t s = 0; s < STEPS; s++) {
        struct batch_data b = next(l, s);
        const double *out = b.part[1];

        for (int i = 0; i < BATCH; i++) {
            ck_assert(out[4 * i + 2] == (double)s && out[4 * i + 3] == i);
            ck_assert(out[4 * i + 1] != last); /* all differ */
            ck_assert(out[4 * i] == out[4 * ((i + 1) % BATCH) + 1]);
            last = out[4 * i + 1];
        }
    }
    ck_assert_double_ge(loader_waited(l), 0);
    loader_free(l);
}
END_TEST

START_TEST(loader_goes_on_from_any_step)
{
    struct loader_config c = config_of(2), later = config_of(3);
    struct loader *a = start(&c), *b;

    later.step = 5;
    b = start(&later);
    for (uint64_t s = 0; s < STEPS; s++) {
        struct batch_data x = next(a, s), y;

        if (s < 5)
            continue;
        y = next(b, s);
        same(&x, 0, &y, 0, BATCH);
    }
    loader_free(a);
    loader_free(b);
}
END_TEST

START_TEST(loader_divides_the_batch)
{
    struct loader_config c = config_of(2), left = c, right = c;
    struct loader *a = start(&c), *l, *r;

    left.count = 4;
    right.first = 4;
    right.count = 2;
    l = start(&left);
    r = start(&right);
    for (uint64_t s = 0; s < STEPS; s++) {
        struct batch_data x = next(a, s), y = next(l, s), z = next(r, s);

        same(&x, 0, &y, 0, 4);
        same(&x, 4, &z, 0, 2);
    }
    loader_free(a);
    loader_free(l);
    loader_free(r);
}
END_TEST

START_TEST(loader_depends_on_the_seed)
{
    struct loader_config c = config_of(1), other = c;
    struct loader *a = start(&c), *b;
    struct batch_data x = next(a, 0), y;

    other.seed++;
    b = start(&other);
    y = next(b, 0);
    ck_assert_mem_ne(x.part[0], y.part[0], CROP * sizeof(float));
    loader_free(a);
    loader_free(b);
}
END_TEST

/* The threads work ahead, but not without end. */
START_TEST(loader_free_while_threads_work)
{
    struct loader_config c = config_of(3);
    atomic_int left = 1 << 30;
    struct loader *l;

    c.ctx = &left;
    l = start(&c);
    loader_free(l);
    l = start(&c);
    next(l, 0);
    loader_free(l);
    ck_assert_int_ge(left, (1 << 30) - 2 * 3 * BATCH);
}
END_TEST

START_TEST(loader_next_passes_failures_on)
{
    struct loader_config c = config_of(_i + 1);
    atomic_int left = 2 * BATCH + 1;
    struct batch_data b;
    struct err err = {0};
    struct loader *l;
    int rc = 0;

    c.ctx = &left;
    l = start(&c);
    for (uint64_t s = 0; s < 3 && !rc; s++)
        rc = loader_next(l, s, &b, &err);
    ck_assert_int_eq(rc, ERR_DEVICE);
    ck_assert_str_eq(err.msg, "enough");
    loader_free(l);
}
END_TEST

static void refused(struct loader_config c)
{
    struct loader *l = NULL;
    struct err err = {0};

    ck_assert_int_eq(loader_new(&l, &c, &err), ERR_ARG);
    ck_assert_ptr_null(l);
    ck_assert_str_ne(err.msg, "");
}

START_TEST(loader_new_refuses_what_cannot_be)
{
    struct loader_config c = config_of(0);

    refused(c);
    c = config_of(1);
    c.first = 1;
    refused(c);
    c.count = 0;
    refused(c);
    c = config_of(1);
    c.crop = -1;
    refused(c);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("train_loader");
    TCase *t = tcase_create("loader");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, loader_gives_the_same_on_any_threads, 1, 4);
    tcase_add_test(t, loader_gives_all_samples_in_order);
    tcase_add_test(t, loader_goes_on_from_any_step);
    tcase_add_test(t, loader_divides_the_batch);
    tcase_add_test(t, loader_depends_on_the_seed);
    tcase_add_test(t, loader_free_while_threads_work);
    tcase_add_loop_test(t, loader_next_passes_failures_on, 0, 3);
    tcase_add_test(t, loader_new_refuses_what_cannot_be);
    suite_add_tcase(s, t);
    return unit_run(s);
}
