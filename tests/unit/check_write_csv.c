/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "formats.h"
#include "write/csv.h"

START_TEST(write_csv_rows)
{
    struct strbuf sb = STRBUF_INIT;
    struct whole w;

    whole_init(&w);
    ck_assert(!write_csv(&sb, &w.r, NULL));
    ck_assert_str_eq(sb.s,
                     "task,start,end,label,confidence\n"
                     "tempo,,,120.25,0.500000\n"
                     "meter,,,3,\n"
                     "beats,10.500000,,1,0.500000\n"
                     "beats,11.000000,,,\n"
                     "chords,10.000000,11.500000,C:maj,0.250000\n"
                     "chords,11.500000,14.000000,N,\n"
                     "structure,10.000000,14.000000,\"say, \"\"hi\"\"\","
                     "1.000000\n"
                     "key,10.000000,14.000000,F# minor,0.750000\n"
                     "key_over_time,10.000000,14.000000,F# minor,0.750000\n"
                     "tags,,,\xef\xbf\xbd</script>,0.125000\n");
    expect_whole(sb.s, ".csv");
    strbuf_release(&sb);
    whole_release(&w);
}
END_TEST

START_TEST(write_csv_nothing)
{
    struct strbuf sb = STRBUF_INIT;
    struct key key = {0};
    struct tags tags = {0};
    struct beats beats = {0};
    struct segments chords = {0};
    struct result r = { .file = "a", .duration = NAN, .beats = &beats,
                        .tempo = { NAN, NAN }, .chords = &chords, .key = &key,
                        .tags = &tags };
    struct annotation a;

    ck_assert(!write_csv(&sb, &r, NULL));
    ck_assert_str_eq(sb.s, "task,start,end,label,confidence\ntempo,,,,\n"
                           "beats,,,,\nchords,,,,\nkey,,,,\ntags,,,,\n");
    for (int task = 0; task <= ANNOT_TAGS; task++) {
        if (task == ANNOT_STRUCTURE)
            continue; /* did not run */
        annot_good(&a, sb.s, ".csv", (enum annot_task)task);
        ck_assert(!a.beats.n && !a.spans.n && !a.key.label && !a.tags.n);
        annotation_release(&a);
    }
    strbuf_release(&sb);
}
END_TEST

#define HEAD "task,start,end,label,confidence\n"

static const struct {
    const char *text;
    enum annot_task task;
    const char *where;
} bad[] = {
    { HEAD "beats,1,,1,\n", ANNOT_CHORDS, "no row of chords" },
    { HEAD "beats,1,,1,\nbeats,x,,1,\n", ANNOT_BEATS, ":3: " },
    { HEAD "beats,,,1,\n", ANNOT_BEATS, ":2: " },
    { HEAD "beats,1,,-1,\n", ANNOT_BEATS, ":2: " },
    { HEAD "chords,1,1,N,\n", ANNOT_CHORDS, ":2: " },
    { HEAD "chords,1,,N,\n", ANNOT_CHORDS, ":2: " },
    { HEAD "chords,1,2,N\n", ANNOT_CHORDS, ":2: " },
    { HEAD "chords,1,2,N,2\n", ANNOT_CHORDS, ":2: " },
    { HEAD "tempo,,,fast,\n", ANNOT_TEMPO, ":2: " },
    { HEAD "key,,,H flat,\n", ANNOT_KEY, ":2: " },
    { HEAD "beats,1,,one,\n", ANNOT_BEATS, ":2: " },
    { HEAD "tags,,,rock,-0.5\n", ANNOT_TAGS, ":2: " },
};

START_TEST(mfmcsv_refuses)
{
    struct annotation a;
    struct err err = {0};

    ck_assert_int_eq(annot_read_text(&a, bad[_i].text, ".csv", bad[_i].task,
                                     &err), ERR_FORMAT);
    ck_assert_ptr_nonnull(strstr(err.msg, bad[_i].where));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("write_csv");
    TCase *t = tcase_create("csv");

    tcase_add_test(t, write_csv_rows);
    tcase_add_test(t, write_csv_nothing);
    tcase_add_loop_test(t, mfmcsv_refuses, 0, sizeof(bad) / sizeof(*bad));
    suite_add_tcase(s, t);
    return unit_run(s);
}
