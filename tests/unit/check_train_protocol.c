/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The table of the paper and of the release notes, and early stopping. */
#include "unit.h"

#include <math.h>
#include <string.h>

#include "train/protocol.h"
#include "train/stop.h"
#include "train/target.h"

static struct model_config m;
static char *tags[] = { "piano", "rock" };

static void setup(void)
{
    memset(&m, 0, sizeof(m));
    m.encoder.layers = 12;
}

static void teardown(void)
{
    config_release(&m);
}

static const struct head_config *head(enum protocol p, const char *task)
{
    struct err err = { 0 };

    ck_assert_msg(!protocol_head(&m, p, task, tags, 2, &err), "%s", err.msg);
    return config_head(&m, task);
}

/* Rows of the release's windows, as its notes give them. */
START_TEST(protocol_release)
{
    static const struct {
        const char *task;
        int rows;
    } want[] = { { "beats", 300 }, { "chords", 192 }, { "structure", 192 },
                 { "key", 6 } };

    for (size_t i = 0; i < sizeof(want) / sizeof(*want); i++) {
        const struct protocol_task *t = protocol_find(PROTOCOL_RELEASE,
                                                      want[i].task);

        ck_assert_double_eq_tol(t->rate * t->window, want[i].rows, 1e-9);
        ck_assert_int_eq(head(PROTOCOL_RELEASE, want[i].task)->layer, 7);
    }
    ck_assert_double_eq(protocol_find(PROTOCOL_RELEASE, "tag")->window, 29.1);
    ck_assert_ptr_null(protocol_find(PROTOCOL_RELEASE, "melody"));
    m.encoder.layers = 6;
    ck_assert_int_eq(head(PROTOCOL_RELEASE, "key")->layer, -1);
}
END_TEST

/* A probability every 50, 125, 200 ms and 2 s. */
START_TEST(protocol_paper)
{
    ck_assert_double_eq(1 / head(PROTOCOL_PAPER, "beats")->rate, 0.05);
    ck_assert_double_eq(1 / head(PROTOCOL_PAPER, "chords")->rate, 0.125);
    ck_assert_double_eq(1 / head(PROTOCOL_PAPER, "structure")->rate, 0.2);
    ck_assert_double_eq(1 / head(PROTOCOL_PAPER, "key")->rate, 2);
    ck_assert_double_eq(head(PROTOCOL_PAPER, "tag")->rate, 0);
    ck_assert_int_eq(m.n_heads, 5);
    ck_assert_double_eq(head(PROTOCOL_OWN, "beats")->rate, 50);
    ck_assert_int_eq(m.n_heads, 5); /* in place of the other */
    for (int i = 0; i < m.n_heads; i++) {
        ck_assert_int_eq(m.heads[i].hidden, 512);
        ck_assert(!target_check(&m.heads[i], NULL));
    }
}
END_TEST

START_TEST(protocol_classes)
{
    const struct head_config *h = head(PROTOCOL_OWN, "chords");

    ck_assert_int_eq(h->n_classes, 25);
    ck_assert_str_eq(h->classes[6], "Gb:maj");
    ck_assert_str_eq(h->classes[13], "Db:min");
    ck_assert_str_eq(h->classes[24], "N");
    h = head(PROTOCOL_OWN, "key");
    ck_assert_str_eq(h->classes[12], "C minor");
    h = head(PROTOCOL_OWN, "structure");
    ck_assert(h->n_classes == 7 && h->boundary);
    h = head(PROTOCOL_OWN, "tag");
    ck_assert(h->n_classes == 2 && h->activation == HEAD_SIGMOID);
    ck_assert_str_eq(h->classes[1], "rock");
}
END_TEST

START_TEST(protocol_refuses)
{
    enum protocol p = PROTOCOL_OWN;
    struct err err = { 0 };

    ck_assert_int_eq(protocol_head(&m, p, "melody", NULL, 0, &err), ERR_ARG);
    ck_assert_int_eq(protocol_head(&m, p, "tag", NULL, 0, &err), ERR_ARG);
    ck_assert_int_eq(m.n_heads, 0);
    ck_assert(!protocol_parse(&p, "release", &err) && p == PROTOCOL_RELEASE);
    ck_assert_int_eq(protocol_parse(&p, "notes", &err), ERR_ARG);
}
END_TEST

START_TEST(stop_take_best)
{
    struct stop s = { .patience = 2 };

    ck_assert(!stop_take(&s, NAN, 1));
    ck_assert(stop_take(&s, -3, 2));
    ck_assert(!stop_take(&s, -3, 3) && !stop_now(&s));
    ck_assert(stop_take(&s, -2, 4) && s.best_step == 4);
    ck_assert(!stop_take(&s, -2.5, 5) && !stop_now(&s));
    ck_assert(!stop_take(&s, NAN, 6) && stop_now(&s));
    s.patience = 0;
    ck_assert(!stop_now(&s));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("train_protocol");
    TCase *c = tcase_create("protocol");

    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, protocol_release);
    tcase_add_test(c, protocol_paper);
    tcase_add_test(c, protocol_classes);
    tcase_add_test(c, protocol_refuses);
    tcase_add_test(c, stop_take_best);
    suite_add_tcase(s, c);
    return unit_run(s);
}
