/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any text as the name of a chord, a key, several keys, a section, a file. */
#include "annot/chordname.h"
#include "annot/keyname.h"
#include "annot/keytext.h"
#include "annot/section.h"
#include "audio/stem.h"
#include "cmd/labels.h"
#include "fuzz.h"

static void chord(const char *text, bool reduce)
{
    struct chordname c, again;
    struct err err;
    int rc = chordname_parse(&c, text, reduce, &err);

    need(!rc || *err.msg);
    if (!rc)
        need(!chordname_parse(&again, text, reduce, &err) &&
             chordname_equal(&c, &again));
}

static void key(const char *text)
{
    struct tags keys = { 0 };
    struct keyname k;
    struct err err;

    if (!keyname_parse(&k, text, &err))
        need(k.tonic >= -1 && k.tonic < 12);
    if (!keytext_parse(&keys, text, &err))
        for (size_t i = 0; i < keys.n; i++)
            need(!keyname_parse(&k, keys.v[i].label, &err));
    tags_release(&keys);
}

static void section(const char *text)
{
    struct segments s = { 0 };

    segments_append(&s, 0, 1, text, 1);
    section_map(&s, false);
    segments_release(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = xstrndup((const char *)data, size), *stem = stem_of(text);

    need(strlen(stem) <= strlen(text) || !strcmp(text, "-"));
    chord(text, false);
    chord(text, true);
    key(text);
    section(text);
    for (int task = 0; task <= ANNOT_TAGS; task++)
        need(labels_rank((enum annot_task)task, text) >= 0);
    free(stem);
    free(text);
    return 0;
}
