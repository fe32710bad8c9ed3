/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "decode/vocab.h"

#include <stdlib.h>
#include <string.h>

#include "annot/chordname.h"
#include "base/xalloc.h"

enum { UP_TO_FIFTH = 0xff, MAJ = 0x91, MIN = 0x89 }; /* semitones as bits */

static const struct {
    const char *name;
    unsigned bits;
} qualities[] = { { "maj", MAJ },
                  { "min", MIN },
                  { "7", MAJ | 1 << 10 },
                  { "maj7", MAJ | 1 << 11 },
                  { "min7", MIN | 1 << 10 } };

/* The number of the quality, or -1. */
static int quality_of(const struct chordname *c, int majmin)
{
    unsigned bits = majmin ? c->bits & UP_TO_FIFTH : c->bits;

    for (int q = 0; q < (majmin ? 2 : (int)ARRAY_LEN(qualities)); q++)
        if (bits == qualities[q].bits)
            return q;
    return -1;
}

/* Of the class as the vocabulary has it; NULL: it has no such. */
static char *reduced(const char *label, int majmin)
{
    struct chordname c;
    int q;

    if (!strcmp(label, "N"))
        return xstrdup("N");
    if (chordname_parse(&c, label, false, NULL) || c.root < 0)
        return NULL;
    q = quality_of(&c, majmin);
    if (q < 0)
        return NULL;
    return xasprintf("%.*s:%s", (int)strcspn(label, ":/"), label,
                     qualities[q].name);
}

static int add(struct vocab *v, char *label)
{
    int i = 0;

    while (i < v->classes.n && strcmp(v->label[i], label))
        i++;
    if (i < v->classes.n)
        free(label);
    else
        v->label[v->classes.n++] = label;
    return i;
}

int vocab_init(struct vocab *v, const struct classes *model, const char *name,
               struct err *err)
{
    int majmin = !strcmp(name, "majmin"), sevenths = 0;

    *v = (struct vocab){ .n = model->n };
    v->label = xcalloc((size_t)model->n + 1, sizeof(*v->label));
    v->of = xcalloc((size_t)model->n + 1, sizeof(*v->of));
    v->classes.label = (const char *const *)v->label;
    for (int i = 0; i < model->n; i++) {
        char *label = reduced(model->label[i], majmin);

        sevenths |= label && strchr(label, '7') != NULL;
        v->of[i] = label ? add(v, label) : -1;
    }
    if (majmin || sevenths)
        return 0;
    vocab_release(v);
    return err_set(err, ERR_ARG, "--vocab %s: the model knows no such chords, "
                   "only --vocab majmin", name);
}

void vocab_release(struct vocab *v)
{
    for (int i = 0; i < v->classes.n; i++)
        free(v->label[i]);
    free(v->label);
    free(v->of);
    *v = (struct vocab){0};
}

int vocab_fold(const struct vocab *v, const float *prob, size_t n, float **out,
               struct err *err)
{
    size_t width = (size_t)v->classes.n;

    *out = calloc(n * width + 1, sizeof(**out));
    if (!*out)
        return err_set(err, ERR_NOMEM, "no memory for the chords of %zu frames",
                       n);
    for (size_t t = 0; t < n; t++)
        for (int i = 0; i < v->n; i++)
            if (v->of[i] >= 0)
                (*out)[t * width + (size_t)v->of[i]] +=
                    prob[t * (size_t)v->n + (size_t)i];
    return 0;
}
