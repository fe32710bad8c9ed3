/* tokenize.h - mfm tokenize --fit: corpus statistics and codebooks. */
#ifndef CMD_TOKENIZE_H
#define CMD_TOKENIZE_H

#include "base/opt.h"
#include "cmd/common.h"

/* What the options say; {0} is none of them. */
struct tokenize_fit {
    const char *kind;     /* --fit; NULL: not asked for */
    const char *codes;    /* "1024", kmeans "300,200" */
    const char *rate;     /* tokens in a second: "25", "50", "75" */
    int dim, stages, codebooks, seed, sample; /* 0: not given */
};

enum { TOKENIZE_FIT_OPTIONS = 9 };
void tokenize_fit_options(struct tokenize_fit *f,
                          struct opt out[TOKENIZE_FIT_OPTIONS]);

/* Whether an option is set that means nothing without --fit; then that has been
 * said. */
int tokenize_fit_unused(const struct tokenize_fit *f);

/* Returns the exit code; everything that went wrong has been said. */
int tokenize_fit_run(const struct tokenize_fit *f, const struct cmd_common *c,
                     int n, char **operands);

#endif
