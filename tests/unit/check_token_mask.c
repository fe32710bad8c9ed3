/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "unit.h"

#include <math.h>
#include <string.h>

#include "audio/clip.h"
#include "model/safetensors.h"
#include "token/mask.h"

#define GOLDEN "fixtures/golden/conformer25"

enum { BLOCK = 9600 };

static const struct draw here = { 3, 17, 5 };

START_TEST(mask_blocks_share)
{
    enum { DRAWS = 4000, BLOCKS = 75 }; /* of 30 s */
    double n = DRAWS * BLOCKS, hidden = 0, pairs = 0;
    uint8_t b[BLOCKS];

    for (uint32_t i = 0; i < DRAWS; i++) {
        const struct draw d = { 3, i / 100, i % 100 };

        mask_blocks(b, BLOCKS, 0.6, &d);
        for (int j = 0; j < BLOCKS; j++) {
            hidden += b[j];
            pairs += j && b[j] && b[j - 1];
        }
    }
    ck_assert_double_lt(fabs(hidden - 0.6 * n), 5 * sqrt(n * 0.24));
    /* neighbours are independent: 0.36 of the pairs */
    ck_assert_double_lt(fabs(pairs - 0.36 * DRAWS * (BLOCKS - 1)),
                        5 * sqrt(2 * n * 0.36 * 0.64));
    mask_blocks(b, BLOCKS, 0, &here);
    for (int j = 0; j < BLOCKS; j++)
        ck_assert(!b[j]);
    mask_blocks(b, BLOCKS, 1, &here);
    for (int j = 0; j < BLOCKS; j++)
        ck_assert(b[j]);
}
END_TEST

/* Hidden blocks are noise up to their edges, others and the rest untouched. */
START_TEST(mask_noise_edges)
{
    enum { N = 4 * BLOCK + 100 };
    static const uint8_t hidden[4] = { 1, 0, 0, 1 };
    static float x[N];
    double square = 0;

    for (int i = 0; i < N; i++)
        x[i] = 9;
    mask_noise(x, hidden, 4, BLOCK, 0.1f, &here);
    for (int i = 0; i < N; i++) {
        int is = i < BLOCK || (i >= 3 * BLOCK && i < 4 * BLOCK);

        ck_assert_msg((x[i] != 9) == is, "sample %d", i);
        square += is ? x[i] * x[i] : 0;
    }
    /* 2 x 9600 squares of mean 0.01: 5 standard deviations are 5.1 % */
    ck_assert_double_eq_tol(square / (2 * BLOCK), 0.01, 0.00052);
}
END_TEST

START_TEST(mask_noise_does_not_depend_on_the_blocks)
{
    static float x[2 * BLOCK], y[2 * BLOCK];
    static const uint8_t both[2] = { 1, 1 }, second[2] = { 0, 1 };

    mask_noise(x, both, 2, BLOCK, 0.1f, &here);
    mask_noise(y, second, 2, BLOCK, 0.1f, &here);
    ck_assert_mem_eq(x + BLOCK, y + BLOCK, sizeof(x) / 2);
    ck_assert_mem_ne(x, x + BLOCK, sizeof(x) / 2);
}
END_TEST

/* 25, 50 and 75 Hz; tokens behind the last whole block count as seen. */
START_TEST(mask_tokens_of_blocks)
{
    static const int per_block[] = { 10, 20, 30 };
    static const uint8_t hidden[3] = { 0, 1, 1 };
    int per = per_block[_i];
    uint8_t token[100];

    memset(token, 7, sizeof(token));
    mask_tokens(token, 3 * per + 4, hidden, 3, per);
    for (int i = 0; i < 3 * per + 4; i++)
        ck_assert_int_eq(token[i], i >= per && i < 3 * per);
    ck_assert_int_eq(token[3 * per + 4], 7);
    mask_tokens(token, per - 1, hidden + 1, 1, per); /* fewer than a block */
    for (int i = 0; i < per - 1; i++)
        ck_assert_int_eq(token[i], 1);
}
END_TEST

/* Of 375 frames (5 s), 60 spans of 5 at random starts leave each frame in the
 * middle seen with probability C(366, 60) / C(371, 60) = 0.4118. */
