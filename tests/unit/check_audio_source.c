/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "unit.h"

#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>

#include "audio/source.h"

/* Check runs each test in a process of its own, so stdin may be replaced. */
static void stdin_from(int fd)
{
    ck_assert(dup2(fd, STDIN_FILENO) == STDIN_FILENO);
    close(fd);
}

static int pipe_of(const char *text)
{
    int fd[2];

    ck_assert(!pipe(fd));
    ck_assert(write(fd[1], text, strlen(text)) == (ssize_t)strlen(text));
    close(fd[1]);
    return fd[0];
}

static int file_of(const char *text)
{
    FILE *f = tmpfile();
    int fd;

    ck_assert_ptr_nonnull(f);
    fputs(text, f);
    fflush(f);
    fd = dup(fileno(f));
    fclose(f);
    lseek(fd, 0, SEEK_SET);
    return fd;
}

static void expect(struct source *s, const char *text)
{
    char buf[64];
    size_t n = 0;
    int got;

    while ((got = source_read(s, buf + n, 3)) > 0)
        n += (size_t)got;
    buf[n] = 0;
    ck_assert_int_eq(got, 0);
    ck_assert_str_eq(buf, text);
}

START_TEST(source_pipe_with_prefix)
{
    struct source s;

    stdin_from(pipe_of("efgh"));
    ck_assert(!source_open(&s, "-", 0, "abcd", 4, NULL));
    ck_assert(!source_seekable(&s));
    expect(&s, "abcdefgh");
    source_release(&s);
}
END_TEST

START_TEST(source_file_on_stdin_with_prefix)
{
    struct source s;
    char taken[4];

    stdin_from(file_of("xabcdefgh"));
    ck_assert(read(0, taken, 1) == 1); /* not ours */
    ck_assert(read(0, taken, 4) == 4);
    ck_assert(!source_open(&s, "-", 0, taken, 4, NULL));
    ck_assert(source_seekable(&s));
    ck_assert_int_eq(s.size, 8);
    expect(&s, "abcdefgh");
    source_seek(&s, 6);
    expect(&s, "gh");
    source_seek(&s, 60);
    expect(&s, "");
    source_release(&s);
}
END_TEST

static void refuse(const char *path, int code, const char *word)
{
    struct source s;
    struct err err = {0};

    ck_assert_int_eq(source_open(&s, path, 0, NULL, 0, &err), code);
    ck_assert_msg(strstr(err.msg, word) != NULL, "%s", err.msg);
    source_release(&s);
}

START_TEST(source_open_refuses)
{
    refuse("/nonexistent/a.mp3", ERR_IO, "/nonexistent/a.mp3: cannot open");
    refuse("/", ERR_IO, "directory");
    stdin_from(file_of(""));
    refuse("-", ERR_FORMAT, "stdin: the file is empty");
}
END_TEST

START_TEST(source_open_needs_a_descriptor)
{
    struct rlimit limit;
    int fd[64], n = 0;

    ck_assert(!getrlimit(RLIMIT_NOFILE, &limit));
    limit.rlim_cur = 64;
    ck_assert(!setrlimit(RLIMIT_NOFILE, &limit));
    while (n < 64 && (fd[n] = open("/dev/null", O_RDONLY)) >= 0)
        n++;
    refuse("/dev/null", ERR_IO, "oo many open files");
    while (n)
        close(fd[--n]);
}
END_TEST

START_TEST(source_read_reports_errors)
{
    struct source s;
    char buf[4];

    stdin_from(pipe_of("a"));
    ck_assert(!source_open(&s, "-", 0, NULL, 0, NULL));
    close(STDIN_FILENO);
    ck_assert_int_eq(source_read(&s, buf, 4), -1);
    ck_assert_int_ne(s.error, 0);
    source_release(&s);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("audio_source");
    TCase *t = tcase_create("source");

    tcase_add_test(t, source_pipe_with_prefix);
    tcase_add_test(t, source_file_on_stdin_with_prefix);
    tcase_add_test(t, source_open_refuses);
    tcase_add_test(t, source_open_needs_a_descriptor);
    tcase_add_test(t, source_read_reports_errors);
    suite_add_tcase(s, t);
    return unit_run(s);
}
