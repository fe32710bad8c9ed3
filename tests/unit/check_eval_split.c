/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "eval/split.h"

#include <stdlib.h>
#include <string.h>

#include "unit.h"

enum { SONGS = 912, PAIRS = 100, TEST = 150 };

/* The three values were computed by another program, in Python, from the
 * description in split.h. */
START_TEST(split_hash_values)
{
    ck_assert_uint_eq(split_hash("Ciara", "1, 2 Step", SPLIT_SEED),
                      0xdb22128986c34b4aULL);
    ck_assert_uint_eq(split_hash("Beyonc\xc3\xa9", "D\xc3\xa9j\xc3\xa0 Vu",
                                 SPLIT_SEED), 0xfdc4314daf7bceebULL);
    ck_assert_uint_eq(split_hash("", "", SPLIT_SEED), 0x73691e05a790b8edULL);
}
END_TEST

START_TEST(split_hash_normalises)
{
    uint64_t h = split_hash("AC/DC", "Back In Black", SPLIT_SEED);

    ck_assert_uint_eq(h, split_hash("ac dc", "back in black!", SPLIT_SEED));
    ck_assert_uint_ne(h, split_hash("AC/DC", "Back In Black", SPLIT_SEED + 1));
    ck_assert_uint_ne(h, split_hash("ACDCBack", "In Black", SPLIT_SEED));
}
END_TEST

/* A made-up list in which the last songs repeat the titles of the first. */
static void make_list(uint64_t *hash, int n, int pairs)
{
    for (int i = 0; i < n; i++) {
        char artist[32], title[32];
        int song = i < n - pairs ? i : i - (n - pairs);

        snprintf(artist, sizeof(artist), "Artist %d", song % 97);
        snprintf(title, sizeof(title), i < n - pairs ? "Song %d" : "SONG (%d)",
                 song);
        hash[i] = split_hash(artist, title, SPLIT_SEED);
    }
}

static size_t count(const bool *test, size_t n)
{
    size_t k = 0;

    for (size_t i = 0; i < n; i++)
        k += test[i];
    return k;
}

START_TEST(split_choose_harmonix)
{
    uint64_t hash[SONGS], back[SONGS];
    bool test[SONGS], again[SONGS];
    int both = 0;

    make_list(hash, SONGS, PAIRS);
    ck_assert_uint_eq(split_choose(test, hash, SONGS, TEST), TEST);
    ck_assert_uint_eq(count(test, SONGS), TEST);
    for (int i = 0; i < PAIRS; i++) {
        ck_assert_int_eq(test[i], test[SONGS - PAIRS + i]);
        both += test[i];
    }
    ck_assert_int_gt(both, 0); /* so that pairs were indeed at stake */
    for (int i = 0; i < SONGS; i++)
        back[i] = hash[SONGS - 1 - i];
    split_choose(again, back, SONGS, TEST);
    for (int i = 0; i < SONGS; i++)
        ck_assert_int_eq(test[i], again[SONGS - 1 - i]);
}
END_TEST

/* As many songs as HookTheory has with refined alignment, many of them clips of
 * one song. */
START_TEST(split_choose_hooktheory)
{
    enum { N = 16373, DUPLICATES = 5000 };
    uint64_t *hash = malloc(N * sizeof(*hash));
    bool *test = malloc(N * sizeof(*test));

    make_list(hash, N, DUPLICATES);
    ck_assert_uint_eq(split_choose(test, hash, N, 2000), 2000);
    ck_assert_uint_eq(count(test, N), 2000);
    for (int i = 0; i < DUPLICATES; i++)
        ck_assert_int_eq(test[i], test[N - DUPLICATES + i]);
    free(hash);
    free(test);
}
END_TEST

START_TEST(split_choose_limits)
{
    const uint64_t hash[] = { 5, 3, 3, 3, 9 };
    bool test[5];

    ck_assert_uint_eq(split_choose(test, hash, 5, 0), 0);
    ck_assert_uint_eq(count(test, 5), 0);
    ck_assert_uint_eq(split_choose(test, hash, 5, 2), 2);
    ck_assert(test[0] && !test[1] && !test[2] && !test[3] && test[4]);
    ck_assert_uint_eq(split_choose(test, hash, 5, 4), 4);
    ck_assert(test[0] && test[1] && test[2] && test[3] && !test[4]);
    ck_assert_uint_eq(split_choose(test, hash, 5, 9), 5);
    ck_assert_uint_eq(split_choose(test, hash + 1, 3, 2), 0);
    ck_assert_uint_eq(split_choose(NULL, NULL, 0, 3), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("eval/split");
    TCase *t = tcase_create("split");

    tcase_add_test(t, split_hash_values);
    tcase_add_test(t, split_hash_normalises);
    tcase_add_test(t, split_choose_harmonix);
    tcase_add_test(t, split_choose_hooktheory);
    tcase_add_test(t, split_choose_limits);
    suite_add_tcase(s, t);
    return unit_run(s);
}
