/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "unit.h"

#include "base/file.h"
#include "base/log.h"
#include "music.h"
#include "train/pack.h"
#include "train/shard.h"

static struct tree tree;
static struct manifest music;
static char *out, *index_path, *shard_path;

static void setup(void)
{
    music_make(&tree, &music);
    out = xstrdup(tree_path(&tree, "set"));
    index_path = xstrdup(tree_path(&tree, "set.ndjson"));
    shard_path = xstrdup(tree_path(&tree, "set-00000.mfms"));
    log_set_level(LOG_ERROR);
}

static void teardown(void)
{
    manifest_release(&music);
    tree_remove(&tree);
    free(out);
    free(index_path);
    free(shard_path);
}

static void make(enum shard_codec codec)
{
    struct pack_config c = { .name = out, .codec = codec, .threads = 1,
                             .piece_s = 1 };
    struct pack_result r;
    struct err err = {0};

    ck_assert_msg(!shards_pack(&music, &c, &r, &err), "%s", err.msg);
    ck_assert_uint_eq(r.shards, 1);
}

static int open_set(struct shards **s, struct err *err)
{
    *s = NULL;
    return shards_open(s, index_path, MUSIC_RATE, err);
}

START_TEST(shards_read_any_part)
{
    static const int64_t part[][2] = { { 0, 1 }, { 0, 90000 }, { 23999, 2 },
                                       { 24000, 24000 }, { 89999, 1 },
                                       { 5, 0 }, { 20000, 60000 } };
    static float x[90000];
    struct shards *s;
    struct err err = {0};

    make(_i ? SHARD_FLAC : SHARD_S16);
    ck_assert(shards_is(index_path) && !shards_is(shard_path));
    ck_assert(!shards_is("no such file"));
    ck_assert_msg(!open_set(&s, &err), "%s", err.msg);
    ck_assert_uint_eq(shards_count(s), MUSIC_FILES);
    ck_assert_int_eq(shards_samples(s, 1), 700);
    ck_assert_str_eq(shards_name(s, 2), music.item[2].path);
    for (size_t i = 0; i < ARRAY_LEN(part); i++) {
        ck_assert(!shards_read(s, 2, part[i][0], part[i][1], x, NULL));
        for (int64_t j = 0; j < part[i][1]; j++)
            ck_assert(x[j] * 32768 == music_sample(2, part[i][0] + j));
    }
    shards_free(s);
}
END_TEST

/* Reads all samples of all recordings of whatever opens. */
static void read_everything(void)
{
    struct shards *s;
    struct err err = {0};
    float *x;

    if (open_set(&s, &err)) {
        ck_assert_str_ne(err.msg, "");
        return;
    }
    for (size_t i = 0; i < shards_count(s); i++) {
        int64_t n = shards_samples(s, i);

        n = n < 100000 ? n : 100000;
        x = xcalloc((size_t)n, sizeof(*x));
        shards_read(s, i, shards_samples(s, i) - n, n, x, NULL);
        free(x);
    }
    shards_free(s);
}

/* Each number of the index made larger, smaller, or something else; cut off at
 * each place: refused, or other samples, but nothing outside the shard. */
START_TEST(shards_open_damaged_index)
{
    static const char digits[] = "0959-e\"}x";
    struct strbuf sb = STRBUF_INIT;

    make(_i ? SHARD_FLAC : SHARD_S16);
    ck_assert(!file_read(&sb, index_path, 1 << 20, NULL));
    for (size_t at = 0; at < sb.len; at += 3) {
        char was = sb.s[at];

        tree_write(&tree, "set.ndjson", sb.s, at);
        read_everything();
        sb.s[at] = digits[at / 3 % (sizeof(digits) - 1)];
        tree_write(&tree, "set.ndjson", sb.s, sb.len);
        read_everything();
        sb.s[at] = was;
    }
    strbuf_release(&sb);
}
END_TEST

static void expect(const char *text, int code, const char *message)
{
    struct shards *s;
    struct err err = {0};

    tree_put(&tree, "set.ndjson", text);
    ck_assert_msg(open_set(&s, &err) == code, "%s: %s", text, err.msg);
    ck_assert_msg(strstr(err.msg, message) != NULL, "%s: %s", text, err.msg);
}

#define HEAD(rate, codec, n, bytes)                                        \
    "{\"mfm_shards\":1,\"rate\":" rate ",\"codec\":\"" codec "\","         \
    "\"piece\":100,\"recordings\":" n ",\"shards\":[{\"file\":\"one.mfms\"," \
    "\"bytes\":" bytes "}]}\n"
#define LINE(samples, shard, offset, pieces)                               \
    "{\"name\":\"a\",\"samples\":" samples ",\"shard\":" shard             \
    ",\"offset\":" offset ",\"pieces\":" pieces ",\"crc32\":[0,0]}\n"

