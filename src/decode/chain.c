/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "decode/chain.h"

#include <stdlib.h>
#include <string.h>

#include "decode/chords.h"
#include "decode/keyvote.h"
#include "decode/section.h"
#include "decode/tags.h"
#include "decode/tempo.h"

/* count columns of p from first on, where a frame has width values; or where
 * column is not NULL these columns, of which -1 is 0. The caller frees. */
static int columns(float **out, const struct posterior *p, int width,
                   const int *column, int first, int count, struct err *err)
{
    size_t n = p->frames.n, w = (size_t)width, k = (size_t)count;
    float *v = calloc(n * k + 1, sizeof(*v));

    if (!v)
        return err_set(err, ERR_NOMEM, "no memory for %zu frames", n);
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < k; c++) {
            int from = column ? column[c] : first + (int)c;

            if (from >= 0)
                v[i * k + c] = p->prob[i * w + (size_t)from];
        }
    *out = v;
    return 0;
}

int chain_activations(float **act, const struct posterior *p, struct err *err)
{
    const int column[2] = { classes_find(&p->classes, "beat"),
                            classes_find(&p->classes, "downbeat") };

    return columns(act, p, p->classes.n, column, 0, 2, err);
}

int chain_beats(struct chain *k, struct beats *out, const float *act, size_t n,
                const struct dbn_config *c, int heard, struct err *err)
{
    TRY(dbn_decode(out, act, n, c, err));
    if (heard && !beats_are_heard(out))
        beats_release(out);
    k->beats = out;
    return 0;
}

int chain_chords(struct chain *k, struct segments *out,
                 const struct posterior *p, const struct vocab *fold,
                 struct err *err)
{
    float *prob = NULL;
    int rc = 0;

    k->chords = *p;
    if (fold)
        rc = vocab_fold(fold, p->prob, p->frames.n, &prob, err);
    if (!rc)
        rc = chords_decode(out, prob ? prob : p->prob, &p->frames,
                           prob ? &fold->classes : &p->classes, CHORDS_STAY,
                           CHAIN_NONE, err);
    free(prob);
    if (!rc && k->beats)
        chords_snap(out, k->beats);
    return rc;
}

static const struct posterior *heard_chords(const struct chain *k)
{
    return k->chords.prob ? &k->chords : NULL;
}

int chain_structure(const struct chain *k, struct segments *out,
                    const struct posterior *p, int boundaries_only,
                    struct err *err)
{
    const struct section_context context = { k->beats, heard_chords(k) };
    int n = p->classes.n;
    struct boundary_config peaks;
    float *function = NULL, *boundary = NULL;
    int rc = columns(&function, p, n + 1, NULL, 0, n, err);

    boundary_config_init(&peaks);
    if (!rc)
        rc = columns(&boundary, p, n + 1, NULL, n, 1, err);
    if (!rc)
        rc = section_decode(out, boundaries_only ? NULL : function, boundary,
                            &p->frames, &p->classes, &peaks, &context, err);
    free(function);
    free(boundary);
    return rc;
}

int chain_key(struct chain *k, struct key *out, const struct posterior *p,
              struct err *err)
{
    k->key = out;
    return key_vote(out, p->prob, &p->frames, &p->classes, heard_chords(k),
                    err);
}

void chain_tags(const struct chain *k, float *score, const struct posterior *p)
{
    memcpy(score, p->prob, (size_t)p->classes.n * sizeof(*score));
    tags_agree(score, &p->classes, k->key,
               k->beats ? meter_of_beats(k->beats) : 0);
}
