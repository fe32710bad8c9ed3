/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A step divided among processes, played one after the other. */
#include "unit.h"

#include <math.h>

#include "tree.h"
#include "train.h"
#include "train/across.h"
#include "train/checkpoint.h"

enum { ROOM = 512, SIZE = 3 };

static struct backend *be;
static struct err err;

/* ---- a process whose calls are noted ---- */

static struct call {
    const float *at;
    int64_t n;
    int root;
} calls[ROOM];
static size_t n_calls;
static int waits;
static double all_norms; /* what dist_sum returns; 0: its argument */

static int fake_sum(struct dist *d, double *v, int64_t n, struct err *e)
{
    (void)d;
    (void)e;
    if (all_norms > 0 && n == 1)
        *v = all_norms;
    return 0;
}

static int fake_reduce(struct dist *d, float *v, int64_t n, int root,
                       struct err *e)
{
    (void)d;
    (void)e;
    calls[n_calls++] = (struct call){ v, n, root };
    return 0;
}

static int fake_wait(struct dist *d, struct err *e)
{
    (void)d;
    (void)e;
    waits++;
    return 0;
}

static int fake_share(struct dist *d, float *all, const int64_t *first,
                      struct err *e)
{
    (void)d;
    (void)all;
    (void)first;
    (void)e;
    return 0;
}

static const struct dist_ops fake_ops = {
    .name = "fake", .sum = fake_sum, .reduce = fake_reduce, .wait = fake_wait,
    .share = fake_share,
};

static void setup(void)
{
    be = train_open();
    n_calls = 0;
    waits = 0;
    all_norms = 0;
}

static void stop(void)
{
    backend_close(be);
}

static const struct optim_options options = {
    .lr = { 0.01f, 0.02f }, .beta1 = 0.9f, .beta2 = 0.99f, .eps = 1e-6f,
    .decay = 0.1f, .clip = 1, .ema = 0.5f
};

/* ---- samples ---- */

START_TEST(divide_samples)
{
    struct dist d = { .ops = &fake_ops, .rank = 2, .size = 4 };
    int64_t stride, first, count;

    ck_assert(!across_divide(NULL, 10, 3, &stride, &first, &count, &err));
    ck_assert(stride == 4 && first == 0 && count == 4);
    ck_assert(!across_divide(&d, 24, 3, &stride, &first, &count, &err));
    ck_assert(stride == 8 && first == 4 && count == 2);
    ck_assert_int_eq(across_divide(&d, 24, 4, &stride, &first, &count, &err),
                     ERR_ARG);
    ck_assert_int_eq(across_divide(&d, 20, 3, &stride, &first, &count, &err),
                     ERR_ARG);
    ck_assert_int_eq(across_divide(&d, 3, 1, &stride, &first, &count, &err),
                     ERR_ARG);
}
END_TEST

/* Every float is in one part, of nearly the same size, at multiples of 16. */
START_TEST(divide_floats)
{
    for (int64_t n = 0; n < 700; n += 16)
        for (int size = 1; size < 9; size++) {
            struct dist d = { .ops = &fake_ops, .size = size };
            int64_t first[10];

            dist_divide(&d, n, first);
            ck_assert(first[0] == 0 && first[size] == n);
            for (int r = 0; r < size; r++)
                ck_assert(first[r] % 16 == 0 && first[r + 1] >= first[r] &&
                          first[r + 1] - first[r] <= n / size + 16);
        }
}
END_TEST

/* ---- gradients ---- */

static void add(struct params *p, const char *name, int64_t n)
{
    params_add(p, name, PARAM_TRAINED, INIT_CONST, 1, 1, &n);
}

/* Each layer's sums are begun when it is done, the rest's at the end, all of
 * them to their owners, and none before the last pass. */
START_TEST(gradients_are_summed_once)
{
    struct dist d = { &fake_ops, 1, SIZE, NULL };
    struct params p = {0};
    struct optim o = {0};
    struct across a;
    int times[ROOM] = {0};
    size_t layer_1;

    add(&p, "conv.weight", 20);
    add(&p, "conformer.layers.0.a", 33);
    add(&p, "conformer.layers.0.b", 5);
    add(&p, "conformer.layers.1.a", 100);
    add(&p, "linear.weight", 7);
    add(&p, "conformer.layers.1.b", 2);
    ck_assert(!params_alloc(&p, be, &err));
    ck_assert(!optim_init(&o, &options, &p, &d, &err));
    across_init(&a, &o);
    ck_assert(!across_added(&a, 1, &err) && !across_added(&a, -1, &err));
    ck_assert_uint_eq(n_calls, 0);
    a.last = 1;
    ck_assert(!across_added(&a, 1, &err));
    layer_1 = n_calls;
    ck_assert_uint_ge(layer_1, 2);
    ck_assert(!across_added(&a, 0, &err) && !across_added(&a, -1, &err));
    ck_assert(!across_wait(&a, &err));
    ck_assert_int_eq(waits, 1);
    for (size_t i = 0; i < n_calls; i++) {
        int64_t at = calls[i].at - p.grad.data;

        ck_assert(at >= o.part[calls[i].root] &&
                  at + calls[i].n <= o.part[calls[i].root + 1]);
        if (i < layer_1)
            ck_assert((at >= p.item[3].offset && at < p.item[4].offset) ||
                      at >= p.item[5].offset);
        for (int64_t k = 0; k < calls[i].n; k++)
            times[at + k]++;
    }
    for (size_t i = 0; i < p.n; i++)
        for (int64_t k = 0; k < p.item[i].count; k++)
            ck_assert_int_eq(times[p.item[i].offset + k], 1);
    across_release(&a);
    optim_release(&o);
    params_release(&p);
}
END_TEST

