/* scoring.h - scores of all songs that two sides have in common. */
#ifndef CMD_SCORING_H
#define CMD_SCORING_H

#include "cmd/labelset.h"
#include "eval/reliability.h"
#include "eval/report.h"
#include "eval/score.h"

struct scoring {
    const struct labelset *ref, *est; /* of one task */
    double trim_s;     /* see eval_beat */
    int jobs;          /* threads */
    int errors_said;   /* those that could not be annotated were named */
    struct reliability *reliability; /* NULL, or gets that of all pairs */
    /* results */
    struct report report; /* a row for each pair in the order of stems; for
                           * tags a row for each tag; released by the caller */
    char model[65];       /* sha256 of the estimates' model, "" if not known;
                           * of several the first */
    int models;           /* whether they are of several */
    size_t pairs;         /* that were scored */
    size_t only_ref, only_est, failed;
};

/* Pairs the songs by stem (two single songs whatever their names), reads and
 * scores them, and says on stderr, in the order of stems, which have no
 * partner and which failed. The numbers do not depend on jobs. Returns 0;
 * ERR_FORMAT if there is no pair, or what tagset_score returns. */
int scoring_run(struct scoring *s, struct err *err);

#endif
