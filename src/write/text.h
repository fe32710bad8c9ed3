/* text.h - labels as lines of text that mir_eval.io and mfm read back: columns
 * between tabs, times with 6 decimals, no header, every line ended. Tabs,
 * newlines and other control characters in labels become spaces, and what is
 * not UTF-8 is as in JSON. */
#ifndef WRITE_TEXT_H
#define WRITE_TEXT_H

#include "annot/annot.h"
#include "base/strbuf.h"

#include "base/err.h"
#include "write/result.h"

/* All tasks of r one after another; of several each begins with a line as
 * "# beats". Of keys over time, where they are known, these. Never fails. */
int write_text(struct strbuf *out, const struct result *r, struct err *err);

/* A label alone. */
void write_text_label(struct strbuf *out, const char *label);

/* time, position; without positions unless all are known. */
void write_text_beats(struct strbuf *out, const struct beats *b);

/* start, end, label; without labels if all are "". */
void write_text_segments(struct strbuf *out, const struct segments *s);

/* "C major"; nothing where no key is known. */
void write_text_key(struct strbuf *out, const struct key *k);

/* label, score with 6 decimals. */
void write_text_tags(struct strbuf *out, const struct tags *t);

#endif
