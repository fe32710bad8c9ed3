/* inputs.h - the files a command works on, in order. */
#ifndef CMD_INPUTS_H
#define CMD_INPUTS_H

#include <stddef.h>

#include "base/err.h"
#include "cmd/common.h"

struct input {
    char *path;  /* "-" is stdin */
    char *error; /* NULL; or why there is nothing to open: a failed input */
    size_t name; /* path + name is what its results are called by: the part
                    below the folder that was walked, else the last part */
    int done;    /* its results are there (--resume) */
};

/* A zeroed struct can be released. */
struct inputs {
    struct input *item;
    size_t n, cap;
};

/* Collects the operands as they stand, then what --files-from names (one a
 * line, or ended by NUL with -0; empty ones are left out; a list "-" is stdin).
 * With -r a folder stands for the audio files below it (stem_is_audio), walked
 * in the order of their bytes; names that begin with a dot are left out, links
 * are followed, a link back to a folder above is not. With --keep-folders the
 * name of an input is all of its path but "/", "./" and "../" in front. Without
 * -r a folder is a failed input. What a list names as an audio file is taken
 * for one unseen. No operand and no list is stdin, unless stdin_is_tty.
 *
 * Whether files exist is not looked at: each fails in its turn. Returns ERR_ARG
 * for a use that cannot be meant (no input at all, stdin twice), ERR_IO or
 * ERR_FORMAT if the list cannot be read. */
int inputs_collect(struct inputs *in, const struct cmd_common *c, int n,
                   char **operands, int stdin_is_tty, struct err *err);
void inputs_release(struct inputs *in);

#endif
