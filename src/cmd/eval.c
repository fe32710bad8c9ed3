/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <math.h>
#include <stdio.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "cmd/cmd.h"
#include "cmd/common.h"
#include "cmd/eval_dataset.h"
#include "cmd/measure.h"
#include "cmd/outputs.h"
#include "cmd/paper.h"
#include "cmd/scoring.h"
#include "eval/beat.h"
#include "eval/compare.h"
#include "eval/table1.h"
#include "write/json.h"

struct options {
    struct cmd_common common;
    enum annot_task task;
    double trim; /* 0 keeps all */
    int per_file, compare, most, jobs, check;
    const char *dataset, *root, *split;
};

enum format { JSON, TABLE, TSV, MARKDOWN };

static enum format format_of(const struct options *o, enum format otherwise)
{
    const char *name = o->common.format;

    return !name                   ? otherwise
           : !strcmp(name, "json") ? JSON
           : !strcmp(name, "tsv")  ? TSV
           : !strcmp(name, "md")   ? MARKDOWN
                                   : TABLE;
}

static int write_out(const struct options *o, const struct strbuf *text)
{
    const char *path = o->common.output ? o->common.output : "-";
    struct err err = { 0 };

    if (!outputs_write(path, o->common.force, text, &err))
        return CMD_DONE;
    log_error("%s", err.msg);
    return CMD_FAILED;
}

/* Takes top over. */
static void add_json(struct strbuf *out, cJSON *top)
{
    char *text = cJSON_Print(top);

    write_utf8(out, text); /* names of files may be anything */
    strbuf_addch(out, '\n');
    cJSON_free(text);
    cJSON_Delete(top);
}

static cJSON *json_top(const struct options *o)
{
    cJSON *top = cJSON_CreateObject();

    cJSON_AddStringToObject(top, "mfm", MFM_VERSION);
    cJSON_AddStringToObject(top, "task", score_names[o->task].task);
    if (o->task == ANNOT_BEATS)
        cJSON_AddNumberToObject(top, "trim", o->trim);
    return top;
}

/* ---- one pair, or many ---- */

static void pair_json(struct strbuf *out, const struct options *o,
                      const struct scoring *s)
{
    const struct score_names *names = &score_names[o->task];
    cJSON *top = json_top(o);

    cJSON_AddStringToObject(top, "reference", s->ref->name);
    cJSON_AddStringToObject(top, "estimate", s->est->name);
    for (size_t k = 0; k < names->k; k++)
        cJSON_AddNumberToObject(top, names->names[k],
                                s->report.row[0].score[k]);
    add_json(out, top);
}

static void pair_text(struct strbuf *out, const struct options *o,
                      const struct scoring *s)
{
    const struct score_names *names = &score_names[o->task];

    for (size_t k = 0; k < names->k; k++) {
        double v = s->report.row[0].score[k];
        int tsv = format_of(o, TABLE) == TSV;

        strbuf_addf(out, tsv ? "%s\t" : "%-32s  ", names->names[k]);
        if (isnan(v))
            strbuf_addstr(out, tsv ? "-\n" : "     -\n");
        else
            strbuf_addf(out, tsv ? "%.6f\n" : "%.4f\n", v);
    }
}

static cJSON *counts_json(const struct options *o, const struct scoring *s)
{
    cJSON *top = json_top(o), *unpaired;

    cJSON_AddStringToObject(top, "reference", s->ref->name);
    cJSON_AddStringToObject(top, "estimate", s->est->name);
    if (o->task == ANNOT_TAGS)
        cJSON_AddNumberToObject(top, "files", (double)s->pairs);
    unpaired = cJSON_AddObjectToObject(top, "unpaired");
    cJSON_AddNumberToObject(unpaired, "reference", (double)s->only_ref);
    cJSON_AddNumberToObject(unpaired, "estimate", (double)s->only_est);
    cJSON_AddNumberToObject(top, "failed", (double)s->failed);
    return top;
}

