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
    ck_assert_msg(!labelset_open(&set, folder, ANNOT_CHORDS, &err), "%s",
                  err.msg);
    ck_assert(set.n == 2 && !set.single);
    ck_assert_str_eq(set.item[0].stem, "a");
    ck_assert_str_eq(set.item[1].stem, "b");
    ck_assert_ptr_nonnull(strstr(set.item[1].path, "b.chords.lab"));
    labelset_release(&set);
    ck_assert(!labelset_open(&set, folder, ANNOT_STRUCTURE, &err));
    ck_assert(set.n == 1 && strstr(set.item[0].path, "b.seg"));
    labelset_release(&set);
    ck_assert(!labelset_open(&set, folder, ANNOT_TAGS, &err)); /* general */
    ck_assert_uint_eq(set.n, 4);
    labelset_release(&set);
    ck_assert_int_eq(labelset_open(&set, "no/such", ANNOT_TAGS, &err), ERR_IO);
}
END_TEST

START_TEST(open_lines)
{
    const char *path = make(
        "x.ndjson",
        "{\"file\":\"p/b.mp3\",\"beats\":[{\"time\":1}]}\n\n"
        "{ \"mfm\":\"1\",\"beats\":[{\"time\":2}],"
        "\"file\":\"a\\u0062.wav\"}\r\n"
        "{\"file\":\"c.wav\",\"beats\":[}\n"
        "{\"file\":\"d.wav\",\"error\":\"cut off\"}");
    static const char *const names[] = { "z", "y", "x", "w" };
    struct labelset set;
    struct annotation l;
    struct err err = { 0 };

    ck_assert_msg(!labelset_open(&set, path, ANNOT_BEATS, &err), "%s",
                  err.msg);
    ck_assert(set.n == 3 + 1 && !set.single);
    ck_assert_str_eq(set.item[0].stem, "ab");
    ck_assert_uint_eq(set.item[0].number, 3);
    ck_assert_str_eq(set.item[1].stem, "b");
    ck_assert(!labelset_read(&l, &set, 0, &err));
    ck_assert(l.beats.n == 1 && l.beats.v[0].time == 2);
    annotation_release(&l);
    ck_assert_int_eq(labelset_read(&l, &set, 2, &err), ERR_FORMAT);
    ck_assert_ptr_nonnull(strstr(err.msg, "x.ndjson:4"));
    ck_assert_int_eq(labelset_read(&l, &set, 3, &err), ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.msg, "x.ndjson:5: has no result but an "
                                          "error: cut off"));
    /* the second line is blank */
    ck_assert_int_eq(labelset_rename(&set, names, 4, &err), ERR_FORMAT);
    ck_assert_int_eq(labelset_rename(&set, names, 3, &err), ERR_FORMAT);
    labelset_release(&set);
    path = make("r.ndjson", "{\"file\":\"b\",\"beats\":[{\"time\":1}]}\n"
                            "{\"file\":\"a\",\"beats\":[]}\n");
    ck_assert(!labelset_open(&set, path, ANNOT_BEATS, &err));
    ck_assert_int_eq(labelset_rename(&set, names, 2, &err), 0);
    ck_assert_str_eq(set.item[0].stem, "y");
    ck_assert_str_eq(set.item[1].stem, "z");
    ck_assert(!labelset_read(&l, &set, 1, &err) && l.beats.n == 1);
    annotation_release(&l);
    labelset_release(&set);
    path = make("y.ndjson", "{\"file\":\"a\"}\n{\"beats\":[]}\n");
    ck_assert_int_eq(labelset_open(&set, path, ANNOT_BEATS, &err), ERR_FORMAT);
    ck_assert_ptr_nonnull(strstr(err.msg, "y.ndjson:2"));
}
END_TEST

START_TEST(open_single)
{
    struct labelset set;
    struct annotation l;
    struct err err = { 0 };
    const char *path = make("x.json", "{\n \"file\": \"q.wav\",\n"
                                      " \"key\": {\"label\": \"C major\"}\n}");

    ck_assert(!labelset_open(&set, path, ANNOT_KEY, &err));
    ck_assert(set.n == 1 && set.single);
    ck_assert(!labelset_read(&l, &set, 0, &err));
    ck_assert_str_eq(l.key.label, "C major");
    annotation_release(&l);
    labelset_release(&set);
    path = make("k.anything", "A min\n");
    ck_assert(!labelset_open(&set, path, ANNOT_KEY, &err));
    ck_assert(!labelset_read(&l, &set, 0, &err));
    ck_assert_str_eq(l.key.label, "A minor");
    annotation_release(&l);
    labelset_release(&set);
}
END_TEST

/* A pipe is copied, and the copy goes. */
START_TEST(open_pipe)
{
    struct labelset set;
    struct annotation l;
    struct err err = { 0 };
    char path[64];
    int fd[2];

    ck_assert_int_eq(pipe(fd), 0);
    ck_assert(write(fd[1], "1\n2\n", 4) == 4);
    close(fd[1]);
    snprintf(path, sizeof(path), "/dev/fd/%d", fd[0]);
    if (access(path, R_OK))
        return;
    ck_assert_msg(!labelset_open(&set, path, ANNOT_BEATS, &err), "%s",
                  err.msg);
    ck_assert_ptr_nonnull(set.spool);
    ck_assert(!labelset_read(&l, &set, 0, &err) && l.beats.n == 2);
    annotation_release(&l);
    labelset_release(&set);
    close(fd[0]);
    ck_assert_int_eq(pipe(fd), 0); /* the fault is the pipe's, not the copy's */
    ck_assert(write(fd[1], "1\n2\nx\n", 6) == 6);
    close(fd[1]);
    snprintf(path, sizeof(path), "/dev/fd/%d", fd[0]);
    ck_assert_int_eq(labelset_open(&set, path, ANNOT_BEATS, &err), ERR_FORMAT);
    ck_assert_msg(!strncmp(err.msg, path, strlen(path)), "%s", err.msg);
    close(fd[0]);
}
END_TEST

/* A table has the labels of many songs, some of them none. */
START_TEST(open_table)
{
    const char *path = make("keys.txt",
                            "ID\tMANUAL KEY\tC\tSPEED\tARTIST\tTITLE\t"
                            "COMMENT\n"
                            "2\tC major\t2\t\t\t\t\n"
                            "1\tA minor\t1\t\t\t\t\n");
    struct labelset set;
    struct annotation l;
    struct err err = { 0 };

    ck_assert_msg(!labelset_open(&set, path, ANNOT_KEY, &err), "%s", err.msg);
    ck_assert(set.n == 2 && !set.single);
    ck_assert_str_eq(set.item[0].stem, "1");
    for (int twice = 0; twice < 2; twice++) { /* a copy is handed out */
        ck_assert(!labelset_read(&l, &set, 0, &err));
        ck_assert_str_eq(l.key.label, "A minor");
        annotation_release(&l);
    }
    labelset_release(&set);
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
    tcase_add_test(t, open_table);
    suite_add_tcase(s, t);
    return unit_run(s);
}
