/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "audio/clip.h"

#include <math.h>
#include <stdlib.h>

enum { CHUNK = 16384 };

static int grow(struct clip *c, size_t cap, const char *name, struct err *err)
{
    int16_t *x = realloc(c->x, (cap ? cap : 1) * sizeof(*x));

    if (!x)
        return err_set(err, ERR_NOMEM, "%s: no memory for %zu samples", name,
                       cap);
    c->x = x;
    return 0;
}

static int16_t round16(float v)
{
    v = rintf(v * 32768);
    return v > 32767 ? 32767 : v < -32768 ? -32768 : (int16_t)v;
}

static int read_all(struct clip *c, struct decoder *d, size_t max,
                    const char *name, struct err *err)
{
    size_t cap = 0, got;
    float x[CHUNK];

    do {
        TRY(decoder_read(d, x, CHUNK, &got, err));
        if (c->n + got > max)
            return err_set(err, ERR_UNSUPPORTED, "%s: longer than %d hours; "
                           "split it", name, CLIP_MAX_S / 3600);
        if (c->n + got > cap) {
            cap = 2 * (c->n + CHUNK);
            TRY(grow(c, cap, name, err));
        }
        for (size_t i = 0; i < got; i++)
            c->x[c->n + i] = round16(x[i]);
        c->n += got;
    } while (got == CHUNK);
    return grow(c, c->n, name, err);
}

int clip_read(struct clip *c, const struct decode_source *src, int rate,
              struct err *err)
{
    struct decoder *d = NULL;
    int rc;

    *c = (struct clip){0};
    TRY(decoder_open(&d, src, rate, err));
    rc = read_all(c, d, (size_t)CLIP_MAX_S * (size_t)rate, src->path, err);
    decoder_free(d);
    if (rc)
        clip_release(c);
    return rc;
}

void clip_release(struct clip *c)
{
    free(c->x);
    *c = (struct clip){0};
}

void clip_floats(float *out, const int16_t *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (float)x[i] / 32768;
}
