/* keyvote.h - the key of a song by vote over time. */
#ifndef DECODE_KEYVOTE_H
#define DECODE_KEYVOTE_H

#include "annot/annot.h"
#include "base/err.h"
#include "decode/frames.h"

/* The most probable class of the whole song, the first of equals, and as the
 * confidence its probability: the mean of prob (f->n, classes), and where
 * chords are known (not NULL), that times the likelihood of the song's chords
 * in the key, over the sum of all keys. The song counts as 3 chords, shared out
 * as the mean of chords is, in major and minor triads above the tonic, and what
 * is heard in the first 2 s of its chords as half of one. How often each is
 * heard in major and minor was counted on 465 songs of one key, and how often a
 * song begins with each on 758 (tools/make-corpus and its charts); the weights
 * are of the best on 83 others, where the weighted score is .865 without
 * chords, .867 without the first and .890 with all. (On 116 more the first one
 * is no help, .837 in place of .850; on 11 real ones it is .68 in place of .64:
 * it is for music that is strange to the heads.)
 *
 * The class "N" (no key) wins only where it is the most probable class of every
 * frame (silence), else the best key does. out is left alone where there are no
 * frames or the duration is 0. ERR_ARG. */
int key_vote(struct key *out, const float *prob, const struct frames *f,
             const struct classes *classes, const struct posterior *chords,
             struct err *err);

/* The key over time: chords_decode with CHORDS_STAY; "N" is a class as any. */
int key_over_time(struct segments *out, const float *prob,
                  const struct frames *f, const struct classes *classes,
                  struct err *err);

#endif