START_TEST(mask_spans_share)
{
    enum { DRAWS = 3000, N = 375 };
    double hidden = 0, n = DRAWS * (N - 10.);
    uint8_t h[N];

    for (uint32_t i = 0; i < DRAWS; i++) {
        const struct draw d = { 4, i, 0 };

        mask_spans(h, N, 0.8, 5, &d);
        for (int j = 5; j < N - 5; j++)
            hidden += h[j];
    }
    /* neighbours go together: 5 standard deviations of n / 5 frames */
    ck_assert_double_lt(fabs(hidden / n - 0.5882), 5 * sqrt(0.25 / (n / 5)));
}
END_TEST

/* The number of spans: 0.8 * 10 / 5 = 1.6, so 1 or 2, of 6 starts. */
START_TEST(mask_spans_are_whole)
{
    int twice = 0;

    for (uint32_t i = 0; i < 1000; i++) {
        const struct draw d = { 4, i, 1 };
        uint8_t h[11] = { 0 };
        int sum = 0, first = 0, last = 0;

        h[10] = 9;
        mask_spans(h, 10, 0.8, 5, &d);
        ck_assert_int_eq(h[10], 9);
        for (int j = 9; j >= 0; j--)
            first = h[j] ? j : first;
        for (int j = 0; j < 10; j++) {
            sum += h[j];
            last = h[j] ? j : last;
        }
        ck_assert_int_ge(sum, 5);
        ck_assert_int_eq(sum, last - first + 1); /* of 10, they touch */
        twice += sum > 5;
    }
    ck_assert_int_gt(twice, 600 - 5 * 16); /* binomial: 15.5 */
    ck_assert_int_lt(twice, 600 + 5 * 16);
}
END_TEST

START_TEST(mask_spans_of_few_frames)
{
    uint8_t h[8];

    memset(h, 5, sizeof(h));
    mask_spans(h, 4, 0.8, 5, &here); /* no room for one */
    ck_assert(!h[0] && !h[3] && h[4] == 5);
    mask_spans(h, 5, 0.01, 5, &here); /* one at least */
    ck_assert(h[0] && h[4]);
    mask_spans(h, 8, 1, 1, &here);
    for (int i = 0; i < 8; i++)
        ck_assert_int_eq(h[i], 1);
    mask_spans(h, 8, 0, 1, &here);
    for (int i = 0; i < 8; i++)
        ck_assert_int_eq(h[i], 0);
}
END_TEST

/* The masked audio that the reference program trained with: blocks of 9600
 * samples that are hidden, and nothing else, differ from the recording. */
START_TEST(mask_noise_golden)
{
    enum { N = 96000, BLOCKS = N / BLOCK };
    const char *train = unit_shared(GOLDEN "/train.safetensors");
    const char *wav = unit_shared(GOLDEN "/in0.wav");
    struct safetensors st = {0};
    const struct stored *masked, *hidden;
    static float x[N], want[N];
    struct clip c;

    if (!train || !wav)
        return;
    ck_assert(!safetensors_open(&st, train, NULL));
    masked = safetensors_find(&st, "masked_waveform");
    hidden = safetensors_find(&st, "block_mask");
    ck_assert(masked && hidden && hidden->dim[1] == BLOCKS);
    ck_assert(!clip_read(&c, &(struct decode_source){ .path = wav }, 24000,
                         NULL));
    ck_assert_uint_eq(c.n, N);
    clip_floats(x, c.x, N);
    memcpy(want, masked->data, sizeof(want));
    mask_noise(x, hidden->data, BLOCKS, BLOCK, 0.1f, &here);
    for (int i = 0; i < BLOCKS; i++) {
        double ours = 0, theirs = 0;

        for (int j = i * BLOCK; j < (i + 1) * BLOCK; j++) {
            ck_assert(hidden->data[i] || x[j] == want[j]);
            ours += x[j] * x[j];
            theirs += want[j] * want[j];
        }
        /* two variances of 9600 values: 5 standard deviations are 10 % */
        ck_assert_double_eq_tol(ours / theirs, 1, 0.1);
    }
    clip_release(&c);
    safetensors_release(&st);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("token_mask");
    TCase *t = tcase_create("mask");

    tcase_add_test(t, mask_blocks_share);
    tcase_add_test(t, mask_noise_edges);
    tcase_add_test(t, mask_noise_does_not_depend_on_the_blocks);
    tcase_add_loop_test(t, mask_tokens_of_blocks, 0, 3);
    tcase_add_test(t, mask_spans_share);
    tcase_add_test(t, mask_spans_are_whole);
    tcase_add_test(t, mask_spans_of_few_frames);
    tcase_add_test(t, mask_noise_golden);
    suite_add_tcase(s, t);
    return unit_run_shared(s, GOLDEN);
}
