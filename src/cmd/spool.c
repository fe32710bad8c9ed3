/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cmd/spool.h"

#include <stdlib.h>

#include "base/xalloc.h"

struct spool {
    int tracks, width;
    int64_t rows;
    FILE *file[];
};

int spool_new(struct spool **out, int tracks, int width, struct err *err)
{
    struct spool *s = xcalloc(1, sizeof(*s) +
                                 (size_t)tracks * sizeof(*s->file));

    s->width = width;
    for (; s->tracks < tracks; s->tracks++) {
        s->file[s->tracks] = tmpfile();
        if (!s->file[s->tracks]) {
            err_sys(err, "cannot create a temporary file");
            spool_free(s);
            return ERR_IO;
        }
    }
    *out = s;
    return 0;
}

void spool_free(struct spool *s)
{
    if (!s)
        return;
    for (int i = 0; i < s->tracks; i++)
        fclose(s->file[i]);
    free(s);
}

int spool_add(struct spool *s, int track, const void *rows, int64_t n,
              struct err *err)
{
    size_t count = (size_t)(n * s->width);

    if (count && fwrite(rows, 4, count, s->file[track]) != count)
        return err_sys(err, "cannot write a temporary file");
    if (track == 0)
        s->rows += n;
    return 0;
}

int64_t spool_rows(const struct spool *s)
{
    return s->rows;
}

int spool_rewind(struct spool *s, int track, struct err *err)
{
    if (fflush(s->file[track]) || fseeko(s->file[track], 0, SEEK_SET))
        return err_sys(err, "cannot write a temporary file");
    return 0;
}

int spool_next(struct spool *s, int track, void *row, struct err *err)
{
    size_t n = (size_t)s->width;

    if (fread(row, 4, n, s->file[track]) != n)
        return err_sys(err, "cannot read a temporary file");
    return 0;
}

int spool_each(struct spool *s, void (*take)(void *ctx, const void *, size_t),
               void *ctx, struct err *err)
{
    char buf[1 << 16];
    size_t n;

    for (int i = 0; i < s->tracks; i++) {
        TRY(spool_rewind(s, i, err));
        while ((n = fread(buf, 1, sizeof(buf), s->file[i])) > 0)
            take(ctx, buf, n);
        if (ferror(s->file[i]))
            return err_sys(err, "cannot read a temporary file");
    }
    return 0;
}

static void write_bytes(void *f, const void *data, size_t n)
{
    fwrite(data, 1, n, f);
}

int spool_copy(struct spool *s, FILE *f, struct err *err)
{
    return spool_each(s, write_bytes, f, err);
}
