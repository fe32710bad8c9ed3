/* eval_dataset.h - mfm eval --dataset NAME --root DIR --check. */
#ifndef CMD_EVAL_DATASET_H
#define CMD_EVAL_DATASET_H

#include <stdio.h>

#include "base/err.h"

/* Writes to out what is complete, missing, broken and excluded of a dataset
 * (eval/dataset_check.h), as text or, with json, as one object. No audio is
 * needed, nor read. Returns 0 also where the dataset is not whole; the error
 * of dataset_open, with nothing written; or, after the report, ERR_FORMAT if
 * labels are broken. Whether out took it all is for the caller to check. */
int eval_dataset_check(const char *name, const char *root, int json, FILE *out,
                       struct err *err);

#endif
