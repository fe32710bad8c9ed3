/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "folder.h"
#include "unit.h"

#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "cmd/outputs.h"

static int try_write(const char *path, const char *text, int force)
{
    struct strbuf sb = STRBUF_INIT;
    struct err err = {0};
    int rc;

    strbuf_addstr(&sb, text);
    rc = outputs_write(path, force, &sb, &err);
    if (rc) {
        ck_assert_ptr_nonnull(strstr(err.msg, path));
        ck_assert_ptr_nonnull(strstr(err.msg, "--force"));
    }
    strbuf_release(&sb);
    return rc;
}

static void expect_content(const char *path, const char *want)
{
    struct strbuf sb = STRBUF_INIT;

    ck_assert(!file_read(&sb, path, 1000, NULL));
    ck_assert_str_eq(sb.s, want);
    strbuf_release(&sb);
}

START_TEST(outputs_write_json)
{
    const char *mine = "{\"mfm\": \"0.1\", \"x\": 2}\n";

    folder_text("theirs.json", "{\"file\": \"a\", \"beats\": []}");
    folder_text("list.json", "[1, 2]");
    folder_text("broken.json", "{\"mfm\": ");
    folder_text("ours.json", "{\n  \"file\": \"a\",\n  \"mfm\": \"0.1\"\n}\n");
    folder_text("ours.ndjson", "{\"file\":\"a\",\"error\":\"no audio\"}\n{}\n");
    folder_text("ours.out", "{\"mfm\": \"0.1\"}\nnot JSON\n");
    ck_assert_int_eq(try_write("theirs.json", mine, 0), ERR_ARG);
    ck_assert_int_eq(try_write("list.json", mine, 0), ERR_ARG);
    ck_assert_int_eq(try_write("broken.json", mine, 0), ERR_ARG);
    expect_content("list.json", "[1, 2]");
    ck_assert_int_eq(try_write("ours.json", mine, 0), 0);
    ck_assert_int_eq(try_write("ours.ndjson", mine, 0), 0);
    ck_assert_int_eq(try_write("ours.out", mine, 0), 0);
    ck_assert_int_eq(try_write("list.json", mine, 1), 0);
    ck_assert_int_eq(try_write("new.json", mine, 0), 0);
    expect_content("list.json", mine);
    expect_content("new.json", mine);
}
END_TEST

/* A catalogue's lines are more than is read of a file of labels. */
START_TEST(outputs_large_lines)
{
    const char *path = "large.ndjson";

    folder_text(path, "{\"file\":\"a\",\"mfm\":\"0.1\"}\n");
    ck_assert(!truncate(path, (off_t)3 << 30));
    ck_assert(!outputs_may_write(path, 0, NULL, NULL));
    folder_text("theirs.ndjson", "{\"file\":\"a\"}\n{\"mfm\":\"0.1\"}\n");
    ck_assert(outputs_may_write("theirs.ndjson", 0, NULL, NULL));
}
END_TEST

START_TEST(outputs_write_text)
{
    folder_text("a.beats", "0.500000\t1\n");
    folder_text("empty.beats", "");
    ck_assert_int_eq(try_write("a.beats", "0.500000\t1\n", 0), 0);
    ck_assert_int_eq(try_write("a.beats", "0.500000\t2\n", 0), ERR_ARG);
    ck_assert_int_eq(try_write("a.beats", "0.500000\t1\n9\n", 0), ERR_ARG);
    expect_content("a.beats", "0.500000\t1\n");
    ck_assert_int_eq(try_write("a.beats", "0.500000\t2\n", 1), 0);
    expect_content("a.beats", "0.500000\t2\n");
    ck_assert_int_eq(try_write("empty.beats", "1.0\n", 0), 0);
}
END_TEST

START_TEST(outputs_may_write_early)
{
    folder_text("a.beats", "1\n");
    folder_text("a.json", "{}");
    folder_text("a.npy", "x");
    folder_text("b.npy", "x");
    folder_text("b.npy.json", "{\"mfm\": \"0.1\"}");
    ck_assert(!outputs_may_write("a.beats", 0, NULL, NULL));
    ck_assert(outputs_may_write("a.json", 0, NULL, NULL));
    ck_assert(outputs_may_write("a.npy", 0, NULL, NULL));
    ck_assert(!outputs_may_write("b.npy", 0, NULL, NULL));
    ck_assert(!outputs_may_write("a.npy", 1, NULL, NULL));
    ck_assert(!outputs_may_write("missing.json", 0, NULL, NULL));
}
END_TEST

START_TEST(outputs_write_device_stays)
{
    struct stat st;

    ck_assert_int_eq(try_write("/dev/null", "x", 0), 0);
    ck_assert(!stat("/dev/null", &st) && S_ISCHR(st.st_mode));
}
END_TEST

/* Inputs separated by one space; *failed is the message of the last that
 * cannot be. */
