/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "unit.h"

#include <dirent.h>

#include "base/file.h"
#include "base/log.h"
#include "music.h"
#include "train/corpus.h"
#include "train/pack.h"

static struct tree tree;
static struct manifest music;
static char *out;

static void setup(void)
{
    music_make(&tree, &music);
    out = xstrdup(tree_path(&tree, "set"));
    log_set_level(LOG_ERROR);
}

static void teardown(void)
{
    manifest_release(&music);
    tree_remove(&tree);
    free(out);
}

static struct pack_config config_of(enum shard_codec codec, int threads)
{
    return (struct pack_config){ .name = out, .codec = codec,
                                 .threads = threads, .piece_s = 1,
                                 .shard_bytes = 150000 };
}

static int index_add(struct manifest *m, struct err *err)
{
    char *index = xasprintf("%s.ndjson", out);
    int rc = manifest_add(m, index, err);

    free(index);
    return rc;
}

/* Files of the tree whose names begin with "set". */
static int files(void)
{
    DIR *d = opendir(tree.root);
    const struct dirent *e;
    int n = 0;

    while ((e = readdir(d)))
        n += !strncmp(e->d_name, "set", 3);
    closedir(d);
    return n;
}

/* Crops of a packed corpus are those of the files. */
static void check_crops(enum shard_codec codec, int64_t n)
{
    struct manifest packed = { .rate = MUSIC_RATE };
    struct corpus *a, *b;
    float *x = xcalloc((size_t)n, sizeof(*x)), *y = xcalloc((size_t)n,
                                                            sizeof(*y));
    struct err err = {0};

    (void)codec;
    ck_assert_msg(!index_add(&packed, &err), "%s", err.msg);
    ck_assert(!manifest_probe(&packed, 1, NULL, &err));
    ck_assert_uint_eq(packed.n, music.n);
    ck_assert(!corpus_new(&a, &music, 0, NULL));
    ck_assert(!corpus_new(&b, &packed, 0, NULL));
    for (uint32_t i = 0; i < 60; i++) {
        const struct draw d = { 5, 6, i };
        struct crop p, q;

        ck_assert(!corpus_crop(a, &d, x, n, &p, NULL));
        ck_assert_msg(!corpus_crop(b, &d, y, n, &q, &err), "%s", err.msg);
        ck_assert_uint_eq(p.recording, q.recording);
        ck_assert_int_eq(p.start, q.start);
        ck_assert_int_eq(p.n, q.n);
        ck_assert_mem_eq(x, y, (size_t)n * sizeof(*x));
    }
    corpus_free(a);
    corpus_free(b);
    manifest_release(&packed);
    free(x);
    free(y);
}

START_TEST(pack_and_crop)
{
    enum shard_codec codec = _i % 2 ? SHARD_FLAC : SHARD_S16;
    struct pack_config c = config_of(codec, 1 + _i);
    struct pack_result r;
    struct err err = {0};

    ck_assert_msg(!shards_pack(&music, &c, &r, &err), "%s", err.msg);
    ck_assert_uint_eq(r.recordings, MUSIC_FILES);
    ck_assert_uint_eq(r.left_out, 0);
    ck_assert_int_eq(r.samples, manifest_samples(&music));
    if (codec == SHARD_S16) {
        /* 61400 | 180000 | 144002 bytes */
        ck_assert_uint_eq(r.shards, 3);
        ck_assert_int_eq(r.bytes, 3 * SHARD_HEADER + 2 * r.samples);
    }
    ck_assert_int_eq(files(), (int)r.shards + 1);
    check_crops(codec, 3000);  /* within a piece or over an edge */
    check_crops(codec, 60000); /* of up to four pieces */
}
END_TEST

static char *slurp(const char *suffix, size_t *n)
{
    struct strbuf sb = STRBUF_INIT;
    char *path = xasprintf("%s%s", out, suffix);

    ck_assert(!file_read(&sb, path, 1 << 24, NULL));
    free(path);
    *n = sb.len;
    return strbuf_detach(&sb);
}

