/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cmd/cmd.h"
#include "cmd/task.h"

int cmd_structure(int argc, char **argv)
{
    struct task_options o;
    struct opt own[2 + TASK_SHARED_OPTIONS] = {
        { 0, "boundaries-only", OPT_FLAG, &o.boundaries_only, NULL,
          "only where parts begin and end", 0, 0, NULL },
    };
    struct cmd_usage usage = {
        "structure", "mfm structure [OPTIONS] [FILE...]",
        "Divides music into its parts: intro, verse, chorus and so on.\n", NULL,
        0
    };
    int n, rc;

    task_options_init(&o);
    o.wanted[TASK_STRUCTURE] = 1;
    rc = task_begin(&usage, &o, own, 1, argc, argv, &n);
    return rc == CMD_GO ? task_run(&usage, &o, n, argv) : rc;
}
