/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "annot/pop909.h"

#include "annot.h"
#include "base/file.h"

static struct err err;

START_TEST(pop909_parse_phrases_counts)
{
    char text[] = "i4A4b8x12\n";
    struct segments s;
    struct lines l;

    ck_assert(pop909_is_phrases(text));
    ck_assert(!pop909_is_phrases("A4 B4") && !pop909_is_phrases("verse") &&
              !pop909_is_phrases("") && !pop909_is_phrases("4A"));
    lines_init(&l, text, "x");
    ck_assert(!pop909_parse_phrases(&s, &l, &err));
    ck_assert_uint_eq(s.n, 4);
    annot_span(&s.v[2], 8, 16, "b");
    annot_span(&s.v[3], 16, 28, "x");
    segments_release(&s);
}
END_TEST

START_TEST(pop909_parse_chords_counts)
{
    char text[] = "B:maj [3, 6, 11] 11 2 \nN [] 0 1.5\n";
    struct segments s;
    struct lines l;

    lines_init(&l, text, "x");
    ck_assert_msg(!pop909_parse_chords(&s, &l, &err), "%s", err.msg);
    ck_assert_uint_eq(s.n, 2);
    annot_span(&s.v[0], 0, 2, "B:maj");
    annot_span(&s.v[1], 2, 3.5, "N");
    segments_release(&s);
}
END_TEST

/* Downbeats at 1 and 5 s; the third bar goes on as the second. */
START_TEST(pop909_to_seconds_maps)
{
    struct segments s = { 0 };
    struct beats b = { 0 };

    for (int i = 0; i < 5; i++)
        beats_append(&b, 1 + i, i % 4 + 1, NAN);
    segments_append(&s, 0, 1, "A", NAN);
    segments_append(&s, 1, 2.5, "B", NAN);
    ck_assert(!pop909_to_seconds(&s, &b, true, &err));
    annot_span(&s.v[0], 1, 5, "A");
    annot_span(&s.v[1], 5, 11, "B");
    s.v[0].start = 0;
    s.v[0].end = 1.5;
    ck_assert(!pop909_to_seconds(&s, &b, false, &err));
    annot_span(&s.v[0], 1, 2.5, "A");
    b.n = 4;
    ck_assert_int_eq(pop909_to_seconds(&s, &b, true, &err), ERR_ARG);
    segments_release(&s);
    beats_release(&b);
}
END_TEST

static const char *const wrong[] = {
    "", "4A", "A0", "A4 B4", "A99999999",
    "C:maj 1 2", "C:maj [0] 1", "C:maj [0] 0 0", "H [0] 0 1", "C [0] 0 1e9",
};

START_TEST(pop909_parse_refuses)
{
    struct segments s;
    struct lines l;
    char *text = xstrdup(wrong[_i]);
    int rc;

    lines_init(&l, text, "x");
    rc = _i < 5 ? pop909_parse_phrases(&s, &l, &err)
                : pop909_parse_chords(&s, &l, &err);
    ck_assert_msg(rc == ERR_FORMAT, "'%s' was read", wrong[_i]);
    ck_assert(!strncmp(err.msg, "x:", 2) && !s.n);
    free(text);
}
END_TEST

/* Sums by Python: 16 phrases of 71 bars, 18 of 71, 139 chords of 284 beats. */
START_TEST(pop909_parse_reads_samples)
{
    static const struct {
        const char *file;
        size_t n;
        double end;
    } want[] = {
        { "human_label1.txt", 16, 71 }, { "human_label2.txt", 18, 71 },
        { "finalized_chord.txt", 139, 284 },
    };

    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        char *name = xasprintf("fixtures/formats/pop909_structure/001/%s",
                               want[i].file);
        const char *path = unit_shared(name);
        struct strbuf text = STRBUF_INIT;
        struct segments s;
        struct annotation a;
        struct lines l;

        free(name);
        if (!path)
            return;
        ck_assert(!file_read(&text, path, 10000, &err));
        lines_init(&l, text.s, path);
        ck_assert(!(i < 2 ? pop909_parse_phrases : pop909_parse_chords)(
            &s, &l, &err));
        ck_assert(s.n == want[i].n && s.v[s.n - 1].end == want[i].end);
        segments_release(&s);
        strbuf_release(&text);
        ck_assert_int_eq(annot_read(&a, path, ANNOT_STRUCTURE, &err),
                         ERR_UNSUPPORTED);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("annot_pop909");
    TCase *t = tcase_create("pop909");

    tcase_add_test(t, pop909_parse_phrases_counts);
    tcase_add_test(t, pop909_parse_chords_counts);
    tcase_add_test(t, pop909_to_seconds_maps);
    tcase_add_loop_test(t, pop909_parse_refuses, 0, ARRAY_LEN(wrong));
    tcase_add_test(t, pop909_parse_reads_samples);
    suite_add_tcase(s, t);
    return unit_run_shared(s, "fixtures/formats");
}
