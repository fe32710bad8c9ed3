/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Targets of hand-made labels; expected values are worked out by hand. */
#include "unit.h"

#include <math.h>
#include <string.h>

#include "base/xalloc.h"
#include "train/target.h"

static const struct target_options options = TARGET_OPTIONS_INIT;
static const struct excerpt whole = { .speed = 1, .to = INFINITY };

static char *beat_classes[] = { "beat", "downbeat", "none" };
static char *chord_classes[] = { "C:maj", "Db:maj", "A:min", "N" };
static char *functions[] = { "intro", "verse", "chorus" };
static char *key_classes[] = { "C major", "A minor", "D major", "N" };
static char *tag_classes[] = { "fast", "piano", "voice" };

static const struct head_config beats_head = {
    .task = "beats", .rate = 10, .classes = beat_classes, .n_classes = 3
};
static const struct head_config chords_head = {
    .task = "chords", .rate = 8, .classes = chord_classes, .n_classes = 4
};
static const struct head_config structure_head = {
    .task = "structure", .rate = 5, .classes = functions, .n_classes = 3,
    .boundary = 1
};
static const struct head_config key_head = {
    .task = "key", .rate = 0.5, .classes = key_classes, .n_classes = 4
};
static const struct head_config tag_head = {
    .task = "tag", .classes = tag_classes, .n_classes = 3,
    .activation = HEAD_SIGMOID
};

static struct target t;
static struct annotation a;

static void setup(void)
{
    memset(&t, 0, sizeof(t));
    annotation_init(&a);
}

static void teardown(void)
{
    target_release(&t);
    annotation_release(&a);
}

static void fill(const struct head_config *h, int64_t n,
                 const struct excerpt *x)
{
    ck_assert(!target_reserve(&t, h, n, NULL));
    target_fill(&t, 0, n, h, &a, x, &options);
}

static void row_is(int64_t i, const float *yes)
{
    for (int c = 0; c < t.width; c++)
        ck_assert_msg(fabsf(t.yes[i * t.width + c] - yes[c]) < 1e-5f,
                      "row %d, output %d: %g, not %g", (int)i, c,
                      t.yes[i * t.width + c], yes[c]);
}

#define row_yes(i, ...) row_is(i, (const float[]){ __VA_ARGS__ })

START_TEST(target_fill_beats)
{
    beats_append(&a.beats, 0.31, 1, NAN);  /* row 3.1 */
    beats_append(&a.beats, 0.78, 2, NAN);  /* row 7.8 */
    beats_append(&a.beats, 0.98, 3, NAN);  /* row 9.8: 9 is beside both */
    beats_append(&a.beats, 50, 1, NAN);    /* far away */
    fill(&beats_head, 12, &whole);
    row_yes(0, 0, 0, 1);
    row_yes(1, 0, 0, 1);
    row_yes(2, 0, 4, 0.5);
    row_yes(3, 0, 8, 0);
    row_yes(4, 0, 4, 0.5);
    row_yes(5, 0, 0, 1);
    row_yes(7, 2, 0, 0.5);
    row_yes(8, 4, 0, 0);
    row_yes(9, 2, 0, 0.5);
    row_yes(10, 4, 0, 0);
    row_yes(11, 2, 0, 0.5);
}
END_TEST

START_TEST(target_fill_beats_moved)
{
    /* the excerpt begins at 2 s and plays twice as fast; its labels end at
     * 2.9 s, which is row 4.5: row 4's middle is not inside any more */
    const struct excerpt x = { .start = 2, .speed = 2, .to = 2.9 };

    beats_append(&a.beats, 1.8, 1, NAN); /* row -1: row 0 is beside it */
    beats_append(&a.beats, 2.2, 2, NAN); /* row 1 */
    fill(&beats_head, 6, &x);
    row_yes(0, 0, 4, 0.5);
    row_yes(1, 4, 0, 0);
    row_yes(2, 2, 0, 0.5);
    row_yes(3, 0, 0, 1);
    row_yes(4, 0, 0, 0);
    row_yes(5, 0, 0, 0);
}
END_TEST

START_TEST(target_fill_beats_without_downbeats)
{
    beats_append(&a.beats, 0.2, 0, NAN);
    fill(&beats_head, 4, &whole);
    row_yes(2, 3, 2, 0);
    row_yes(3, 1.5, 1, 0.5);
}
END_TEST

START_TEST(target_fill_chords)
{
    segments_append(&a.spans, 0, 0.5, "N", NAN);      /* rows 0..3 */
    segments_append(&a.spans, 0.5, 1.05, "C:7", NAN); /* 4..7, 8 is 1.0625 */
    segments_append(&a.spans, 1.05, 1.25, "C:sus4", NAN);
    segments_append(&a.spans, 1.5, 2, "A:min7/b3", NAN); /* 12..15 */
    segments_append(&a.spans, 2, 2.25, "B#:maj", NAN);
    segments_append(&a.spans, 2.25, 2.5, "G:maj", NAN); /* no class of it */
    segments_append(&a.spans, 2.5, INFINITY, "X", NAN);
    fill(&chords_head, 24, &whole);
    row_yes(0, 0, 0, 0, 1);
    row_yes(3, 0, 0, 0, 1);
    row_yes(4, 1, 0, 0, 0);
    row_yes(7, 1, 0, 0, 0);
    row_yes(8, 0, 0, 0, 0);
    row_yes(11, 0, 0, 0, 0);
    row_yes(12, 0, 0, 1, 0);
    row_yes(15, 0, 0, 1, 0);
    row_yes(16, 1, 0, 0, 0);
    row_yes(18, 0, 0, 0, 0);
    row_yes(23, 0, 0, 0, 0);
}
END_TEST

