/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cmd/scoring.h"

#include <stdlib.h>
#include <string.h>

#include "annot/chordname.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "eval/tagset.h"

struct pair {
    size_t ref, est;        /* items */
    const char *twice;      /* NULL, or the side with two of this stem */
    char *error;            /* NULL, or why there is no score; owned */
    int said;               /* that has been said before */
    struct tags tags[2];    /* ANNOT_TAGS: of both sides, owned */
    struct reliability reliability;
    char model[65];         /* of the estimate */
    double score[SCORE_MOST];
};

struct pairs {
    struct pair *v;
    size_t n, cap;
};

static int alone(const struct scoring *s, const struct labelset *set, size_t i)
{
    const struct labelset *other = set == s->ref ? s->est : s->ref;

    log_warn("%s: in %s, not in %s", set->item[i].stem, set->name,
             other->name);
    return 1;
}

/* Passes over the items of the stem of item *i; how many there are. */
static size_t pass(const struct labelset *set, size_t *i)
{
    const char *stem = set->item[*i].stem;
    size_t begin = *i;

    while (*i < set->n && !strcmp(set->item[*i].stem, stem))
        ++*i;
    return *i - begin;
}

static void add(struct pairs *p, size_t ref, size_t est, const char *twice)
{
    ARRAY_GROW(p->v, p->n, p->cap);
    p->v[p->n] = (struct pair){ .ref = ref, .est = est, .twice = twice };
    p->n++;
}

static void join(struct pairs *p, struct scoring *s)
{
    const struct labelset *ref = s->ref, *est = s->est;

    if (ref->single && est->single) {
        add(p, 0, 0, NULL);
        return;
    }
    for (size_t i = 0, j = 0; i < ref->n || j < est->n;) {
        int order = i == ref->n   ? 1
                    : j == est->n ? -1
                                  : strcmp(ref->item[i].stem,
                                           est->item[j].stem);
        size_t r = i, e = j, nr = 0, ne = 0;

        if (order <= 0)
            nr = pass(ref, &i);
        if (order >= 0)
            ne = pass(est, &j);
        if (!ne)
            s->only_ref += (size_t)alone(s, ref, r);
        else if (!nr)
            s->only_est += (size_t)alone(s, est, e);
        else
            add(p, r, e, nr > 1 ? ref->name : ne > 1 ? est->name : NULL);
    }
}

/* That a score can read them, with the place of one that it cannot. */
static int check_chords(const struct labelset *set, size_t i,
                        const struct annotation *a, struct err *err)
{
    for (size_t k = 0; k < a->spans.n; k++) {
        const struct segment *s = &a->spans.v[k];
        struct chordname chord;
        char where[600];

        if (chordname_parse(&chord, s->label, false, err) != ERR_FORMAT)
            continue;
        labelset_where(where, sizeof(where), set, i);
        return s->line ? err_prefix(err, "%s:%d", where, s->line)
                       : err_prefix(err, "%s: at %g s", where, s->start);
    }
    return 0;
}

/* Reads both sides and scores them; tags are kept for later. */
static int score(struct pair *p, const struct scoring *s, struct err *err)
{
    struct annotation ref, est;
    int rc = 0;

    annotation_init(&ref);
    annotation_init(&est);
    if (p->twice)
        rc = err_set(err, ERR_FORMAT, "%s: two results for '%s'", p->twice,
                     s->ref->item[p->ref].stem);
    if (!rc)
        rc = labelset_read(&ref, s->ref, p->ref, err);
    if (!rc)
        rc = labelset_read(&est, s->est, p->est, err);
    if (!rc && s->ref->task == ANNOT_CHORDS)
        rc = check_chords(s->ref, p->ref, &ref, err);
    if (!rc && s->ref->task == ANNOT_CHORDS)
        rc = check_chords(s->est, p->est, &est, err);
    if (!rc)
        score_close(&ref, &est);
    if (!rc)
        memcpy(p->model, est.model, sizeof(p->model));
    if (!rc && s->reliability)
        rc = reliability_take(&p->reliability, s->ref->task, &ref, &est, err);
    if (!rc && s->ref->task == ANNOT_TAGS) {
        p->tags[0] = ref.tags;
        p->tags[1] = est.tags;
        ref.tags = est.tags = (struct tags){ 0 };
    } else if (!rc) {
        rc = score_pair(p->score, s->ref->task, &ref, &est, s->trim_s, err);
        if (rc)
            err_prefix(err, "%s", s->ref->item[p->ref].stem);
    }
    annotation_release(&ref);
    annotation_release(&est);
    return rc;
}

static void score_all(struct pairs *p, const struct scoring *s)
{
#pragma omp parallel for schedule(dynamic, 4) num_threads(s->jobs) \
    if (p->n > 8 && s->jobs > 1)
    for (size_t i = 0; i < p->n; i++) {
        struct err err = { 0 };
        int rc = score(p->v + i, s, &err);

        p->v[i].error = rc ? xstrdup(err.msg) : NULL;
        p->v[i].said = s->errors_said && rc == ERR_UNSUPPORTED;
    }
}

static int add_tags(struct scoring *s, const struct pairs *p, struct err *err)
{
    struct tags *side[2];
    size_t n = 0;
    int rc;

    for (int k = 0; k < 2; k++)
        side[k] = xcalloc(p->n + 1, sizeof(*side[k]));
    for (size_t i = 0; i < p->n; i++) {
        if (p->v[i].error)
            continue;
        side[0][n] = p->v[i].tags[0];
        side[1][n++] = p->v[i].tags[1];
    }
    s->report.unit = "tags";
    rc = tagset_score(&s->report, side[0], side[1], n, err);
    free(side[0]);
    free(side[1]);
    return rc;
}

static void note_model(struct scoring *s, const char *model)
{
    s->models |= *s->model && *model && strcmp(s->model, model);
    if (!*s->model)
        memcpy(s->model, model, sizeof(s->model));
}

static void collect(struct scoring *s, const struct pairs *p)
{
    for (size_t i = 0; i < p->n; i++) {
        const struct pair *pair = p->v + i;

        if (!pair->error) {
            s->pairs++;
            note_model(s, pair->model);
            if (s->reliability)
                reliability_merge(s->reliability, &pair->reliability);
            if (s->ref->task != ANNOT_TAGS)
                report_add(&s->report, s->ref->item[pair->ref].stem,
                           pair->score);
            continue;
        }
        s->failed++;
        if (!pair->said)
            log_error("%s", pair->error);
    }
}

int scoring_run(struct scoring *s, struct err *err)
{
    const struct score_names *names = &score_names[s->ref->task];
    struct pairs p = { 0 };
    int rc = 0;

    s->pairs = s->only_ref = s->only_est = s->failed = 0;
    report_init(&s->report, names->names, names->k);
    join(&p, s);
    score_all(&p, s);
    collect(s, &p);
    if (!p.n)
        rc = err_set(err, ERR_FORMAT, "no song is both in %s and in %s%s%s%s",
                     s->ref->name, s->est->name,
                     s->ref->empty || s->est->empty ? ": " : "",
                     s->ref->empty ? s->ref->name
                     : s->est->empty ? s->est->name : "",
                     s->ref->empty || s->est->empty ? " is empty" : "");
    else if (s->ref->task == ANNOT_TAGS && s->pairs)
        rc = add_tags(s, &p, err);
    for (size_t i = 0; i < p.n; i++) {
        free(p.v[i].error);
        tags_release(&p.v[i].tags[0]);
        tags_release(&p.v[i].tags[1]);
    }
    free(p.v);
    return rc;
}
