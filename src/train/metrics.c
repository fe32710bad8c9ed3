/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "train/metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/strbuf.h"
#include "base/xalloc.h"

/* The whole line as an object whose first field is the step; else NULL. */
static cJSON *parse_line(const char *s, size_t n, int64_t *step)
{
    cJSON *v = NULL;
    const cJSON *first;

    if (json_parse(&v, s, n, NULL))
        return NULL;
    first = cJSON_IsObject(v) ? v->child : NULL;
    if (!first || strcmp(first->string, "step") || !cJSON_IsNumber(first) ||
        first->valuedouble != floor(first->valuedouble) ||
        fabs(first->valuedouble) > 0x1p53) {
        cJSON_Delete(v);
        return NULL;
    }
    *step = (int64_t)first->valuedouble;
    return v;
}

/* Calls visit for each line that ends; returns how many others there are. */
static size_t each_line(const struct strbuf *text,
                        void (*visit)(void *ctx, const char *line, size_t n,
                                      int64_t step, const cJSON *v),
                        void *ctx)
{
    size_t others = 0;

    for (const char *s = text->s, *end = s + text->len; s < end;) {
        const char *nl = memchr(s, '\n', (size_t)(end - s));
        int64_t step = 0;
        cJSON *v = nl ? parse_line(s, (size_t)(nl - s), &step) : NULL;

        if (v)
            visit(ctx, s, (size_t)(nl - s), step, v);
        else
            others++;
        cJSON_Delete(v);
        s = nl ? nl + 1 : end;
    }
    return others;
}

/* ---- writing ---- */

struct keep {
    int64_t step;
    size_t dropped;
    struct strbuf text;
};

static void keep_line(void *ctx, const char *line, size_t n, int64_t step,
                      const cJSON *v)
{
    struct keep *k = ctx;

    (void)v;
    if (step > k->step) {
        k->dropped++;
        return;
    }
    strbuf_add(&k->text, line, n);
    strbuf_addch(&k->text, '\n');
}

static int replace(const char *path, const struct strbuf *text,
                   struct err *err)
{
    struct file_out out = {0};
    int rc;

    TRY(file_out_open(&out, path, err));
    out.sync = 1;
    fwrite(text->s, 1, text->len, out.f);
    rc = file_out_commit(&out, err);
    file_out_abort(&out);
    return rc;
}

static int drop_later(const char *path, int64_t step, struct err *err)
{
    struct keep k = { step, 0, STRBUF_INIT };
    struct strbuf text = STRBUF_INIT;
    int rc;

    if (access(path, F_OK) && errno == ENOENT)
        return 0;
    rc = file_read(&text, path, LIMIT_LIST, err);
    if (!rc) {
        k.dropped += each_line(&text, keep_line, &k);
        if (k.dropped)
            rc = replace(path, &k.text, err);
    }
    strbuf_release(&text);
    strbuf_release(&k.text);
    return rc;
}

int metrics_open(struct metrics *m, const char *path, int64_t step,
                 struct err *err)
{
    memset(m, 0, sizeof(*m));
    TRY(drop_later(path, step, err));
    m->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (m->fd < 0) {
        m->fd = 0;
        return err_sys(err, "%s: cannot write", path);
    }
    m->path = xstrdup(path);
    return 0;
}

static void print_line(struct strbuf *out, int64_t step,
                       const struct metric *v, size_t n)
{
    cJSON *o = cJSON_CreateObject();

    cJSON_AddNumberToObject(o, "step", (double)step);
    for (size_t i = 0; i < n; i++)
        cJSON_AddNumberToObject(o, v[i].name, v[i].value);
    json_print(out, o);
    strbuf_addch(out, '\n');
    cJSON_Delete(o);
}

int metrics_add(struct metrics *m, int64_t step, const struct metric *v,
                size_t n, struct err *err)
{
    struct strbuf line = STRBUF_INIT;
    size_t at = 0;

    if (m->torn)
        strbuf_addch(&line, '\n');
    print_line(&line, step, v, n);
    m->torn = 0;
    while (at < line.len && !m->torn) {
        ssize_t put = write(m->fd, line.s + at, line.len - at);

        if (put >= 0)
            at += (size_t)put;
        else if (errno != EINTR)
            m->torn = 1;
    }
    if (m->torn)
        err_sys(err, "%s: cannot write", m->path);
    strbuf_release(&line);
    return m->torn ? ERR_IO : 0;
}

void metrics_close(struct metrics *m)
{
    if (m->path)
        close(m->fd);
    free(m->path);
    memset(m, 0, sizeof(*m));
}

/* ---- reading ---- */

static struct metrics_series *series_of(struct metrics_table *t,
                                        const char *name)
{
    for (size_t i = 0; i < t->n; i++)
        if (!strcmp(t->series[i].name, name))
            return &t->series[i];
    ARRAY_GROW(t->series, t->n, t->cap);
    memset(&t->series[t->n], 0, sizeof(*t->series));
    t->series[t->n].name = xstrdup(name);
    return &t->series[t->n++];
}

static void add_row(void *ctx, const char *line, size_t n, int64_t step,
                    const cJSON *row)
{
    struct metrics_table *t = ctx;

    (void)line;
    (void)n;
    for (const cJSON *v = row->child->next; v; v = v->next) {
        struct metrics_series *s;
        size_t cap;

        if (!cJSON_IsNumber(v) && !cJSON_IsNull(v))
            continue;
        s = series_of(t, v->string);
        cap = s->cap;
        ARRAY_GROW(s->step, s->n, s->cap);
        ARRAY_GROW(s->value, s->n, cap);
        s->step[s->n] = step;
        s->value[s->n++] = cJSON_IsNull(v) ? NAN : v->valuedouble;
    }
}

int metrics_read(struct metrics_table *t, const char *path, struct err *err)
{
    struct strbuf text = STRBUF_INIT;
    int rc = file_read(&text, path, LIMIT_LIST, err);

    memset(t, 0, sizeof(*t));
    if (!rc)
        t->skipped = each_line(&text, add_row, t);
    strbuf_release(&text);
    return rc;
}

void metrics_table_release(struct metrics_table *t)
{
    for (size_t i = 0; i < t->n; i++) {
        free(t->series[i].name);
        free(t->series[i].step);
        free(t->series[i].value);
    }
    free(t->series);
    memset(t, 0, sizeof(*t));
}

const struct metrics_series *metrics_find(const struct metrics_table *t,
                                          const char *name)
{
    for (size_t i = 0; i < t->n; i++)
        if (!strcmp(t->series[i].name, name))
            return &t->series[i];
    return NULL;
}
