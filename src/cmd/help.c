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
#include "base/suggest.h"
#include "base/xalloc.h"
#include "cmd/cmd.h"
#include "cmd/common.h"
#include "cmd/completion.h"
#include "model/find.h"
#include "model/model.h"

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

int cmd_unknown(const char *name)
{
    const char *names[ARRAY_LEN(cmd_table)], *other;
    size_t n = 0;

    for (const struct cmd *c = cmd_table; c->name; c++)
        names[n++] = c->name;
    other = suggest_name(name, names, n);

    if (other)
        log_error("'%s' is not a command; did you mean '%s'? (see mfm -h)",
                  name, other);
    else
        log_error("'%s' is not a command (see mfm -h)", name);
    return CMD_USAGE;
}

void cmd_each_options(cmd_visit *visit, void *ctx)
{
    cmd_show_options(visit, ctx);
    for (const struct cmd *c = cmd_table; c->name; c++) {
        char name[16];
        char *argv[] = { name, NULL };

        snprintf(name, sizeof(name), "%s", c->name);
        c->run(1, argv);
    }
    cmd_show_options(NULL, NULL);
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

/* The source tree of the build in folder dir, as its Makefile says; NULL: there
 * is none. The caller frees it. */
static char *source_tree(const char *dir)
{
    static const char key[] = "abs_top_srcdir = ";
    char *name = xasprintf("%s/Makefile", dir), line[PATH_MAX + 64];
    FILE *f = fopen(name, "re");
    char *tree = NULL;

    free(name);
    while (f && !tree && fgets(line, sizeof(line), f))
        if (!strncmp(line, key, sizeof(key) - 1))
            tree = xstrndup(line + sizeof(key) - 1,
                            strcspn(line + sizeof(key) - 1, "\n"));
    if (f)
        fclose(f);
    return tree;
}

/* DIR BELOW PAGE, packed or not; NULL if it is not there. */
static char *page_in(const char *dir, const char *below, const char *page)
{
    for (int gz = 0; gz < 2; gz++) {
        char *path = xasprintf("%s%s/%s%s", dir, below, page, gz ? ".gz" : "");

        if (!access(path, R_OK))
            return path;
        free(path);
    }
    return NULL;
}

/* man/PAGE beside this program or in a folder up to 3 levels above it (a build
 * that is not installed), in the source tree of a build elsewhere,
 * share/man/man1/PAGE beside its bin, or where configure was told that manual
 * pages go. NULL if there is none; the caller
 * frees it. */
static char *find_page(const char *page)
{
    static const char *const at[] = { "/man", "/../man", "/../../man",
                                      "/../../../man", "/../share/man/man1" };
    char exe[PATH_MAX], *path = NULL, *tree;
    ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

    exe[n > 0 ? n : 0] = '\0';
    if (strrchr(exe, '/'))
        *strrchr(exe, '/') = '\0';
    for (size_t i = 0; n > 0 && i < ARRAY_LEN(at) && !path; i++)
        path = page_in(exe, at[i], page);
    tree = n > 0 && !path ? source_tree(exe) : NULL;
    if (tree)
        path = page_in(tree, "/man", page);
    free(tree);
    return path ? path : page_in(MFM_MANDIR, "/man1", page);
}

/* Returns 0 if man showed the page, -1 if there is no man or no page. */
static int show_page(const char *page)
{
    char *path = find_page(page), man[] = "man";
    char *argv[] = { man, path, NULL };
    int status = -1;
    pid_t pid;

    if (!path) {
        log_info("%s: not found, neither beside mfm nor in " MFM_MANDIR, page);
        return -1;
    }
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

/* ---- models ---- */

static void add_abilities(struct strbuf *out, const struct model *m)
{
    const struct model_config *c = &m->config;

    strbuf_addf(out, "%.1f MB", (double)m->weights.map.size / 1e6);
    if (c->encoder.layers)
        strbuf_addf(out, ", %d layers of %d, %g Hz", c->encoder.layers,
                    c->encoder.dim, c->encoder.rate);
    for (int i = 0; i < c->n_heads; i++)
        strbuf_addf(out, "%s%s", i ? " " : "; ", c->heads[i].task);
}

static void show_model(void *ctx, const char *name, const char *path)
{
    struct strbuf *out = ctx;
    struct model *m = NULL;
    struct err err = {0};

    strbuf_addf(out, "%-12s ", name);
    if (model_open(&m, path, &err))
        strbuf_addf(out, "cannot be used: %s\n", err.msg);
    else
        add_abilities(out, m);
    if (m)
        strbuf_addf(out, "\n%13s%s\n", "", path);
    model_free(m);
}

static int help_models(void)
{
    struct strbuf text = STRBUF_INIT;
    int rc;

    model_list(show_model, &text);
    if (!text.len)
        log_error("no models found: name a folder with .safetensors files in "
                  "MFM_MODELS");
    rc = text.len ? CMD_DONE : CMD_FAILED;
    fputs(text.s, stdout);
    strbuf_release(&text);
    return rc;
}

static int show_completion(const char *shell)
{
    struct strbuf text = STRBUF_INIT;

    completion_write(&text, !strcmp(shell, "zsh"));
    fputs(text.s, stdout);
    strbuf_release(&text);
    return CMD_DONE;
}

int cmd_help(int argc, char **argv)
{
    const char *shell = NULL;
    const struct opt own[] = {
        { 0, "completion", OPT_CHOICE, &shell, "SHELL",
          "print what bash or zsh reads to complete command lines of mfm", 0, 0,
          "bash|zsh" },
        { .kind = OPT_END }
    };
    const struct cmd_usage usage = {
        "help", "mfm help [COMMAND]\nmfm help models\n"
        "mfm help --completion bash|zsh",
        "Lists the commands, or opens the manual page of one. Where the page\n"
        "or the program man is missing, it prints what mfm COMMAND -h does.\n"
        "models lists the names that -m takes.\n",
        own, 0
    };
    struct cmd_common c = CMD_COMMON_INIT;
    struct strbuf text = STRBUF_INIT;
    int n, rc = cmd_begin(&usage, &c, argc, argv, &n);

    if (rc != CMD_GO)
        return rc;
    if (n > 1 || (n && shell))
        return cmd_usage_error("help", "one thing at a time");
    if (shell)
        return show_completion(shell);
    if (n && !strcmp(argv[0], "models"))
        return help_models();
    if (n && strcmp(argv[0], "mfm"))
        return help_on(argv[0]);
    if (n && !show_page("mfm.1"))
        return CMD_DONE;
    cmd_list(&text);
    fputs(text.s, stdout);
    strbuf_release(&text);
    return CMD_DONE;
}
