/* cmd.h - the subcommands: one file each, listed in commands.def. */
#ifndef CMD_CMD_H
#define CMD_CMD_H

#include "base/strbuf.h"
#include "cmd/common.h"

/* argv[0] is the command's name. Returns the exit code: 0 done, 1 some input
 * failed, 2 usage. Errors are already printed. */
#define CMD(name, help) int cmd_##name(int argc, char **argv);
#include "cmd/commands.def"
#undef CMD

struct cmd {
    const char *name;
    const char *help; /* one line */
    int (*run)(int argc, char **argv);
};
extern const struct cmd cmd_table[]; /* ends with name NULL */

const struct cmd *cmd_find(const char *name); /* NULL: there is none */

/* Says on stderr, in one line, that there is no such command and which one may
 * be meant; returns 2. */
int cmd_unknown(const char *name);

/* Calls visit (common.h) for each command, in their order. */
void cmd_each_options(cmd_visit *visit, void *ctx);

/* What `mfm -h` and `mfm help` print. */
void cmd_list(struct strbuf *out);

#endif
