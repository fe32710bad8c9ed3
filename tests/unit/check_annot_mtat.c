/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "annot/mtat.h"

#include "annot.h"
#include "base/npy.h"

#define SAMPLES "fixtures/formats/magnatagatune/"

static struct err err;

START_TEST(mtat_next_reads)
{
    struct mtat m;
    struct mtat_clip c;
    bool more;

    ck_assert(!mtat_open(&m, unit_data("annot/annotations_mini.csv"), &err));
    ck_assert_int_eq(m.n, 2);
    ck_assert_str_eq(m.tag[1], "no voice");
    ck_assert(!mtat_next(&m, &c, &more, &err) && more);
    ck_assert(c.id == 2 && c.row == 0 && c.has[0] == 1 && c.has[1] == 0);
    ck_assert_str_eq(c.mp3_path, "f/artist-album-01-track-30-59.mp3");
    ck_assert(!mtat_next(&m, &c, &more, &err) && more);
    ck_assert(c.id == 6 && c.row == 1 && c.has[0] == 0);
    ck_assert(!mtat_next(&m, &c, &more, &err) && !more);
    mtat_release(&m);
}
END_TEST

/* The real table's width and its unquoted form; the path may come first. */
START_TEST(mtat_next_reads_wide)
{
    struct strbuf sb = STRBUF_INIT;
    struct mtat m;
    struct mtat_clip c;
    bool more;

    strbuf_addstr(&sb, "mp3_path\tclip_id");
    for (int i = 0; i < 188; i++)
        strbuf_addf(&sb, "\ttag %d", i);
    strbuf_addstr(&sb, "\nf/x.mp3\t58915");
    for (int i = 0; i < 188; i++)
        strbuf_addf(&sb, "\t%d", i % 3 == 0);
    ck_assert(!mtat_open_text(&m, sb.s, sb.len, "x", &err) && m.n == 188);
    ck_assert_msg(!mtat_next(&m, &c, &more, &err) && more, "%s", err.msg);
    ck_assert(c.id == 58915);
    ck_assert_str_eq(c.mp3_path, "f/x.mp3");
    for (int i = 0; i < 188; i++)
        ck_assert_int_eq(c.has[i], i % 3 == 0);
    mtat_release(&m);
    strbuf_release(&sb);
}
END_TEST

static int collect(void *ctx, const char *id, struct annotation *a,
                   struct err *e)
{
    char *text = ctx;

    (void)e;
    sprintf(text + strlen(text), "%s %s;", id,
            a->tags.n ? a->tags.v[0].label : "-");
    return 0;
}

START_TEST(annot_read_many_reads_tags)
{
    char text[200] = "";

    ck_assert(!annot_read_many(unit_data("annot/annotations_mini.csv"),
                               ANNOT_TAGS, collect, text, &err));
    ck_assert_str_eq(text, "f/artist-album-01-track-30-59.mp3 guitar;"
                           "0/artist-album-01-track-59-88.mp3 -;");
}
END_TEST

static const struct annot_refused refused[] = {
    { ANNOT_TAGS, ".csv", "clip_id\ta\n", ":1: no columns" },
    { ANNOT_TAGS, ".csv", "clip_id\ta\tmp3_path\nx\t1\tf\n", ":2: clip_id" },
    { ANNOT_TAGS, ".csv", "clip_id\ta\tmp3_path\n1\t2\tf\n", ":2: a tag" },
    { ANNOT_TAGS, ".csv", "clip_id\ta\tmp3_path\n1\t1\n", ":2: not as many" },
    { ANNOT_KEY, ".csv", "clip_id\ta\tmp3_path\n1\t1\tf\n", "has no key" },
};

START_TEST(mtat_next_refuses)
{
    annot_refuses(&refused[_i]);
}
END_TEST

START_TEST(mtat_tag_finds)
{
    ck_assert_int_eq(mtat_tag("guitar"), 0);
    ck_assert_int_eq(mtat_tag("noVocals"), mtat_tag("no vocals"));
    ck_assert_int_eq(mtat_tag("choral"), 49);
    ck_assert_int_eq(mtat_tag("electro"), -1);
    ck_assert_int_eq(mtat_tag(""), -1);
    ck_assert_int_eq(mtat_tag("no"), -1);
}
END_TEST

/* tags.npy is our list; jongpillee's file has the same names but for "female
 * voice" and "metal", whose places differ (FORMATS: ties). */
START_TEST(mtat_tags_are_the_published)
{
    const char *path = unit_shared(SAMPLES "tags.npy");
    struct annotation a;
    struct tags t;
    int moved = 0;

    if (!path)
        return;
    ck_assert(!mtat_tags_read(&t, path, &err) && t.n == MTAT_TAGS);
    for (int i = 0; i < MTAT_TAGS; i++)
        ck_assert_str_eq(t.v[i].label, mtat_tags[i]);
    tags_release(&t);
    ck_assert(!annot_read(&a, unit_shared(SAMPLES "top50_tags.txt"),
                          ANNOT_TAGS, &err));
    ck_assert_uint_eq(a.tags.n, MTAT_TAGS);
    for (int i = 0; i < MTAT_TAGS; i++) {
        ck_assert_int_ge(mtat_tag(a.tags.v[i].label), 0);
        moved += mtat_tag(a.tags.v[i].label) != i;
    }
    ck_assert_int_eq(moved, 2);
    annotation_release(&a);
}
END_TEST

/* First and last strings, and the sum of the labels, as Python reads them. */
START_TEST(mtat_list_read_reads)
{
    const char *path = unit_shared(SAMPLES "valid_head16.npy");
    struct mtat_list l;
    struct npy y = { 0 };
    float *v;
    float sum = 0;

    if (!path)
        return;
    ck_assert_msg(!mtat_list_read(&l, path, &err), "%s", err.msg);
    ck_assert(l.n == 16 && l.row[0] == 5 && l.row[15] == 172);
    ck_assert_str_eq(l.path[0], "c/lvx_nova-lvx_nova-01-contimune-30-59.mp3");
    mtat_list_release(&l);
    ck_assert(!mtat_list_read(&l, unit_shared(SAMPLES "test_head16.npy"),
                              &err));
    ck_assert(l.n == 16 && l.row[0] == 0 && l.row[15] == 58);
    ck_assert_str_eq(l.path[15], "f/tilopa-turkishauch-01-1x3-204-233.mp3");
    mtat_list_release(&l);
    ck_assert_int_eq(mtat_list_read(&l, unit_shared(SAMPLES "tags.npy"),
                                    &err), ERR_FORMAT);
    path = unit_shared(SAMPLES "y_valid_head16.npy");
    ck_assert_int_eq(mtat_list_read(&l, path, &err), ERR_UNSUPPORTED);
    ck_assert(!npy_read(&y, path, &err) && y.dim[0] == 16 && y.dim[1] == 50);
    ck_assert(!npy_floats(&y, &v, &err));
    for (int i = 0; i < 800; i++)
        sum += v[i];
    ck_assert(sum == 51);
    free(v);
    npy_release(&y);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("annot_mtat");
    TCase *t = tcase_create("mtat");

    tcase_add_test(t, mtat_next_reads);
    tcase_add_test(t, mtat_next_reads_wide);
    tcase_add_test(t, annot_read_many_reads_tags);
    tcase_add_loop_test(t, mtat_next_refuses, 0, ARRAY_LEN(refused));
    tcase_add_test(t, mtat_tag_finds);
    tcase_add_test(t, mtat_tags_are_the_published);
    tcase_add_test(t, mtat_list_read_reads);
    suite_add_tcase(s, t);
    return unit_run_shared(s, "fixtures/formats");
}
