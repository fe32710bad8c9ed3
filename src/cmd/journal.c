/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cmd/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/xalloc.h"
#include "write/json.h"

/* What a line says of itself stands in its first bytes: a path of 4 KiB, each
 * byte of it escaped. */
enum { HEAD = 1 << 15, BUFFER = 1 << 16 };

/* ---- which input a line is of ---- */

struct name {
    char *text;
    size_t index; /* of the input */
    size_t next;  /* in the first of equal names: how many lines it had */
};

struct names {
    struct name *v;
    size_t n;
};

static int by_name(const void *a, const void *b)
{
    const struct name *x = a, *y = b;
    int order = strcmp(x->text, y->text);

    return order ? order : (x->index > y->index) - (x->index < y->index);
}

/* As they stand in lines. */
static void names_of(struct names *names, const struct inputs *in)
{
    names->n = in->n;
    names->v = xcalloc(in->n + 1, sizeof(*names->v));
    for (size_t i = 0; i < in->n; i++) {
        const char *path = in->item[i].path;
        struct strbuf text = STRBUF_INIT;

        write_utf8(&text, strcmp(path, "-") ? path : "stdin");
        names->v[i] = (struct name){ strbuf_detach(&text), i, 0 };
    }
    qsort(names->v, names->n, sizeof(*names->v), by_name);
}

static void names_release(struct names *names)
{
    for (size_t i = 0; i < names->n; i++)
        free(names->v[i].text);
    free(names->v);
}

/* The next input of this name that had no line yet; SIZE_MAX: none. */
static size_t names_take(struct names *names, const char *text)
{
    size_t from = 0, to = names->n, at;

    while (from < to) {
        size_t mid = from + (to - from) / 2;

        if (strcmp(names->v[mid].text, text) < 0)
            from = mid + 1;
        else
            to = mid;
    }
    if (from == names->n || strcmp(names->v[from].text, text))
        return SIZE_MAX;
    at = from + names->v[from].next;
    if (at == names->n || strcmp(names->v[at].text, text))
        return SIZE_MAX;
    names->v[from].next++;
    return names->v[at].index;
}

/* ---- lines ---- */

struct line {
    size_t index;   /* of the input; SIZE_MAX: none of them */
    int part;
    int failed;
    off_t from, to; /* bytes in the part, the newline among them */
};

struct lines {
    struct line *v;
    size_t n, cap;
};

/* head begins with {"file":NAME and is len bytes. */
static int read_head(struct line *line, struct names *names, const char *head,
                     size_t len)
{
    static const char start[] = "{\"file\":", error[] = ",\"error\":";
    const char *p = head + sizeof(start) - 1, *end;
    cJSON *name = NULL;

    if (len < sizeof(start) || memcmp(head, start, sizeof(start) - 1))
        return ERR_FORMAT;
    end = p;
    if (*end == '"')
        for (end++; *end && *end != '"'; end++)
            end += *end == '\\' && end[1];
    end += strcspn(end, ",}");
    TRY(json_parse(&name, p, (size_t)(end - p), NULL));
    line->failed = !strncmp(end, error, sizeof(error) - 1);
    line->index = cJSON_IsString(name) ? names_take(names, name->valuestring)
                                       : SIZE_MAX;
    cJSON_Delete(name);
    return 0;
}

struct scan {
    struct lines *lines;
    struct names *names;
    const char *path;
    int part;
    size_t number; /* of lines */
    char head[HEAD + 1];
    size_t len;    /* of head */
    off_t from, at;
};

static int end_line(struct scan *s, struct err *err)
{
    struct line line = { .part = s->part, .from = s->from, .to = s->at };

    s->number++;
    s->head[s->len] = '\0';
    if (read_head(&line, s->names, s->head, s->len))
        return err_set(err, ERR_FORMAT, "%s: line %zu is no result of mfm; "
                       "remove the file, or write elsewhere", s->path,
                       s->number);
    ARRAY_GROW(s->lines->v, s->lines->n, s->lines->cap);
    s->lines->v[s->lines->n++] = line;
    s->from = s->at;
    s->len = 0;
    return 0;
}

