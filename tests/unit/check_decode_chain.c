/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "decode/chain.h"

enum { FPS = 50, FRAMES = 50 * FPS };

static const char *const beat_names[] = { "downbeat", "none", "beat" };
static const char *const chord_names[] = { "C:maj", "F:maj" };
static const char *const key_names[] = { "C major", "F major", "N" };
static const char *const part_names[] = { "verse", "chorus" };

/* Beats twice a second, of which each eighth is a downbeat: tracked as 100
 * beats in bars of 4, they are 50. */
static float *eights(struct posterior *p, float yes)
{
    float *v = calloc(FRAMES, 3 * sizeof(*v));

    for (int i = 0; i < FRAMES; i++)
        v[3 * i + 1] = 1;
    for (int b = 0; b < 100; b++) {
        float *row = v + 3 * (FPS / 2 * b + 5);

        row[1] = 1 - yes;
        row[b % 8 ? 2 : 0] = yes;
    }
    *p = (struct posterior){ v, { FRAMES, FPS, 50 }, { beat_names, 3 } };
    return v;
}

START_TEST(chain_activations_by_name)
{
    struct posterior p;
    float *v = eights(&p, 0.9f), *act;

    ck_assert(!chain_activations(&act, &p, NULL));
    ck_assert_float_eq(act[2 * 5 + 1], 0.9f);
    ck_assert_float_eq(act[2 * 5], 0);
    ck_assert_float_eq(act[2 * 30], 0.9f);
    free(act);
    p.classes = (struct classes){ key_names, 3 };
    ck_assert(!chain_activations(&act, &p, NULL));
    for (int i = 0; i < 2 * FRAMES; i++)
        ck_assert_float_eq(act[i], 0);
    free(act);
    free(v);
}
END_TEST

static size_t track(struct chain *k, struct beats *out, float yes,
                    int heard)
{
    struct dbn_config c;
    struct posterior p;
    float *v = eights(&p, yes), *act;

    ck_assert(!chain_activations(&act, &p, NULL));
    dbn_config_init(&c, FPS, 1);
    beats_release(out);
    *k = (struct chain){0};
    ck_assert(!chain_beats(k, out, act, FRAMES, &c, heard, NULL));
    ck_assert_ptr_eq(k->beats, out);
    free(act);
    free(v);
    return out->n;
}

START_TEST(chain_beats_as_asked)
{
    struct beats b = {0};
    struct chain k;

    ck_assert_uint_eq(track(&k, &b, 0.9f, 0), 100);
    ck_assert_uint_eq(track(&k, &b, 0.9f, 1), 100);
    ck_assert_uint_gt(track(&k, &b, 0.2f, 0), 40);
    ck_assert_uint_eq(track(&k, &b, 0.2f, 1), 0);
    beats_release(&b);
}
END_TEST

/* A change at 2.2 s: frames are 0.2 s, the beat is at 2.1. */
static float chords[2 * 20];
static const struct posterior heard = { chords, { 20, 5, 4 },
                                        { chord_names, 2 } };

static void change(void)
{
    for (int i = 0; i < 20; i++) {
        chords[2 * i] = i < 11 ? 0.9f : 0.1f;
        chords[2 * i + 1] = i < 11 ? 0.1f : 0.9f;
    }
}

/* N is more probable than it seems; confidences are as they were. */
START_TEST(chain_chords_raises_none)
{
    static const char *const names[] = { "C:maj", "N" };
    const struct posterior p = { chords, { 20, 5, 4 }, { names, 2 } };
    struct segments got = {0};
    struct chain k = {0};

    for (int i = 0; i < 20; i++) {
        chords[2 * i] = i < 10 ? 0.9f : 0.7f;
        chords[2 * i + 1] = 1 - chords[2 * i];
    }
    ck_assert(!chain_chords(&k, &got, &p, NULL, NULL));
    ck_assert_uint_eq(got.n, 2);
    ck_assert_str_eq(got.v[1].label, "N");
    ck_assert_double_eq_tol(got.v[1].start, 2, 1e-9);
    ck_assert_double_eq_tol(got.v[0].confidence, .9, 1e-6);
    ck_assert_double_eq_tol(got.v[1].confidence, .3, 1e-6);
    ck_assert_ptr_eq(k.chords.prob, chords);
    segments_release(&got);
}
END_TEST

START_TEST(chain_chords_hears_beats)
{
    struct beats b = {0};
    struct segments got = {0};
    struct chain k = {0};

    change();
    ck_assert(!chain_chords(&k, &got, &heard, NULL, NULL));
    ck_assert_double_eq_tol(got.v[1].start, 2.2, 1e-9);
    segments_release(&got);
    beats_append(&b, 1.1, 1, 0.9);
    beats_append(&b, 2.1, 2, 0.9);
    k.beats = &b;
    ck_assert(!chain_chords(&k, &got, &heard, NULL, NULL));
    ck_assert_uint_eq(got.n, 2);
    ck_assert_double_eq_tol(got.v[1].start, 2.1, 1e-9);
    ck_assert_ptr_eq(k.chords.prob, chords);
    segments_release(&got);
    beats_release(&b);
}
END_TEST

START_TEST(chain_key_hears_chords)
{
    float p[] = { .35f, .4f, .25f };
    const struct posterior says = { p, { 1, 0.25, 4 }, { key_names, 3 } };
    struct chain k = {0};
    struct key without = {0}, with = {0};

    change();
    ck_assert(!chain_key(&k, &without, &says, NULL));
    ck_assert_double_eq_tol(without.confidence, 0.4, 1e-6);
    k.chords = heard;
    ck_assert(!chain_key(&k, &with, &says, NULL));
    ck_assert_double_ne(with.confidence, without.confidence);
    key_release(&without);
    key_release(&with);
}
END_TEST

START_TEST(chain_structure_splits_off_the_boundary)
{
    float p[3 * 40];
    const struct posterior says = { p, { 40, 2, 20 }, { part_names, 2 } };
    struct chain k = {0};
    struct segments got = {0};

    for (int i = 0; i < 40; i++) {
        p[3 * i] = i < 20 ? 0.8f : 0.3f;
        p[3 * i + 1] = i < 20 ? 0.2f : 0.7f;
        p[3 * i + 2] = i == 20 ? 0.9f : 0.1f;
    }
    ck_assert(!chain_structure(&k, &got, &says, 0, NULL));
    ck_assert_uint_eq(got.n, 2);
    ck_assert_double_eq(got.v[1].start, 10);
    ck_assert_str_eq(got.v[0].label, "verse");
    ck_assert_str_eq(got.v[1].label, "chorus");
    ck_assert_double_eq_tol(got.v[1].confidence, 0.7, 1e-6);
    segments_release(&got);
    ck_assert(!chain_structure(&k, &got, &says, 1, NULL));
    ck_assert_str_eq(got.v[1].label, "");
    ck_assert_double_eq_tol(got.v[1].confidence, 0.9, 1e-6);
    segments_release(&got);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("decode_chain");
    TCase *t = tcase_create("chain");

    tcase_add_test(t, chain_activations_by_name);
    tcase_add_test(t, chain_beats_as_asked);
    tcase_add_test(t, chain_chords_raises_none);
    tcase_add_test(t, chain_chords_hears_beats);
    tcase_add_test(t, chain_key_hears_chords);
    tcase_add_test(t, chain_structure_splits_off_the_boundary);
    suite_add_tcase(s, t);
    return unit_run(s);
}
