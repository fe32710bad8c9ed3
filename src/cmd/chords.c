/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cmd/cmd.h"
#include "cmd/task.h"

int cmd_chords(int argc, char **argv)
{
    struct task_options o;
    struct opt own[2 + TASK_SHARED_OPTIONS] = {
        { 0, "vocab", OPT_CHOICE, &o.vocab, "NAME",
          "chords to choose from: majmin (maj and min), sevenths (7, maj7 and "
          "min7 as well); the model must know them (default: all of the "
          "model's)", 0, 0, "majmin|sevenths" },
    };
    struct cmd_usage usage = {
        "chords", "mfm chords [OPTIONS] [FILE...]",
        "Finds the chords of music.\n", NULL, 0
    };
    int n, rc;

    task_options_init(&o);
    o.wanted[TASK_CHORDS] = 1;
    rc = task_begin(&usage, &o, own, 1, argc, argv, &n);
    return rc == CMD_GO ? task_run(&usage, &o, n, argv) : rc;
}
