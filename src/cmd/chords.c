/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cmd/cmd.h"
#include "cmd/task.h"

int cmd_chords(int argc, char **argv)
{
    struct task_options o;
    struct opt own[1 + TASK_SHARED_OPTIONS];
    struct cmd_usage usage = {
        "chords", "mfm chords [OPTIONS] [FILE...]",
        "Finds the chords of music.\n", NULL, 0
    };
    int n, rc;

    task_options_init(&o);
    o.wanted[TASK_CHORDS] = 1;
    rc = task_begin(&usage, &o, own, 0, argc, argv, &n);
    return rc == CMD_GO ? task_run(&usage, &o, n, argv) : rc;
}
