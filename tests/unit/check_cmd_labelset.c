/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cmd/labelset.h"

#include <string.h>
#include <sys/stat.h>

#include "unit.h"

static char folder[] = "check_labelset_XXXXXX";

/* NAME in the folder, with text; the path in a static buffer. */
static const char *make(const char *name, const char *text)
{
    static char path[512];
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    fputs(text, f);
    fclose(f);
    return path;
}

static void setup(void)
{
    strcpy(folder, "check_labelset_XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void teardown(void)
{
    char command[600];

    snprintf(command, sizeof(command), "rm -r %s", folder);
    ck_assert_int_eq(system(command), 0);
}

START_TEST(open_folder_best)
{
    struct labelset set;
    struct err err = { 0 };

    make("b.lab", "0 1 C\n");
    make("b.chords.lab", "0 1 D\n");
    make("b.seg", "0 1 verse A\n");
    make("a.lab", "0 1 E\n");
    make("c.txt", "0 1 F\n"); /* general, and there are specific ones */
    make(".d.lab", "0 1 F\n");
    make("e.json", "{}");
    ck_assert_msg(!labelset_open(&set, folder, SCORE_CHORDS, &err), "%s",
                  err.msg);
    ck_assert(set.n == 2 && !set.single);
    ck_assert_str_eq(set.item[0].stem, "a");
    ck_assert_str_eq(set.item[1].stem, "b");
    ck_assert_ptr_nonnull(strstr(set.item[1].path, "b.chords.lab"));
    ck_assert(labelset_has(&set, "a") && labelset_has(&set, "b") &&
              !labelset_has(&set, "c"));
    labelset_release(&set);
    ck_assert(!labelset_open(&set, folder, SCORE_STRUCTURE, &err));
    ck_assert(set.n == 1 && strstr(set.item[0].path, "b.seg"));
    labelset_release(&set);
    ck_assert(!labelset_open(&set, folder, SCORE_TAG, &err)); /* general */
    ck_assert_uint_eq(set.n, 4);
    labelset_release(&set);
    ck_assert_int_eq(labelset_open(&set, "no/such", SCORE_TAG, &err), ERR_IO);
}
END_TEST

START_TEST(open_lines)
{
    const char *path = make(
        "x.ndjson",
        "{\"file\":\"p/b.mp3\",\"beats\":[{\"time\":1}]}\n\n"
        "{ \"mfm\":\"1\",\"beats\":[{\"time\":2}],"
        "\"file\":\"a\\u0062.wav\"}\r\n"
        "{\"file\":\"c.wav\",\"beats\":[}");
    struct labelset set;
    struct labels l;
    struct err err = { 0 };

    ck_assert_msg(!labelset_open(&set, path, SCORE_BEATS, &err), "%s",
                  err.msg);
    ck_assert(set.n == 2 + 1 && !set.single);
    ck_assert_str_eq(set.item[0].stem, "ab");
    ck_assert_uint_eq(set.item[0].number, 3);
    ck_assert_str_eq(set.item[1].stem, "b");
    ck_assert(!labelset_read(&l, &set, 0, &err));
    ck_assert(l.beats.n == 1 && l.beats.v[0].time == 2);
    labels_release(&l);
    ck_assert_int_eq(labelset_read(&l, &set, 2, &err), ERR_FORMAT);
    ck_assert_ptr_nonnull(strstr(err.msg, "x.ndjson:4"));
    labelset_release(&set);
    path = make("y.ndjson", "{\"file\":\"a\"}\n{\"beats\":[]}\n");
    ck_assert_int_eq(labelset_open(&set, path, SCORE_BEATS, &err), ERR_FORMAT);
    ck_assert_ptr_nonnull(strstr(err.msg, "y.ndjson:2"));
}
END_TEST

START_TEST(open_single)
{
    struct labelset set;
    struct labels l;
    struct err err = { 0 };
    const char *path = make("x.json", "{\n \"file\": \"q.wav\",\n"
                                      " \"key\": {\"label\": \"C major\"}\n}");

    ck_assert(!labelset_open(&set, path, SCORE_KEY, &err));
    ck_assert(set.n == 1 && set.single);
    ck_assert(!labelset_read(&l, &set, 0, &err));
    ck_assert_str_eq(l.key.label, "C major");
    labels_release(&l);
    labelset_release(&set);
    path = make("k.anything", "A min\n");
    ck_assert(!labelset_open(&set, path, SCORE_KEY, &err));
    ck_assert(!labelset_read(&l, &set, 0, &err));
    ck_assert_str_eq(l.key.label, "A minor");
    labels_release(&l);
    labelset_release(&set);
}
END_TEST

/* A pipe is copied, and the copy goes. */
START_TEST(open_pipe)
{
    struct labelset set;
    struct labels l;
    struct err err = { 0 };
    char path[64];
    int fd[2];

    ck_assert_int_eq(pipe(fd), 0);
    ck_assert(write(fd[1], "1\n2\nx\n", 6) == 6);
    close(fd[1]);
    snprintf(path, sizeof(path), "/dev/fd/%d", fd[0]);
    if (access(path, R_OK))
        return;
    ck_assert_msg(!labelset_open(&set, path, SCORE_BEATS, &err), "%s",
                  err.msg);
    ck_assert_ptr_nonnull(set.spool);
    ck_assert_int_eq(labelset_read(&l, &set, 0, &err), ERR_FORMAT);
    ck_assert_msg(!strncmp(err.msg, path, strlen(path)), "%s", err.msg);
    labelset_release(&set);
    close(fd[0]);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("cmd_labelset");
    TCase *t = tcase_create("labelset");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, open_folder_best);
    tcase_add_test(t, open_lines);
    tcase_add_test(t, open_single);
    tcase_add_test(t, open_pipe);
    suite_add_tcase(s, t);
    return unit_run(s);
}
