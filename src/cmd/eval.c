/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "cmd/cmd.h"
#include "cmd/calibrate.h"
#include "cmd/eval_dataset.h"
#include "cmd/eval_show.h"
#include "cmd/measure.h"
#include "cmd/paper.h"
#include "cmd/scoring.h"
#include "eval/beat.h"

static struct scoring scoring_of(const struct eval_options *o,
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

static int run_pairs(const struct eval_options *o, const char *ref_path,
                     const char *est_path)
{
    struct labelset ref = { 0 }, est = { 0 };
    struct scoring s = scoring_of(o, &ref, &est);
    struct reliability reliability = { 0 };
    struct err err = { 0 };
    int rc;

    s.reliability = o->reliability || o->calibrate ? &reliability : NULL;
    if ((rc = labelset_open(&ref, ref_path, o->task, &err)) ||
        (rc = labelset_open(&est, est_path, o->task, &err)) ||
        (rc = scoring_run(&s, &err)))
        rc = say(rc, &err);
    else if (o->calibrate)
        rc = eval_calibrate(o, &s);
    else
        rc = o->reliability ? eval_show_reliability(o, &s, NULL)
                            : eval_show(o, &s, NULL);
    report_release(&s.report);
    labelset_release(&ref);
    labelset_release(&est);
    return rc;
}

/* ---- two sets of estimates ---- */

static int run_compare(const struct eval_options *o, char **path)
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
        rc = eval_show_comparison(o, &a, &b);
    report_release(&a.report);
    report_release(&b.report);
    for (int i = 0; i < 3; i++)
        labelset_release(&set[i]);
    return rc;
}

/* ---- datasets ---- */

static int run_dataset(const struct eval_options *o,
                       const struct cmd_usage *usage)
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
        rc = eval_show(o, &m.scoring, &m);
    else
        rc = CMD_FAILED;
    if (m.failed > rc)
        rc = m.failed;
    measure_release(&m);
    return rc;
}

static int run_check(const struct eval_options *o)
{
    struct strbuf text = STRBUF_INIT;
    struct err err = { 0 };
    char *buf = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&buf, &len);
    int rc, wrong;

    if (!f)
        return say(err_sys(&err, "no memory for the report"), &err);
    rc = eval_dataset_check(o->dataset, o->root,
                            eval_format_of(o, TABLE) == JSON, f, &err);
    wrong = fclose(f) ? CMD_FAILED : CMD_DONE;
    if (rc == ERR_ARG)
        rc = cmd_start_error("eval", &err);
    else
        rc = say(rc, &err);
    if (len) {
        strbuf_add(&text, buf, len);
        wrong = eval_write(o, &text);
    }
    strbuf_release(&text);
    free(buf);
    return rc ? rc : wrong;
}

/* ---- the paper ---- */

static int run_paper(const struct eval_options *o,
                     const struct cmd_usage *usage)
{
    const struct opt_list *models = &o->common.models;
    struct paper p = { .root = o->root, .common = &o->common, .usage = usage,
                       .trim_s = o->trim > 0 ? o->trim : -INFINITY,
                       .jobs = o->jobs, .finetune = o->finetune,
                       .steps = o->steps, .probe = cmd_probe };
    struct stat st;
    int rc;

    if (!o->root)
        return eval_show_paper(o, NULL);
    if (stat(o->root, &st) || !S_ISDIR(st.st_mode)) {
        log_error("%s: no such folder", o->root);
        return CMD_FAILED;
    }
    p.model = models->n ? models->item : &o->common.model;
    p.models = models->n ? models->n : 1;
    paper_measure(&p);
    rc = eval_show_paper(o, &p.measured);
    if (rc == CMD_DONE)
        rc = p.failed;
    paper_release(&p);
    return rc;
}

static int start_paper(struct eval_options *o, const struct cmd_usage *usage,
                       int n)
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

static int find_task(struct eval_options *o, const char *name)
{
    for (int t = 0; t < SCORE_TASKS; t++)
        if (!strcmp(name, score_names[t].task)) {
            o->task = (enum annot_task)t;
            return 0;
        }
    return -1;
}

/* Options that would say nothing here. */
static int refuse(const struct eval_options *o, int paper)
{
    static const char none[] = "nothing is annotated here; it goes with --root";
    const struct cmd_common *c = &o->common;
    int rc = CMD_GO;

    if (!o->root && !paper && !o->calibrate)
        rc = cmd_refuse(c, "eval", "model", none);
    if (rc == CMD_GO && !o->root)
        rc = cmd_refuse(c, "eval", "device|precision", none);
    if (rc == CMD_GO && !o->root && o->jobs)
        rc = cmd_refuse(c, "eval", "threads", "-j says how many score");
    if (rc == CMD_GO && !o->compare)
        rc = cmd_refuse(c, "eval", "most", "it goes with --compare");
    return rc;
}

