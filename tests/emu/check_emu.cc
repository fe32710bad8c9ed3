/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The emulation itself: what it computes, and that it ends a program that does
 * what a GPU would not forgive. Each fault runs in a process of its own. */
#include "tensor/cuda/common.cuh"
#include "tensor/cuda/mma.cuh"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

int cuda_check(cudaError_t, const char *, struct err *)
{
    return 0;
}

static int failed, checked;

static void expect(bool good, const char *what)
{
    checked++;
    failed += !good;
    if (!good)
        printf("FAIL %s\n", what);
}

/* body must end its process, and say word. */
static void expect_end(void (*body)(), const char *word, const char *what)
{
    char said[4096];
    ssize_t n = 0, got;
    int fd[2], status = 0;
    pid_t pid;

    if (pipe(fd))
        exit(99);
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        dup2(fd[1], STDERR_FILENO);
        close(fd[0]);
        body();
        _exit(0);
    }
    close(fd[1]);
    while (n < (ssize_t)sizeof(said) - 1 &&
           (got = read(fd[0], said + n, sizeof(said) - 1 - (size_t)n)) > 0)
        n += got;
    said[n] = 0;
    close(fd[0]);
    waitpid(pid, &status, 0);
    expect(WIFSIGNALED(status) && strstr(said, word), what);
}

static struct cuda device;
static struct cuda *const c = &device;
static struct err *const err = nullptr;

/* ---- faults ---- */

__global__ void outside_shared(float *out)
{
    SHARED1(float, a, 32);

    a[threadIdx.x] = 1;
    out[threadIdx.x] = a[threadIdx.x + 1];
}

__global__ void outside_row(float *out)
{
    SHARED2(float, a, 4, 8);

    out[threadIdx.x] = a[threadIdx.x / 8][threadIdx.x];
}

__global__ void outside_dynamic(float *out)
{
    SHARED_DYNAMIC(float, a);

    a[threadIdx.x + 1] = 1;
    out[0] = a[0];
}

__global__ void half_at_barrier(float *)
{
    if (threadIdx.x < 16)
        __syncthreads();
}

__global__ void two_barriers(float *)
{
    if (threadIdx.x < 16)
        __syncthreads();
    else
        __syncthreads();
}

__global__ void half_a_shuffle(float *out)
{
    if (threadIdx.x < 16)
        out[threadIdx.x] = __shfl_xor_sync(0xffffffffu, 1.0f, 1);
}

__global__ void past_the_end(float *out)
{
    out[threadIdx.x + 1] = 1;
}

static float memory[64];

static void run_outside_shared() { LAUNCH(outside_shared, 1, 32, 0, memory); }
static void run_outside_row() { LAUNCH(outside_row, 1, 32, 0, memory); }
static void run_outside_dynamic()
{
    LAUNCH(outside_dynamic, 1, 32, 32 * sizeof(float), memory);
}
static void run_half_at_barrier() { LAUNCH(half_at_barrier, 1, 32, 0, memory); }
static void run_two_barriers() { LAUNCH(two_barriers, 1, 32, 0, memory); }
static void run_half_a_shuffle() { LAUNCH(half_a_shuffle, 1, 32, 0, memory); }

static float *block_of(int n)
{
    void *p = nullptr;

    cudaMallocAsync(&p, (size_t)n * sizeof(float), nullptr);
    return (float *)p;
}

static void run_past_the_end()
{
    float *p = block_of(32);

    LAUNCH(past_the_end, 1, 32, 0, p);
}
static void run_freed()
{
    float *p = block_of(64);

    cudaFreeAsync(p, nullptr);
    LAUNCH(past_the_end, 1, 32, 0, p);
}

/* ---- what is right ---- */

/* Every thread adds up the block's numbers through two barriers. */
__global__ void sums(float *out)
{
    float v = block_sum((float)threadIdx.x);

    out[(int64_t)blockIdx.x * blockDim.x + threadIdx.x] = v + blockIdx.x;
}

__global__ void fresh_memory(int *stale)
{
    SHARED1(float, a, 8);
    SHARED_DYNAMIC(float, b);

    if (threadIdx.x == 0 && (a[3] == a[3] || b[3] == b[3]))
        *stale += 1;
    __syncthreads();
    if (threadIdx.x < 8)
        a[threadIdx.x] = b[threadIdx.x] = 1;
}

/* Copies are there behind the wait, and not before. */
__global__ void late_copies(int *early, float *out, const float *in)
{
    SHARED_DYNAMIC(float, b);

    copy16(b + 4 * threadIdx.x, in + 4 * threadIdx.x, threadIdx.x != 5);
    copy_commit();
    *early += b[4 * threadIdx.x] == in[4 * threadIdx.x];
    copy_wait<0>();
    for (int i = 0; i < 4; i++)
        out[4 * threadIdx.x + i] = b[4 * threadIdx.x + i];
}

