/* madewith.h - the options that results were made with, so that --resume does
 * not take those of others for done.
 *
 * They stand in a text file beside the results, in lines "KEY<tab>OPTIONS": of
 * --out-dir in DIR/.mfm-options, where KEY is the suffix of the results, and of
 * lines for -o FILE in FILE.part.options as long as there are parts. */
#ifndef CMD_MADEWITH_H
#define CMD_MADEWITH_H

#include "base/err.h"
#include "base/strbuf.h"
#include "cmd/common.h"

#define MADEWITH_NAME ".mfm-options"

/* "beats --to=5 model 0a6e3a23dfae4867": the command, in alphabetical order the
 * options given that results depend on, and the sha256 of the model (NULL:
 * none). without ("tasks|format", NULL) are left out too. The caller frees. */
char *madewith_text(const struct cmd_common *c, const char *command,
                    const char *sha256, const char *without);

/* {0} can be released. */
struct madewith {
    char *path;            /* of the file */
    struct strbuf content; /* that it is to have */
    int redo;              /* what is there is made anew: --force */
};

/* Reads the file at path, if there is one. With resume, lines of these keys
 * (NULL at the end) with other options are ERR_ARG; with force they go, and
 * with resume besides redo is set. In other runs they stay beside the new one,
 * as some of the results may be. place is what messages call it. */
int madewith_check(struct madewith *m, const char *path, const char *place,
                   const char *const *keys, const char *text,
                   const struct cmd_common *c, struct err *err);

/* Writes it, if it has changed. */
int madewith_save(const struct madewith *m, struct err *err);
void madewith_release(struct madewith *m);

#endif