static cJSON *dataset_json(const struct options *o, const struct measure *m)
{
    const struct dataset_info *info = dataset_about(m->dataset);
    cJSON *top = json_top(o);

    cJSON_AddStringToObject(top, "dataset", info->name);
    cJSON_AddStringToObject(top, "root", m->root);
    cJSON_AddStringToObject(top, "split", m->split);
    if (info->note)
        cJSON_AddStringToObject(top, "note", info->note);
    cJSON_AddStringToObject(top, "model", o->common.model);
    cJSON_AddNumberToObject(top, "songs", (double)m->songs);
    cJSON_AddNumberToObject(top, "without_audio", (double)m->without_audio);
    cJSON_AddNumberToObject(top, "excluded", (double)m->excluded);
    if (o->task == ANNOT_TAGS)
        cJSON_AddNumberToObject(top, "files", (double)m->scoring.pairs);
    cJSON_AddNumberToObject(top, "failed", (double)m->scoring.failed);
    return top;
}

static void add_lead(struct strbuf *out, const struct report *r, size_t lead)
{
    strbuf_addf(out, "\n%8.8s  %s\n", "", r->names[lead]);
    for (size_t i = 0; i < r->n; i++) {
        double v = r->row[i].score[lead];

        strbuf_addf(out, isnan(v) ? "%8s" : "", "-");
        strbuf_addf(out, isnan(v) ? "" : "%8.4f", v);
        strbuf_addstr(out, "  ");
        report_add_name(out, r->row[i].file);
        strbuf_addch(out, '\n');
    }
}

/* m is NULL unless the songs are those of a dataset. */
static void many(struct strbuf *out, const struct options *o,
                 const struct scoring *s, const struct measure *m)
{
    enum format format = format_of(o, JSON);

    if (format == JSON) {
        cJSON *top = m ? dataset_json(o, m) : counts_json(o, s);

        report_json(top, &s->report, o->per_file);
        add_json(out, top);
        return;
    }
    if (format == TSV) {
        report_tsv(out, &s->report, o->per_file);
        return;
    }
    report_table(out, &s->report);
    if (o->per_file)
        add_lead(out, &s->report, score_names[o->task].lead);
}

static int show(const struct options *o, const struct scoring *s,
                const struct measure *m)
{
    struct strbuf text = STRBUF_INIT;
    int rc, single = s->ref->single && s->est->single &&
                     o->task != ANNOT_TAGS;

    if (!s->pairs)
        return CMD_FAILED;
    if (!single)
        many(&text, o, s, m);
    else if (format_of(o, JSON) == JSON)
        pair_json(&text, o, s);
    else
        pair_text(&text, o, s);
    rc = write_out(o, &text);
    strbuf_release(&text);
    return s->failed ? CMD_FAILED : rc;
}

static struct scoring scoring_of(const struct options *o,
                                 const struct labelset *ref,
                                 const struct labelset *est)
{
    return (struct scoring){ .ref = ref, .est = est, .jobs = o->jobs,
                             .trim_s = o->trim > 0 ? o->trim : -INFINITY };
}

static int say(int rc, const struct err *err)
{
    if (rc)
        log_error("%s", err->msg);
    return rc ? CMD_FAILED : CMD_DONE;
}

static int run_pairs(const struct options *o, const char *ref_path,
                     const char *est_path)
{
    struct labelset ref = { 0 }, est = { 0 };
    struct scoring s = scoring_of(o, &ref, &est);
    struct err err = { 0 };
    int rc;

    if ((rc = labelset_open(&ref, ref_path, o->task, &err)) ||
        (rc = labelset_open(&est, est_path, o->task, &err)) ||
        (rc = scoring_run(&s, &err)))
        rc = say(rc, &err);
    else
        rc = show(o, &s, NULL);
    report_release(&s.report);
    labelset_release(&ref);
    labelset_release(&est);
    return rc;
}

