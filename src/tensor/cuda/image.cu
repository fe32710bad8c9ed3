/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tensor/cuda/image.cuh"

int64_t cuda_image_size(struct backend *be, int64_t h, int64_t w, int64_t c)
{
    int64_t n = h * w * c;

    return c > 1 && cuda_is_16(cuda_of(be)) ? (n + 1) / 2 : n;
}

/* ---- element by element ---- */

template <class V>
__global__ void add_relu(V *y, const V *a, const V *b, int64_t n)
{
    FOR_EACH(i, n) {
        float v = to_float(a[i]) + to_float(b[i]);

        y[i] = from_float<V>(v < 0 ? 0 : v); /* NaN stays */
    }
}

template <class V>
__global__ void relu_slopes(V *dx, const V *dy, const V *y, int64_t n)
{
    FOR_EACH(i, n)
        dx[i] = to_float(y[i]) > 0 ? dy[i] : from_float<V>(0);
}

template <class V>
static int add_relu_of(struct cuda *c, const struct cuda_image *y,
                       const struct cuda_image *a, const struct cuda_image *b,
                       struct err *err)
{
    int64_t n = y->b * y->h * y->w * y->c;

    return LAUNCH(add_relu<V>, cuda_grid(c, n), BLOCK, 0, (V *)y->data,
                  (const V *)a->data, (const V *)b->data, n);
}

int cuda_image_add_relu(struct backend *be, struct tensor *y,
                        const struct tensor *a, const struct tensor *b,
                        struct err *err)
{
    struct cuda *c = cuda_of(be);
    struct cuda_image m = cuda_image_of(c, y), p = cuda_image_of(c, a);
    struct cuda_image q = cuda_image_of(c, b);

    assert(tensor_count(a) == tensor_count(y));
    assert(tensor_count(b) == tensor_count(y));
    CUDA_IMAGE_CALL(c, m, add_relu_of<V>(c, &m, &p, &q, err));
}

template <class V>
static int relu_slopes_of(struct cuda *c, const struct cuda_image *dx,
                          const struct cuda_image *dy,
                          const struct cuda_image *y, struct err *err)
{
    int64_t n = y->b * y->h * y->w * y->c;

    return LAUNCH(relu_slopes<V>, cuda_grid(c, n), BLOCK, 0, (V *)dx->data,
                  (const V *)dy->data, (const V *)y->data, n);
}

int cuda_image_relu_backward(struct backend *be, struct tensor *dx,
                             const struct tensor *dy, const struct tensor *y,
                             struct err *err)
{
    struct cuda *c = cuda_of(be);
    struct cuda_image m = cuda_image_of(c, dx), p = cuda_image_of(c, dy);
    struct cuda_image q = cuda_image_of(c, y);

    assert(tensor_count(dy) == tensor_count(y));
    assert(tensor_count(dx) == tensor_count(y));
    CUDA_IMAGE_CALL(c, m, relu_slopes_of<V>(c, &m, &p, &q, err));
}

/* ---- rows (.., C * W), channel-major, from and to rows of an image (W, C):
 * tiles of 32 x 32 values through shared memory, so that both sides are read
 * and written along their rows ---- */

template <class V>
__global__ void turn_rows(float *rows, V *image, int64_t w, int64_t c,
                          int to_image)
{
    SHARED2(float, tile, 32, 33);
    int64_t w0 = (int64_t)blockIdx.x * 32, c0 = (int64_t)blockIdx.y * 32;
    float *row = rows + (int64_t)blockIdx.z * w * c;
    V *pixel = image + (int64_t)blockIdx.z * w * c;
    int x = (int)threadIdx.x;

    for (int y = (int)threadIdx.y; y < 32; y += 8)
        if (to_image && w0 + x < w && c0 + y < c)
            tile[y][x] = row[(c0 + y) * w + w0 + x];
        else if (!to_image && w0 + y < w && c0 + x < c)
            tile[x][y] = to_float(pixel[(w0 + y) * c + c0 + x]);
    __syncthreads();
    for (int y = (int)threadIdx.y; y < 32; y += 8)
        if (!to_image && w0 + x < w && c0 + y < c)
            row[(c0 + y) * w + w0 + x] = tile[y][x];
        else if (to_image && w0 + y < w && c0 + x < c)
            pixel[(w0 + y) * c + c0 + x] = from_float<V>(tile[x][y]);
}

/* n rows of the image from number first on. */
template <class V>
static int turn_rows_of(struct cuda *c, float *rows, const struct cuda_image *m,
                        int64_t first, int64_t n, int to_image, struct err *err)
{
    const int64_t most = 32768; /* of a grid's third dimension: 65535 */
    int64_t cols = m->w * m->c;

    for (int64_t i = 0; i < n; i += most) {
        dim3 grid((unsigned)((m->w + 31) / 32), (unsigned)((m->c + 31) / 32),
                  (unsigned)(n - i < most ? n - i : most));

        TRY(LAUNCH(turn_rows<V>, grid, dim3(32, 8), 0, rows + i * cols,
                   (V *)m->data + (first + i) * cols, m->w, m->c, to_image));
    }
    return 0;
}

static int move_rows(struct backend *be, const struct tensor *rows,
                     const struct tensor *image, int64_t first, int to_image,
                     struct err *err)
{
    struct cuda *c = cuda_of(be);
    struct cuda_image m = cuda_image_of(c, image);
    int64_t n = tensor_rows(rows);

    assert(tensor_cols(rows) == m.c * m.w && first + n <= m.b * m.h);
    CUDA_IMAGE_CALL(c, m, turn_rows_of<V>(c, rows->data, &m, first, n, to_image,
                                          err));
}

int cuda_image_flatten(struct backend *be, struct tensor *y,
                       const struct tensor *x, int64_t first, struct err *err)
{
    return move_rows(be, y, x, first, 0, err);
}

int cuda_image_rows(struct backend *be, struct tensor *y,
                    const struct tensor *x, struct err *err)
{
    return move_rows(be, y, x, 0, 0, err);
}

int cuda_image_rows_backward(struct backend *be, struct tensor *dx,
                             const struct tensor *dy, struct err *err)
{
    return move_rows(be, dy, dx, 0, 1, err);
}
