/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cmd/measure.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "cmd/task.h"

/* ---- the songs ---- */

static bool in_split(const struct measure *m, const struct dataset_part *part)
{
    return !strcmp(m->split, "all") ||
           (part->split && !strcmp(part->split, m->split));
}

static void choose_split(struct measure *m)
{
    for (size_t i = 0; i < dataset_size(m->dataset) && !m->split; i++) {
        const char *split = dataset_at(m->dataset, i)->part[m->task].split;

        if (split && !strcmp(split, "test"))
            m->split = "test";
    }
    if (!m->split)
        m->split = "all";
}

static void choose_song(struct measure *m, size_t i)
{
    const struct dataset_entry *e = dataset_at(m->dataset, i);
    const struct dataset_part *part = &e->part[m->task];

    if (!part->labels) {
        if (e->audio)
            log_warn("%s: no labels for '%s'", e->audio,
                     annot_task_names[m->task]);
    } else if (!in_split(m, part)) {
        return;
    } else if (part->excluded) {
        log_info("%s: left out: %s", e->id, part->excluded);
        m->excluded++;
    } else {
        m->songs++;
        if (!e->audio && !m->without_audio++)
            m->first_without = e->id;
        if (e->audio)
            labelset_add(&m->ref, i);
    }
}

static int choose(struct measure *m, struct err *err)
{
    const struct dataset_info *info = dataset_about(m->dataset);
    const char *task = annot_task_names[m->task];

    if (!(info->tasks >> m->task & 1))
        return err_set(err, ERR_ARG, "%s has no labels for '%s'", info->name,
                       task);
    choose_split(m);
    labelset_of_dataset(&m->ref, m->dataset, m->root, m->task);
    for (size_t i = 0; i < dataset_size(m->dataset); i++)
        choose_song(m, i);
    if (!m->songs)
        return err_set(err, ERR_FORMAT, "%s: no songs with labels for '%s' in "
                       "the split '%s'", m->root, task, m->split);
    if (!m->ref.n)
        return err_set(err, ERR_FORMAT, "%s: no audio files of the %zu songs "
                       "with labels for '%s' (--check says what is there)",
                       m->root, m->songs, task);
    if (m->without_audio)
        log_warn("%s: %zu of %zu songs have no audio and are left out: %s%s",
                 m->root, m->without_audio, m->songs, m->first_without,
                 m->without_audio > 1 ? ", ..." : "");
    return 0;
}

/* ---- their annotation ---- */

static int make_temporary(char **path, struct err *err)
{
    const char *dir = getenv("TMPDIR");
    char *name = xasprintf("%s/mfm-eval-XXXXXX.ndjson",
                           dir && *dir ? dir : P_tmpdir);
    int fd = mkstemps(name, 7);

    if (fd < 0) {
        err_sys(err, "%s: cannot create", name);
        free(name);
        return ERR_IO;
    }
    close(fd);
    *path = name;
    return 0;
}

/* A line for each song of ref, in its order, in the file m->path, which is
 * empty if the model could not be opened, say. */
static void annotate(struct measure *m)
{
    static const enum task tasks[SCORE_TASKS] = {
        TASK_BEATS, TASK_CHORDS, TASK_STRUCTURE, TASK_KEY, TASK_BEATS, TASK_TAG
    };
    char **audio = xcalloc(m->ref.n, sizeof(*audio));
    struct task_options o;

    for (size_t i = 0; i < m->ref.n; i++)
        audio[i] = dataset_at(m->dataset, m->ref.item[i].number)->audio;
    task_options_init(&o);
    o.common = *m->common;
    o.common.format = "ndjson";
    o.common.output = m->path;
    o.common.force = 1;
    o.wanted[tasks[m->task]] = 1;
    m->failed = task_run(m->usage, &o, (int)m->ref.n, audio);
    free(audio);
}

/* Reads the lines as those of the dataset's songs. */
static int open_annotations(struct measure *m, struct err *err)
{
    const char **id = xcalloc(m->ref.n, sizeof(*id));
    int rc = labelset_open(&m->est, m->path, m->task, err);

    for (size_t i = 0; i < m->ref.n; i++)
        id[i] = m->ref.item[i].stem;
    if (!rc) {
        m->est.name = "the annotations";
        m->est.single = 0;
        rc = labelset_rename(&m->est, id, m->ref.n, err);
    }
    free(id);
    return rc;
}

int measure_run(struct measure *m, struct err *err)
{
    struct stat st;

    m->scoring = (struct scoring){ .ref = &m->ref, .est = &m->est,
                                   .jobs = m->jobs, .trim_s = m->trim_s,
                                   .errors_said = 1 };
    TRY(dataset_open(&m->dataset, m->name, m->root, err));
    TRY(choose(m, err));
    TRY(make_temporary(&m->path, err));
    annotate(m);
    if (stat(m->path, &st) || !st.st_size)
        return 0;
    TRY(open_annotations(m, err));
    return scoring_run(&m->scoring, err);
}

void measure_release(struct measure *m)
{
    if (m->path)
        unlink(m->path);
    free(m->path);
    m->path = NULL;
    report_release(&m->scoring.report);
    labelset_release(&m->ref);
    labelset_release(&m->est);
    dataset_free(m->dataset);
    m->dataset = NULL;
}
