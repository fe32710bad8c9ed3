/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Against torch: tests/golden_check on golden/conformer*. Here: that the pieces
 * in which the front end works cannot be told from the whole. */
#include "unit.h"

#include <math.h>
#include <string.h>

#include "base/xalloc.h"
#include "model/frontend.h"

static struct model *model;
static struct backend *be;

static float *forward(struct frontend *f, const struct tensor *mel,
                      int64_t piece)
{
    int64_t frames = frontend_frames(f, mel->dim[0]);
    int64_t dim = model->config.encoder.dim;
    struct tensor x = {0};
    float *out = xcalloc((size_t)(frames * dim), sizeof(*out));

    f->piece = piece;
    ck_assert(!tensor_reserve(&x, be, 2, (int64_t[]){ frames, dim }, NULL));
    ck_assert(!frontend_forward(f, &x, mel, NULL));
    ck_assert(!tensor_download(out, &x, NULL));
    tensor_release(&x);
    return out;
}

/* Winograd's tiles lie elsewhere in a piece, so the last bits may differ. A row
 * computed from a spoilt edge would be wrong in the first digit. */
static void assert_rows_equal(const float *a, const float *b, int64_t rows,
                              int64_t dim)
{
    for (int64_t i = 0; i < rows; i++) {
        double d = 0, s = 0;

        for (int64_t j = 0; j < dim; j++) {
            d += pow((double)a[i * dim + j] - b[i * dim + j], 2);
            s += pow(b[i * dim + j], 2);
        }
        ck_assert_msg(sqrt(d / s) < 1e-5, "row %d of %d differs: %g", (int)i,
                      (int)rows, sqrt(d / s));
    }
}

static const int64_t times[] = { 1, 5, 64, 101, 240 };

/* At 50 Hz (strides 2, 1) and, with the same weights, at 25 Hz (2, 2). */
START_TEST(frontend_forward_in_pieces)
{
    int64_t time = times[_i / 2], dim = model->config.encoder.dim, rows;
    struct frontend f = {0};
    struct tensor mel = {0};
    float *whole;

    model->config.encoder.time_strides[1] = 1 + _i % 2;
    ck_assert(!frontend_init(&f, model, be, NULL));
    ck_assert(!tensor_reserve(&mel, be, 2, (int64_t[]){ time, 128 }, NULL));
    for (int64_t i = 0; i < time * 128; i++)
        mel.data[i] = sinf(0.37f * (float)i) + cosf(0.0021f * (float)i);
    rows = frontend_frames(&f, time);
    whole = forward(&f, &mel, 1000000);
    for (int64_t piece = 1; piece < 2 * rows; piece = 3 * piece + 4) {
        float *parts = forward(&f, &mel, piece);

        assert_rows_equal(parts, whole, rows, dim);
        free(parts);
    }
    free(whole);
    tensor_release(&mel);
    frontend_release(&f);
}
END_TEST

/* A device whose memory ends: allocations of more than most floats fail. */
static const struct backend_ops *large;
static int64_t most, asked;

static int small_alloc(struct backend *b, float **out, int64_t n,
                       struct err *err)
{
    asked = n > asked ? n : asked;
    return n > most ? err_set(err, ERR_NOMEM, "%lld floats", (long long)n)
                    : large->alloc(b, out, n, err);
}

/* Pieces shrink until they fit, and the rows are the same; where they cannot,
 * it is an error. */
START_TEST(frontend_forward_in_little_memory)
{
    struct backend_ops small = *be->ops;
    struct frontend f = {0};
    struct tensor mel = {0}, x = {0};
    int64_t dim = model->config.encoder.dim, time = 4000, rows;
    float *whole, *parts;
    struct err err = {0};

    model->config.encoder.time_strides[1] = 1;
    ck_assert(!frontend_init(&f, model, be, NULL));
    rows = frontend_frames(&f, time);
    ck_assert(!tensor_reserve(&mel, be, 2, (int64_t[]){ time, 128 }, NULL));
    ck_assert(!tensor_reserve(&x, be, 2, (int64_t[]){ rows, dim }, NULL));
    for (int64_t i = 0; i < time * 128; i++)
        mel.data[i] = sinf(0.37f * (float)i) + cosf(0.0021f * (float)i);
    /* what does not shrink is there already */
    ck_assert(!tensor_reserve(&f.flat, be, 2, (int64_t[]){
                              rows, tensor_cols(&f.weight) }, NULL));
    large = be->ops;
    small.alloc = small_alloc;
    be->ops = &small;
    most = INT64_MAX;
    whole = forward(&f, &mel, rows);
    for (int i = 0; i < 4; i++)
        tensor_release(&f.image[i / 2][i % 2]);
    most = asked / 3;
    parts = forward(&f, &mel, rows);
    ck_assert_int_eq(f.piece, rows / 4);
    assert_rows_equal(parts, whole, rows, dim);
    for (int i = 0; i < 4; i++)
        tensor_release(&f.image[i / 2][i % 2]);
    most = 10;
    ck_assert_int_eq(frontend_forward(&f, &x, &mel, &err), ERR_NOMEM);
    ck_assert_int_le(f.piece, FRONTEND_LEAST);
    be->ops = large;
    tensor_release(&mel);
    tensor_release(&x);
    frontend_release(&f);
    free(whole);
    free(parts);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("model_frontend");
    TCase *t = tcase_create("frontend");
    struct err err = {0};
    int rc;

    if (model_open(&model, unit_path("", "data/models/default.safetensors"),
                   &err) ||
        backend_open(&be, "cpu", 1, &err)) {
        printf("%s\n", err.msg);
        return 1;
    }
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, frontend_forward_in_pieces, 0, 10);
    tcase_add_test(t, frontend_forward_in_little_memory);
    suite_add_tcase(s, t);
    rc = unit_run(s);
    backend_close(be);
    model_free(model);
    return rc;
}
