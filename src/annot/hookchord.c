/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "annot/hookchord.h"

#include "base/strbuf.h"
#include "base/xalloc.h"

const char *const hook_note_names[12] = {
    "C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B"
};

static const struct shape {
    const char *steps, *label;
} shapes[] = {
    { "43", "maj" },        { "34", "min" },      { "343", "min7" },
    { "433", "7" },         { "434", "maj7" },    { "52", "sus4" },
    { "437", "maj(9)" },    { "33", "dim" },      { "334", "hdim7" },
    { "25", "sus2" },       { "523", "sus4(b7)" }, { "3434", "min9" },
    { "4343", "maj9" },     { "253", "sus2(b7)" }, { "347", "min(9)" },
    { "333", "dim7" },      { "254", "sus2(7)" }, { "4334", "9" },
    { "232", "sus4(2)" },   { "44", "aug" },
};

static const char *shape_of(const int *step, int n)
{
    for (size_t i = 0; i < ARRAY_LEN(shapes); i++) {
        const char *s = shapes[i].steps;
        int k = 0;

        while (k < n && s[k] && s[k] - '0' == step[k])
            k++;
        if (k == n && !s[k])
            return shapes[i].label;
    }
    return NULL;
}

/* Scale degrees by semitones above the root, up to the thirteenth. */
static const char *degree(int semitones)
{
    static const char *const names[] = {
        "1", "b2", "2", "b3", "3", "4", "b5", "5", "#5", "6", "b7", "7",
        "8", "b9", "9", "#9", "10", "11", "#11", "12", "b13", "13"
    };

    if (semitones < (int)ARRAY_LEN(names))
        return names[semitones];
    return names[semitones % 12];
}

char *hook_chord(int root, const int *step, int n, int inversion)
{
    struct strbuf sb = STRBUF_INIT;
    const char *shape = shape_of(step, n);
    int above = 0, bass = 0;

    strbuf_addf(&sb, "%s:", hook_note_names[root]);
    if (shape)
        strbuf_addstr(&sb, shape);
    else if (!n)
        strbuf_addstr(&sb, "1");
    else
        strbuf_addch(&sb, '(');
    for (int i = 0; i < n; i++) {
        above += step[i];
        if (!shape)
            strbuf_addf(&sb, "%s%s", i ? "," : "", degree(above));
        if (i + 1 == inversion)
            bass = above % 12;
    }
    if (!shape && n)
        strbuf_addch(&sb, ')');
    if (bass)
        strbuf_addf(&sb, "/%s", degree(bass));
    return strbuf_detach(&sb);
}
