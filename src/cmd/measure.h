/* measure.h - a model on a dataset: its songs annotated in this process, and
 * scored. */
#ifndef CMD_MEASURE_H
#define CMD_MEASURE_H

#include "cmd/common.h"
#include "cmd/labelset.h"
#include "cmd/scoring.h"
#include "eval/dataset.h"

/* The first part is set by the caller, who keeps the strings. */
struct measure {
    const char *name, *root; /* of the dataset */
    enum annot_task task;
    const char *split; /* "train", "valid", "test", "all"; NULL: "test" if
                          the dataset has such songs, else "all" */
    const struct cmd_common *common; /* the model, and how to compute */
    const struct cmd_usage *usage;
    double trim_s;
    int jobs; /* threads that score */
    /* results; split is what was used */
    struct dataset *dataset;
    size_t songs;         /* of the split, with labels, not excluded */
    size_t without_audio; /* of these; the id of the first of them: */
    const char *first_without;
    size_t excluded;      /* of the split, known to be broken */
    int failed;           /* exit code of the annotation */
    struct scoring scoring;
    /* inside */
    struct labelset ref, est;
    char *path; /* the annotations, a temporary file */
};

/* Annotates all songs of the split that have audio and labels, and scores them.
 * What is left out, and inputs that fail, is said on stderr. Returns 0 and
 * fills scoring; or CMD_... in failed, with scoring.pairs 0, if nothing could
 * be annotated, which has been said. Else ERR_ARG for a task or dataset that is
 * not there; ERR_IO and ERR_FORMAT of the dataset, also where no song of the
 * split has audio. measure_release in any case. */
int measure_run(struct measure *m, struct err *err);
void measure_release(struct measure *m); /* a zeroed one, too */

#endif
