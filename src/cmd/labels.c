/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cmd/labels.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/xalloc.h"

static int ends_in(const char *name, const char *extension)
{
    size_t n = strlen(name), m = strlen(extension);

    return n > m && !strcasecmp(name + n - m, extension);
}

/* For each task the extensions that name it, best first, and after the gap
 * those that may hold anything. */
static const char *const extensions[ANNOT_TAGS + 1][LABELS_SPECIFIC] = {
    { ".beats" },
    { ".chords.lab", ".lab" },
    { ".structure.lab", ".seg" },
    { ".key" },
    { ".tempo", ".bpm" },
    { ".tags" },
};
static const char *const general[] = { ".json", ".jams", ".jamz", ".lab",
                                       ".txt",  ".csv" };

/* "song.chords.lab", or "song.chords.txt", of a task by its name. */
static int is_of(const char *name, enum annot_task task, const char *extension)
{
    char end[32];

    snprintf(end, sizeof(end), ".%s%s", annot_task_names[task], extension);
    return ends_in(name, end);
}

int labels_rank(enum annot_task task, const char *name)
{
    for (int t = 0; t <= ANNOT_TAGS; t++)
        if (t != (int)task && (is_of(name, (enum annot_task)t, ".lab") ||
                               is_of(name, (enum annot_task)t, ".txt")))
            return 0;
    for (int i = 0; i < LABELS_SPECIFIC && extensions[task][i]; i++)
        if (ends_in(name, extensions[task][i]))
            return i + 1;
    for (int i = 0; i < (int)ARRAY_LEN(general); i++)
        if (ends_in(name, general[i]))
            return LABELS_SPECIFIC + 1 + i;
    return 0;
}

const char *labels_of_other(enum annot_task task, const char *name)
{
    if (labels_rank(task, name))
        return NULL;
    for (int t = 0; t <= ANNOT_TAGS; t++) {
        int rank = labels_rank((enum annot_task)t, name);

        if (rank && rank <= LABELS_SPECIFIC)
            return annot_task_names[t];
    }
    return NULL;
}
