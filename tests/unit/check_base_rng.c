/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/rng.h"

#include "unit.h"

/* The test vectors of Random123 (kat_vectors, philox4x32 10). */
START_TEST(philox_known)
{
    static const struct {
        uint32_t counter[4], key[2], out[4];
    } known[] = {
        { { 0, 0, 0, 0 },
          { 0, 0 },
          { 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8 } },
        { { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff },
          { 0xffffffff, 0xffffffff },
          { 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd } },
        { { 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344 },
          { 0xa4093822, 0x299f31d0 },
          { 0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1 } },
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
        uint32_t out[4];

        rng_philox(out, known[i].counter, known[i].key);
        for (int j = 0; j < 4; j++)
            ck_assert_uint_eq(out[j], known[i].out[j]);
    }
}
END_TEST

START_TEST(block_words)
{
    const uint64_t pi0 = UINT64_C(0x85a308d3243f6a88);
    const uint64_t pi1 = UINT64_C(0x0370734413198a2e);
    uint32_t out[4];

    rng_block(out, UINT64_C(0x299f31d0a4093822), pi1, pi0);
    ck_assert_uint_eq(out[0], 0xd16cfe09);
    ck_assert_uint_eq(out[3], 0x24126ea1);
}
END_TEST

/* The published values of 64-bit FNV-1a. */
START_TEST(name_known)
{
    ck_assert_uint_eq(rng_name(""), UINT64_C(0xcbf29ce484222325));
    ck_assert_uint_eq(rng_name("a"), UINT64_C(0xaf63dc4c8601ec8c));
    ck_assert_uint_eq(rng_name("foobar"), UINT64_C(0x85944171f73967e8));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("base_rng");
    TCase *t = tcase_create("rng");

    tcase_add_test(t, philox_known);
    tcase_add_test(t, block_words);
    tcase_add_test(t, name_known);
    suite_add_tcase(s, t);
    return unit_run(s);
}
