/* folder.h - the audio files of a labelled folder, annotated to be scored. */
#ifndef CMD_FOLDER_H
#define CMD_FOLDER_H

#include "cmd/common.h"
#include "cmd/labelset.h"

/* Annotates the audio files in root whose stem has labels in ref, for ref's
 * task, with the model of c: a line of JSON for each goes to a temporary file
 * *path, which the caller unlinks and frees. *path is NULL if nothing could be
 * annotated and that has been said; *failed is then the exit code, and
 * CMD_FAILED where single inputs failed (said, too). Audio without labels is
 * left out, with a warning. Returns 0, ERR_IO, or ERR_FORMAT if there is no
 * audio file with labels. */
int folder_annotate(char **path, int *failed, const struct labelset *ref,
                    const char *root, const struct cmd_common *c,
                    const struct cmd_usage *usage, struct err *err);

#endif
