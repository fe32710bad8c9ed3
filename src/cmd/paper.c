/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cmd/paper.h"

#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "cmd/measure.h"
#include "cmd/paperhead.h"
#include "eval/beat.h"
#include "eval/chord.h"
#include "eval/segment.h"
#include "model/find.h"
#include "model/model.h"

/* What Table 1 tests: the columns from `column` on are these scores. */
static const struct test {
    enum annot_task task;
    const char *head, *learns; /* and the dataset that it learns from */
    const char *dataset, *split;
    int column, n;
    int score[2];
    int decimals;
    double paper, release; /* outputs of the head in a second */
} tests[] = {
    { ANNOT_BEATS, "beats", "harmonix", "gtzan", "test", 0, 2,
      { EVAL_BEAT_F, EVAL_BEAT_COUNT }, 3, 20, 50 },
    { ANNOT_CHORDS, "chords", "hooktheory", "hooktheory",
      "test (own split)", 2, 1,
      { EVAL_CHORD_MAJMIN }, 3, 8, 16 },
    { ANNOT_STRUCTURE, "structure", "harmonix", "harmonix",
      "test (own split)", 3, 2,
      { EVAL_SEGMENT_ACCURACY, EVAL_SEGMENT_F05 }, 3, 5, 8 },
    { ANNOT_KEY, "key", "hooktheory", "giantsteps", "test", 5, 1, { 0 }, 3,
      0.5, 0.5 },
    { ANNOT_TAGS, "tag", "magnatagatune", "magnatagatune", "test", 6, 2,
      { 0, 1 }, 4, 0, 0 },
};
enum { TESTS = ARRAY_LEN(tests) };

const char *paper_protocol(const char *task, double rate)
{
    for (size_t i = 0; i < TESTS; i++) {
        const struct test *t = tests + i;

        if (strcmp(t->head, task) || (rate != t->paper && rate != t->release))
            continue;
        return t->paper == t->release ? "either"
               : rate == t->paper     ? "the paper's" : "the release's";
    }
    return "no";
}

__attribute__((format(printf, 2, 3)))
static void add_note(struct paper *p, const char *fmt, ...)
{
    char text[2000];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    ARRAY_GROW(p->note, p->notes, p->notes_cap);
    p->note[p->notes++] = xstrdup(text);
}

static void fail(struct paper *p, const struct err *err)
{
    log_error("%s", err->msg);
    add_note(p, "%s", err->msg);
    p->failed = CMD_FAILED;
}

/* ---- datasets ---- */

static const struct dataset_info *info_of(const char *name)
{
    const struct dataset_info *const *i = dataset_infos;

    while (strcmp((*i)->name, name))
        i++;
    return *i;
}

/* Whether the folder of a dataset is there; a note says where to get it. */
static bool is_there(struct paper *p, const struct test *t)
{
    const struct dataset_info *info = info_of(t->dataset);
    char *dir = xasprintf("%s/%s", p->root, t->dataset);
    struct stat st;
    bool there = !stat(dir, &st) && S_ISDIR(st.st_mode);

    if (!there)
        add_note(p, "%s: %s is not in %s; get it: %s", t->head, info->title,
                 dir, info->source);
    free(dir);
    return there;
}

/* ---- a model ---- */

static char *size_of(const struct model *m)
{
    double n = 0;

    for (size_t i = 0; i < m->weights.n; i++)
        n += (double)stored_count(m->weights.tensor + i);
    return xasprintf(n < 1e7 ? "%.1fM" : "%.0fM", n / 1e6);
}

static void describe(struct table1_row *row, const struct model *m,
                     int finetune)
{
    static const char *const encoders[] = { "Conformer", "BERT" };
    static const char *const tokens[] = { "random", "kmeans", "rvq" };
    const struct model_config *c = &m->config;

    row->name = xasprintf("%s%s", c->name, finetune ? "-finetune" : "");
    row->encoder = encoders[c->encoder.type];
    row->size = size_of(m);
    row->tokens = c->n_tokens ? tokens[c->tokens[0].type] : NULL;
    row->rate = (int)lround(c->encoder.rate);
    row->input = (int)lround(c->window);
}

