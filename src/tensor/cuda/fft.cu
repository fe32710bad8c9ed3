/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tensor/cuda/fft.cuh"

#include <cufft.h>
#include <stdlib.h>

struct fft {
    cufftHandle plan;
    int n, rows; /* rows 0: no plan */
};

static int check(cufftResult r, struct err *err)
{
    if (r == CUFFT_SUCCESS)
        return 0;
    return err_set(err, r == CUFFT_ALLOC_FAILED ? ERR_NOMEM : ERR_DEVICE,
                   "spectra: cuFFT error %d", (int)r);
}

void fft_close(struct fft *f)
{
    if (!f)
        return;
    if (f->rows)
        cufftDestroy(f->plan);
    free(f);
}

static int make_plan(struct cuda *c, int n, int rows, struct err *err)
{
    struct fft *f = c->fft;

    if (f->rows)
        cufftDestroy(f->plan);
    f->rows = 0;
    TRY(check(cufftPlanMany(&f->plan, 1, &n, NULL, 1, n, NULL, 1, n / 2 + 1,
                            CUFFT_R2C, rows), err));
    f->n = n;
    f->rows = rows;
    return check(cufftSetStream(f->plan, c->stream), err);
}

int fft_real(struct cuda *c, float2 *out, float *in, int n, int rows,
             struct err *err)
{
    if (!c->fft)
        c->fft = (struct fft *)calloc(1, sizeof(*c->fft));
    if (!c->fft)
        return err_set(err, ERR_NOMEM, "no memory for a plan");
    if (c->fft->n != n || c->fft->rows != rows)
        TRY(make_plan(c, n, rows, err));
    return check(cufftExecR2C(c->fft->plan, in, (cufftComplex *)out), err);
}
