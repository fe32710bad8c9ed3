/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/opt.h"
#include "base/xalloc.h"
#include "cmd/cmd.h"
#include "cmd/common.h"

extern char **environ;

const struct cmd cmd_table[] = {
#define CMD(name, help) { #name, help, cmd_##name },
#include "cmd/commands.def"
#undef CMD
    { 0 }
};

const struct cmd *cmd_find(const char *name)
{
    for (const struct cmd *c = cmd_table; c->name; c++)
        if (!strcmp(c->name, name))
            return c;
    return NULL;
}

/* Letters to insert, delete, change or swap with their neighbour to make b of a
 * (optimal string alignment). Names of LONGEST letters or more are far away. */
static int distance(const char *a, const char *b)
{
    enum { LONGEST = 24 };
    int d[LONGEST][LONGEST], n = (int)strlen(a), m = (int)strlen(b);

    if (n >= LONGEST || m >= LONGEST)
        return INT_MAX;
    for (int i = 0; i <= n; i++)
        for (int j = 0; j <= m; j++) {
            int best = !i ? j : !j ? i : INT_MAX;

            if (i && j) {
                best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
                best = best < d[i - 1][j] + 1 ? best : d[i - 1][j] + 1;
                best = best < d[i][j - 1] + 1 ? best : d[i][j - 1] + 1;
            }
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                best = best < d[i - 2][j - 2] + 1 ? best : d[i - 2][j - 2] + 1;
            d[i][j] = best;
        }
    return d[n][m];
}

/* The command that name begins, or is a few letters from; NULL. */
static const char *suggestion(const char *name)
{
    const char *best = NULL;
    int limit = (int)strlen(name) / 3 + 1;

    for (const struct cmd *c = cmd_table; c->name; c++) {
        int d = *name && !strncmp(c->name, name, strlen(name))
                    ? 1 : distance(name, c->name);

        if (d <= limit) {
            best = c->name;
            limit = d - 1;
        }
    }
    return best;
}

int cmd_unknown(const char *name)
{
    const char *other = suggestion(name);

    if (other)
        log_error("'%s' is not a command; did you mean '%s'? (see mfm -h)",
                  name, other);
    else
        log_error("'%s' is not a command (see mfm -h)", name);
    return CMD_USAGE;
}

void cmd_list(struct strbuf *out)
{
    strbuf_addstr(out,
                  "usage: mfm [--version] [-h] COMMAND [OPTIONS] [FILE...]\n\n"
                  "Annotates music: beats, chords, structure, key, tags.\n\n"
                  "Commands:\n");
    for (const struct cmd *c = cmd_table; c->name; c++)
        strbuf_addf(out, "  %-10s %s\n", c->name, c->help);
    strbuf_addstr(out,
                  "\nOptions:\n"
                  "  -h, --help                  this text\n"
                  "      --version               version and features\n\n"
                  "mfm COMMAND -h lists the options of a command, "
                  "mfm help COMMAND opens its manual.\n");
}

/* man/PAGE beside this program or in a folder up to 3 levels above it (a build
 * that is not installed), share/man/man1/PAGE beside its bin, or where
 * configure was told that manual pages go. NULL if there is none; the caller
 * frees it. */
static char *find_page(const char *page)
{
    static const char *const at[] = { "/man", "/../man", "/../../man",
                                      "/../../../man", "/../share/man/man1" };
    char exe[PATH_MAX], *path;
    ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

    exe[n > 0 ? n : 0] = '\0';
    if (strrchr(exe, '/'))
        *strrchr(exe, '/') = '\0';
    for (size_t i = 0; n > 0 && i < ARRAY_LEN(at); i++)
        for (int gz = 0; gz < 2; gz++) {
            path = xasprintf("%s%s/%s%s", exe, at[i], page, gz ? ".gz" : "");
            if (!access(path, R_OK))
                return path;
            free(path);
        }
    for (int gz = 0; gz < 2; gz++) {
        path = xasprintf(MFM_MANDIR "/man1/%s%s", page, gz ? ".gz" : "");
        if (!access(path, R_OK))
            return path;
        free(path);
    }
    return NULL;
}

/* Returns 0 if man showed the page, -1 if there is no man or no page. */
static int show_page(const char *page)
{
    char *path = find_page(page), man[] = "man";
    char *argv[] = { man, path, NULL };
    int status = -1;
    pid_t pid;

    if (!path)
        return -1;
    fflush(stdout);
    if (!posix_spawnp(&pid, "man", NULL, NULL, argv, environ))
        waitpid(pid, &status, 0);
    free(path);
    return status ? -1 : 0;
}

static int help_on(const char *name)
{
    const struct cmd *c = cmd_find(name);
    char first[16], h[] = "-h";
    char *argv[] = { first, h, NULL };
    char *page;
    int shown;

    if (!c)
        return cmd_unknown(name);
    page = xasprintf("mfm-%s.1", c->name);
    shown = !show_page(page);
    free(page);
    if (shown)
        return CMD_DONE;
    snprintf(first, sizeof(first), "%s", c->name);
    return c->run(2, argv);
}

int cmd_help(int argc, char **argv)
{
    const struct cmd_usage usage = {
        "help", "mfm help [COMMAND]",
        "Lists the commands, or opens the manual page of one. Where the page\n"
        "or the program man is missing, it prints what mfm COMMAND -h does.\n",
        NULL, 0
    };
    struct cmd_common c = CMD_COMMON_INIT;
    struct strbuf text = STRBUF_INIT;
    int n, rc = cmd_begin(&usage, &c, argc, argv, &n);

    if (rc != CMD_GO)
        return rc;
    if (n > 1)
        return cmd_usage_error("help", "one command at a time");
    if (n && strcmp(argv[0], "mfm"))
        return help_on(argv[0]);
    if (n && !show_page("mfm.1"))
        return CMD_DONE;
    cmd_list(&text);
    fputs(text.s, stdout);
    strbuf_release(&text);
    return CMD_DONE;
}
