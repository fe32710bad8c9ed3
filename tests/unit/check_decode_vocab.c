/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "unit.h"

#include <string.h>

#include "decode/vocab.h"

static const char *const labels[] = { "N", "C:maj", "C:7", "C:maj7", "C:sus4",
                                      "Bb:min7", "Bb:min", "C:min/b3", "D" };
static const struct classes model = { labels, 9 };

/* Label and sum of each class of the vocabulary. */
static char *folded(const char *name)
{
    static const float prob[9] = { .1f, .2f, .3f, .05f, .15f, .02f, .01f, .07f,
                                   .1f };
    static char text[300];
    struct vocab v;
    float *sum;

    ck_assert(!vocab_init(&v, &model, name, NULL));
    ck_assert(!vocab_fold(&v, prob, 1, &sum, NULL));
    *text = '\0';
    for (int i = 0; i < v.classes.n; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s %.2f ",
                 v.classes.label[i], sum[i]);
    free(sum);
    vocab_release(&v);
    return text;
}

START_TEST(vocab_folds)
{
    ck_assert_str_eq(folded("majmin"), "N 0.10 C:maj 0.55 Bb:min 0.03 "
                                       "C:min 0.07 D:maj 0.10 ");
    ck_assert_str_eq(folded("sevenths"),
                     "N 0.10 C:maj 0.20 C:7 0.30 C:maj7 0.05 Bb:min7 0.02 "
                     "Bb:min 0.01 C:min 0.07 D:maj 0.10 ");
}
END_TEST

START_TEST(vocab_refuses)
{
    const struct classes small = { labels, 2 };
    struct vocab v;
    struct err err = {0};

    ck_assert(!vocab_init(&v, &small, "majmin", &err));
    vocab_release(&v);
    ck_assert_int_eq(vocab_init(&v, &small, "sevenths", &err), ERR_ARG);
    ck_assert_ptr_nonnull(strstr(err.msg, "majmin"));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("decode_vocab");
    TCase *t = tcase_create("vocab");

    tcase_add_test(t, vocab_folds);
    tcase_add_test(t, vocab_refuses);
    suite_add_tcase(s, t);
    return unit_run(s);
}