START_TEST(target_fill_chords_transposed)
{
    struct excerpt x = whole;

    segments_append(&a.spans, 0, 0.5, "Bb:maj", NAN);
    segments_append(&a.spans, 0.5, 1, "N", NAN);
    segments_append(&a.spans, 1, 2, "F#:min", NAN);
    x.transpose = 3;
    fill(&chords_head, 16, &x);
    row_yes(0, 0, 1, 0, 0);
    row_yes(4, 0, 0, 0, 1);
    row_yes(8, 0, 0, 1, 0);
    x.transpose = -10;
    fill(&chords_head, 16, &x);
    row_yes(0, 1, 0, 0, 0);
}
END_TEST

/* The label at each row's middle, looked up row by row: an excerpt that begins
 * anywhere, at any speed. */
START_TEST(target_fill_chords_any_excerpt)
{
    static const char *const names[] = { "C:maj", "C#:maj9", "A:min", "N" };
    double at = 0;

    for (int k = 0; k < 40; k++) {
        double end = at + 0.17 + 0.05 * (k % 7);

        segments_append(&a.spans, at, end, names[(k * k + 1) % 4], NAN);
        at = end;
    }
    for (int k = -3; k <= 3; k++) {
        const struct excerpt x = { .start = 1.234 + k, .speed = exp2(k / 12.),
                                   .to = INFINITY };

        fill(&chords_head, 50, &x);
        for (int64_t i = 0; i < 50; i++) {
            double time = x.start + ((double)i + 0.5) / 8 * x.speed;
            float want[4] = { 0 };

            for (size_t s = 0; s < a.spans.n && time >= 0; s++)
                if (time >= a.spans.v[s].start && time < a.spans.v[s].end)
                    want[(s * s + 1) % 4] = 1;
            row_is(i, want);
        }
    }
}
END_TEST

START_TEST(target_fill_structure)
{
    segments_append(&a.spans, 0, 1, "Intro A", NAN);
    segments_append(&a.spans, 1, 2.1, "pre-chorus", NAN);
    segments_append(&a.spans, 2.1, 4, "verse", NAN);
    segments_append(&a.spans, 4, 5, "coda", NAN); /* the head has no outro */
    fill(&structure_head, 25, &whole);
    row_yes(0, 1, 0, 0, 0);
    row_yes(2, 1, 0, 0, 0);
    row_yes(4, 1, 0, 0, 3 * 0.6f); /* 0.2 s before the boundary */
    row_yes(5, 0, 1, 0, 3);
    row_yes(8, 0, 1, 0, 3 * 0);
    row_yes(10, 0, 1, 0, 3 * 0.8f); /* 0.1 s before 2.1 s; middle too: equal */
    row_yes(11, 0, 1, 0, 3 * 0.8f);
    row_yes(20, 0, 0, 0, 3);
    row_yes(24, 0, 0, 0, 0); /* the end of the song is none */
    for (int i = 0; i < 25; i++) {
        float s = t.yes[i * 4 + 3] / 3;

        ck_assert_float_eq_tol(t.no[i * 4 + 3], 1 - s, 1e-5);
        ck_assert_float_eq(t.no[i * 4], 0);
    }
}
END_TEST

START_TEST(target_fill_key)
{
    struct excerpt x = whole;

    fill(&key_head, 5, &x); /* not known */
    row_yes(0, 0, 0, 0, 0);
    key_set(&a.key, "N", NAN);
    fill(&key_head, 5, &x);
    row_yes(0, 0, 0, 0, 1);
    x.to = 7; /* row 3's middle */
    key_set(&a.key, "A minor", NAN);
    fill(&key_head, 5, &x);
    row_yes(0, 0, 1, 0, 0);
    row_yes(2, 0, 1, 0, 0);
    row_yes(3, 0, 0, 0, 0);
    tags_append(&a.keys, "Bb major", 1);
    tags_append(&a.keys, "c major", 1);
    x.transpose = 2;
    fill(&key_head, 5, &x);
    row_yes(0, 0.5, 0, 0.5, 0);
    segments_append(&a.spans, 0, 2, "C dorian", NAN);
    segments_append(&a.spans, 2, 6, "C major", NAN);
    fill(&key_head, 5, &x);
    row_yes(0, 0, 0, 0, 0);
    row_yes(1, 0, 0, 1, 0);
}
END_TEST

