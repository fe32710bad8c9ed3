/* golden.h - reads tests/data/golden in the tests. */
#ifndef TESTS_GOLDEN_H
#define TESTS_GOLDEN_H

#include <math.h>
#include <string.h>

#include "base/json.h"
#include "base/xalloc.h"
#include "eval/spans.h"
#include "unit.h"

/* Numbers of the reference programs; both sides are doubles and the longest
 * sums have some 10^4 terms, so 1e-9 leaves room for the order of summation
 * only. */
#define GOLDEN_TOLERANCE 1e-9

static inline cJSON *golden_read(const char *name)
{
    struct err err = { 0 };
    cJSON *v = NULL;

    ck_assert_msg(!json_read(&v, unit_data(name), &err), "%s", err.msg);
    return v;
}

/* null stands for NaN. */
static inline void golden_compare(const cJSON *want, double got, int index,
                                  const char *name)
{
    ck_assert_msg(want, "case %d: no %s", index, name);
    if (cJSON_IsNull(want))
        ck_assert_msg(isnan(got), "case %d: %s is %.17g, not NaN", index, name,
                      got);
    else
        ck_assert_msg(fabs(got - want->valuedouble) <= GOLDEN_TOLERANCE,
                      "case %d: %s is %.17g, not %.17g", index, name, got,
                      want->valuedouble);
}

/* An array of numbers; freed by the caller. */
static inline double *golden_numbers(const cJSON *array, size_t *n)
{
    double *v;
    const cJSON *x;

    *n = 0;
    v = xcalloc((size_t)cJSON_GetArraySize(array) + 1, sizeof(*v));
    cJSON_ArrayForEach(x, array)
        v[(*n)++] = x->valuedouble;
    return v;
}

/* [[start, end, label], ...]; labels are borrowed from the JSON. */
struct golden_spans {
    double *start, *end;
    const char **label;
    struct eval_spans view;
};

static inline void golden_spans_init(struct golden_spans *g,
                                     const cJSON *array)
{
    size_t n = (size_t)cJSON_GetArraySize(array), i = 0;
    const cJSON *x;

    g->start = xcalloc(n + 1, sizeof(double));
    g->end = xcalloc(n + 1, sizeof(double));
    g->label = xcalloc(n + 1, sizeof(char *));
    cJSON_ArrayForEach(x, array) {
        g->start[i] = cJSON_GetArrayItem(x, 0)->valuedouble;
        g->end[i] = cJSON_GetArrayItem(x, 1)->valuedouble;
        g->label[i++] = cJSON_GetArrayItem(x, 2)->valuestring;
    }
    g->view = (struct eval_spans){ g->start, g->end, g->label, n };
}

static inline void golden_spans_release(struct golden_spans *g)
{
    free(g->start);
    free(g->end);
    free(g->label);
}

#define GOLDEN_ITEM(obj, name) cJSON_GetObjectItemCaseSensitive(obj, name)

#endif