static int take(struct scan *s, const char *buf, size_t n, struct err *err)
{
    while (n) {
        const char *nl = memchr(buf, '\n', n);
        size_t all = nl ? (size_t)(nl - buf) : n;
        size_t kept = all < HEAD - s->len ? all : HEAD - s->len;

        memcpy(s->head + s->len, buf, kept);
        s->len += kept;
        s->at += (off_t)all;
        if (!nl)
            break;
        s->at++;
        TRY(end_line(s, err));
        buf += all + 1;
        n -= all + 1;
    }
    return 0;
}

/* Appends the whole lines of path; *end is where they end. A file that is not
 * there has none. */
static int scan(struct lines *lines, struct names *names, const char *path,
                int part, off_t *end, struct err *err)
{
    struct scan *s = xcalloc(1, sizeof(*s));
    FILE *f = fopen(path, "re");
    char *buf = xmalloc(BUFFER);
    size_t n;
    int rc = 0;

    s->lines = lines;
    s->names = names;
    s->path = path;
    s->part = part;
    while (f && !rc && (n = fread(buf, 1, BUFFER, f)) > 0)
        rc = take(s, buf, n, err);
    if (f && !rc && ferror(f))
        rc = err_sys(err, "%s: cannot read", path);
    *end = s->from;
    if (f)
        fclose(f);
    free(buf);
    free(s);
    return rc;
}

/* ---- parts ---- */

/* Number -1 is FILE itself. */
static char *part_path(const char *path, int number)
{
    return number < 0 ? xstrdup(path)
           : number ? xasprintf("%s.part.%d", path, number)
                    : xasprintf("%s.part", path);
}

static int exists(const char *path, int number)
{
    char *part = part_path(path, number);
    int there = !access(part, F_OK);

    free(part);
    return there;
}

/* Those of this run, and others that are there without a gap. */
static int count_parts(const char *path, int ranks)
{
    while (exists(path, ranks))
        ranks++;
    return ranks;
}

int journal_begun(const char *path, int ranks)
{
    int begun = count_parts(path, ranks) > ranks;

    for (int i = 0; i < ranks && !begun; i++)
        begun = exists(path, i);
    return begun;
}

/* *own is where the whole lines of this process's part end. */
static int scan_all(struct lines *lines, const struct journal *j, int ranks,
                    const struct inputs *in, off_t *own, struct err *err)
{
    int n = count_parts(j->path, ranks), rc = 0;
    struct names names;

    names_of(&names, in);
    for (int i = -1; i < n && !rc; i++) {
        char *part = part_path(j->path, i);
        off_t end;

        rc = scan(lines, &names, part, i, &end, err);
        if (i == j->rank)
            *own = end;
        free(part);
    }
    names_release(&names);
    return rc;
}

/* Marks what is done, and cuts off an incomplete line. */
static int go_on(struct journal *j, int ranks, struct inputs *in,
                 struct err *err)
{
    struct lines lines = {0};
    off_t own = 0;
    int rc = scan_all(&lines, j, ranks, in, &own, err);

    for (size_t i = 0; i < lines.n && !rc; i++) {
        j->failed += (size_t)lines.v[i].failed;
        if (lines.v[i].index != SIZE_MAX)
            in->item[lines.v[i].index].done = 1;
    }
    free(lines.v);
    if (!rc && (ftruncate(fileno(j->f), own) || fseeko(j->f, 0, SEEK_END)))
        rc = err_sys(err, "%s: cannot write", j->part);
    return rc;
}

static int clear_part(const struct journal *j, int number, int force,
                      struct err *err)
{
    char *part = part_path(j->path, number);
    int rc = 0;

    if (!access(part, F_OK) && !force)
        rc = err_set(err, ERR_ARG, "%s: a run was cut off that wrote it; give "
                     "--resume to go on, or --force to begin again", part);
    else if (force && unlink(part) && errno != ENOENT)
        rc = err_sys(err, "%s: cannot remove", part);
    free(part);
    return rc;
}

/* Process 0 looks after the parts of processes that are no more. */
static int clear(const struct journal *j, int ranks, int force,
                 struct err *err)
{
    int n = j->rank ? 0 : count_parts(j->path, ranks);
    int rc = clear_part(j, j->rank, force, err);

    for (int i = ranks; i < n && !rc; i++)
        rc = clear_part(j, i, force, err);
    return rc;
}