/* ---- two sets of estimates ---- */

static void add_unpaired(cJSON *top, const char *name, const struct scoring *s)
{
    cJSON *side = cJSON_AddObjectToObject(top, name);

    cJSON_AddStringToObject(side, "estimate", s->est->name);
    cJSON_AddNumberToObject(side, "unpaired_reference", (double)s->only_ref);
    cJSON_AddNumberToObject(side, "unpaired_estimate", (double)s->only_est);
    cJSON_AddNumberToObject(side, "failed", (double)s->failed);
}

static int show_comparison(const struct options *o, const struct scoring *a,
                           const struct scoring *b)
{
    enum format format = format_of(o, JSON);
    struct strbuf text = STRBUF_INIT;
    struct compare c;
    int rc;

    compare_init(&c, &a->report, &b->report, score_names[o->task].lead,
                 (size_t)o->most);
    if (format == JSON) {
        cJSON *top = json_top(o);

        cJSON_AddStringToObject(top, "reference", a->ref->name);
        add_unpaired(top, "a", a);
        add_unpaired(top, "b", b);
        compare_json(top, &c);
        add_json(&text, top);
    } else if (format == TSV) {
        compare_tsv(&text, &c);
    } else {
        compare_table(&text, &c);
    }
    rc = write_out(o, &text);
    compare_release(&c);
    strbuf_release(&text);
    return a->failed || b->failed ? CMD_FAILED : rc;
}

static int run_compare(const struct options *o, char **path)
{
    struct labelset set[3] = { { 0 } };
    struct scoring a = scoring_of(o, &set[0], &set[1]);
    struct scoring b = scoring_of(o, &set[0], &set[2]);
    struct err err = { 0 };
    int rc = 0;

    for (int i = 0; i < 3 && !rc; i++)
        rc = labelset_open(&set[i], path[i], o->task, &err);
    if (rc || (rc = scoring_run(&a, &err)) || (rc = scoring_run(&b, &err)))
        rc = say(rc, &err);
    else
        rc = show_comparison(o, &a, &b);
    report_release(&a.report);
    report_release(&b.report);
    for (int i = 0; i < 3; i++)
        labelset_release(&set[i]);
    return rc;
}

/* ---- datasets ---- */

static int run_dataset(const struct options *o, const struct cmd_usage *usage)
{
    struct measure m = { .name = o->dataset, .root = o->root, .task = o->task,
                         .split = o->split, .common = &o->common,
                         .usage = usage, .jobs = o->jobs,
                         .trim_s = o->trim > 0 ? o->trim : -INFINITY };
    struct err err = { 0 };
    int rc = measure_run(&m, &err);

    if (rc)
        rc = rc == ERR_ARG ? cmd_start_error(usage->name, &err) : say(rc, &err);
    else if (m.scoring.pairs)
        rc = show(o, &m.scoring, &m);
    else
        rc = CMD_FAILED;
    if (m.failed > rc)
        rc = m.failed;
    measure_release(&m);
    return rc;
}

static int run_check(const struct options *o)
{
    struct strbuf text = STRBUF_INIT;
    struct err err = { 0 };
    char *buf = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&buf, &len);
    int rc, wrong;

    if (!f)
        return say(err_sys(&err, "no memory for the report"), &err);
    rc = eval_dataset_check(o->dataset, o->root, format_of(o, TABLE) == JSON,
                            f, &err);
    wrong = fclose(f) ? CMD_FAILED : CMD_DONE;
    if (rc == ERR_ARG)
        rc = cmd_start_error("eval", &err);
    else
        rc = say(rc, &err);
    if (len) {
        strbuf_add(&text, buf, len);
        wrong = write_out(o, &text);
    }
    strbuf_release(&text);
    free(buf);
    return rc ? rc : wrong;
}

/* ---- the paper ---- */

