/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "annot/fma.h"

#include "annot.h"

static struct err err;

START_TEST(fma_next_reads)
{
    struct fma f;
    struct fma_track t;
    struct tags g = { 0 };
    bool more;

    ck_assert(!fma_open(&f, unit_data("annot/fma_tracks_mini.csv"), &err));
    ck_assert_msg(!fma_next(&f, &t, &more, &err) && more, "%s", err.msg);
    ck_assert(t.id == 2 && t.duration == 168);
    ck_assert_str_eq(t.split, "training");
    ck_assert_str_eq(t.subset, "small");
    ck_assert_str_eq(t.title, "Food");
    ck_assert_str_eq(t.artist, "AWOL");
    ck_assert_str_eq(t.genre_top, "");
    ck_assert(!fma_next(&f, &t, &more, &err) && more);
    ck_assert_str_eq(t.title, "Spiritual\nLevel");
    ck_assert(!fma_list(&g, t.genres, &err) && g.n == 2);
    ck_assert_str_eq(g.v[1].label, "103");
    ck_assert(!fma_next(&f, &t, &more, &err) && !more);
    fma_release(&f);
    tags_release(&g);
}
END_TEST

static const char *const lists[][2] = {
    { "[]", "" },                   { "", "" },
    { "[21, 45]", "21;45;" },       { "['a', \"b's\"]", "a;b's;" },
    { " ['it\\'s' , 'x,]y'] ", "it's;x,]y;" },
    { "['']", ";" },                { "[1,]", "1;" },
};

START_TEST(fma_list_reads)
{
    struct tags t = { 0 };
    char got[80] = "";

    ck_assert_msg(!fma_list(&t, lists[_i][0], &err), "%s", lists[_i][0]);
    for (size_t i = 0; i < t.n; i++)
        sprintf(got + strlen(got), "%s;", t.v[i].label);
    ck_assert_str_eq(got, lists[_i][1]);
    tags_release(&t);
}
END_TEST

START_TEST(fma_list_refuses)
{
    static const char *const wrong[] = { "[", "[1", "['a", "['a\\", "21",
                                         "[1 2]", "[1] x", "[,]", "[[1]]" };
    struct tags t = { 0 };

    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        ck_assert_msg(fma_list(&t, wrong[i], &err) == ERR_FORMAT && !t.n,
                      "%s", wrong[i]);
    tags_release(&t);
}
END_TEST

START_TEST(fma_path_pads)
{
    char path[16];

    fma_path(path, 2);
    ck_assert_str_eq(path, "000/000002.mp3");
    fma_path(path, 155320);
    ck_assert_str_eq(path, "155/155320.mp3");
}
END_TEST

#define HEAD ",set,track,track\n,split,genre_top,tags\ntrack_id,,,\n"

static int collect(void *ctx, const char *id, struct annotation *a,
                   struct err *e)
{
    char *text = ctx;

    (void)e;
    sprintf(text + strlen(text), "%s", id);
    for (size_t i = 0; i < a->tags.n; i++)
        sprintf(text + strlen(text), " %s", a->tags.v[i].label);
    sprintf(text + strlen(text), "%s;", a->error ? " !" : "");
    return 0;
}

START_TEST(annot_read_many_reads_tracks)
{
    const char *path = annot_put(HEAD "2,training,Rock,\"['a', 'b']\"\n"
                                 "3,test,,[]\n4,test,Pop,x\n", ".csv");
    char text[100] = "";

    ck_assert_msg(!annot_read_many(path, ANNOT_TAGS, collect, text, &err),
                  "%s", err.msg);
    ck_assert_str_eq(text, "2 Rock a b;3;4 Pop !;");
    unlink(path);
}
END_TEST

static const struct annot_refused refused[] = {
    { ANNOT_TAGS, ".csv", ",set,track\n,split,tags\n1,2,3\n", ":3: not the" },
    { ANNOT_TAGS, ".csv", ",set,track\n,size,tags\ntrack_id,,\n", ":3: " },
    { ANNOT_TAGS, ".csv", HEAD "x,training,,\n", ":4: track_id" },
    { ANNOT_TAGS, ".csv", HEAD "1,\"training,,\n", ":4: a \"" },
    { ANNOT_BEATS, ".csv", HEAD "1,training,,\n", "has no beats" },
};

START_TEST(fma_next_refuses)
{
    annot_refuses(&refused[_i]);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("annot_fma");
    TCase *t = tcase_create("fma");

    tcase_add_test(t, fma_next_reads);
    tcase_add_loop_test(t, fma_list_reads, 0, ARRAY_LEN(lists));
    tcase_add_test(t, fma_list_refuses);
    tcase_add_test(t, fma_path_pads);
    tcase_add_test(t, annot_read_many_reads_tracks);
    tcase_add_loop_test(t, fma_next_refuses, 0, ARRAY_LEN(refused));
    suite_add_tcase(s, t);
    return unit_run(s);
}
