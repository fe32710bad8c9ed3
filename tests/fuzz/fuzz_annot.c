/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any bytes as a label file of any task: refused, or labels that keep what the
 * headers promise. The first byte says which task and which name. */
#include <math.h>

#include "annot/fma.h"
#include "annot/keyname.h"
#include "annot/mtat.h"
#include "annot/pop909.h"
#include "annot/read.h"
#include "annot/section.h"
#include "cmd/labelset.h"
#include "fuzz.h"

static void check_key(const char *label)
{
    struct keyname k;
    struct err err;

    /* "N": no key */
    need(!strcmp(label, "N") || !keyname_parse(&k, label, &err));
}

static int check(void *ctx, const char *id, struct annotation *a,
                 struct err *err)
{
    const enum annot_task *task = ctx;

    (void)err;
    need(id != NULL);
    for (size_t i = 0; i < a->beats.n; i++)
        need(isfinite(a->beats.v[i].time) && a->beats.v[i].position >= 0 &&
             (!i || a->beats.v[i].time >= a->beats.v[i - 1].time));
    for (size_t i = 0; i < a->spans.n; i++)
        need(isfinite(a->spans.v[i].start) && a->spans.v[i].label &&
             (a->spans.v[i].end > a->spans.v[i].start ||
              *task == ANNOT_KEY) &&
             (isfinite(a->spans.v[i].end) || i + 1 == a->spans.n) &&
             (!i || a->spans.v[i].start >= a->spans.v[i - 1].start));
    for (size_t i = 0; i < a->tags.n; i++)
        need(a->tags.v[i].score >= 0 && a->tags.v[i].score <= 1);
    for (size_t i = 0; i < a->keys.n; i++)
        check_key(a->keys.v[i].label);
    if (a->key.label)
        check_key(a->key.label);
    need(isfinite(a->tempo.bpm[0]) && isfinite(a->tempo.bpm[1]));
    annotation_close(a, 1000);
    section_map(&a->spans, true);
    return 0;
}

/* As eval reads it: a file may have many recordings, in lines of JSON too. */
static void as_set(const char *path, enum annot_task task)
{
    struct labelset set;
    struct err err;

    if (labelset_open(&set, path, task, &err))
        return;
    for (size_t i = 0; i < set.n; i++) {
        struct annotation a;

        if (!labelset_read(&a, &set, i, &err))
            annotation_release(&a);
    }
    labelset_release(&set);
}

/* What the front door does not lead to. */
static void others(const char *path, const uint8_t *data, size_t size)
{
    char *text = xstrndup((const char *)data, size);
    struct beats b = { 0 };
    struct mtat_list list;
    struct segments s;
    struct tags t = { 0 };
    struct lines l;
    struct err err;

    if (!mtat_list_read(&list, path, &err))
        mtat_list_release(&list);
    if (!mtat_tags_read(&t, path, &err))
        tags_release(&t);
    fma_list(&t, text, &err);
    tags_release(&t);
    beats_append(&b, 0, 1, NAN);
    beats_append(&b, 1, 1, NAN);
    lines_init(&l, text, "fuzz");
    if (!pop909_parse_phrases(&s, &l, &err))
        pop909_to_seconds(&s, &b, true, &err);
    segments_release(&s);
    free(text);
    text = xstrndup((const char *)data, size);
    lines_init(&l, text, "fuzz");
    if (!pop909_parse_chords(&s, &l, &err))
        pop909_to_seconds(&s, &b, false, &err);
    segments_release(&s);
    beats_release(&b);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = { "a.lab", "a.txt", "a.csv", "a.seg",
                                         "a.json" };
    enum annot_task task;
    struct err err;
    const char *name;
    char *path;

    if (!size)
        return 0;
    task = data[0] % 8 % (ANNOT_TAGS + 1);
    name = names[data[0] / 8 % ARRAY_LEN(names)];
    path = fuzz_file(name, data + 1, size - 1);
    annot_read_many(path, task, check, &task, &err);
    if (!strcmp(name, "a.json"))
        as_set(path, task);
    else
        others(path, data + 1, size - 1);
    free(path);
    return 0;
}
