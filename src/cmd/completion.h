/* completion.h - what shells complete of mfm, from the tables of options. */
#ifndef CMD_COMPLETION_H
#define CMD_COMPLETION_H

#include "base/strbuf.h"

/* Appends the script for bash (bash-completion 2 finds it as
 * completions/mfm), or with zsh that for zsh (site-functions/_mfm). */
void completion_write(struct strbuf *out, int zsh);

#endif
