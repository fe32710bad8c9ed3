/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "train/protocol.h"

#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

enum { WIDTH = 512, RELEASE_LAYER = 7 };

const char *const protocol_names[] = { "own", "paper", "release", NULL };

static const struct protocol_task tasks[][5] = {
    [PROTOCOL_OWN] = {
        { "beats", 50, 0, -1 }, { "chords", 8, 0, -1 },
        { "structure", 5, 0, -1 }, { "key", 0.5, 0, -1 },
        { "tag", 0, 0, -1 }
    },
    [PROTOCOL_PAPER] = {
        { "beats", 20, 0, -1 }, { "chords", 8, 0, -1 },
        { "structure", 5, 0, -1 }, { "key", 0.5, 0, -1 },
        { "tag", 0, 0, -1 }
    },
    [PROTOCOL_RELEASE] = {
        { "beats", 50, 6, RELEASE_LAYER },
        { "chords", 16, 12, RELEASE_LAYER },
        { "structure", 8, 24, RELEASE_LAYER },
        { "key", 0.5, 12, RELEASE_LAYER },
        { "tag", 0, 29.1, RELEASE_LAYER }
    }
};

static const char *const beats[] = { "beat", "downbeat", "none", NULL };
static const char *const functions[] = {
    "intro", "verse", "chorus", "bridge", "inst", "outro", "silence", NULL
};
static const char *const notes[12] = {
    "C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B"
};

const struct protocol_task *protocol_find(enum protocol p, const char *task)
{
    for (size_t i = 0; i < ARRAY_LEN(tasks[p]); i++)
        if (!strcmp(tasks[p][i].task, task))
            return &tasks[p][i];
    return NULL;
}

int protocol_parse(enum protocol *p, const char *name, struct err *err)
{
    for (int i = 0; protocol_names[i]; i++)
        if (!strcmp(protocol_names[i], name)) {
            *p = (enum protocol)i;
            return 0;
        }
    return err_set(err, ERR_ARG, "'%.60s' is not a protocol: own, paper, "
                   "release", name);
}

/* ---- classes ---- */

static void add_class(struct head_config *h, char *name)
{
    h->classes = xreallocarray(h->classes, (size_t)h->n_classes + 1,
                               sizeof(*h->classes));
    h->classes[h->n_classes++] = name;
}

static void add_words(struct head_config *h, const char *const *words)
{
    for (; *words; words++)
        add_class(h, xstrdup(*words));
}

/* 12 major, 12 minor, none. */
static void add_modes(struct head_config *h, const char *major,
                      const char *minor)
{
    for (int i = 0; i < 24; i++)
        add_class(h, xasprintf("%s%s", notes[i % 12],
                               i < 12 ? major : minor));
    add_class(h, xstrdup("N"));
}

static void set_classes(struct head_config *h, char *const *tags, int n)
{
    if (!strcmp(h->task, "beats")) {
        add_words(h, beats);
    } else if (!strcmp(h->task, "chords")) {
        add_modes(h, ":maj", ":min");
    } else if (!strcmp(h->task, "structure")) {
        add_words(h, functions);
        h->boundary = 1;
    } else if (!strcmp(h->task, "key")) {
        add_modes(h, " major", " minor");
    } else {
        h->activation = HEAD_SIGMOID;
        for (int i = 0; i < n; i++)
            add_class(h, xstrdup(tags[i]));
    }
}

/* A place for a head of the task: that of the old one, emptied, or a new one.
 */
static struct head_config *place(struct model_config *m, const char *task)
{
    struct head_config *h = NULL;

    for (int i = 0; i < m->n_heads && !h; i++)
        if (!strcmp(m->heads[i].task, task))
            h = &m->heads[i];
    if (!h) {
        m->heads = xreallocarray(m->heads, (size_t)m->n_heads + 1,
                                 sizeof(*m->heads));
        h = &m->heads[m->n_heads++];
    } else {
        for (int i = 0; i < h->n_classes; i++)
            free(h->classes[i]);
        free(h->classes);
        free(h->task);
    }
    *h = (struct head_config){ .task = xstrdup(task) };
    return h;
}

int protocol_head(struct model_config *m, enum protocol p, const char *task,
                  char *const *tags, int n, struct err *err)
{
    const struct protocol_task *t = protocol_find(p, task);
    struct head_config *h;

    if (!t)
        return err_set(err, ERR_ARG, "no task is called '%.60s'; there are "
                       "beats, chords, structure, key, tag", task);
    if (!strcmp(t->task, "tag") && n < 1)
        return err_set(err, ERR_ARG, "tag: a new head needs the names of its "
                       "tags");
    h = place(m, t->task);
    h->hidden = WIDTH;
    h->rate = t->rate;
    h->layer = t->layer < m->encoder.layers ? t->layer : -1;
    set_classes(h, tags, n);
    return 0;
}
