/* audacity.h - a result as label tracks for Audacity (manual.audacityteam.org,
 * "Importing and Exporting Labels"). */
#ifndef WRITE_AUDACITY_H
#define WRITE_AUDACITY_H

#include "base/err.h"
#include "base/strbuf.h"
#include "write/result.h"

/* Appends lines start, end, label between tabs, times with 6 decimals, tasks
 * one after another. Beats are points (start = end) with their position as
 * label, or none where it is not known; the key and the tags ("rock 0.93") have
 * the whole length, keys over time theirs. Control characters in labels become
 * spaces. Never fails. */
int write_audacity(struct strbuf *out, const struct result *r,
                   struct err *err);

#endif