/* What goes with what; operand[0] is the task. */
static int check(const struct eval_options *o, int n, char **operand,
                 struct err *err)
{
    int wanted = o->dataset ? 1 : o->compare ? 4 : 3, pipes = 0;

    if (o->common.format && !strcmp(o->common.format, "md"))
        return err_set(err, ERR_ARG, "--format md is for mfm eval paper");
    if (o->finetune || o->steps)
        return err_set(err, ERR_ARG, "--finetune and --steps are for mfm eval "
                       "paper");
    if (!o->dataset != !o->root)
        return err_set(err, ERR_ARG, "--dataset and --root go together");
    if (o->split && !o->dataset)
        return err_set(err, ERR_ARG, "--split goes with --dataset");
    if (o->dataset && o->compare)
        return err_set(err, ERR_ARG, "--compare takes three sets of label "
                       "files, not --dataset");
    if ((o->reliability || o->calibrate) &&
        (o->dataset || o->compare || o->task == ANNOT_TEMPO))
        return err_set(err, ERR_ARG, "%s takes two sets of label files, of any "
                       "task but tempo", o->calibrate ? "--calibrate"
                                                      : "--reliability");
    if (o->calibrate && !o->reliability &&
        (o->common.output || o->common.format || o->per_file))
        return err_set(err, ERR_ARG, "--calibrate writes a model and shows "
                       "nothing but with --reliability");
    if (o->calibrate && o->common.models.n > 1)
        return err_set(err, ERR_ARG, "--calibrate takes one -m");
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

static int start_check(const struct eval_options *o, int n)
{
    enum eval_format format = eval_format_of(o, TABLE);
    int rc;

    if (!o->dataset || !o->root || n)
        return cmd_usage_error("eval", "--check goes with --dataset and "
                               "--root, without a task");
    if (format != TABLE && format != JSON)
        return cmd_usage_error("eval", "--check writes a table or JSON");
    rc = cmd_refuse(&o->common, "eval", "model|device|precision|trim|most|"
                    "per-file|split", "--check neither annotates nor scores");
    return rc == CMD_GO ? run_check(o) : rc;
}

static int run(struct eval_options *o, const struct cmd_usage *usage, int n,
               char **operand)
{
    struct err err = { 0 };
    int paper, rc;

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
    rc = refuse(o, paper);
    if (rc != CMD_GO)
        return rc;
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
    struct eval_options o = { .common = CMD_COMMON_INIT,
                              .trim = EVAL_BEAT_TRIM_S, .most = 10 };
    const struct opt own[] = {
        { 0, "trim", OPT_TIME, &o.trim, "TIME", "beats: leave out what comes "
          "before S seconds; 0 keeps all (default: 5)", 0, 30000, NULL },
        { 0, "per-file", OPT_FLAG, &o.per_file, NULL, "also the scores of each "
          "file, or tag", 0, 0, NULL },
        { 0, "reliability", OPT_FLAG, &o.reliability, NULL, "how often what is "
          "estimated is right, by its confidence", 0, 0, NULL },
        { 0, "calibrate", OPT_STRING, &o.calibrate, "FILE", "write the model "
          "of -m to FILE with confidences that are as often right as they say",
          0, 0, NULL },
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
        { 0, "finetune", OPT_FLAG, &o.finetune, NULL, "paper: train heads and "
          "the encoder with them, for each task", 0, 0, NULL },
        { 0, "steps", OPT_INT, &o.steps, "N", "paper: steps of heads that are "
          "trained (default: as mfm probe)", 1, 1e9, NULL },
        { 0, "check", OPT_FLAG, &o.check, NULL, "say what of the dataset is "
          "complete, missing or broken", 0, 0, NULL },
        { .kind = OPT_END }
    };
    const struct cmd_usage usage = {
        "eval",
        "mfm eval TASK [OPTIONS] REF EST\n"
        "mfm eval TASK --compare [OPTIONS] REF A B\n"
        "mfm eval TASK --calibrate FILE -m MODEL REF EST\n"
        "mfm eval TASK --dataset NAME --root DIR [--split S] [OPTIONS]\n"
        "mfm eval --dataset NAME --root DIR --check [OPTIONS]\n"
        "mfm eval paper [--root DIR] [-m MODEL]... [--finetune] [OPTIONS]",
        "Scores label files against references, as mir_eval does. TASK is\n"
        "beats, chords, structure, key, tempo or tag; REF and EST are files,\n"
        "folders or NDJSON of mfm. paper prints the table of the paper and,\n"
        "with --root, what each model reaches on the datasets below it, with\n"
        "heads that are trained first where it has none.\n",
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
