/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "eval/tagset.h"

#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "eval/tag.h"

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

struct names {
    const char **v; /* borrowed, sorted, each once */
    size_t n, cap;
};

static void collect(struct names *names, const struct tags *clip, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < clip[i].n; j++) {
            ARRAY_GROW(names->v, names->n, names->cap);
            names->v[names->n++] = clip[i].v[j].label;
        }
}

static void sort_once(struct names *names)
{
    size_t kept = 0;

    if (names->n)
        qsort(names->v, names->n, sizeof(*names->v), by_name);
    for (size_t i = 0; i < names->n; i++)
        if (!kept || strcmp(names->v[kept - 1], names->v[i]))
            names->v[kept++] = names->v[i];
    names->n = kept;
}

static size_t place(const struct names *names, const char *label)
{
    const char **at = bsearch(&label, names->v, names->n, sizeof(*names->v),
                              by_name);

    return (size_t)(at - names->v);
}

static void fill(int *truth, double *score, const struct names *names,
                 const struct tags *ref, const struct tags *est)
{
    for (size_t j = 0; j < ref->n; j++)
        if (ref->v[j].score >= 0.5)
            truth[place(names, ref->v[j].label)] = 1;
    for (size_t j = 0; j < est->n; j++) {
        double *s = score + place(names, est->v[j].label);

        if (est->v[j].score > *s)
            *s = est->v[j].score;
    }
}

int tagset_score(struct report *out, const struct tags *ref,
                 const struct tags *est, size_t n, struct err *err)
{
    struct names names = { 0 };
    struct eval_tag macro;
    int *truth = NULL, rc = 0;
    double *score = NULL, *ap = NULL, *roc = NULL;

    collect(&names, ref, n);
    collect(&names, est, n);
    sort_once(&names);
    truth = calloc(n ? n : 1, (names.n + 1) * sizeof(*truth));
    score = calloc(n ? n : 1, (names.n + 1) * sizeof(*score));
    ap = xcalloc(names.n + 1, sizeof(*ap));
    roc = xcalloc(names.n + 1, sizeof(*roc));
    if (!n || !names.n)
        rc = err_set(err, ERR_ARG, "no clips with tags");
    else if (!truth || !score)
        rc = err_set(err, ERR_NOMEM, "no memory for %zu clips of %zu tags", n,
                     names.n);
    for (size_t i = 0; i < n && !rc; i++)
        fill(truth + i * names.n, score + i * names.n, &names, ref + i,
             est + i);
    if (!rc)
        rc = eval_tag(&macro, ap, roc, truth, score, n, names.n, err);
    for (size_t k = 0; k < names.n && !rc; k++)
        report_add(out, names.v[k], (double[]){ ap[k], roc[k] });
    free(names.v);
    free(truth);
    free(score);
    free(ap);
    free(roc);
    return rc;
}
