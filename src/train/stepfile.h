/* stepfile.h - the files of a folder that are named by steps:
 * step-000001000.safetensors. */
#ifndef TRAIN_STEPFILE_H
#define TRAIN_STEPFILE_H

#include <stdint.h>
#include "base/err.h"

/* dir/step-000001000.safetensors; the caller frees it. */
char *stepfile_path(const char *dir, int64_t step);

/* The file of the latest step that check returns 0 for: *path, freed by the
 * caller, NULL if there is no file at all. Those that check refuses are passed
 * over with a warning. ERR_FORMAT if it refuses all; ERR_IO. A folder that does
 * not exist has no files. */
int stepfile_newest(char **path, const char *dir,
                    int (*check)(const char *path, struct err *err),
                    struct err *err);

/* Removes all files of later steps than step, all but the newest keep (at least
 * 1) of the others, and what is left of unfinished ones. */
void stepfile_prune(const char *dir, int64_t step, int keep);

#endif
