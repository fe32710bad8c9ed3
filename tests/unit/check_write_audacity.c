/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "formats.h"
#include "write/audacity.h"

/* The lines of one task, which expect_* reads back. */
static void write_one(struct strbuf *sb, const struct whole *w, enum task task)
{
    struct result one;

    strbuf_reset(sb);
    result_only(&one, &w->r, task);
    ck_assert(!write_audacity(sb, &one, NULL));
}

START_TEST(write_audacity_lines)
{
    struct strbuf sb = STRBUF_INIT;
    struct annotation a;
    struct whole w;

    whole_init(&w);
    write_one(&sb, &w, TASK_BEATS);
    ck_assert_str_eq(sb.s, "10.500000\t10.500000\t1\n"
                           "11.000000\t11.000000\t\n");
    annot_good(&a, sb.s, ".beats.txt", ANNOT_BEATS);
    ck_assert_uint_eq(a.beats.n, 2);
    ck_assert_int_eq(a.beats.v[0].position, 1);
    annotation_release(&a);
    write_one(&sb, &w, TASK_CHORDS);
    annot_good(&a, sb.s, ".chords.txt", ANNOT_CHORDS);
    expect_spans(&a.spans, &w.chords);
    annotation_release(&a);
    write_one(&sb, &w, TASK_STRUCTURE);
    annot_good(&a, sb.s, ".structure.txt", ANNOT_STRUCTURE);
    expect_spans(&a.spans, &w.structure);
    annotation_release(&a);
    write_one(&sb, &w, TASK_KEY);
    ck_assert_str_eq(sb.s, "10.000000\t14.000000\tF# minor\n");
    annot_good(&a, sb.s, ".key.txt", ANNOT_KEY);
    ck_assert_str_eq(a.key.label, "F# minor");
    annotation_release(&a);
    write_one(&sb, &w, TASK_TAG);
    ck_assert_str_eq(sb.s, "10.000000\t14.000000\t\xef\xbf\xbd</script> "
                           "0.12\n");
    strbuf_release(&sb);
    whole_release(&w);
}
END_TEST

START_TEST(write_audacity_odd_labels)
{
    struct strbuf sb = STRBUF_INIT;
    struct segments s = {0};
    struct result r = { .duration = NAN, .structure = &s };

    segments_append(&s, 0, 1, "a\tb\n\\c", NAN);
    ck_assert(!write_audacity(&sb, &r, NULL));
    ck_assert_str_eq(sb.s, "0.000000\t1.000000\ta b \\c\n");
    strbuf_release(&sb);
    segments_release(&s);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("write_audacity");
    TCase *t = tcase_create("audacity");

    tcase_add_test(t, write_audacity_lines);
    tcase_add_test(t, write_audacity_odd_labels);
    suite_add_tcase(s, t);
    return unit_run(s);
}
