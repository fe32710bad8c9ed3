/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The block of parameters: where tensors lie, what they begin with, and that
 * files give back what was written. */
#include "unit.h"

#include <math.h>
#include <string.h>

#include "base/strbuf.h"
#include "base/xalloc.h"
#include "model/params.h"

/* What a model file must say of itself; no tensor below is of it. */
static const char config_json[] =
    "{\"format\":1,\"name\":\"t\",\"sample_rate\":1200,\"mel\":{\"n_fft\":64,"
    "\"hop\":12,\"bands\":4,\"mean\":0,\"std\":1},\"tokens\":[{\"type\":"
    "\"random\",\"stack\":1,\"dim\":3,\"codes\":8}],\"window\":1,\"heads\":{}}";

enum { MEAN, MATRIX, COUNT, BIAS, DEEP, POWERS, ONE, ITEMS };

static struct backend *be;
static struct params p;
static char path[64];

/* Odd sizes, trained tensors and others in turns. */
static void describe(struct params *q)
{
    params_add(q, "mean", PARAM_BUFFER, INIT_CONST, 0.5f, 1,
               (int64_t[]){ 17 });
    params_add(q, "matrix", PARAM_TRAINED, INIT_NORMAL, 0.5f, 2,
               (int64_t[]){ 7, 5 });
    params_add(q, "count", PARAM_COUNTER, INIT_CONST, 3, 0, NULL);
    params_add(q, "bias", PARAM_TRAINED, INIT_UNIFORM, 0.25f, 1,
               (int64_t[]){ 16 });
    params_add(q, "deep", PARAM_TRAINED, INIT_NORMAL, 1, 5,
               (int64_t[]){ 1, 2, 1, 3, 2 });
    params_add(q, "powers", PARAM_BUFFER, INIT_POWERS, 10000, 1,
               (int64_t[]){ 4 });
    params_add(q, "one", PARAM_TRAINED, INIT_CONST, -2, 2,
               (int64_t[]){ 1, 1 });
}

static void set_up(void)
{
    ck_assert(!backend_open(&be, "cpu", 1, NULL));
    memset(&p, 0, sizeof(p));
    describe(&p);
    ck_assert(!params_alloc(&p, be, NULL));
    ck_assert(!params_init(&p, 11, NULL));
    snprintf(path, sizeof(path), "params-%d.safetensors", (int)getpid());
}

static void tear_down(void)
{
    params_release(&p);
    backend_close(be);
    unlink(path);
}

static float *value(struct params *q, const char *name)
{
    int i = params_index(q, name);

    ck_assert_int_ge(i, 0);
    return params_value(q, i).data;
}

/* ---- places ---- */

/* 35, 16, 12 and 1 trained floats begin at multiples of 16, and behind them 17,
 * 1 and 4 others. */
START_TEST(params_alloc_places)
{
    static const int64_t offset[ITEMS] = {
        [MATRIX] = 0, [BIAS] = 48, [DEEP] = 64, [ONE] = 80, [MEAN] = 96,
        [COUNT] = 128, [POWERS] = 144
    };

    ck_assert_int_eq((int)p.n, ITEMS);
    ck_assert_int_eq(p.trained, 96);
    ck_assert_int_eq(p.all, 160);
    ck_assert_int_eq(tensor_count(&p.value), 160);
    ck_assert_int_eq(tensor_count(&p.grad), 96);
    for (int i = 0; i < ITEMS; i++) {
        ck_assert_int_eq(p.item[i].offset, offset[i]);
        ck_assert(params_value(&p, i).data == p.value.data + offset[i]);
        if (p.item[i].kind == PARAM_TRAINED)
            ck_assert(params_grad(&p, i).data == p.grad.data + offset[i]);
    }
}
END_TEST

START_TEST(params_add_fields)
{
    struct tensor t = params_value(&p, MATRIX);
    struct param *q;

    ck_assert(t.ndim == 2 && t.dim[0] == 7 && t.dim[1] == 5);
    t = params_value(&p, DEEP); /* more dimensions than a tensor has */
    ck_assert(t.ndim == 1 && t.dim[0] == 12);
    ck_assert_int_eq(p.item[COUNT].count, 1);
    ck_assert(p.item[MATRIX].decay && p.item[DEEP].decay && p.item[ONE].decay);
    ck_assert(!p.item[BIAS].decay && !p.item[MEAN].decay);
    ck_assert(!p.item[MATRIX].frozen);
    ck_assert_int_eq(p.item[MATRIX].group, PARAM_GROUP_ENCODER);
    q = params_add(&p, "table", PARAM_BUFFER, INIT_CONST, 0, 2,
                   (int64_t[]){ 2, 2 });
    ck_assert(!q->decay);
    ck_assert_int_eq(params_index(&p, "table"), ITEMS);
    ck_assert_int_eq(params_index(&p, "bias"), BIAS);
    ck_assert_int_eq(params_index(&p, "bia"), -1);
}
END_TEST