static void fill(struct paper *p, struct table1_row *row, const struct test *t,
                 const struct measure *m, const struct head_config *head)
{
    struct report_stats *stats = report_stats(&m->scoring.report);

    for (int k = 0; k < t->n; k++) {
        double v = stats[t->score[k]].mean;

        if (!isnan(v))
            row->score[t->column + k] = xasprintf("%.*f", t->decimals, v);
    }
    add_note(p, "%s, %s: %s, %s, songs: %zu (without audio: %zu, failed: %zu); "
             "%g outputs a %s, the rate of %s protocol", row->name, t->head,
             t->dataset, t->split, m->scoring.pairs, m->without_audio,
             m->scoring.failed, head->rate > 0 ? head->rate : 1,
             head->rate > 0 ? "second" : "clip",
             paper_protocol(t->head, head->rate));
    free(stats);
}

static void measure(struct paper *p, struct table1_row *row,
                    const struct test *t, const char *model,
                    const struct head_config *head)
{
    char *dir = xasprintf("%s/%s", p->root, t->dataset);
    struct cmd_common c = *p->common;
    struct measure m = { .name = t->dataset, .root = dir, .task = t->task,
                         .split = "test", .common = &c, .usage = p->usage,
                         .trim_s = p->trim_s, .jobs = p->jobs };
    struct err err = { 0 };

    c.model = model;
    if (measure_run(&m, &err))
        fail(p, &err);
    else if (!m.scoring.pairs)
        add_note(p, "%s, %s: nothing could be annotated", row->name, t->head);
    else
        fill(p, row, t, &m, head);
    if (m.failed || m.scoring.failed)
        p->failed = CMD_FAILED;
    measure_release(&m);
    free(dir);
}

/* With a head of its own, or one that is trained now. */
static void measure_head(struct paper *p, struct table1_row *row,
                         const struct test *t, struct model *m,
                         const char *path)
{
    const struct head_config *head = config_head(&m->config, t->head);
    const struct paperhead h = {
        .task = t->head, .dataset = t->learns, .root = p->root,
        .finetune = p->finetune, .steps = p->steps, .common = p->common,
        .probe = p->probe
    };
    struct model *with = NULL;
    struct err err = { 0 };
    char *trained = NULL;
    int rc;

    if (head && !p->finetune) {
        measure(p, row, t, path, head);
        return;
    }
    rc = paperhead_make(&trained, &h, m, path, &err);
    if (!rc)
        rc = model_open(&with, trained, &err);
    if (!rc)
        head = config_head(&with->config, t->head);
    if (rc == ERR_ARG)
        add_note(p, "%s, %s: a head must be trained, but %s", row->name,
                 t->head, err.msg);
    else if (rc)
        fail(p, &err);
    else
        measure(p, row, t, trained, head);
    model_free(with);
    free(trained);
}

static void measure_model(struct paper *p, const char *name, const bool *there)
{
    struct table1_row *row = p->row + p->measured.n;
    struct model *m = NULL;
    struct err err = { 0 };
    char *path = NULL;

    if (model_find(&path, name, &err) || model_open(&m, path, &err)) {
        fail(p, &err);
        goto out;
    }
    p->measured.n++;
    describe(row, m, p->finetune);
    add_note(p, "%s: %s, SHA-256 %.8s", row->name, path, model_sha256(m));
    for (size_t i = 0; i < TESTS; i++)
        if (there[i])
            measure_head(p, row, tests + i, m, path);
out:
    model_free(m);
    free(path);
}

/* ---- all ---- */

void paper_measure(struct paper *p)
{
    bool there[TESTS];

    p->failed = CMD_DONE;
    p->row = xcalloc((size_t)p->models + 1, sizeof(*p->row));
    for (size_t i = 0; i < TESTS; i++)
        there[i] = is_there(p, tests + i);
    for (int i = 0; i < p->models; i++)
        measure_model(p, p->model[i], there);
    p->measured.row = p->row;
    p->measured.note = (const char *const *)p->note;
    p->measured.notes = p->notes;
}

void paper_release(struct paper *p)
{
    for (size_t i = 0; i < p->measured.n; i++) {
        struct table1_row *row = p->row + i;

        free((char *)row->name);
        free((char *)row->size);
        for (int k = 0; k < TABLE1_SCORES; k++)
            free((char *)row->score[k]);
    }
    for (size_t i = 0; i < p->notes; i++)
        free(p->note[i]);
    free(p->row);
    free(p->note);
    *p = (struct paper){ 0 };
}
