/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cmd/click.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/xalloc.h"
#include "cmd/outputs.h"
#include "cmd/spool.h"

static const double click_s = 0.03, beat_hz = 1000, downbeat_hz = 2000;

struct click {
    struct spool *spool;
    int rate;
};

int click_new(struct click **out, int rate, struct err *err)
{
    struct click *c = xcalloc(1, sizeof(*c));
    int rc = spool_new(&c->spool, 1, 1, err);

    c->rate = rate;
    if (rc)
        click_free(c);
    else
        *out = c;
    return rc;
}

void click_free(struct click *c)
{
    if (c)
        spool_free(c->spool);
    free(c);
}

int click_push(struct click *c, const float *x, int64_t n, struct err *err)
{
    return spool_add(c->spool, 0, x, n, err);
}

/* ---- WAV ---- */

static void put16(FILE *f, unsigned v)
{
    fputc((int)(v & 255), f);
    fputc((int)(v >> 8 & 255), f);
}

static void put32(FILE *f, uint32_t v)
{
    put16(f, v & 0xffff);
    put16(f, v >> 16);
}

/* RIFF, with who wrote it, by which outputs.h knows it again. */
static void put_header(FILE *f, int rate, uint32_t bytes)
{
    const uint32_t soft = (uint32_t)(sizeof(OUTPUTS_WAV_MARK) + 1) & ~1u;

    fputs("RIFF", f);
    put32(f, 4 + 24 + 20 + soft + 8 + bytes);
    fputs("WAVEfmt ", f);
    put32(f, 16);
    put16(f, 1); /* PCM */
    put16(f, 1); /* channel */
    put32(f, (uint32_t)rate);
    put32(f, (uint32_t)rate * 2);
    put16(f, 2);
    put16(f, 16);
    fputs("LIST", f);
    put32(f, 12 + soft);
    fputs("INFOISFT", f);
    put32(f, soft);
    fwrite(OUTPUTS_WAV_MARK, 1, sizeof(OUTPUTS_WAV_MARK), f);
    if (sizeof(OUTPUTS_WAV_MARK) & 1)
        fputc(0, f);
    fputs("data", f);
    put32(f, bytes);
}

/* What sounds t seconds after a beat. */
static double click_at(const struct beat *b, double t)
{
    double hz = b->position == 1 ? downbeat_hz : beat_hz;

    return t < 0 || t >= click_s
               ? 0 : 0.5 * exp(-t * 150) * sin(2 * M_PI * hz * t);
}

static int put_samples(FILE *f, struct click *c, const struct beats *beats,
                       double start, struct err *err)
{
    int64_t n = spool_rows(c->spool);
    size_t at = 0; /* the beat that sounds, or the next */

    TRY(spool_rewind(c->spool, 0, err));
    for (int64_t i = 0; i < n; i++) {
        double t = start + (double)i / c->rate, y;
        float x;

        TRY(spool_next(c->spool, 0, &x, err));
        while (at + 1 < beats->n && beats->v[at + 1].time <= t)
            at++;
        y = (double)x / 2;
        if (at < beats->n)
            y += click_at(&beats->v[at], t - beats->v[at].time);
        put16(f, (unsigned)lrint(fmax(-1, fmin(1, y)) * 32767) & 0xffff);
    }
    return 0;
}

int click_write(struct click *c, const char *path, int force,
                const struct beats *beats, double start, struct err *err)
{
    enum { HEAD = 200 };
    struct file_out out = {0};
    int64_t bytes = 2 * spool_rows(c->spool);
    int rc;

    if (!bytes)
        return err_set(err, ERR_ARG, "%s: the input holds hidden states, no "
                       "sound to put clicks on", path);
    if (bytes > UINT32_MAX - HEAD)
        return err_set(err, ERR_ARG, "%s: longer than a WAV file can be; take "
                       "a part with --from and --to", path);
    /* whatever its name: nothing but a WAV of mfm is known to be replaceable */
    TRY(outputs_may_write(path, force, &(struct strbuf)STRBUF_INIT, err));
    TRY(file_out_open(&out, path, err));
    put_header(out.f, c->rate, (uint32_t)bytes);
    rc = put_samples(out.f, c, beats, start, err);
    if (!rc)
        rc = file_out_commit(&out, err);
    file_out_abort(&out);
    return rc;
}
