/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cmd/cmd.h"
#include "cmd/task.h"

int cmd_key(int argc, char **argv)
{
    struct task_options o;
    struct opt own[2 + TASK_SHARED_OPTIONS] = {
        { 0, "over-time", OPT_FLAG, &o.over_time, NULL,
          "also the keys of stretches of time", 0, 0, NULL },
    };
    struct cmd_usage usage = {
        "key", "mfm key [OPTIONS] [FILE...]",
        "Estimates the key of music.\n", NULL, 0
    };
    int n, rc;

    task_options_init(&o);
    o.wanted[TASK_KEY] = 1;
    rc = task_begin(&usage, &o, own, 1, argc, argv, &n);
    return rc == CMD_GO ? task_run(&usage, &o, n, argv) : rc;
}
