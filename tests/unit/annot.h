/* annot.h - what the tests of label readers share: a text as a file, and texts
 * that must be refused. */
#ifndef TESTS_ANNOT_H
#define TESTS_ANNOT_H

#include <math.h>
#include <string.h>

#include "annot/read.h"
#include "base/xalloc.h"
#include "unit.h"

/* Writes text to a new file whose name ends in ext; the caller unlinks. */
static inline const char *annot_put(const char *text, const char *ext)
{
    static char path[80];
    size_t len = strlen(text);
    int fd;

    snprintf(path, sizeof(path), "check_annot.XXXXXX%s", ext);
    fd = mkstemps(path, (int)strlen(ext));
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, len), (ssize_t)len);
    close(fd);
    return path;
}

static inline int annot_read_text(struct annotation *a, const char *text,
                                  const char *ext, enum annot_task task,
                                  struct err *err)
{
    const char *path = annot_put(text, ext);
    int rc = annot_read(a, path, task, err);

    unlink(path);
    return rc;
}

/* Reads a text that must be right. */
static inline void annot_good(struct annotation *a, const char *text,
                              const char *ext, enum annot_task task)
{
    struct err err = { 0 };

    ck_assert_msg(!annot_read_text(a, text, ext, task, &err), "%s", err.msg);
}

/* A text that must be refused, and a part of the message, as ":2: ". */
struct annot_refused {
    enum annot_task task;
    const char *ext, *text, *says;
};

static inline void annot_refuses(const struct annot_refused *r)
{
    struct annotation a;
    struct err err = { 0 };
    int rc = annot_read_text(&a, r->text, r->ext, r->task, &err);

    ck_assert_msg(rc == ERR_FORMAT || rc == ERR_UNSUPPORTED, "'%s' was read",
                  r->text);
    ck_assert_msg(strstr(err.msg, r->says) && strstr(err.msg, "check_annot."),
                  "'%s' does not say '%s' for '%s'", err.msg, r->says,
                  r->text);
    ck_assert(!a.beats.n && !a.spans.n && !a.key.label && !a.tags.n);
    annotation_release(&a);
}

/* A span, its ends within 1e-9 s: they are sums of a few doubles. */
static inline void annot_span(const struct segment *s, double start, double end,
                              const char *label)
{
    ck_assert_msg(fabs(s->start - start) < 1e-9 &&
                  (s->end == end || fabs(s->end - end) < 1e-9) &&
                  !strcmp(s->label, label), "%.9f-%.9f %s is not %.9f-%.9f %s",
                  s->start, s->end, s->label, start, end, label);
}

#endif
