/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cmd/eval_dataset.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <string.h>

#include "base/json.h"
#include "base/strbuf.h"
#include "eval/dataset_check.h"

/* ---- text ---- */

static void print_count(FILE *out, const char *what, int64_t stated,
                        int64_t found)
{
    fprintf(out, "  %s: %" PRId64, what, found);
    if (stated >= 0 && stated != found)
        fprintf(out, " (published: %" PRId64 ")", stated);
    else if (stated >= 0)
        fputs(", as published", out);
    fputc('\n', out);
}

static void print_task(FILE *out, enum annot_task task, const struct check *c)
{
    const struct check_task *t = &c->task[task];

    fprintf(out, "%s: %" PRId64 " usable (%" PRId64 " with audio), %" PRId64
            " excluded, %" PRId64 " missing, %" PRId64 " broken\n",
            annot_task_names[task], t->usable, t->with_audio, t->excluded,
            t->missing, t->broken);
    for (int s = 0; s < CHECK_SPLITS; s++)
        if (t->split[s])
            fprintf(out, "  %s: %" PRId64 "\n", check_split_names[s],
                    t->split[s]);
    print_count(out, "labels", t->stated_items, t->items);
    if (task == ANNOT_BEATS)
        print_count(out, "songs without a downbeat", t->stated_times_only,
                    t->times_only);
    for (size_t i = 0; i < c->n_reasons; i++)
        if (c->reason[i].task == task)
            fprintf(out, "  excluded, %s: %" PRId64 "\n", c->reason[i].reason,
                    c->reason[i].n);
}

static void print_text(FILE *out, const struct dataset *d, const char *root,
                       const struct check *c)
{
    const struct dataset_info *info = dataset_about(d);
    const struct dataset_fact *fact;
    size_t n = dataset_facts(d, &fact);

    fprintf(out, "%s: %s in %s: %s\n", info->name, info->title, root,
            c->complete ? "complete" : "not complete");
    if (info->note)
        fprintf(out, "note: %s\n", info->note);
    fprintf(out, "songs: %" PRId64 ", %" PRId64 " with audio\n", c->entries,
            c->with_audio);
    for (size_t i = 0; i < n; i++)
        print_count(out, fact[i].what, fact[i].stated, fact[i].found);
    for (int t = 0; t < DATASET_TASKS; t++)
        if (c->task[t].has)
            print_task(out, (enum annot_task)t, c);
    for (size_t i = 0; i < c->n_problems; i++)
        fprintf(out, "%s: %s: %s\n", annot_task_names[c->problem[i].task],
                c->problem[i].id, c->problem[i].text);
    if (!c->complete)
        fprintf(out, "get it: %s\n", info->source);
}

/* ---- JSON ---- */

static void add_count(cJSON *obj, const char *name, int64_t v)
{
    if (v < 0)
        cJSON_AddNullToObject(obj, name);
    else
        cJSON_AddNumberToObject(obj, name, (double)v);
}

static cJSON *task_json(enum annot_task task, const struct check *c)
{
    const struct check_task *t = &c->task[task];
    cJSON *obj = cJSON_CreateObject();
    cJSON *splits, *excluded;

    add_count(obj, "usable", t->usable);
    add_count(obj, "with_audio", t->with_audio);
    add_count(obj, "missing", t->missing);
    add_count(obj, "broken", t->broken);
    splits = cJSON_AddObjectToObject(obj, "splits");
    for (int s = 0; s < CHECK_NO_SPLIT; s++)
        add_count(splits, check_split_names[s], t->split[s]);
    add_count(splits, "none", t->split[CHECK_NO_SPLIT]);
    excluded = cJSON_AddObjectToObject(obj, "excluded");
    for (size_t i = 0; i < c->n_reasons; i++)
        if (c->reason[i].task == task)
            add_count(excluded, c->reason[i].reason, c->reason[i].n);
    add_count(obj, "labels", t->items);
    add_count(obj, "labels_published", t->stated_items);
    if (task == ANNOT_BEATS) {
        add_count(obj, "without_downbeat", t->times_only);
        add_count(obj, "without_downbeat_published", t->stated_times_only);
    }
    return obj;
}

static cJSON *facts_json(const struct dataset *d)
{
    const struct dataset_fact *fact;
    size_t n = dataset_facts(d, &fact);
    cJSON *list = cJSON_CreateArray();

    for (size_t i = 0; i < n; i++) {
        cJSON *obj = cJSON_CreateObject();

        cJSON_AddStringToObject(obj, "what", fact[i].what);
        add_count(obj, "found", fact[i].found);
        add_count(obj, "published", fact[i].stated);
        cJSON_AddItemToArray(list, obj);
    }
    return list;
}

static cJSON *problems_json(const struct check *c)
{
    cJSON *list = cJSON_CreateArray();

    for (size_t i = 0; i < c->n_problems; i++) {
        cJSON *obj = cJSON_CreateObject();

        cJSON_AddStringToObject(obj, "task",
                                annot_task_names[c->problem[i].task]);
        cJSON_AddStringToObject(obj, "id", c->problem[i].id);
        cJSON_AddStringToObject(obj, "problem", c->problem[i].text);
        cJSON_AddItemToArray(list, obj);
    }
    return list;
}

static void print_json(FILE *out, const struct dataset *d, const char *root,
                       const struct check *c)
{
    const struct dataset_info *info = dataset_about(d);
    struct strbuf text = STRBUF_INIT;
    cJSON *obj = cJSON_CreateObject(), *tasks;

    cJSON_AddStringToObject(obj, "dataset", info->name);
    cJSON_AddStringToObject(obj, "root", root);
    cJSON_AddBoolToObject(obj, "complete", c->complete);
    cJSON_AddStringToObject(obj, "source", info->source);
    cJSON_AddStringToObject(obj, "licence", info->licence);
    if (info->note)
        cJSON_AddStringToObject(obj, "note", info->note);
    add_count(obj, "songs", c->entries);
    add_count(obj, "with_audio", c->with_audio);
    cJSON_AddItemToObject(obj, "counts", facts_json(d));
    tasks = cJSON_AddObjectToObject(obj, "tasks");
    for (int t = 0; t < DATASET_TASKS; t++)
        if (c->task[t].has)
            cJSON_AddItemToObject(tasks, annot_task_names[t],
                                  task_json((enum annot_task)t, c));
    cJSON_AddItemToObject(obj, "problems", problems_json(c));
    json_print(&text, obj);
    fprintf(out, "%s\n", text.s);
    strbuf_release(&text);
    cJSON_Delete(obj);
}

int eval_dataset_check(const char *name, const char *root, int json, FILE *out,
                       struct err *err)
{
    struct dataset *d = NULL;
    struct check c;
    int64_t broken = 0;
    int rc = dataset_open(&d, name, root, err);

    if (rc)
        return rc;
    dataset_check(&c, d);
    (json ? print_json : print_text)(out, d, root, &c);
    for (int t = 0; t < DATASET_TASKS; t++)
        broken += c.task[t].broken;
    if (broken)
        rc = err_set(err, ERR_FORMAT, "%s: the labels of %" PRId64 " songs "
                     "cannot be read", root, broken);
    check_release(&c);
    dataset_free(d);
    return rc;
}
