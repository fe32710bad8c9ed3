/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mel/fft.h"

#include <libavutil/avutil.h>
#include <libavutil/tx.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/dynlib.h"
#include "base/xalloc.h"

struct fft {
    int n;
    AVTXContext *tx;
    av_tx_fn run;
};

#define FUNCTIONS(F) F(av_tx_init) F(av_tx_uninit)

/* Written once, by load under pthread_once. */
static struct av {
    FUNCTIONS(DYNLIB_FIELD)
} av;
static struct err load_err;
static pthread_once_t load_once = PTHREAD_ONCE_INIT;

static void load(void)
{
    DYNLIB_LOAD("libavutil", LIBAVUTIL_VERSION_MAJOR, FUNCTIONS, &load_err);
}

static int make(struct fft **out, enum AVTXType type, int n, struct err *err)
{
    struct fft *f;
    float scale = 1;

    if (n < 16 || n > 1 << 20 || (n & (n - 1)))
        return err_set(err, ERR_ARG, "a Fourier transform of %d samples, not "
                       "a power of two from 16 to 1048576", n);
    pthread_once(&load_once, load);
    if (load_err.code)
        return err_set(err, load_err.code, "%s", load_err.msg);
    f = xcalloc(1, sizeof(*f));
    f->n = n;
    if (av.av_tx_init(&f->tx, &f->run, type, 0, n, &scale, 0) < 0) {
        free(f);
        return err_set(err, ERR_NOMEM, "no Fourier transform of %d samples",
                       n);
    }
    *out = f;
    return 0;
}

int fft_new(struct fft **out, int n, struct err *err)
{
    return make(out, AV_TX_FLOAT_RDFT, n, err);
}

int fft_new_complex(struct fft **out, int n, struct err *err)
{
    return make(out, AV_TX_FLOAT_FFT, n, err);
}

void fft_free(struct fft *f)
{
    if (!f)
        return;
    av.av_tx_uninit(&f->tx);
    free(f);
}

void fft_real(struct fft *f, float *out, float *in)
{
    f->run(f->tx, out, in, sizeof(float));
    out[f->n + 1] = 0; /* libavutil 57 leaves it as it was */
}

void fft_complex(struct fft *f, float *out, float *in)
{
    f->run(f->tx, out, in, 2 * sizeof(float));
}
