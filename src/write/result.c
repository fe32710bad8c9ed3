/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "write/result.h"

const char *const task_names[TASKS] = { "beats", "chords", "structure", "key",
                                        "tag" };

int result_has(const struct result *r, enum task task)
{
    switch (task) {
    case TASK_BEATS: return r->beats != NULL;
    case TASK_CHORDS: return r->chords != NULL;
    case TASK_STRUCTURE: return r->structure != NULL;
    case TASK_KEY: return r->key != NULL;
    default: return r->tags != NULL;
    }
}

void result_only(struct result *out, const struct result *r, enum task task)
{
    *out = *r;
    if (task != TASK_BEATS)
        out->beats = NULL;
    if (task != TASK_CHORDS)
        out->chords = NULL;
    if (task != TASK_STRUCTURE)
        out->structure = NULL;
    if (task != TASK_KEY)
        out->key = NULL;
    if (task != TASK_KEY)
        out->key_over_time = NULL;
    if (task != TASK_TAG)
        out->tags = NULL;
}