/* d (16, 8) = a (16, 16) b (16, 8) through shared memory and ldmatrix. */
__global__ void product(float *d, const float *a, const float *b)
{
    SHARED_DYNAMIC(bf16, sa); /* (16, 16), then b (16, 8) */
    bf16 *sb = sa + 256;
    uint32_t fa[4], fb[4];
    float sum[4] = {};
    int lane = (int)threadIdx.x, g = lane / 4, t = lane % 4;

    for (int i = lane; i < 256; i += 32)
        sa[i] = from_float<bf16>(a[i]);
    for (int i = lane; i < 128; i += 32)
        sb[i] = from_float<bf16>(b[i]);
    __syncthreads();
    ldmatrix_x4(fa, sa + (lane % 16) * 16 + lane / 16 * 8);
    ldmatrix_x4_trans(fb, sb + lane % 16 * 8);
    mma_16x8x16<bf16>(sum, fa, fb);
    for (int i = 0; i < 4; i++)
        d[(g + i / 2 * 8) * 8 + 2 * t + i % 2] = sum[i];
}

static void check_sums()
{
    float out[3 * 96];
    bool good = true;

    LAUNCH(sums, 3, 96, 0, out);
    for (int i = 0; i < 3 * 96; i++)
        good &= out[i] == 95 * 96 / 2 + i / 96;
    expect(good, "block_sum");
}

static void check_memory()
{
    float in[128], out[128];
    int stale = 0, early = 0;
    bool good = true;

    LAUNCH(fresh_memory, 4, 32, 64 * sizeof(float), &stale);
    expect(!stale, "shared memory is fresh in each block");
    for (int i = 0; i < 128; i++)
        in[i] = (float)i + 1;
    LAUNCH(late_copies, 1, 32, sizeof(in), &early, out, in);
    for (int i = 0; i < 128; i++)
        good &= out[i] == (i / 4 == 5 ? 0 : in[i]);
    expect(!early, "copies happen at the wait");
    expect(good, "copies");
}

static void check_product()
{
    float a[256], b[128], d[128];
    bool good = true;

    for (int i = 0; i < 256; i++)
        a[i] = (float)(i * 7 % 23 - 11);
    for (int i = 0; i < 128; i++)
        b[i] = (float)(i * 5 % 19 - 9);
    LAUNCH(product, 1, 32, 384 * sizeof(bf16), d, a, b);
    for (int i = 0; i < 16; i++)
        for (int j = 0; j < 8; j++) {
            float sum = 0;

            for (int k = 0; k < 16; k++)
                sum += a[i * 16 + k] * b[k * 8 + j];
            good &= d[i * 8 + j] == sum;
        }
    expect(good, "ldmatrix and mma");
}

/* All halves there and back; the rounding against double arithmetic. */
static void check_halves()
{
    bool same = true, near = true;

    for (uint32_t i = 0; i < 0x7c00; i++) {
        __half h = { (uint16_t)i };

        same &= __float2half(__half2float(h)).bits == i;
        same &= __float2half(-__half2float(h)).bits == (i | 0x8000);
    }
    for (uint32_t u = 0x33000000; u < 0x477f0000; u += 977) {
        float f = __uint_as_float(u);
        __half h = __float2half(f), up = { (uint16_t)(h.bits + 1) };
        __half down = { (uint16_t)(h.bits ? h.bits - 1 : 0) };
        double d = fabs((double)__half2float(h) - f);

        near &= d <= fabs((double)__half2float(up) - f) &&
                d <= fabs((double)__half2float(down) - f);
    }
    expect(same, "every half is itself");
    expect(near, "the nearest half");
}

int main()
{
    expect_end(run_outside_shared, "index 32", "index outside shared memory");
    expect_end(run_outside_row, "index 8", "index outside a row");
    expect_end(run_outside_dynamic, "", "past dynamic shared memory");
    expect_end(run_half_at_barrier, "barrier", "half a block at a barrier");
    expect_end(run_two_barriers, "barrier", "two barriers at once");
    expect_end(run_half_a_shuffle, "warp", "half a warp in a shuffle");
    expect_end(run_past_the_end, "", "past the end of an allocation");
    expect_end(run_freed, "", "freed memory");
    check_sums();
    check_memory();
    check_product();
    check_halves();
    printf("%d of %d checks of the emulation passed\n", checked - failed,
           checked);
    return failed ? 1 : 0;
}
