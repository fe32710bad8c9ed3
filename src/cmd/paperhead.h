/* paperhead.h - heads that mfm eval paper trains where a model has none, as
 * mfm probe does, kept for the next time. */
#ifndef CMD_PAPERHEAD_H
#define CMD_PAPERHEAD_H

#include "base/err.h"
#include "cmd/common.h"
#include "model/model.h"

struct paperhead {
    const char *task;      /* "beats" */
    const char *dataset;   /* what it learns from, by the paper: */
    const char *root;      /* the folder that has a folder of that name */
    int finetune;          /* the encoder learns too */
    int steps;             /* 0: mfm probe's */
    const struct cmd_common *common; /* how to compute */
    int (*probe)(int argc, char **argv); /* cmd_probe */
};

/* The model of m (at path model) with a head for the task, trained on the
 * dataset's training songs by the paper's protocol unless that was done before:
 * *path, freed by the caller, a file under ${XDG_CACHE_HOME:-~/.cache}/mfm/
 * heads. A run that was cut off goes on. ERR_ARG where the dataset's folder is
 * not there; ERR_IO; ERR_FORMAT where training failed, which has been said. */
int paperhead_make(char **path, const struct paperhead *h, struct model *m,
                   const char *model, struct err *err);

#endif
