/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/npy.h"
#include "base/xalloc.h"
#include "base/zip.h"
#include "cmd/analyse.h"
#include "cmd/batch.h"
#include "cmd/cmd.h"
#include "cmd/common.h"
#include "cmd/outputs.h"
#include "cmd/session.h"
#include "cmd/spool.h"
#include "head/pool.h"
#include "write/json.h"

struct embed {
    struct session session;
    struct analyser *analyser;
    const struct cmd_common *common;
    const char *layer_name;
    double window, hop;
    int *layer, n_layers;  /* hidden states; 0: mel */
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
            row[j] = e->seen ? (float)(e->sum[track * e->width + j] /
                                       (double)e->seen) : NAN;
        rc = spool_add(e->spool, track, row, 1, err);
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

/* What is known of the array: the result, and layer, rate and shape. */
static cJSON *describe(struct embed *e, const char *file,
                       const struct analysis *heard)
{
    struct result r;
    int64_t dim[3];
    int n = shape(e, dim);
    cJSON *o, *a;

    session_result(&e->session, &r, file, heard->start, heard->duration);
    o = write_json_object(&r);
    if (e->all || !e->n_layers)
        cJSON_AddStringToObject(o, "layer", e->all ? "all" : "mel");
    else
        cJSON_AddNumberToObject(o, "layer", e->layer[0]);
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

/* Begins an array in an archive; its count * size bytes are to follow. */
static int begin_array(struct zip_writer *w, const char *name,
                       const char *descr, const int64_t *dim, int n,
                       uint64_t size, struct err *err)
{
    char *head = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&head, &len);

    if (!f)
        return err_sys(err, "no memory for the archive");
    npy_write_header(f, descr, dim, n);
    if (fclose(f)) {
        free(head);
        return err_sys(err, "no memory for the archive");
    }
    for (int i = 0; i < n; i++)
        size *= (uint64_t)dim[i];
    zip_begin(w, name, len + size);
    zip_put(w, head, len);
    free(head);
    return 0;
}

static int put_arrays(struct embed *e, struct zip_writer *w,
                      const struct strbuf *about, struct err *err)
{
    char descr[32];
    int64_t dim[3];
    int n = shape(e, dim);

    snprintf(descr, sizeof(descr), "|S%zu", about->len);
    TRY(begin_array(w, "mfm.npy", descr, NULL, 0, about->len, err));
    zip_put(w, about->s, about->len);
    zip_end(w);
    TRY(begin_array(w, "embedding.npy", "<f4", dim, n, sizeof(float), err));
    TRY(spool_each(e->spool, zip_put, w, err));
    zip_end(w);
    zip_finish(w);
    return 0;
}

/* "mfm", the object as text; "embedding". */
static int write_npz(struct embed *e, FILE *f, const char *file,
                     const struct analysis *heard, struct err *err)
{
    struct zip_writer w = { .f = f, .align = 64 };
    struct strbuf text = STRBUF_INIT;
    cJSON *about = describe(e, file, heard);
    int rc;

    json_print(&text, about);
    cJSON_Delete(about);
    rc = put_arrays(e, &w, &text, err);
    zip_writer_release(&w);
    strbuf_release(&text);
    return rc;
}

static void print_row(struct strbuf *out, const float *row, int n)
{
    for (int j = 0; j < n; j++)
        if (isfinite(row[j]))
            strbuf_addf(out, "%c%.9g", j ? ',' : '[', (double)row[j]);
        else
            strbuf_addf(out, "%cnull", j ? ',' : '[');
    strbuf_addch(out, ']');
}

/* The object, with the nested lists of "embedding" as its last field. */
static int write_embedding(struct embed *e, FILE *f, const char *file,
                           const struct analysis *heard, struct err *err)
{
    cJSON *o = describe(e, file, heard);
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

static int is_format(const struct cmd_common *c, const char *name)
{
    return !strcmp(c->format ? c->format : "npy", name);
}

/* The array to its file or to stdout; beside a file what is known of it, unless
 * that is in it. */
static int write_array(struct embed *e, struct batch *b, const char *path,
                       const struct analysis *heard, struct err *err)
{
    struct file_out out = {0};
    struct strbuf text = STRBUF_INIT;
    char *name = NULL, *beside;
    cJSON *about;
    int npz = is_format(b->common, "npz");
    int rc = batch_open(b, npz ? ".npz" : ".npy", &out, &name, err);

    if (!rc)
        rc = npz ? write_npz(e, out.f, path, heard, err)
                 : write_npy(e, out.f, err);
    if (!rc)
        rc = file_out_commit(&out, err);
    file_out_abort(&out);
    if (!rc && !npz && strcmp(name, "-")) {
        about = describe(e, path, heard);
        json_print(&text, about);
        strbuf_addch(&text, '\n');
        cJSON_Delete(about);
        beside = xasprintf("%s.json", name);
        rc = outputs_write(beside, b->common->force, &text, err);
        free(beside);
    }
    strbuf_release(&text);
    free(name);
    return rc;
}

static int write_line(struct embed *e, struct batch *b, const char *path,
                      const struct analysis *heard, struct err *err)
{
    struct file_out out = {0};
    char *name = NULL;
    FILE *f = NULL;
    int rc;

    if (!b->common->out_dir) {
        TRY(batch_lines(b, &f, err));
        TRY(write_embedding(e, f, path, heard, err));
        return fflush(f) || ferror(f) ? err_sys(err, "cannot write") : 0;
    }
    rc = batch_open(b, ".ndjson", &out, &name, err);
    if (!rc)
        rc = write_embedding(e, out.f, path, heard, err);
    if (!rc)
        rc = file_out_commit(&out, err);
    file_out_abort(&out);
    free(name);
    return rc;
}

static int embed_one(void *ctx, struct batch *b, const char *path,
                     struct err *err)
{
    struct embed *e = ctx;
    struct analysis heard;

    TRY(start(e, err));
    analyser_progress(e->analyser, batch_progress, b);
    TRY(analyser_run(e->analyser, path, &heard, err));
    for (int i = 0; i < tracks(e); i++)
        TRY(finish_track(e, i, err));
    return is_format(b->common, "ndjson")
               ? write_line(e, b, path, &heard, err)
               : write_array(e, b, path, &heard, err);
}

/* ---- options ---- */

/* The layer that all heads read; all of them if they read several; the last if
 * there are none. */
static int default_layer(const struct model_config *c)
{
    int layer = c->encoder.layers;

    for (int i = 0; i < c->n_heads; i++) {
        int l = c->heads[i].layer < 0 ? c->encoder.layers : c->heads[i].layer;

        if (c->heads[i].layer == HEAD_MIX || (i && l != layer))
            return -1;
        layer = l;
    }
    return layer;
}

/* Sets layer, n_layers, all, width and rate from --layer (NULL: not given). */
static int choose_layers(struct embed *e, const char *name, struct err *err)
{
    const struct model_config *c = &e->session.model->config;
    int last = c->encoder.layers, one = default_layer(c);
    char *end;

    e->width = c->encoder.dim;
    e->rate = c->encoder.rate;
    e->all = name ? !strcmp(name, "all") : one < 0;
    if (name && !strcmp(name, "mel")) {
        e->width = c->mel.bands;
        e->rate = (double)c->sample_rate / c->mel.hop;
        return 0;
    }
    if (name && !e->all) {
        long v = strtol(name, &end, 10);

        if (!strcmp(name, "last"))
            v = last;
        else if (end == name || *end || v < 0 || v > last)
            return err_set(err, ERR_ARG, "--layer: '%s' is not mel, all, last "
                           "or one of 0..%d", name, last);
        one = (int)v;
    }
    e->n_layers = e->all ? last + 1 : 1;
    e->layer = xcalloc((size_t)e->n_layers, sizeof(*e->layer));
    for (int i = 0; i < e->n_layers; i++)
        e->layer[i] = e->all ? i : one;
    return 0;
}

static int open_all(struct embed *e, int worker, const struct session *first,
                    struct err *err)
{
    struct analyser_config c = { .ctx = e, .window_s = e->window,
                                 .hop_s = e->hop, .common = e->common };

    TRY(session_open(&e->session, e->common, worker, first, err));
    TRY(choose_layers(e, e->layer_name, err));
    c.layer = e->layer;
    c.n_layers = e->n_layers;
    if (e->n_layers)
        c.emit = take_states;
    else
        c.emit_mel = take_mel;
    return analyser_new(&e->analyser, e->session.model, e->session.be, &c, err);
}

static void release(struct embed *e)
{
    drop(e);
    analyser_free(e->analyser);
    session_release(&e->session);
    free(e->layer);
}

static int open_more(void **out, const void *first, int worker,
                     struct err *err)
{
    const struct embed *f = first;
    struct embed *e = xcalloc(1, sizeof(*e));

    *out = e;
    e->common = f->common;
    e->layer_name = f->layer_name;
    e->window = f->window;
    e->hop = f->hop;
    e->out_rate = f->out_rate;
    e->mean = f->mean;
    return open_all(e, worker, &f->session, err);
}

static void close_more(void *mine)
{
    if (mine)
        release(mine);
    free(mine);
}

int cmd_embed(int argc, char **argv)
{
    static const char *const npy[] = { ".npy", ".npy.json", NULL };
    static const char *const npz[] = { ".npz", NULL };
    static const char *const lines[] = { ".ndjson", NULL };
    struct cmd_common common = CMD_COMMON_INIT;
    struct embed e = { .common = &common };
    const char *pool = NULL;
    const struct opt own[] = {
        { 0, "layer", OPT_STRING, &e.layer_name, "N|last|all|mel",
          "which hidden state (the one that the model's heads read)", 0, 0,
          NULL },
        { 0, "rate", OPT_DOUBLE, &e.out_rate, "R",
          "frames a second to average to (the encoder's)", 0.001, 100000,
          NULL },
        { 0, "pool", OPT_CHOICE, &pool, "mean", "one vector for the recording",
          0, 0, "mean" },
        { 0, "window", OPT_TIME, &e.window, "TIME",
          "seconds of audio that the encoder sees at once (the model's)", 1,
          600, NULL },
        { 0, "hop", OPT_TIME, &e.hop, "TIME",
          "seconds from one window to the next (half the window)", 0.1, 600,
          NULL },
        { .kind = OPT_END }
    };
    const struct cmd_usage usage = {
        "embed", "mfm embed [OPTIONS] [FILE...]",
        "Writes the hidden states of the encoder, for other programs or for "
        "the tasks of\nmfm.\n", own,
        CMD_MODEL | CMD_INPUT | CMD_JOBS | CMD_OUTPUT | CMD_OUT_DIR |
            CMD_FORMAT | CMD_PROGRESS
    };
    struct err err = {0};
    int n, rc, is_array;
    char *made_with;

    common.formats = "npy|npz|ndjson";
    rc = cmd_begin(&usage, &common, argc, argv, &n);
    if (rc != CMD_GO)
        return rc;
    e.mean = pool != NULL;
    if (e.mean && e.out_rate > 0)
        return cmd_usage_error("embed", "--pool and --rate exclude each other");
    is_array = !is_format(&common, "ndjson");
    if (is_array && batch_is_terminal(&common))
        return cmd_usage_error("embed", "an array is not for a terminal: give "
                               "-o FILE, or --format ndjson");
    if (open_all(&e, 0, NULL, &err)) {
        rc = cmd_start_error("embed", &err);
    } else {
        made_with = session_made_with(&e.session, &common, "embed", "format");
        rc = batch_run(&(struct batch_task){
                           .usage = &usage, .common = &common,
                           .text = is_array, .made_with = made_with,
                           .suffix = !is_array ? lines
                                     : is_format(&common, "npz") ? npz : npy,
                           .fn = embed_one, .ctx = &e, .open = open_more,
                           .close = close_more }, n, argv);
        free(made_with);
    }
    release(&e);
    return rc;
}
