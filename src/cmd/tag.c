/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cmd/cmd.h"
#include "cmd/task.h"

int cmd_tag(int argc, char **argv)
{
    struct task_options o;
    int all = 0, top = 0;
    double threshold = -1;
    struct opt own[4 + TASK_SHARED_OPTIONS] = {
        { 0, "top", OPT_INT, &top, "N", "at most N tags (10)", 1, 1000000,
          NULL },
        { 0, "threshold", OPT_DOUBLE, &threshold, "P",
          "only tags with a score of at least P", 0, 1, NULL },
        { 0, "all", OPT_FLAG, &all, NULL, "all tags of the vocabulary", 0, 0,
          NULL },
    };
    struct cmd_usage usage = {
        "tag", "mfm tag [OPTIONS] [FILE...]",
        "Says which words of the model's vocabulary describe music.\n", NULL,
        0
    };
    int n, rc;

    task_options_init(&o);
    o.wanted[TASK_TAG] = 1;
    rc = task_begin(&usage, &o, own, 3, argc, argv, &n);
    if (rc != CMD_GO)
        return rc;
    if (all && (top || threshold >= 0))
        return cmd_usage_error("tag", "--all goes with neither --top nor "
                               "--threshold");
    o.top = top ? top : all || threshold >= 0 ? 0 : 10;
    o.tag_threshold = threshold > 0 ? threshold : 0;
    return task_run(&usage, &o, n, argv);
}
