/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "eval/frames.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/limits.h"
#include "base/xalloc.h"

static int compare_names(const void *a, const void *b)
{
    return strcasecmp(*(const char *const *)a, *(const char *const *)b);
}

/* The different labels of both sides and "none", sorted. Freed by the caller.
 * */
static const char **names_new(size_t *n, const struct span_list *a,
                              const struct span_list *b)
{
    const char **name = xcalloc(a->n + b->n + 1, sizeof(*name));
    size_t count = 0, unique = 0;

    name[count++] = "none";
    for (size_t i = 0; i < a->n; i++)
        name[count++] = a->at[i].label;
    for (size_t i = 0; i < b->n; i++)
        name[count++] = b->at[i].label;
    qsort(name, count, sizeof(*name), compare_names);
    for (size_t i = 0; i < count; i++)
        if (i == 0 || strcasecmp(name[i], name[unique - 1]))
            name[unique++] = name[i];
    *n = unique;
    return name;
}

static size_t name_index(const char *const *name, size_t n, const char *label)
{
    const char *const *at =
        bsearch(&label, name, n, sizeof(*name), compare_names);

    return (size_t)(at - name);
}

static double frame_time(size_t i, double size_s)
{
    return (double)((float)i * (float)size_s);
}

/* The first frame at or (past) after t. */
static size_t frame_at(double t, size_t n, double size_s, int past)
{
    size_t low = 0, high = n;

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        double at = frame_time(mid, size_s);

        if (at < t || (past && at == t))
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static size_t *frames_new(const struct span_list *l, size_t n, double size_s,
                          const char *const *name, size_t names)
{
    size_t *frame = xmalloc((n + 1) * sizeof(*frame));
    size_t none = name_index(name, names, "none");

    for (size_t i = 0; i < n; i++)
        frame[i] = none;
    for (size_t k = 0; k < l->n; k++) {
        size_t label = name_index(name, names, l->at[k].label);
        size_t end = frame_at(l->at[k].end, n, size_s, 1);

        for (size_t i = frame_at(l->at[k].start, n, size_s, 0); i < end; i++)
            frame[i] = label;
    }
    return frame;
}

/* Numbers the labels that occur in frame in their order; returns how many. */
static size_t renumber(size_t *frame, size_t n, size_t names)
{
    size_t *to = xcalloc(names, sizeof(*to));
    size_t used = 0;

    for (size_t i = 0; i < n; i++)
        to[frame[i]] = 1;
    for (size_t i = 0; i < names; i++)
        if (to[i])
            to[i] = used++;
    for (size_t i = 0; i < n; i++)
        frame[i] = to[frame[i]];
    free(to);
    return used;
}

static void count(struct contingency *c, const size_t *r, const size_t *e,
                  size_t n)
{
    c->at = xcalloc(c->rows * c->cols + 1, sizeof(*c->at));
    c->row = xcalloc(c->rows + 1, sizeof(*c->row));
    c->col = xcalloc(c->cols + 1, sizeof(*c->col));
    for (size_t i = 0; i < n; i++) {
        c->at[r[i] * c->cols + e[i]]++;
        c->row[r[i]]++;
        c->col[e[i]]++;
    }
}

int contingency_init(struct contingency *c, const struct span_list *ref,
                     const struct span_list *est, double size_s,
                     struct err *err)
{
    size_t names, n = (size_t)floor(span_list_end(ref) / size_s);
    const char **name = names_new(&names, ref, est);
    size_t *r = frames_new(ref, n, size_s, name, names);
    size_t *e = frames_new(est, n, size_s, name, names);
    int rc = 0;

    *c = (struct contingency){ .total = (double)n };
    for (size_t i = 0; i < n; i++)
        c->same += r[i] == e[i];
    c->rows = renumber(r, n, names);
    c->cols = renumber(e, n, names);
    if (c->rows > LIMIT_KINDS || c->cols > LIMIT_KINDS)
        rc = err_set(err, ERR_ARG, "%zu reference and %zu estimated labels "
                     "differ, more than %d on a side: are they functions of "
                     "segments?", c->rows, c->cols, LIMIT_KINDS);
    else
        count(c, r, e, n);
    free(e);
    free(r);
    free(name);
    return rc;
}

void contingency_release(struct contingency *c)
{
    free(c->at);
    free(c->row);
    free(c->col);
    *c = (struct contingency){ 0 };
}