int journal_open(struct journal *j, const char *path, int ranks, int rank,
                 int resume, int force, struct inputs *in, struct err *err)
{
    int fd;

    *j = (struct journal){ .path = xstrdup(path), .rank = rank,
                           .part = part_path(path, rank), .resume = resume };
    if (!resume)
        TRY(clear(j, ranks, force, err));
    fd = open(j->part, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    j->f = fd < 0 ? NULL : fdopen(fd, "r+b");
    if (!j->f)
        return err_sys(err, "%s: cannot create", j->part);
    if (flock(fd, LOCK_EX | LOCK_NB)) {
        fclose(j->f);
        j->f = NULL; /* it is not this one's to remove */
        return err_set(err, ERR_IO, "%s: another mfm is writing it", j->part);
    }
    return resume ? go_on(j, ranks, in, err) : 0;
}

/* ---- the end ---- */

static int by_input(const void *a, const void *b)
{
    const struct line *x = a, *y = b;

    /* SIZE_MAX + 1 is 0 */
    if (x->index != y->index)
        return x->index + 1 < y->index + 1 ? -1 : 1;
    if (x->part != y->part)
        return x->part < y->part ? -1 : 1;
    return (x->from > y->from) - (x->from < y->from);
}

static int copy_line(FILE *out, FILE *in, const struct line *line,
                     const char *name, struct err *err)
{
    char buf[1 << 14];
    off_t left = line->to - line->from;

    if (fseeko(in, line->from, SEEK_SET))
        return err_sys(err, "%s: cannot read", name);
    while (left) {
        size_t n = left < (off_t)sizeof(buf) ? (size_t)left : sizeof(buf);

        if (fread(buf, 1, n, in) != n)
            return err_sys(err, "%s: cannot read", name);
        fwrite(buf, 1, n, out);
        left -= (off_t)n;
    }
    return 0;
}

/* n parts and FILE, as file[0..n]. */
static int copy_lines(FILE *out, const struct lines *lines, const char *path,
                      int n, struct err *err)
{
    FILE **file = xcalloc((size_t)n + 1, sizeof(*file));
    int rc = 0;

    for (int i = 0; i <= n; i++) {
        char *part = part_path(path, i - 1);

        file[i] = fopen(part, "re");
        free(part);
    }
    for (size_t i = 0; i < lines->n && !rc; i++) {
        FILE *in = file[lines->v[i].part + 1];

        rc = in ? copy_line(out, in, &lines->v[i], path, err)
                : err_set(err, ERR_IO, "%s: a part of it went away", path);
    }
    for (int i = 0; i <= n; i++)
        if (file[i])
            fclose(file[i]);
    free(file);
    return rc;
}

static int assemble(struct journal *j, int ranks, const struct inputs *in,
                    struct err *err)
{
    int n = count_parts(j->path, ranks), rc;
    struct lines lines = {0};
    struct file_out out = {0};
    off_t own;

    rc = scan_all(&lines, j, ranks, in, &own, err);
    if (lines.n)
        qsort(lines.v, lines.n, sizeof(*lines.v), by_input);
    if (!rc)
        rc = file_out_open(&out, j->path, err);
    if (!rc)
        rc = copy_lines(out.f, &lines, j->path, n, err);
    if (!rc)
        rc = file_out_commit(&out, err);
    file_out_abort(&out);
    free(lines.v);
    for (int i = n - 1; i >= 0 && !rc; i--) {
        char *part = part_path(j->path, i);

        unlink(part);
        free(part);
    }
    return rc;
}

int journal_commit(struct journal *j, int ranks, const struct inputs *in,
                   struct err *err)
{
    if (fflush(j->f) || ferror(j->f))
        return err_sys(err, "%s: cannot write", j->part);
    if (j->resume || ranks > 1)
        return assemble(j, ranks, in, err);
    return rename(j->part, j->path)
               ? err_sys(err, "%s: cannot write", j->path) : 0;
}

void journal_close(struct journal *j)
{
    struct stat st;

    if (j->f && !fstat(fileno(j->f), &st) && !st.st_size && st.st_nlink &&
        !stat(j->part, &st) && !st.st_size)
        unlink(j->part);
    if (j->f)
        fclose(j->f);
    free(j->path);
    free(j->part);
    *j = (struct journal){0};
}
