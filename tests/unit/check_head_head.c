/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The heads of the model that ships, against PyTorch's numbers for a clip
 * (../shared/fixtures/model). Tolerance: relative L2 1e-4, asked for by its
 * makers; here about 1e-6. */
#include "unit.h"

#include <math.h>
#include <string.h>

#include "head/head.h"
#include "model/encoder.h"

static const char *const tasks[] = { "beats", "chords", "structure", "key",
                                     "tag" };
enum { TASKS = 5 };

static struct model *model;
static struct backend *be;
static struct safetensors want;

static double relative(const float *a, const float *b, int64_t n)
{
    double d = 0, s = 0;

    for (int64_t i = 0; i < n; i++) {
        d += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
        s += (double)b[i] * b[i];
    }
    return sqrt(d / s);
}

static const float *expected(const char *name, int64_t *count)
{
    const struct stored *t = safetensors_find(&want, name);

    ck_assert_msg(t != NULL, "%s is missing", name);
    *count = stored_count(t);
    return (const float *)t->data;
}

START_TEST(encoder_forward_clip)
{
    enum { LAYERS = 6 };
    float *hidden[LAYERS + 1];
    struct encoder_out out = { hidden, NULL };
    struct encoder *e;
    struct err err = {0};
    int64_t n;
    const float *mel = expected("mel", &n);
    int64_t time = n / model->config.mel.bands;

    ck_assert_msg(!encoder_new(&e, model, be, &err), "%s", err.msg);
    for (int k = 0; k <= LAYERS; k++)
        hidden[k] = malloc((size_t)(encoder_frames(e, time) *
                                    model->config.encoder.dim) * sizeof(float));
    ck_assert(!encoder_forward(e, &out, mel, 1, time, &err));
    for (int k = 0; k <= LAYERS; k++) {
        const float *ref;
        char name[32];

        snprintf(name, sizeof(name), "hidden.%d", k);
        ref = expected(name, &n);
        ck_assert_double_lt(relative(hidden[k], ref, n), 1e-4);
        free(hidden[k]);
    }
    encoder_free(e);
}
END_TEST

static struct heads *open_heads(double rate)
{
    struct heads *h;
    struct err err = {0};

    ck_assert_msg(!heads_new(&h, model, be, tasks, TASKS, rate, &err), "%s",
                  err.msg);
    return h;
}

START_TEST(heads_push_clip)
{
    struct heads *h = open_heads(50);
    int64_t n, count;
    const float *states = expected("hidden.6", &n), *ref;
    int64_t time = n / model->config.encoder.dim;
    const struct scores *s;
    int layers;

    ck_assert_int_eq(heads_layers(h, &layers)[0], 6);
    ck_assert_int_eq(layers, 1);
    /* twice: a second recording must not remember the first */
    for (int i = 0; i < 2; i++) {
        for (int64_t t = 0; t < time; t += 77) {
            const float *part = states + t * model->config.encoder.dim;

            ck_assert(!heads_push(h, &part, time - t < 77 ? time - t : 77,
                                  NULL));
        }
        ck_assert(!heads_finish(h, 1, &s, NULL));
        for (int k = 0; k < TASKS; k++) {
            char name[32];

            snprintf(name, sizeof(name), "logits.%s", tasks[k]);
            ref = expected(name, &count);
            ck_assert_int_eq(s[k].n * s[k].width, count);
            ck_assert_msg(relative(s[k].v, ref, count) < 1e-4, "%s: %g",
                          tasks[k], relative(s[k].v, ref, count));
        }
    }
    heads_free(h);
}
END_TEST

START_TEST(heads_finish_probabilities)
{
    struct heads *h = open_heads(50);
    int64_t n;
    const float *states = expected("hidden.6", &n);
    const struct scores *s;

    ck_assert(!heads_push(h, &states, n / model->config.encoder.dim, NULL));
    ck_assert(!heads_finish(h, 0, &s, NULL));
    for (int k = 0; k < TASKS; k++)
        for (int64_t i = 0; i < s[k].n; i++) {
            double sum = 0;

            for (int j = 0; j < s[k].width; j++) {
                float p = s[k].v[i * s[k].width + j];

                ck_assert(p >= 0 && p <= 1);
                sum += j < s[k].head->n_classes ? p : 0;
            }
            if (s[k].head->activation == HEAD_SOFTMAX)
                ck_assert_double_eq_tol(sum, 1, 1e-5);
        }
    heads_free(h);
}
END_TEST

START_TEST(heads_finish_nothing)
{
    struct heads *h = open_heads(50);
    const struct scores *s;

    ck_assert(!heads_finish(h, 0, &s, NULL));
    for (int k = 0; k < TASKS; k++)
        ck_assert_int_eq(s[k].n, 0);
    heads_free(h);
}
END_TEST

START_TEST(heads_new_refuses)
{
    const char *const unknown[] = { "beats", "melody" };
    struct heads *h = NULL;
    struct err err = {0};

    ck_assert_int_eq(heads_new(&h, model, be, unknown, 2, 50, &err), ERR_ARG);
    ck_assert_ptr_nonnull(strstr(err.msg, "'melody'"));
    ck_assert_ptr_null(h);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("head_head");
    TCase *t = tcase_create("heads");
    struct err err = {0};
    int rc;

    UNIT_NEED_SHARED("fixtures/model/expected.safetensors");
    if (model_open(&model, unit_shared("fixtures/model/small.safetensors"),
                   &err) ||
        backend_open(&be, "cpu", 1, &err) ||
        safetensors_open(&want,
                         unit_shared("fixtures/model/expected.safetensors"),
                         &err)) {
        printf("%s\n", err.msg);
        return 1;
    }
    tcase_set_timeout(t, 60);
    tcase_add_test(t, encoder_forward_clip);
    tcase_add_test(t, heads_push_clip);
    tcase_add_test(t, heads_finish_probabilities);
    tcase_add_test(t, heads_finish_nothing);
    tcase_add_test(t, heads_new_refuses);
    suite_add_tcase(s, t);
    rc = unit_run(s);
    safetensors_release(&want);
    backend_close(be);
    model_free(model);
    return rc;
}
