/* keytext.h - keys as datasets write them, in keyname.h's spelling. */
#ifndef ANNOT_KEYTEXT_H
#define ANNOT_KEYTEXT_H

#include "annot/annotation.h"
#include "annot/lines.h"
#include "base/err.h"

/* The keys that a text names, "C# minor" each, appended to *out with score 1;
 * none for "", "-", "N", "none" and "silence".
 *
 * Tonic and mode stand between blanks or a colon: "C minor", "Gb:maj",
 * "C#:dorian". Cb, E#, Fb and B# become B, F, E and C. Modes: major maj ionian;
 * minor min aeolian; other and the church modes are "other", and so is a tonic
 * alone. "X" is X. Several keys stand between "/", or tonics between "-" (MTG):
 * a key without a mode takes that of the next one with a mode, a mode alone the
 * tonic before it. Returns 0, or ERR_FORMAT. */
int keytext_parse(struct tags *out, const char *text, struct err *err);

/* A whole text, into out->key, out->keys and out->spans:
 *   one line "C minor", "d minor<TAB>2<TAB>": the number is MTG's confidence;
 *     0, 1, 2 of 2 become 0, 0.5 and 1
 *   one line "key 0 C minor" (GiantSteps)
 *   one line "N": there is no music; the key is "N"
 *   lines "start end [Key] label" (POP909, Isophonics): keys over time, the
 *     longest in total becomes key; spans without a key are left out
 * A mode must be written. ERR_FORMAT with file and line. */
int keytext_parse_lines(struct annotation *out, struct lines *l,
                        struct err *err);

/* Sets out->key to the key that holds for the longest time of out->spans, the
 * earlier of equals, and out->keys to all that occur. */
void keytext_choose(struct annotation *out);

#endif