START_TEST(target_fill_tags)
{
    struct excerpt x = whole;

    tags_append(&a.tags, "piano", 1);
    tags_append(&a.tags, "voice", 0.4);
    tags_append(&a.tags, "fast", 1);
    fill(&tag_head, 1, &x);
    row_yes(0, 1, 1, 0);
    ck_assert_float_eq(t.no[0], 0);
    ck_assert_float_eq(t.no[2], 1);
    x.speed = exp2(1 / 12.);
    fill(&tag_head, 1, &x);
    row_yes(0, 0, 1, 0);
    ck_assert_float_eq(t.no[0], 0);
}
END_TEST

START_TEST(target_fill_part)
{
    double classes, boundary;

    segments_append(&a.spans, 0, 4, "intro", NAN);
    segments_append(&a.spans, 4, 8, "verse", NAN);
    ck_assert(!target_reserve(&t, &structure_head, 40, NULL));
    target_fill(&t, 20, 20, &structure_head, &a, &whole, &options);
    row_yes(19, 0, 0, 0, 0);
    row_yes(20, 1, 0, 0, 0);
    /* 20 rows at 5 Hz end at 4 s: rows 18 and 19 are beside the boundary, with
     * triangles of 0.2 and 0.6, each worth 3 t + 1 - t */
    target_weight(&t, &structure_head, &classes, &boundary);
    ck_assert_double_eq_tol(classes, 20, 1e-9);
    ck_assert_double_eq_tol(boundary, 20 + 2 * 0.8, 1e-5);
    target_fill(&t, 20, 20, &structure_head, NULL, &whole, &options);
    target_weight(&t, &structure_head, &classes, &boundary);
    ck_assert_double_eq(classes + boundary, 0);
}
END_TEST

/* Rows 0.1 s apart: those count whose middle is in a stretch, its start
 * included and its end not. */
START_TEST(target_fill_sure)
{
    static const struct stretch sure[] = { { 0.25, 0.45 }, { 0.6, 0.65 } };
    struct excerpt x = whole;

    x.sure = sure;
    x.n_sure = 2;
    fill(&beats_head, 8, &x);
    for (int i = 0; i < 8; i++)
        row_yes(i, 0, 0, i == 2 || i == 3);
    x.n_sure = 0; /* sure of nothing */
    fill(&beats_head, 8, &x);
    for (int i = 0; i < 8; i++)
        row_yes(i, 0, 0, 0);
}
END_TEST

/* A score of NaN: neither present nor absent. */
START_TEST(target_fill_unknown_tags)
{
    tags_append(&a.tags, tag_head.classes[0], NAN);
    tags_append(&a.tags, tag_head.classes[1], 1);
    fill(&tag_head, 1, &whole);
    ck_assert(t.yes[0] == 0 && t.no[0] == 0);
    ck_assert(t.yes[1] == 1 && t.no[1] == 0);
    ck_assert(t.yes[2] == 0 && t.no[2] == 1);
}
END_TEST

START_TEST(target_check_refuses)
{
    char *sevenths[] = { "C:maj", "C:sus4" };
    struct head_config h = chords_head;
    struct err err = { 0 };

    ck_assert(!target_check(&beats_head, &err));
    ck_assert(!target_check(&chords_head, &err));
    ck_assert(!target_check(&structure_head, &err));
    ck_assert(!target_check(&key_head, &err));
    ck_assert(!target_check(&tag_head, &err));
    h.classes = sevenths;
    h.n_classes = 2;
    ck_assert_int_eq(target_check(&h, &err), ERR_ARG);
    ck_assert_ptr_nonnull(strstr(err.msg, "C:sus4"));
    h.task = "melody";
    ck_assert_int_eq(target_check(&h, &err), ERR_ARG);
    h = beats_head;
    h.n_classes = 2;
    ck_assert_int_eq(target_check(&h, &err), ERR_ARG);
    ck_assert_ptr_nonnull(strstr(err.msg, "\"none\""));
    h = beats_head;
    h.activation = HEAD_SIGMOID;
    ck_assert_int_eq(target_check(&h, &err), ERR_ARG);
    h = beats_head;
    h.rate = 0;
    ck_assert_int_eq(target_check(&h, &err), ERR_ARG);
    h = beats_head;
    h.boundary = 1;
    ck_assert_int_eq(target_check(&h, &err), ERR_ARG);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("train_target");
    TCase *c = tcase_create("targets");

    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, target_fill_beats);
    tcase_add_test(c, target_fill_beats_moved);
    tcase_add_test(c, target_fill_beats_without_downbeats);
    tcase_add_test(c, target_fill_chords);
    tcase_add_test(c, target_fill_chords_transposed);
    tcase_add_test(c, target_fill_chords_any_excerpt);
    tcase_add_test(c, target_fill_structure);
    tcase_add_test(c, target_fill_key);
    tcase_add_test(c, target_fill_tags);
    tcase_add_test(c, target_fill_part);
    tcase_add_test(c, target_fill_sure);
    tcase_add_test(c, target_fill_unknown_tags);
    tcase_add_test(c, target_check_refuses);
    suite_add_tcase(s, c);
    return unit_run(s);
}
