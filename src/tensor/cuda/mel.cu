/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tensor/cuda/blas.cuh"
#include "tensor/cuda/common.cuh"
#include "tensor/cuda/fft.cuh"

/* Frames that are transformed at a time: one plan of cuFFT serves all. */
enum { FRAMES = 512 };

/* out (FRAMES, n_fft): of the n frames from sample x on; the rest is 0. */
__global__ void cut_frames(float *out, const float *x, const float *window,
                           int64_t n, int64_t n_fft, int64_t hop)
{
    FOR_EACH(i, FRAMES * n_fft) {
        int64_t t = i / n_fft, k = i % n_fft;

        out[i] = t < n ? window[k] * x[t * hop + k] : 0;
    }
}

__global__ void power_of(float *p, const float2 *z, int64_t n)
{
    FOR_EACH(i, n)
        p[i] = z[i].x * z[i].x + z[i].y * z[i].y;
}

/* What is not above the floor, NaN too, is -100 dB. */
__global__ void to_db(float *y, int64_t n, float mean, float scale)
{
    FOR_EACH(i, n) {
        float v = y[i] > 1e-10f ? 10 * log10f(y[i]) : -100.0f;

        y[i] = (v - mean) * scale;
    }
}

/* At most FRAMES frames, y (n, bands). */
static int some_frames(struct cuda *c, float *y, int64_t n, const float *x,
                       const struct tensor *window,
                       const struct tensor *filters, int64_t hop,
                       struct err *err)
{
    int64_t n_fft = tensor_count(window), bins = n_fft / 2 + 1;
    size_t cut = (size_t)(FRAMES * n_fft), spectra = (size_t)(FRAMES * bins);
    struct gemm g = {};
    void *work;
    float *frames, *power;
    float2 *z;

    TRY(cuda_buf(c, CUDA_BUF_WORK, (cut + 3 * spectra) * sizeof(float), &work,
                 err));
    z = (float2 *)work;
    frames = (float *)work + 2 * spectra;
    power = frames + cut;
    TRY(LAUNCH(cut_frames, cuda_grid(c, FRAMES * n_fft), BLOCK, 0, frames, x,
               window->data, n, n_fft, hop));
    TRY(fft_real(c, z, frames, (int)n_fft, FRAMES, err));
    TRY(LAUNCH(power_of, cuda_grid(c, n * bins), BLOCK, 0, power, z, n * bins));
    g.a = power;
    g.b = filters->data;
    g.d = y;
    g.m = n;
    g.n = tensor_rows(filters);
    g.k = g.lda = g.ldb = bins;
    g.ldd = g.n;
    g.b_trans = 1;
    g.alpha = 1;
    g.operand = OPERAND_F32;
    g.batch = 1;
    return blas_gemm(c, &g, err);
}

int cuda_mel(struct backend *be, struct tensor *y, const struct tensor *x,
             const struct tensor *window, const struct tensor *filters,
             int64_t hop, float mean, float scale, struct err *err)
{
    struct cuda *c = cuda_of(be);
    int64_t n = tensor_rows(y), bands = tensor_cols(y);

    assert(tensor_rows(filters) == bands);
    assert(tensor_cols(filters) == tensor_count(window) / 2 + 1);
    assert(!n || tensor_count(x) >= (n - 1) * hop + tensor_count(window));
    for (int64_t t = 0; t < n; t += FRAMES)
        TRY(some_frames(c, y->data + t * bands,
                        n - t < (int64_t)FRAMES ? n - t : (int64_t)FRAMES,
                        x->data + t * hop, window, filters, hop, err));
    return LAUNCH(to_db, cuda_grid(c, n * bands), BLOCK, 0, y->data, n * bands,
                  mean, scale);
}
