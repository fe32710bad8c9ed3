/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/npy.h"
#include "base/xalloc.h"
#include "cmd/analyse.h"
#include "cmd/batch.h"
#include "cmd/cmd.h"
#include "cmd/common.h"
#include "cmd/session.h"
#include "cmd/spool.h"
#include "head/pool.h"

struct embed {
    struct session session;
    struct analyser *analyser;
    const struct cmd_common *common;
    int *layer, n_layers;  /* hidden states; 0: mel */
    const char *layer_name;
    int all;               /* --layer all: a dimension of its own */
    int width;             /* values in a row */
    double rate;           /* of the rows that come */
    double out_rate;       /* --rate; 0: as they come */
    int mean;              /* --pool */
    /* of the recording in work */
    struct spool *spool;
    struct pool **pool;    /* n_tracks, NULL if not wanted */
    double *sum;           /* (n_tracks, width) */
    int64_t seen;
};

static int tracks(const struct embed *e)
{
    return e->n_layers ? e->n_layers : 1;
}

/* ---- rows as they come ---- */

static int take_track(struct embed *e, int track, const float *rows, int64_t n,
                      struct err *err)
{
    if (e->mean) {
        for (int64_t t = 0; t < n; t++)
            for (int j = 0; j < e->width; j++)
                e->sum[track * e->width + j] += rows[t * e->width + j];
        return 0;
    }
    if (e->pool)
        TRY(pool_push(e->pool[track], rows, n, &rows, &n, err));
    return spool_add(e->spool, track, rows, n, err);
}

static int take_states(void *ctx, const float *const *hidden, int64_t n,
                       struct err *err)
{
    struct embed *e = ctx;

    for (int i = 0; i < e->n_layers; i++)
        TRY(take_track(e, i, hidden[i], n, err));
    e->seen += n;
    return 0;
}

static int take_mel(void *ctx, const float *mel, int64_t n, struct err *err)
{
    struct embed *e = ctx;

    e->seen += n;
    return take_track(e, 0, mel, n, err);
}

static int finish_track(struct embed *e, int track, struct err *err)
{
    if (e->mean) {
        float *row = xcalloc((size_t)e->width, sizeof(*row));
        int rc;

        for (int j = 0; j < e->width; j++)
            row[j] = (float)(e->sum[track * e->width + j] / (double)e->seen);
        rc = spool_add(e->spool, track, row, e->seen ? 1 : 0, err);
        free(row);
        return rc;
    }
    if (e->pool) {
        const float *rows;
        int64_t n;

        TRY(pool_finish(e->pool[track], &rows, &n, err));
        return spool_add(e->spool, track, rows, n, err);
    }
    return 0;
}

/* ---- one recording ---- */

static void drop(struct embed *e)
{
    for (int i = 0; e->pool && i < tracks(e); i++)
        pool_free(e->pool[i]);
    free(e->pool);
    free(e->sum);
    spool_free(e->spool);
    e->pool = NULL;
    e->sum = NULL;
    e->spool = NULL;
    e->seen = 0;
}

static int start(struct embed *e, struct err *err)
{
    size_t n = (size_t)tracks(e);

    drop(e);
    if (e->mean)
        e->sum = xcalloc(n * (size_t)e->width, sizeof(*e->sum));
    else if (e->out_rate > 0)
        e->pool = xcalloc(n, sizeof(*e->pool));
    for (size_t i = 0; e->pool && i < n; i++)
        TRY(pool_new(&e->pool[i], e->width, e->rate, e->out_rate, err));
    return spool_new(&e->spool, (int)n, e->width, err);
}

/* Dimensions of the result: (layers, T, D), without what was not asked for. */
static int shape(const struct embed *e, int64_t *dim)
{
    int n = 0;

    if (e->all)
        dim[n++] = e->n_layers;
    if (!e->mean)
        dim[n++] = spool_rows(e->spool);
    dim[n++] = e->width;
    return n;
}

static cJSON *describe(struct embed *e, const char *file, double duration)
{
    cJSON *o = session_json(&e->session, file, duration);
    int64_t dim[3];
    int n = shape(e, dim);
    cJSON *a;

    cJSON_AddStringToObject(o, "layer", e->layer_name);
    if (e->mean)
        cJSON_AddNullToObject(o, "rate");
    else
        cJSON_AddNumberToObject(o, "rate",
                                e->out_rate > 0 ? e->out_rate : e->rate);
    a = cJSON_AddArrayToObject(o, "shape");
    for (int i = 0; i < n; i++)
        cJSON_AddItemToArray(a, cJSON_CreateNumber((double)dim[i]));
    return o;
}

static int write_npy(struct embed *e, FILE *f, struct err *err)
{
    int64_t dim[3];
    int n = shape(e, dim);

    npy_write_header(f, "<f4", dim, n);
    return spool_copy(e->spool, f, err);
}

static void print_row(struct strbuf *out, const float *row, int n)
{
    for (int j = 0; j < n; j++)
        strbuf_addf(out, "%c%.9g", j ? ',' : '[', row[j]);
    strbuf_addch(out, ']');
}

/* The object, with the nested lists of "embedding" as its last field. */
static int write_json(struct embed *e, FILE *f, const char *file,
                      double duration, struct err *err)
{
    cJSON *o = describe(e, file, duration);
    struct strbuf text = STRBUF_INIT;
    float *row = xcalloc((size_t)e->width, sizeof(*row));
    int rc = 0;

    json_print(&text, o);
    cJSON_Delete(o);
    text.s[--text.len] = '\0'; /* the closing brace */
    strbuf_addf(&text, ",\"embedding\":%s", e->all ? "[" : "");
    for (int k = 0; k < tracks(e) && !rc; k++) {
        if (k)
            strbuf_addch(&text, ',');
        if (!e->mean)
            strbuf_addch(&text, '[');
        rc = spool_rewind(e->spool, k, err);
        for (int64_t t = 0; t < spool_rows(e->spool) && !rc; t++) {
            if (t)
                strbuf_addch(&text, ',');
            rc = spool_next(e->spool, k, row, err);
            print_row(&text, row, e->width);
            fwrite(text.s, 1, text.len, f);
            strbuf_reset(&text);
        }
        if (!e->mean)
            strbuf_addch(&text, ']');
    }
    strbuf_addf(&text, "%s}\n", e->all ? "]" : "");
    fwrite(text.s, 1, text.len, f);
    strbuf_release(&text);
    free(row);
    return rc;
}

static int embed_one(void *ctx, const char *path, struct batch_out *out,
                     struct err *err)
{
    struct embed *e = ctx;
    struct analysis result;
    cJSON *about;
    int rc;

    TRY(start(e, err));
    TRY(analyser_run(e->analyser, path, &result, err));
    for (int i = 0; i < tracks(e); i++)
        TRY(finish_track(e, i, err));
    if (out->json)
        return write_json(e, out->f, path, result.duration, err);
    rc = write_npy(e, out->f, err);
    about = describe(e, path, result.duration);
    json_print(out->sidecar, about);
    strbuf_addch(out->sidecar, '\n');
    cJSON_Delete(about);
    return rc;
}
