/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "eval/dataset_check.h"

#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

const char *const check_split_names[CHECK_SPLITS] = { "train", "valid", "test",
                                                      "no split" };

static int split_of(const char *name)
{
    for (int i = 0; name && i < CHECK_NO_SPLIT; i++)
        if (!strcmp(name, check_split_names[i]))
            return i;
    return CHECK_NO_SPLIT;
}

static void add_problem(struct check *c, const char *id, enum annot_task task,
                        const char *text)
{
    if (c->n_problems == CHECK_MAX_PROBLEMS)
        return;
    ARRAY_GROW(c->problem, c->n_problems, c->problem_cap);
    c->problem[c->n_problems++] = (struct check_problem){ id, task,
                                                          xstrdup(text) };
}

static void add_reason(struct check *c, const char *reason,
                       enum annot_task task)
{
    for (size_t i = 0; i < c->n_reasons; i++)
        if (c->reason[i].task == task &&
            !strcmp(c->reason[i].reason, reason)) {
            c->reason[i].n++;
            return;
        }
    ARRAY_GROW(c->reason, c->n_reasons, c->reason_cap);
    c->reason[c->n_reasons++] = (struct check_reason){ reason, task, 1 };
}

static bool has_downbeat(const struct beats *b)
{
    for (size_t i = 0; i < b->n; i++)
        if (b->v[i].position == 1)
            return true;
    return false;
}

/* A key over time counts each span, that of a whole song one. */
static int64_t items_of(const struct annotation *a, enum annot_task task)
{
    switch (task) {
    case ANNOT_BEATS:
        return (int64_t)a->beats.n;
    case ANNOT_CHORDS:
    case ANNOT_STRUCTURE:
        return (int64_t)a->spans.n;
    case ANNOT_KEY:
        return a->spans.n ? (int64_t)a->spans.n : a->key.label != NULL;
    case ANNOT_TEMPO:
        return 1;
    case ANNOT_TAGS:
        return (int64_t)a->tags.n;
    }
    return 0;
}

static void check_part(struct check *c, const struct dataset *d, size_t i,
                       enum annot_task task)
{
    const struct dataset_entry *e = dataset_at(d, i);
    const struct dataset_part *part = &e->part[task];
    struct check_task *t = &c->task[task];
    struct annotation a;
    struct err err = { 0 };
    int rc = dataset_labels(d, i, task, &a, &err);

    if (!rc) {
        t->items += items_of(&a, task);
        t->times_only += task == ANNOT_BEATS && !has_downbeat(&a.beats);
    }
    annotation_release(&a);
    if (part->excluded) {
        t->excluded++;
        add_reason(c, part->excluded, task);
    } else if (!part->labels) {
        t->missing++;
        add_problem(c, e->id, task, "no labels");
    } else if (rc) {
        t->broken++;
        add_problem(c, e->id, task, err.msg);
    } else {
        t->usable++;
        t->with_audio += e->audio != NULL;
        t->split[split_of(part->split)]++;
    }
}

static bool as_stated(int64_t stated, int64_t found)
{
    return stated < 0 || stated == found;
}

static bool is_complete(const struct check *c, const struct dataset *d)
{
    const struct dataset_fact *fact;
    size_t n = dataset_facts(d, &fact);
    bool complete = true;

    for (size_t i = 0; i < n; i++)
        complete = complete && as_stated(fact[i].stated, fact[i].found);
    for (int task = 0; task < DATASET_TASKS; task++) {
        const struct check_task *t = &c->task[task];

        if (t->has)
            complete = complete && !t->missing && !t->broken &&
                       as_stated(t->stated_items, t->items) &&
                       as_stated(t->stated_times_only, t->times_only);
    }
    return complete;
}

void dataset_check(struct check *out, const struct dataset *d)
{
    size_t n = dataset_size(d);

    *out = (struct check){ .entries = (int64_t)n };
    for (size_t i = 0; i < n; i++) {
        const struct dataset_entry *e = dataset_at(d, i);

        out->with_audio += e->audio != NULL;
        for (int task = 0; task < DATASET_TASKS; task++)
            out->task[task].has |= e->part[task].labels != NULL;
    }
    for (int task = 0; task < DATASET_TASKS; task++) {
        struct check_task *t = &out->task[task];

        t->stated_items = dataset_stated_items(d, (enum annot_task)task);
        t->stated_times_only = task == ANNOT_BEATS
                                   ? dataset_stated_times_only(d) : -1;
        for (size_t i = 0; i < n && t->has; i++)
            check_part(out, d, i, (enum annot_task)task);
    }
    out->complete = is_complete(out, d);
}

void check_release(struct check *c)
{
    for (size_t i = 0; i < c->n_problems; i++)
        free(c->problem[i].text);
    free(c->problem);
    free(c->reason);
    *c = (struct check){ 0 };
}