/* What lies between tensors is summed over with them: norms, decay. */
START_TEST(params_gaps_zero)
{
    char *used = xcalloc((size_t)p.all, 1);

    for (int i = 0; i < ITEMS; i++)
        memset(used + p.item[i].offset, 1, (size_t)p.item[i].count);
    for (int64_t j = 0; j < p.all; j++)
        ck_assert_msg(used[j] || p.value.data[j] == 0, "float %d", (int)j);
    for (int64_t j = 0; j < p.trained; j++)
        ck_assert(p.grad.data[j] == 0);
    free(used);
}
END_TEST

START_TEST(params_zero_grad_clears)
{
    for (int64_t j = 0; j < p.trained; j++)
        p.grad.data[j] = j % 2 ? NAN : 3;
    ck_assert(!params_zero_grad(&p, NULL));
    for (int64_t j = 0; j < p.trained; j++)
        ck_assert(p.grad.data[j] == 0);
}
END_TEST

/* ---- first values ---- */

START_TEST(params_init_values)
{
    static const float powers[4] = { 1, 0.1f, 0.01f, 0.001f };

    for (int i = 0; i < 17; i++)
        ck_assert(value(&p, "mean")[i] == 0.5f);
    ck_assert(*value(&p, "count") == 3);
    ck_assert(*value(&p, "one") == -2);
    for (int i = 0; i < 4; i++) /* 10000^(-i/4) */
        ck_assert_float_eq_tol(value(&p, "powers")[i], powers[i], 1e-7f);
}
END_TEST

/* Moments of a million draws: the standard error of a mean is 1e-3 of the
 * deviation, that of the second moment 1.4e-3 of it (normal) or less, that of
 * the fourth, 3 and 9/5 for the two, 1e-2; the bounds are five times that. */
START_TEST(params_init_moments)
{
    enum { N = 1000001 };
    struct params q = {0};
    static const enum param_init kind[2] = { INIT_NORMAL, INIT_UNIFORM };
    double std = _i ? 0.3 / sqrt(3) : 0.3, m1 = 0, m2 = 0, m4 = 0, most = 0;
    double next = 0;
    float *v;

    params_add(&q, "big", PARAM_TRAINED, kind[_i], 0.3f, 1, (int64_t[]){ N });
    ck_assert(!params_alloc(&q, be, NULL));
    ck_assert(!params_init(&q, 5, NULL));
    v = value(&q, "big");
    for (int64_t i = 0; i < N; i++) {
        double x = v[i] / std;

        m1 += x / N;
        m2 += x * x / N;
        m4 += x * x * x * x / N;
        next += i ? x * v[i - 1] / std / N : 0; /* are neighbours strangers? */
        most = fmax(most, fabs(v[i]));
    }
    ck_assert_double_eq_tol(m1, 0, 5e-3);
    ck_assert_double_eq_tol(m2, 1, 7e-3);
    ck_assert_double_eq_tol(m4, _i ? 1.8 : 3, 5e-2);
    ck_assert_double_eq_tol(next, 0, 5e-3);
    ck_assert(_i ? most <= 0.3f && most > 0.2999 : most > 4 * 0.3);
    params_release(&q);
}
END_TEST

/* The same name and seed: the same values, whatever stands before it, and
 * whatever its size. */
START_TEST(params_init_order)
{
    struct params q = {0};

    params_add(&q, "bias", PARAM_TRAINED, INIT_UNIFORM, 0.25f, 1,
               (int64_t[]){ 9 });
    params_add(&q, "other", PARAM_TRAINED, INIT_NORMAL, 0.5f, 2,
               (int64_t[]){ 7, 5 });
    params_add(&q, "matrix", PARAM_BUFFER, INIT_NORMAL, 0.5f, 2,
               (int64_t[]){ 7, 5 });
    ck_assert(!params_alloc(&q, be, NULL));
    ck_assert(!params_init(&q, 11, NULL));
    ck_assert_mem_eq(value(&q, "matrix"), value(&p, "matrix"), 35 * 4);
    ck_assert_mem_eq(value(&q, "bias"), value(&p, "bias"), 9 * 4);
    ck_assert_mem_ne(value(&q, "other"), value(&p, "matrix"), 35 * 4);
    ck_assert(!params_init(&q, 12, NULL));
    ck_assert_mem_ne(value(&q, "matrix"), value(&p, "matrix"), 35 * 4);
    params_release(&q);
}
END_TEST