static int write_paper(const struct options *o,
                       const struct table1_measured *measured)
{
    struct strbuf text = STRBUF_INIT;
    enum format format = format_of(o, TABLE);
    int rc;

    if (format == JSON) {
        cJSON *top = cJSON_CreateObject();

        cJSON_AddStringToObject(top, "mfm", MFM_VERSION);
        table1_json(top, measured);
        add_json(&text, top);
    } else if (format == TSV) {
        table1_tsv(&text, measured);
    } else if (format == MARKDOWN) {
        table1_markdown(&text, measured);
    } else {
        table1_text(&text, measured);
    }
    rc = write_out(o, &text);
    strbuf_release(&text);
    return rc;
}

static int run_paper(const struct options *o, const struct cmd_usage *usage)
{
    const struct opt_list *models = &o->common.models;
    struct paper p = { .root = o->root, .common = &o->common, .usage = usage,
                       .trim_s = o->trim > 0 ? o->trim : -INFINITY,
                       .jobs = o->jobs };
    struct stat st;
    int rc;

    if (!o->root)
        return write_paper(o, NULL);
    if (stat(o->root, &st) || !S_ISDIR(st.st_mode)) {
        log_error("%s: no such folder", o->root);
        return CMD_FAILED;
    }
    p.model = models->n ? models->item : &o->common.model;
    p.models = models->n ? models->n : 1;
    paper_measure(&p);
    rc = write_paper(o, &p.measured);
    if (rc == CMD_DONE)
        rc = p.failed;
    paper_release(&p);
    return rc;
}

static int start_paper(struct options *o, const struct cmd_usage *usage, int n)
{
    if (n > 1)
        return cmd_usage_error("eval", "nothing goes behind paper");
    if (o->dataset || o->split)
        return cmd_usage_error("eval", "paper chooses its datasets below "
                               "--root by itself");
    if (o->common.models.n && !o->root)
        return cmd_usage_error("eval", "paper measures models on the datasets "
                               "below --root, which is not given");
    return run_paper(o, usage);
}

/* ---- the command line ---- */

static int find_task(struct options *o, const char *name)
{
    for (int t = 0; t < SCORE_TASKS; t++)
        if (!strcmp(name, score_names[t].task)) {
            o->task = (enum annot_task)t;
            return 0;
        }
    return -1;
}

/* What goes with what; operand[0] is the task or "paper". */
static int check(const struct options *o, int n, char **operand,
                 struct err *err)
{
    int wanted = o->dataset ? 1 : o->compare ? 4 : 3, pipes = 0;

    if (o->common.format && !strcmp(o->common.format, "md"))
        return err_set(err, ERR_ARG, "--format md is for mfm eval paper");
    if (!o->dataset != !o->root)
        return err_set(err, ERR_ARG, "--dataset and --root go together");
    if (o->split && !o->dataset)
        return err_set(err, ERR_ARG, "--split goes with --dataset");
    if (o->dataset && o->compare)
        return err_set(err, ERR_ARG, "--compare takes three sets of label "
                       "files, not --dataset");
    if (n != wanted)
        return err_set(err, ERR_ARG, "%s", o->dataset
                           ? "with --dataset there is nothing behind the task"
                       : o->compare
                           ? "--compare needs TASK REF A B"
                           : "TASK REF EST are needed");
    for (int i = 1; i < n; i++)
        pipes += !strcmp(operand[i], "-");
    return pipes > 1 ? err_set(err, ERR_ARG, "stdin can be read once only") : 0;
}

static int start_check(const struct options *o, int n)
{
    enum format format = format_of(o, TABLE);

    if (!o->dataset || !o->root || n)
        return cmd_usage_error("eval", "--check goes with --dataset and "
                               "--root, without a task");
    if (format != TABLE && format != JSON)
        return cmd_usage_error("eval", "--check writes a table or JSON");
    return run_check(o);
}