START_TEST(shards_open_refuses)
{
    static const struct {
        const char *text;
        int code;
        const char *message;
    } bad[] = {
        { "", ERR_FORMAT, "cut off" },
        { "[]\n", ERR_FORMAT, ":1: not an object" },
        { "{\"mfm_shards\":2}\n", ERR_UNSUPPORTED, "version 2" },
        { HEAD("8000", "s16", "0", "36"), ERR_UNSUPPORTED, "8000 Hz" },
        { HEAD("24000", "mp3", "0", "36"), ERR_FORMAT, "codec" },
        { HEAD("24000", "s16", "0", "35"), ERR_FORMAT, "36 bytes" },
        { HEAD("24000", "s16", "1", "36"), ERR_FORMAT, "cut off" },
        { HEAD("24000", "s16", "1", "36") "{}\n", ERR_FORMAT, ":2: no \"name" },
        { HEAD("24000", "s16", "1", "36") LINE("11", "0", "16", "0"),
          ERR_FORMAT, "behind the end" },
        { HEAD("24000", "s16", "1", "36") LINE("1", "1", "16", "0"),
          ERR_FORMAT, "\"shard\"" },
        { HEAD("24000", "s16", "1", "36") LINE("1", "0", "15", "0"),
          ERR_FORMAT, "\"offset\"" },
        { HEAD("24000", "s16", "1", "36") LINE("1", "0", "37", "0"),
          ERR_FORMAT, "\"offset\"" },
        { HEAD("24000", "s16", "1", "36") LINE("1.5", "0", "16", "0"),
          ERR_FORMAT, "\"samples\"" },
        { HEAD("24000", "s16", "1", "36") LINE("1e300", "0", "16", "0"),
          ERR_FORMAT, "\"samples\"" },
        { HEAD("24000", "flac", "1", "36") LINE("101", "0", "16", "[5]"),
          ERR_FORMAT, "that fit" },
        { HEAD("24000", "flac", "1", "36") LINE("101", "0", "16", "[10,11]"),
          ERR_FORMAT, "behind the end" },
        { HEAD("24000", "flac", "1", "36") LINE("101", "0", "16", "[20,0]"),
          ERR_FORMAT, "behind the end" },
    };
    static const unsigned char shard[36] = "MFMSHARD\1";

    tree_write(&tree, "one.mfms", shard, sizeof(shard));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        expect(bad[i].text, bad[i].code, bad[i].message);
    tree_put(&tree, "one.mfms", "MFMSHARE\1                           ");
    expect(HEAD("24000", "s16", "0", "36"), ERR_FORMAT, "is not shard 0");
    expect("{\"mfm_shards\":1,\"rate\":24000,\"codec\":\"s16\",\"shards\":"
           "[{\"file\":\"../one.mfms\",\"bytes\":36}]}\n", ERR_FORMAT,
           "without a name");
    ck_assert(!remove(tree_path(&tree, "one.mfms")));
    expect(HEAD("24000", "s16", "0", "36"), ERR_IO, "one.mfms");
}
END_TEST

/* FLAC with a byte changed anywhere. */
/* A hole has no line that ends. */
START_TEST(shards_open_endless_line)
{
    struct shards *s;
    struct err err = {0};

    tree_put(&tree, "set.ndjson", "{\"mfm_shards\":");
    ck_assert(!truncate(index_path, (off_t)1 << 40));
    ck_assert_int_eq(open_set(&s, &err), ERR_FORMAT);
    ck_assert_msg(strstr(err.msg, "set.ndjson:1: a line of more than 16 MiB"),
                  "%s", err.msg);
}
END_TEST

START_TEST(shards_read_damaged_flac)
{
    struct strbuf sb = STRBUF_INIT;
    static float x[30000];

    make(SHARD_FLAC);
    ck_assert(!file_read(&sb, shard_path, 1 << 22, NULL));
    for (size_t at = SHARD_HEADER; at < 40000; at += 1511) {
        struct shards *s;
        struct err err = {0};

        sb.s[at] = (char)~sb.s[at];
        tree_write(&tree, "set-00000.mfms", sb.s, sb.len);
        ck_assert(!open_set(&s, &err));
        ck_assert_int_eq(shards_read(s, 0, 0, 30000, x, &err), ERR_FORMAT);
        ck_assert_ptr_nonnull(strstr(err.msg, "damaged"));
        shards_free(s);
        sb.s[at] = (char)~sb.s[at];
    }
    strbuf_release(&sb);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("train_shard");
    TCase *t = tcase_create("shard");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, shards_read_any_part, 0, 2);
    tcase_add_loop_test(t, shards_open_damaged_index, 0, 2);
    tcase_add_test(t, shards_open_refuses);
    tcase_add_test(t, shards_open_endless_line);
    tcase_add_test(t, shards_read_damaged_flac);
    suite_add_tcase(s, t);
    return unit_run(s);
}