/* ---- files ---- */

static void write_file(const struct params *q, const float *block, int bf16,
                       int (*filter)(const struct param *, void *), void *ctx)
{
    struct safetensors_meta meta = { (char *)"mfm", (char *)config_json };
    struct err err = {0};

    ck_assert_msg(!params_write(q, block, bf16, filter, ctx, path, &meta, 1,
                                &err), "%s", err.msg);
}

static struct model *open_file(void)
{
    struct model *m = NULL;
    struct err err = {0};

    ck_assert_msg(!model_open(&m, path, &err), "%s", err.msg);
    return m;
}

/* Another set of the same tensors, all values drawn anew. */
static void make_other(struct params *q)
{
    memset(q, 0, sizeof(*q));
    describe(q);
    ck_assert(!params_alloc(q, be, NULL));
    ck_assert(!params_init(q, 99, NULL));
    for (int i = 0; i < ITEMS; i++)
        if (q->item[i].init == INIT_CONST || q->item[i].init == INIT_POWERS)
            *params_value(q, i).data = 7;
}

START_TEST(params_write_read_f32)
{
    struct params q;
    struct model *m;
    const struct stored *t;
    size_t taken = 0;

    *value(&p, "count") = 12345;
    write_file(&p, NULL, 0, NULL, NULL);
    m = open_file();
    t = safetensors_find(&m->weights, "count");
    ck_assert(t && t->type == STORED_I64 && t->ndim == 0);
    t = safetensors_find(&m->weights, "deep");
    ck_assert(t && t->type == STORED_F32 && t->ndim == 5 && t->dim[3] == 3);
    make_other(&q);
    ck_assert(!params_load(&q, m, &taken, NULL));
    ck_assert_int_eq((int)taken, ITEMS);
    ck_assert_mem_eq(q.value.data, p.value.data, (size_t)p.all * 4);
    params_release(&q);
    model_free(m);
}
END_TEST

/* Matrices lose 16 bits, rounded to even; what has one dimension loses
 * nothing. */
START_TEST(params_write_read_bf16)
{
    static const float in[4] = { 1 + 0x1p-8f, 1 + 0x1.8p-7f, -3.14159265f,
                                 0x1.00fp0f };
    static const float out[4] = { 1, 1 + 0x1p-6f, -3.140625f, 1 };
    struct params q;
    struct model *m;

    memcpy(value(&p, "matrix"), in, sizeof(in));
    *value(&p, "count") = 7654321; /* not to be had in 8 bits */
    write_file(&p, NULL, 1, NULL, NULL);
    m = open_file();
    ck_assert_int_eq((int)safetensors_find(&m->weights, "matrix")->type,
                     STORED_BF16);
    ck_assert_int_eq((int)safetensors_find(&m->weights, "deep")->type,
                     STORED_BF16);
    make_other(&q);
    ck_assert(!params_load(&q, m, NULL, NULL));
    ck_assert_mem_eq(value(&q, "matrix"), out, sizeof(out));
    for (int i = 4; i < 35; i++)
        ck_assert_float_eq_tol(value(&q, "matrix")[i], value(&p, "matrix")[i],
                               fabsf(value(&p, "matrix")[i]) * 0x1p-8f);
    ck_assert_mem_eq(value(&q, "bias"), value(&p, "bias"), 16 * 4);
    ck_assert_mem_eq(value(&q, "mean"), value(&p, "mean"), 17 * 4);
    ck_assert(*value(&q, "count") == 7654321);
    params_release(&q);
    model_free(m);
}
END_TEST

static int is_trained(const struct param *q, void *ctx)
{
    ++*(int *)ctx;
    return q->kind == PARAM_TRAINED;
}

/* A part of the tensors, of other values than p's own; what the file lacks
 * stays. */
