/* suggest.h - "did you mean": the nearest of some names. */
#ifndef BASE_SUGGEST_H
#define BASE_SUGGEST_H

#include <stddef.h>
#include "base/err.h"

/* Insertions, deletions, changes and swaps of neighbours that make a of b
 * (optimal string alignment; names are cut at 63 bytes). */
int suggest_distance(const char *a, const char *b);

/* The name of n that is nearest to word: one that word begins, or is the last
 * part of (behind a "."), else the one with the fewest changes if these are no
 * more than a third of the word, at least 2; NULL. */
const char *suggest_name(const char *word, const char *const *names, size_t n);

/* Sets "path.word: no such setting (did you mean path.name?)" and returns
 * code. path may be "". */
int suggest_error(struct err *err, int code, const char *path,
                  const char *word, const char *const *names, size_t n);

#endif
