/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "unit.h"

#include "base/log.h"
#include "base/strbuf.h"
#include "train/manifest.h"
#include "tree.h"

static struct tree tree;
static struct manifest m;

static void setup(void)
{
    tree_make(&tree);
    m = (struct manifest){ .rate = 24000 };
    log_set_level(LOG_ERROR);
}

static void teardown(void)
{
    manifest_release(&m);
    tree_remove(&tree);
}

static int add(const char *name, struct err *err)
{
    return manifest_add(&m, tree_path(&tree, name), err);
}

/* The paths below the root, a space behind each. */
static void expect(const char *want)
{
    struct strbuf sb = STRBUF_INIT;

    for (size_t i = 0; i < m.n; i++)
        strbuf_addf(&sb, "%s ", m.item[i].path + strlen(tree.root) + 1);
    ck_assert_str_eq(sb.s, want);
    strbuf_release(&sb);
}

START_TEST(manifest_add_folders_and_files)
{
    tree_put(&tree, "in/b.flac", "");
    tree_put(&tree, "in/a/c.mp3", "");
    tree_put(&tree, "in/cover.jpg", "");
    tree_put(&tree, "z.wav", "");
    ck_assert(!add("z.wav", NULL));
    ck_assert(!add("in", NULL));
    expect("z.wav in/a/c.mp3 in/b.flac ");
}
END_TEST

START_TEST(manifest_add_lists)
{
    char *text;

    tree_put(&tree, "music/b.flac", "");
    text = xasprintf("music/b.flac\r\n\nnot/there.ogg\n%s\nmusic",
                     tree_path(&tree, "abs.wav"));
    tree_put(&tree, "list.txt", text);
    ck_assert(!add("list.txt", NULL));
    expect("music/b.flac not/there.ogg abs.wav music/b.flac ");
    free(text);
}
END_TEST

START_TEST(manifest_add_refuses)
{
    struct err err = {0};

    ck_assert_int_eq(add("nothing", &err), ERR_IO);
    tree_write(&tree, "bytes", "a\0b", 3);
    ck_assert_int_eq(add("bytes", &err), ERR_FORMAT);
    tree_put(&tree, "empty", "\n");
    ck_assert_int_eq(add("empty", &err), ERR_FORMAT);
    tree_put(&tree, "folder/readme.txt", "");
    ck_assert_int_eq(add("folder", &err), ERR_FORMAT);
    ck_assert_ptr_nonnull(strstr(err.msg, "folder"));
    tree_put(&tree, "set", "{\"mfm_shards\":1");
    ck_assert_int_eq(add("set", &err), ERR_FORMAT);
    ck_assert_uint_eq(m.n, 0);
}
END_TEST

START_TEST(manifest_probe_leaves_bad_files_out)
{
    int64_t expected = 3 * 24000;
    char *cache;

    tree_wav(&tree, "a.wav"); /* a second each */
    tree_wav(&tree, "b.wav");
    tree_put(&tree, "bad.wav", "RIFF and no more");
    tree_wav(&tree, "c.wav");
    cache = xstrdup(tree_path(&tree, "cache"));
    for (int i = 0; i < 2; i++) { /* without and with the cache */
        ck_assert(!manifest_add(&m, tree.root, NULL));
        ck_assert(!manifest_probe(&m, _i, cache, NULL));
        expect("a.wav b.wav c.wav ");
        ck_assert_uint_eq(m.left_out, 1);
        ck_assert_int_eq(manifest_samples(&m), expected);
        manifest_release(&m);
        m.rate = 24000;
    }
    free(cache);
}
END_TEST

/* What the cache says is believed as long as the file is the same. */
START_TEST(manifest_probe_uses_the_cache)
{
    struct strbuf text = STRBUF_INIT;
    char *cache, line[4096];
    FILE *f;

    tree_wav(&tree, "a.wav");
    cache = xstrdup(tree_path(&tree, "cache"));
    ck_assert(!add("a.wav", NULL));
    ck_assert(!manifest_probe(&m, 1, cache, NULL));
    f = fopen(cache, "r");
    while (fgets(line, sizeof(line), f))
        strbuf_addstr(&text, strncmp(line, "24000", 5) ? line : "99");
    fclose(f);
    f = fopen(cache, "r");
    ck_assert_ptr_nonnull(fgets(line, sizeof(line), f));
    ck_assert_ptr_nonnull(fgets(line, sizeof(line), f));
    fclose(f);
    strbuf_addstr(&text, line + 5);
    tree_put(&tree, "cache", text.s);
    m.item[0].samples = 0;
    ck_assert(!manifest_probe(&m, 1, cache, NULL));
    ck_assert_int_eq(m.item[0].samples, 99);
    strbuf_release(&text);
    free(cache);
}
END_TEST