START_TEST(params_write_filter)
{
    struct params q;
    struct model *m;
    float *block = xcalloc((size_t)p.all, sizeof(*block));
    size_t taken = 0;
    int asked = 0;

    for (int64_t j = 0; j < p.all; j++)
        block[j] = (float)j;
    write_file(&p, block, 0, is_trained, &asked);
    m = open_file();
    ck_assert_int_eq(asked, ITEMS);
    ck_assert_int_eq((int)m->weights.n, 4);
    make_other(&q);
    ck_assert(!params_load(&q, m, &taken, NULL));
    ck_assert_int_eq((int)taken, 4);
    ck_assert_mem_eq(value(&q, "matrix"), block + q.item[MATRIX].offset,
                     35 * 4);
    ck_assert_mem_eq(value(&q, "one"), block + q.item[ONE].offset, 4);
    ck_assert(*value(&q, "mean") == 7 && *value(&q, "count") == 7);
    free(block);
    params_release(&q);
    model_free(m);
}
END_TEST

START_TEST(params_write_fails)
{
    struct err err = {0};

    ck_assert_int_lt(params_write(&p, NULL, 0, NULL, NULL,
                                  "no/such/folder.safetensors", NULL, 0, &err),
                     0);
    ck_assert(strstr(err.msg, "no/such"));
}
END_TEST

/* The file has a tensor of that name and of another shape. */
static void refuse(const char *name, enum param_kind kind, int ndim,
                   const int64_t *dim)
{
    struct params q = {0};
    struct model *m;
    struct err err = {0};

    params_add(&q, name, kind, INIT_CONST, 1, ndim, dim);
    ck_assert(!params_alloc(&q, be, NULL));
    ck_assert(!params_init(&q, 1, NULL));
    write_file(&q, NULL, 0, NULL, NULL);
    m = open_file();
    ck_assert_int_eq(params_load(&p, m, NULL, &err), ERR_FORMAT);
    ck_assert_msg(strstr(err.msg, name) && strstr(err.msg, path), "%s",
                  err.msg);
    params_release(&q);
    model_free(m);
}

START_TEST(params_load_other_shapes)
{
    refuse("matrix", PARAM_TRAINED, 2, (int64_t[]){ 5, 7 });
    refuse("matrix", PARAM_TRAINED, 1, (int64_t[]){ 35 });
    refuse("bias", PARAM_TRAINED, 1, (int64_t[]){ 15 });
    refuse("deep", PARAM_TRAINED, 5, (int64_t[]){ 1, 2, 1, 2, 3 });
    refuse("count", PARAM_TRAINED, 1, (int64_t[]){ 1000 });
}
END_TEST

/* A counter that a file holds as floats, and a weight that one holds as
 * integers. */
START_TEST(params_load_types)
{
    struct params q = {0};
    struct model *m;
    struct err err = {0};

    params_add(&q, "count", PARAM_BUFFER, INIT_CONST, 42, 0, NULL);
    ck_assert(!params_alloc(&q, be, NULL));
    ck_assert(!params_init(&q, 1, NULL));
    write_file(&q, NULL, 0, NULL, NULL);
    m = open_file();
    ck_assert(!params_load(&p, m, NULL, NULL));
    ck_assert(*value(&p, "count") == 42);
    params_release(&q);
    model_free(m);

    memset(&q, 0, sizeof(q));
    params_add(&q, "scalar", PARAM_COUNTER, INIT_CONST, 42, 0, NULL);
    ck_assert(!params_alloc(&q, be, NULL));
    write_file(&q, NULL, 0, NULL, NULL);
    m = open_file();
    q.item[0].kind = PARAM_TRAINED;
    ck_assert_int_eq(params_load(&q, m, NULL, &err), ERR_UNSUPPORTED);
    ck_assert(strstr(err.msg, "scalar"));
    params_release(&q);
    model_free(m);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("model_params");
    TCase *t = tcase_create("params");

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, params_alloc_places);
    tcase_add_test(t, params_add_fields);
    tcase_add_test(t, params_gaps_zero);
    tcase_add_test(t, params_zero_grad_clears);
    tcase_add_test(t, params_init_values);
    tcase_add_loop_test(t, params_init_moments, 0, 2);
    tcase_add_test(t, params_init_order);
    tcase_add_test(t, params_write_read_f32);
    tcase_add_test(t, params_write_read_bf16);
    tcase_add_test(t, params_write_filter);
    tcase_add_test(t, params_write_fails);
    tcase_add_test(t, params_load_other_shapes);
    tcase_add_test(t, params_load_types);
    suite_add_tcase(s, t);
    return unit_run(s);
}
