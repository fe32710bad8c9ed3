/* chain.h - from what heads say of a song to its labels, in the order beats,
 * chords, then the others: each task hears of those before it.
 *
 * Who labels songs goes this way, whatever the labels are for, so that they are
 * the same. */
#ifndef DECODE_CHAIN_H
#define DECODE_CHAIN_H

#include "annot/annot.h"
#include "base/err.h"
#include "decode/dbn.h"
#include "decode/frames.h"
#include "decode/vocab.h"

/* What is known of the song so far; {0} to begin with. Borrowed from the calls
 * below, of which each sets its own. */
struct chain {
    const struct beats *beats; /* NULL: not tracked */
    struct posterior chords;   /* prob NULL: not known */
    const struct key *key;     /* NULL: not known */
};

/* The classes "beat" and "downbeat" of p as activations *act (p->frames.n, 2),
 * which the caller frees; a class that is not there is 0 throughout.
 * ERR_NOMEM. */
int chain_activations(float **act, const struct posterior *p, struct err *err);

/* Appends to out, which is empty, the beats of act (n, 2) by dbn_decode; where
 * they must be heard, none is left if there are hardly any
 * (beats_are_heard). */
int chain_beats(struct chain *k, struct beats *out, const float *act, size_t n,
                const struct dbn_config *c, int heard, struct err *err);

/* chords_decode of p, where "N" is CHAIN_NONE times as probable as it says,
 * folded into a smaller vocabulary (fold; NULL: as it is); changes near a beat
 * move to it. p outlives the chain.
 *
 * Rendered songs, from which the shipped model learned, have chords nearly
 * throughout, records have not: 14 % of 31 songs of games are N by madmom's
 * account. Majmin of 40 rises from .617 to .638, that of 80 generated songs
 * falls from .854 to .852. */
#define CHAIN_NONE 5
int chain_chords(struct chain *k, struct segments *out,
                 const struct posterior *p, const struct vocab *fold,
                 struct err *err);

/* section_decode with the usual peaks; in p each frame has one value more than
 * classes, the last, which is the probability of a boundary. */
int chain_structure(const struct chain *k, struct segments *out,
                    const struct posterior *p, int boundaries_only,
                    struct err *err);

/* key_vote. */
int chain_key(struct chain *k, struct key *out,
              const struct posterior *p, struct err *err);

/* The one row of p, after tags_agree, into score (p->classes.n). */
void chain_tags(const struct chain *k, float *score,
                const struct posterior *p);

#endif
