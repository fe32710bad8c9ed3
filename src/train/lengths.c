/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "train/lengths.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "audio/decode.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/xalloc.h"

enum {
    MIN_BYTES_S = 250, /* no audio of use has fewer bytes in a second */
    CHUNK = 16384
};

static int64_t changed_ns(const struct stat *st)
{
    return (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct length *)a)->path,
                  ((const struct length *)b)->path);
}

static int parse_line(struct lengths *l, const char *line)
{
    struct length x;
    int at = 0;

    if (sscanf(line, "%" SCNd64 " %" SCNd64 " %" SCNd64 " %n", &x.samples,
               &x.bytes, &x.changed_ns, &at) != 3 || !at || !line[at] ||
        x.samples < 1)
        return -1;
    x.path = xstrdup(line + at);
    ARRAY_GROW(l->item, l->n, l->cap);
    l->item[l->n++] = x;
    return 0;
}

void lengths_read(struct lengths *l, const char *file, int rate)
{
    struct strbuf text = STRBUF_INIT;
    char *head = xasprintf("mfm-lengths 1 %d", rate), *end, *line;
    int bad = file_read(&text, file, LIMIT_LIST, NULL);

    for (line = text.s; !bad && line < text.s + text.len; line = end + 1) {
        end = line + strcspn(line, "\n");
        bad = *end != '\n'; /* so that a line is whole */
        *end = '\0';
        if (!bad)
            bad = line == text.s ? strcmp(line, head) : parse_line(l, line);
    }
    if (bad && text.len)
        log_info("%s: not lengths at %d Hz, or damaged: made anew", file, rate);
    if (bad)
        lengths_release(l);
    if (l->n)
        qsort(l->item, l->n, sizeof(*l->item), by_path);
    strbuf_release(&text);
    free(head);
}

int64_t lengths_find(const struct lengths *l, const char *path)
{
    const struct length key = { .path = (char *)path }, *x = NULL;
    struct stat st;

    if (l->n)
        x = bsearch(&key, l->item, l->n, sizeof(key), by_path);
    if (!x || stat(path, &st) || st.st_size != x->bytes ||
        changed_ns(&st) != x->changed_ns)
        return 0;
    return x->samples;
}

void lengths_add(struct lengths *l, const char *path, int64_t samples)
{
    struct stat st;

    if (strchr(path, '\n') || stat(path, &st))
        return;
    ARRAY_GROW(l->item, l->n, l->cap);
    l->item[l->n++] = (struct length){ xstrdup(path), samples, st.st_size,
                                       changed_ns(&st) };
}

int lengths_write(const struct lengths *l, const char *file, int rate,
                  struct err *err)
{
    struct file_out o = {0};
    int rc;

    TRY(file_out_open(&o, file, err));
    fprintf(o.f, "mfm-lengths 1 %d\n", rate);
    for (size_t i = 0; i < l->n; i++)
        fprintf(o.f, "%" PRId64 " %" PRId64 " %" PRId64 " %s\n",
                l->item[i].samples, l->item[i].bytes, l->item[i].changed_ns,
                l->item[i].path);
    rc = file_out_commit(&o, err);
    file_out_abort(&o);
    return rc;
}

void lengths_release(struct lengths *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->item[i].path);
    free(l->item);
    *l = (struct lengths){0};
}

static int count(struct decoder *d, int64_t *samples, struct err *err)
{
    float x[CHUNK];
    size_t got;

    *samples = 0;
    do {
        TRY(decoder_read(d, x, CHUNK, &got, err));
        *samples += (int64_t)got;
    } while (got == CHUNK);
    return 0;
}

int lengths_measure(const char *path, int rate, int64_t *samples,
                    struct err *err)
{
    struct decode_source src = { .path = path, .quiet = 1 };
    struct decoder *d = NULL;
    struct stat st;
    double s;
    int rc = 0;

    TRY(decoder_open(&d, &src, rate, err));
    s = decoder_duration_exact(d);
    if (s > 0 && !stat(path, &st) && s <= (double)st.st_size / MIN_BYTES_S)
        *samples = (int64_t)rint(s * rate);
    else
        rc = count(d, samples, err);
    decoder_free(d);
    if (!rc && *samples < 1)
        rc = err_set(err, ERR_FORMAT, "%s: has no samples", path);
    return rc;
}
