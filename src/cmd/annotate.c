/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "cmd/cmd.h"
#include "cmd/task.h"

/* "beats,chords" into o->wanted; NULL: not given. */
static int parse_tasks(struct task_options *o, const char *list)
{
    if (list && !list[strspn(list, ",")])
        return cmd_usage_error("annotate", "--tasks: no task named: beats, "
                               "chords, structure, key, tag");
    while (list && *list) {
        size_t n = strcspn(list, ",");
        int t = 0;

        if (n == 4 && !strncmp(list, "tags", n)) /* as its results are called */
            n--;

        while (t < TASKS && (strlen(task_names[t]) != n ||
                             strncmp(task_names[t], list, n)))
            t++;
        if (t == TASKS)
            return cmd_usage_error("annotate", "--tasks: '%.*s' is not one of "
                                   "beats, chords, structure, key, tag",
                                   (int)n, list);
        o->wanted[t] = 1;
        list += strcspn(list, ",");
        list += *list == ',';
    }
    return CMD_GO;
}

int cmd_annotate(int argc, char **argv)
{
    struct task_options o;
    const char *tasks = NULL;
    struct opt own[2 + TASK_SHARED_OPTIONS] = {
        { 0, "tasks", OPT_STRING, &tasks, "LIST",
          "some of beats,chords,structure,key,tag (all that the model can do)",
          0, 0, NULL },
    };
    struct cmd_usage usage = {
        "annotate", "mfm annotate [OPTIONS] [FILE...]",
        "Annotates music with beats and downbeats, chords, structure, key and "
        "tags in\none pass over the audio.\n", NULL, 0
    };
    int n, rc;

    task_options_init(&o);
    o.common.format = "json";
    rc = task_begin(&usage, &o, own, 1, argc, argv, &n);
    if (rc == CMD_GO)
        rc = parse_tasks(&o, tasks);
    return rc == CMD_GO ? task_run(&usage, &o, n, argv) : rc;
}