static int prepare(const char *paths, const char *out_dir, int text,
                   int keep, char *failed, struct err *err)
{
    struct cmd_common c = CMD_COMMON_INIT;
    struct inputs in = {0};
    char copy[128], *word[8];
    int n = 0, rc;

    snprintf(copy, sizeof(copy), "%s", paths);
    for (char *w = strtok(copy, " "); w; w = strtok(NULL, " "))
        word[n++] = w;
    c.out_dir = out_dir;
    c.keep_folders = keep;
    *err = (struct err){0};
    *failed = '\0';
    ck_assert(!inputs_collect(&in, &c, n, word, 1, err));
    rc = outputs_prepare(&c, &in, text, err);
    for (size_t i = 0; i < in.n; i++)
        if (in.item[i].error)
            strcpy(failed, in.item[i].error);
    inputs_release(&in);
    return rc;
}

START_TEST(outputs_prepare_names)
{
    struct err err;
    struct stat st;
    char failed[1000];

    ck_assert(!prepare("a.mp3 b.mp3", NULL, 0, 0, failed, &err));
    ck_assert_int_eq(prepare("a.mp3 b.mp3", NULL, 1, 0, failed, &err),
                     ERR_ARG);
    ck_assert(!prepare("a.mp3", NULL, 1, 0, failed, &err));
    ck_assert(!prepare("x/b.mp3 a.mp3", "o/p//q/", 1, 0, failed, &err));
    ck_assert_str_eq(failed, "");
    ck_assert(!stat("o/p/q", &st) && S_ISDIR(st.st_mode));
    folder_text("file", "");
    ck_assert_int_eq(prepare("a.mp3", "file", 1, 0, failed, &err), ERR_IO);
    ck_assert_int_eq(prepare("a.mp3", "file/x", 1, 0, failed, &err), ERR_IO);
    ck_assert_int_eq(prepare("a.mp3", "", 1, 0, failed, &err), ERR_ARG);
}
END_TEST

/* The first has the name; the others are told about it. */
START_TEST(outputs_prepare_collisions)
{
    struct err err;
    char failed[1000];

    ck_assert(!prepare("x/b.mp3 a.mp3 y/b.flac", "o", 1, 0, failed, &err));
    ck_assert_ptr_nonnull(strstr(failed, "x/b.mp3"));
    ck_assert_ptr_eq(strstr(failed, "y/b.flac: "), failed);
    ck_assert(!prepare("x/b.mp3 a.mp3 y/b.flac", "o", 1, 1, failed, &err));
    ck_assert_str_eq(failed, "");
    /* what leads up is left out */
    ck_assert(!prepare("x/b.mp3 ../x/b.mp3", "o", 1, 1, failed, &err));
    ck_assert_ptr_eq(strstr(failed, "../x/b.mp3: "), failed);
}
END_TEST

START_TEST(outputs_path_joins)
{
    struct input song = { .path = (char *)"in/song.mp3", .name = 3 };
    struct input deep = { .path = (char *)"in/x.y/song.mp3", .name = 3 };
    struct input piped = { .path = (char *)"-" };
    char *a = outputs_path("out", &song, ".chords.lab");
    char *b = outputs_path("out/", &piped, ".json");
    char *c = outputs_path("out", &deep, ".key");

    ck_assert_str_eq(a, "out/song.chords.lab");
    ck_assert_str_eq(b, "out/stdin.json");
    ck_assert_str_eq(c, "out/x.y/song.key");
    free(a);
    free(b);
    free(c);
}
END_TEST

START_TEST(outputs_find_done_needs_all)
{
    static const char *const suffix[] = { ".beats", ".key", NULL };
    struct input item[] = { { .path = (char *)"a.mp3" },
                            { .path = (char *)"b.mp3" } };
    struct inputs in = { .item = item, .n = 2 };

    folder_text("a.beats", "");
    folder_text("b.beats", "");
    folder_text("b.key", "");
    outputs_find_done(".", &in, suffix);
    ck_assert(!item[0].done);
    ck_assert(item[1].done);
}
END_TEST

START_TEST(outputs_page_of_ours)
{
    folder_text("theirs.html", "<!doctype html><title>x</title>\n");
    folder_text("ours.html", "<!doctype html><meta charset=\"utf-8\">\n<meta "
                "name=\"generator\" content=\"mfm 0.1\">\n");
    ck_assert_int_eq(try_write("theirs.html", "x", 0), ERR_ARG);
    ck_assert(!try_write("ours.html", "x", 0));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("cmd_outputs");
    TCase *t = tcase_create("outputs");

    tcase_add_checked_fixture(t, folder_enter, folder_leave);
    tcase_add_test(t, outputs_write_json);
    tcase_add_test(t, outputs_large_lines);
    tcase_add_test(t, outputs_write_text);
    tcase_add_test(t, outputs_may_write_early);
    tcase_add_test(t, outputs_write_device_stays);
    tcase_add_test(t, outputs_prepare_names);
    tcase_add_test(t, outputs_prepare_collisions);
    tcase_add_test(t, outputs_path_joins);
    tcase_add_test(t, outputs_find_done_needs_all);
    tcase_add_test(t, outputs_page_of_ours);
    suite_add_tcase(s, t);
    return unit_run(s);
}
