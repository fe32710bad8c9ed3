/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdio.h>

#include "cmd/cmd.h"

const struct cmd cmd_table[] = {
#define CMD(name, help) { #name, help, cmd_##name },
#include "cmd/commands.def"
#undef CMD
    { 0 }
};

int cmd_help(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    for (const struct cmd *c = cmd_table; c->name; c++)
        printf("  %-10s %s\n", c->name, c->help);
    return 0;
}