/* ---- the optimiser's parts ---- */

struct side {
    struct params p;
    struct optim o;
    struct dist d;
};

static void side_start(struct side *s, struct dist *d)
{
    memset(s, 0, sizeof(*s));
    if (d)
        s->d = *d;
    train_params(&s->p, be);
    ck_assert(!optim_init(&s->o, &options, &s->p, d ? &s->d : NULL, &err));
}

static void side_stop(struct side *s)
{
    optim_release(&s->o);
    params_release(&s->p);
}

/* Moments take a third of the memory each, and every part of the weights is
 * what one process makes of it. */
START_TEST(parts_are_as_the_whole)
{
    struct optim_result r;
    struct side whole, part[SIZE];
    int64_t moments = 0;

    side_start(&whole, NULL);
    for (int k = 0; k < SIZE; k++)
        side_start(&part[k], &(struct dist){ &fake_ops, k, SIZE,
                                              NULL });
    for (int t = 0; t < 3; t++) {
        train_pass(&whole.p, t);
        all_norms = 0;
        ck_assert(!optim_step(&whole.o, 1, 1, &r, &err));
        all_norms = r.grad_norm * r.grad_norm;
        for (int k = 0; k < SIZE; k++) {
            train_pass(&part[k].p, t);
            ck_assert(!optim_step(&part[k].o, 1, 1, &r, &err));
        }
    }
    for (int k = 0; k < SIZE; k++) {
        struct optim *o = &part[k].o;
        int64_t n = o->end - o->first;

        moments += o->m.cap;
        ck_assert_int_eq(o->m.cap, n ? n : 1);
        ck_assert(!o->ema.data == (k > 0));
        for (int64_t i = o->first; i < o->end; i++) {
            ck_assert(fabsf(part[k].p.value.data[i] -
                            whole.p.value.data[i]) < 1e-6f);
            ck_assert(fabsf(o->m.data[i - o->first] - whole.o.m.data[i]) <
                      1e-6f);
            ck_assert(fabsf(o->v.data[i - o->first] - whole.o.v.data[i]) <
                      1e-6f);
        }
    }
    ck_assert_int_eq(moments, whole.o.m.cap);
    for (int k = 0; k < SIZE; k++)
        side_stop(&part[k]);
    side_stop(&whole);
}
END_TEST

/* A checkpoint of one process gives each of several its own moments. */
START_TEST(parts_of_a_checkpoint)
{
    struct checkpoint c = { .step = 2 };
    struct optim_result r;
    struct side whole;
    struct tree tree;
    char *path = NULL;

    tree_make(&tree);
    side_start(&whole, NULL);
    for (int t = 0; t < 2; t++) {
        train_pass(&whole.p, t);
        ck_assert(!optim_step(&whole.o, 1, 1, &r, &err));
    }
    ck_assert(!checkpoint_write(tree.root, 1, &c, &whole.o, &err));
    ck_assert(!checkpoint_newest(&path, tree.root, &err));
    for (int k = 0; k < SIZE; k++) {
        struct side s;

        side_start(&s, &(struct dist){ &fake_ops, k, SIZE,
                                              NULL });
        memset(&c, 0, sizeof(c));
        ck_assert_msg(!checkpoint_restore(path, &c, &s.o, &err), "%s",
                      err.msg);
        for (size_t i = 0; i < s.p.n; i++)
            for (int64_t at = s.p.item[i].offset, j = 0;
                 j < s.p.item[i].count; j++, at++) {
                ck_assert(s.p.value.data[at] == whole.p.value.data[at]);
                if (at < s.o.first || at >= s.o.end)
                    continue;
                ck_assert(s.o.m.data[at - s.o.first] == whole.o.m.data[at]);
                ck_assert(s.o.v.data[at - s.o.first] == whole.o.v.data[at]);
            }
        checkpoint_release(&c);
        side_stop(&s);
    }
    free(path);
    side_stop(&whole);
    tree_remove(&tree);
}
END_TEST

/* Alone, as without mpirun. */
START_TEST(alone)
{
    struct dist *d = NULL;
    double v = 3;
    float part[2] = { 1, 2 }, all[2] = { 0, 0 };
    int64_t first[2];

    ck_assert(!dist_open(&d, &err));
    ck_assert_ptr_null(d);
    ck_assert(dist_rank(d) == 0 && dist_size(d) == 1);
    ck_assert(!dist_sum(d, &v, 1, &err) && v == 3);
    ck_assert(!dist_reduce(d, part, 2, 0, &err) && !dist_wait(d, &err));
    dist_divide(d, 2, first);
    ck_assert(!dist_gather(d, all, part, first, &err) && all[1] == 2);
    dist_abort(d);
    dist_close(d);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("train/across");
    TCase *t = tcase_create("across");

    tcase_add_checked_fixture(t, setup, stop);
    tcase_add_test(t, divide_samples);
    tcase_add_test(t, divide_floats);
    tcase_add_test(t, gradients_are_summed_once);
    tcase_add_test(t, parts_are_as_the_whole);
    tcase_add_test(t, parts_of_a_checkpoint);
    tcase_add_test(t, alone);
    suite_add_tcase(s, t);
    return unit_run(s);
}
