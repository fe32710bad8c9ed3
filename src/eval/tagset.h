/* tagset.h - the tags of a collection of clips, and how well estimated scores
 * rank the clips of each. */
#ifndef EVAL_TAGSET_H
#define EVAL_TAGSET_H

#include "annot/annot.h"
#include "base/err.h"
#include "eval/report.h"

/* The vocabulary is every tag that stands in a reference or an estimate, in the
 * order of bytes. A clip has a tag if the reference gives it a score of at
 * least 0.5 (a plain list of words gives 1); a tag that an estimate does not
 * name has score 0 in it, and of one named twice the larger counts.
 *
 * Adds to *out, made with score_names[ANNOT_TAGS], a row for each tag: average
 * precision and area under the ROC curve over the n clips (tag.h). The mean
 * over rows is then the macro average, and rows without a value are the tags
 * left out of it. Returns 0; ERR_ARG without clips, ERR_NOMEM. */
int tagset_score(struct report *out, const struct tags *ref,
                 const struct tags *est, size_t n, struct err *err);

#endif