START_TEST(pack_does_not_depend_on_threads)
{
    static const char *const names[] = { ".ndjson", "-00000.mfms",
                                         "-00001.mfms" };
    struct pack_config c = config_of(SHARD_FLAC, 1);
    struct pack_result r;
    char *before[3];
    size_t n[3];

    ck_assert(!shards_pack(&music, &c, &r, NULL));
    for (int i = 0; i < 3; i++)
        before[i] = slurp(names[i], &n[i]);
    c.threads = 4;
    ck_assert(!shards_pack(&music, &c, &r, NULL)); /* over the first */
    for (int i = 0; i < 3; i++) {
        size_t len;
        char *after = slurp(names[i], &len);

        ck_assert_uint_eq(len, n[i]);
        ck_assert_mem_eq(before[i], after, len);
        free(before[i]);
        free(after);
    }
}
END_TEST

static void count_calls(void *ctx, size_t done, size_t all)
{
    ck_assert_uint_eq(++*(size_t *)ctx, done);
    ck_assert_uint_eq(all, MUSIC_FILES);
}

START_TEST(pack_leaves_bad_files_out)
{
    struct pack_config c = config_of(SHARD_S16, 2);
    struct manifest packed = { .rate = MUSIC_RATE };
    struct pack_result r;
    size_t calls = 0;

    c.progress = count_calls;
    c.ctx = &calls;
    tree_put(&tree, "3.wav", "no audio");
    ck_assert(!shards_pack(&music, &c, &r, NULL));
    ck_assert_uint_eq(calls, MUSIC_FILES);
    ck_assert_uint_eq(r.left_out, 1);
    ck_assert(!index_add(&packed, NULL));
    ck_assert_uint_eq(packed.n, MUSIC_FILES - 1);
    ck_assert_str_eq(packed.item[3].path, music.item[4].path);
    ck_assert_int_eq(packed.item[3].samples, music_length[4]);
    manifest_release(&packed);
}
END_TEST

START_TEST(pack_leaves_nothing_after_a_failure)
{
    struct pack_config c = config_of(SHARD_S16, 2);
    struct pack_result r;
    struct err err = {0};

    /* the second shard cannot be written */
    ck_assert(!mkdir(tree_path(&tree, "set-00001.mfms"), 0700));
    ck_assert_int_eq(shards_pack(&music, &c, &r, &err), ERR_IO);
    ck_assert_ptr_nonnull(strstr(err.msg, "set-00001.mfms"));
    ck_assert_int_eq(files(), 1);
}
END_TEST

START_TEST(pack_refuses)
{
    struct pack_config c = config_of(SHARD_S16, 2);
    struct manifest packed = { .rate = MUSIC_RATE };
    struct pack_result r;
    struct err err = {0};

    ck_assert(!shards_pack(&music, &c, &r, NULL));
    ck_assert(!index_add(&packed, NULL));
    ck_assert_int_eq(shards_pack(&packed, &c, &r, &err), ERR_ARG);
    manifest_release(&packed);
    c.piece_s = 0.01;
    ck_assert_int_eq(shards_pack(&music, &c, &r, &err), ERR_ARG);
    c.piece_s = 0;
    for (size_t i = 0; i < MUSIC_FILES; i++)
        ck_assert(!remove(music.item[i].path));
    ck_assert_int_eq(shards_pack(&music, &c, &r, &err), ERR_FORMAT);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("train_pack");
    TCase *t = tcase_create("pack");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, pack_and_crop, 0, 4);
    tcase_add_test(t, pack_does_not_depend_on_threads);
    tcase_add_test(t, pack_leaves_bad_files_out);
    tcase_add_test(t, pack_leaves_nothing_after_a_failure);
    tcase_add_test(t, pack_refuses);
    suite_add_tcase(s, t);
    return unit_run(s);
}