static int run(struct options *o, const struct cmd_usage *usage, int n,
               char **operand)
{
    struct err err = { 0 };
    int paper;

    if (o->check)
        return start_check(o, n);
    if (!n)
        return cmd_usage_error("eval", "no task given: beats, chords, "
                               "structure, key, tempo, tag or paper");
    paper = !strcmp(operand[0], "paper");
    if (!paper && find_task(o, operand[0]))
        return cmd_usage_error("eval", "'%s' is not a task: beats, chords, "
                               "structure, key, tempo, tag or paper",
                               operand[0]);
    if (!paper && check(o, n, operand, &err))
        return cmd_usage_error("eval", "%s", err.msg);
    if (!o->jobs)
        o->jobs = omp_get_max_threads();
    else if (!o->root) /* the encoder goes by --threads */
        omp_set_num_threads(o->jobs);
    if (paper)
        return start_paper(o, usage, n);
    if (o->dataset)
        return run_dataset(o, usage);
    return o->compare ? run_compare(o, operand + 1)
                      : run_pairs(o, operand[1], operand[2]);
}

int cmd_eval(int argc, char **argv)
{
    struct options o = { .common = CMD_COMMON_INIT, .trim = EVAL_BEAT_TRIM_S,
                         .most = 10 };
    const struct opt own[] = {
        { 0, "trim", OPT_DOUBLE, &o.trim, "S", "beats: leave out what comes "
          "before S seconds; 0 keeps all (default: 5)", 0, 30000, NULL },
        { 0, "per-file", OPT_FLAG, &o.per_file, NULL, "also the scores of each "
          "file, or tag", 0, 0, NULL },
        { 0, "compare", OPT_FLAG, &o.compare, NULL, "compare the estimates A "
          "and B with a paired test", 0, 0, NULL },
        { 0, "most", OPT_INT, &o.most, "N", "with --compare: list the N files "
          "that differ most (default: 10)", 0, 1000000000, NULL },
        { 'j', "jobs", OPT_INT, &o.jobs, "N", "score with N threads (default: "
          "all cores)", 1, 1024, NULL },
        { 0, "dataset", OPT_STRING, &o.dataset, "NAME", "annotate, then score: "
          "a published dataset, or folder: audio files with their labels "
          "beside them", 0, 0, NULL },
        { 0, "root", OPT_STRING, &o.root, "DIR", "where the dataset is", 0, 0,
          NULL },
        { 0, "split", OPT_CHOICE, &o.split, "S", "its songs: train, valid, "
          "test or all (default: test if there is any, else all)", 0, 0,
          "train|valid|test|all" },
        { 0, "check", OPT_FLAG, &o.check, NULL, "say what of the dataset is "
          "complete, missing or broken", 0, 0, NULL },
        { .kind = OPT_END }
    };
    const struct cmd_usage usage = {
        "eval",
        "mfm eval TASK [OPTIONS] REF EST\n"
        "mfm eval TASK --compare [OPTIONS] REF A B\n"
        "mfm eval TASK --dataset NAME --root DIR [--split S] [OPTIONS]\n"
        "mfm eval --dataset NAME --root DIR --check [OPTIONS]\n"
        "mfm eval paper [--root DIR] [-m MODEL]... [OPTIONS]",
        "Scores label files against references, as mir_eval does. TASK is one\n"
        "of beats, chords, structure, key, tempo, tag; REF and EST are files,\n"
        "folders or NDJSON of mfm. paper prints the table of the paper and, with\n"
        "--root, what each model reaches on the datasets below it.\n",
        own, CMD_MODEL | CMD_MODELS | CMD_OUTPUT | CMD_FORMAT | CMD_PROGRESS
    };
    int n = 0, rc;

    o.common.formats = "json|table|tsv|md";
    rc = cmd_begin(&usage, &o.common, argc, argv, &n);
    if (rc == CMD_GO)
        rc = run(&o, &usage, n, argv);
    free(o.common.models.item);
    return rc;
}