START_TEST(manifest_probe_of_nothing_fails)
{
    struct err err = {0};

    tree_put(&tree, "bad.wav", "RIFF and no more");
    ck_assert(!add("bad.wav", NULL));
    ck_assert_int_eq(manifest_probe(&m, 2, NULL, &err), ERR_FORMAT);
    ck_assert_ptr_nonnull(strstr(err.msg, "1 could not"));
}
END_TEST

START_TEST(manifest_drop_short_counts)
{
    static const int64_t length[] = { 5, 10, 9, 11 };

    for (int i = 0; i < 4; i++) {
        char name[] = "0.wav";

        name[0] = (char)('0' + i);
        tree_wav(&tree, name);
        ck_assert(!add(name, NULL));
        m.item[i].samples = length[i];
    }
    ck_assert_uint_eq(manifest_drop_short(&m, 10), 2);
    expect("1.wav 3.wav ");
    ck_assert_int_eq(manifest_samples(&m), 21);
    ck_assert_uint_eq(manifest_drop_short(&m, 0), 0);
}
END_TEST

static void make_fma(void)
{
    static const char *const tracks[] = {
        "000/000002.mp3", "000/000005.mp3", "098/098565.mp3",
        "133/133297.mp3", "133/133298.mp3"
    };
    char name[64];

    for (size_t i = 0; i < ARRAY_LEN(tracks); i++) {
        snprintf(name, sizeof(name), "fma_large/%s", tracks[i]);
        tree_put(&tree, name, "");
    }
}

START_TEST(manifest_add_fma_without_a_table)
{
    make_fma();
    ck_assert(!manifest_add_fma(&m, tree.root, NULL));
    expect("fma_large/000/000002.mp3 fma_large/000/000005.mp3 "
           "fma_large/133/133298.mp3 ");
    ck_assert_uint_eq(m.left_out, 2);
}
END_TEST

START_TEST(manifest_add_fma_by_its_table)
{
    make_fma();
    tree_put(&tree, "fma_metadata/tracks.csv",
             ",set,set,track\n,split,subset,genre_top\ntrack_id,,,\n"
             "2,training,small,Rock\n3,training,small,Rock\n"
             "98565,training,small,Rock\n133298,test,large,\n");
    ck_assert(!manifest_add_fma(&m, tree.root, NULL));
    expect("fma_large/000/000002.mp3 fma_large/133/133298.mp3 ");
    ck_assert_uint_eq(m.left_out, 1);
}
END_TEST

START_TEST(manifest_add_fma_of_nothing)
{
    struct err err = {0};

    ck_assert_int_eq(manifest_add_fma(&m, tree.root, &err), ERR_FORMAT);
    tree_put(&tree, "tracks.csv", "nonsense\n");
    ck_assert_int_eq(manifest_add_fma(&m, tree.root, &err), ERR_FORMAT);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("train_manifest");
    TCase *t = tcase_create("manifest");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, manifest_add_folders_and_files);
    tcase_add_test(t, manifest_add_lists);
    tcase_add_test(t, manifest_add_refuses);
    tcase_add_loop_test(t, manifest_probe_leaves_bad_files_out, 1, 4);
    tcase_add_test(t, manifest_probe_uses_the_cache);
    tcase_add_test(t, manifest_probe_of_nothing_fails);
    tcase_add_test(t, manifest_drop_short_counts);
    tcase_add_test(t, manifest_add_fma_without_a_table);
    tcase_add_test(t, manifest_add_fma_by_its_table);
    tcase_add_test(t, manifest_add_fma_of_nothing);
    suite_add_tcase(s, t);
    return unit_run(s);
}
