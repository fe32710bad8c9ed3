/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cmd/completion.h"

#include <stdio.h>
#include <string.h>

#include "cmd/cmd.h"
#include "cmd/common.h"
#include "model/find.h"

/* ---- what an option or operand wants ---- */

enum wants { WANTS_NOTHING, WANTS_WORDS, WANTS_FILE, WANTS_MODEL };

/* *words gets what there is to choose from, "|" between them. */
static enum wants wanted(const struct opt *o, const char *presets,
                         const char **words)
{
    if (o->kind == OPT_CHOICE) {
        *words = o->choices;
        return WANTS_WORDS;
    }
    if (!strcmp(o->name, "preset")) {
        *words = presets;
        return WANTS_WORDS;
    }
    if (!strcmp(o->name, "device")) {
        *words = "auto|cpu|cuda";
        return WANTS_WORDS;
    }
    if (!strcmp(o->name, "model"))
        return WANTS_MODEL;
    if (o->arg && (strstr(o->arg, "FILE") || strstr(o->arg, "DIR") ||
                   strstr(o->arg, "PATH") || strstr(o->arg, "RUN") ||
                   strstr(o->arg, "MODEL") || strstr(o->arg, ".npy") ||
                   strstr(o->arg, ".wav")))
        return WANTS_FILE;
    return WANTS_NOTHING;
}

/* Words that may stand where files do; "" for none. */
static const char *operands(const char *command)
{
    static const struct {
        const char *command, *words;
    } all[] = {
        { "eval", "beats|chords|structure|key|tempo|tag|paper" },
        { "probe", "beats|chords|structure|key|tag" },
    };

    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
        if (!strcmp(all[i].command, command))
            return all[i].words;
    return "";
}

struct writer {
    struct strbuf *out;
    struct strbuf presets; /* "|" between them */
};

static void add_preset(void *ctx, const char *name, const char *path)
{
    struct writer *w = ctx;

    (void)path;
    strbuf_addf(&w->presets, "%s%s", w->presets.len ? "|" : "", name);
}

/* Words with blanks between them. */
static void add_words(struct strbuf *out, const char *words)
{
    for (; *words; words++)
        strbuf_addch(out, *words == '|' ? ' ' : *words);
}

static void add_commands(struct strbuf *out)
{
    for (const struct cmd *c = cmd_table; c->name; c++)
        strbuf_addf(out, "%s ", c->name);
}

/* ---- bash ---- */

static void bash_values(struct writer *w, const struct opt *o)
{
    const char *words = "";
    enum wants wants = wanted(o, w->presets.s, &words);

    if (!opt_takes_value(o))
        return;
    strbuf_addf(w->out, "        --%s", o->name);
    if (o->letter)
        strbuf_addf(w->out, " | -%c", o->letter);
    strbuf_addstr(w->out, ") kind=");
    switch (wants) {
    case WANTS_WORDS:
        strbuf_addstr(w->out, "words words=\"");
        add_words(w->out, words);
        strbuf_addstr(w->out, "\" ;;\n");
        break;
    case WANTS_FILE: strbuf_addstr(w->out, "files ;;\n"); break;
    case WANTS_MODEL: strbuf_addstr(w->out, "models ;;\n"); break;
    default: strbuf_addstr(w->out, "nothing ;;\n");
    }
}

static void bash_command(void *ctx, const struct cmd_usage *usage,
                         const struct opt *const *tables)
{
    struct writer *w = ctx;

    strbuf_addf(w->out, "    %s)\n        options=\"", usage->name);
    for (const struct opt *const *t = tables; *t; t++)
        for (const struct opt *o = *t; o->kind != OPT_END; o++)
            strbuf_addf(w->out, "--%s%s", o->name,
                        opt_takes_value(o) ? "= " : " ");
    strbuf_addstr(w->out, "\" operands=\"");
    if (!strcmp(usage->name, "help")) {
        add_commands(w->out);
        strbuf_addstr(w->out, "models mfm");
    } else {
        add_words(w->out, operands(usage->name));
    }
    strbuf_addstr(w->out, "\"\n        case $prev in\n");
    for (const struct opt *const *t = tables; *t; t++)
        for (const struct opt *o = *t; o->kind != OPT_END; o++)
            bash_values(w, o);
    strbuf_addstr(w->out, "        esac\n        ;;\n");
}

static const char bash_start[] =
    "# bash completion of mfm, written by: mfm help --completion bash\n"
    "_mfm() {\n"
    "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
    "    local kind= words= options= operands=\n"
    "    COMPREPLY=()\n"
    "    # --name=value is three words to bash\n"
    "    if [[ $cur == \"=\" ]]; then\n"
    "        cur=\n"
    "    elif [[ $prev == \"=\" ]]; then\n"
    "        prev=${COMP_WORDS[COMP_CWORD-2]}\n"
    "    fi\n"
    "    if ((COMP_CWORD == 1)); then\n"
    "        COMPREPLY=($(compgen -W \"";

static const char bash_end[] =
    "    *) return ;;\n"
    "    esac\n"
    "    if [[ -z $kind && $cur == -* ]]; then\n"
    "        COMPREPLY=($(compgen -W \"$options\" -- \"$cur\"))\n"
    "        [[ ${COMPREPLY[0]-} == *= ]] && compopt -o nospace\n"
    "        return\n"
    "    fi\n"
    "    [[ $kind == models ]] && words=$(\"${COMP_WORDS[0]}\" help models "
    "2>/dev/null |\n"
    "        sed -n 's/^\\([A-Za-z0-9._+-]*\\) .*/\\1/p')\n"
    "    [[ -z $kind ]] && words=$operands\n"
    "    COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
    "    if [[ $kind != words && $kind != nothing ]]; then\n"
    "        local file\n"
    "        while IFS= read -r file; do\n"
    "            COMPREPLY+=(\"$file\")\n"
    "        done < <(compgen -f -- \"$cur\")\n"
    "        compopt -o filenames\n"
    "    fi\n"
    "} &&\n"
    "complete -F _mfm mfm\n";

static void write_bash(struct writer *w)
{
    strbuf_addstr(w->out, bash_start);
    add_commands(w->out);
    strbuf_addstr(w->out, "--version --help\" -- \"$cur\"))\n        return\n"
                  "    fi\n    case ${COMP_WORDS[1]} in\n");
    cmd_each_options(bash_command, w);
    strbuf_addstr(w->out, bash_end);
}

/* ---- zsh ---- */

/* Within '...' and [...] of _arguments. */
static void zsh_text(struct strbuf *out, const char *s)
{
    for (; *s; s++)
        if (*s == '\'')
            strbuf_addstr(out, "'\\''");
        else if (strchr("[]:\\", *s))
            strbuf_addf(out, "\\%c", *s);
        else
            strbuf_addch(out, *s);
}

static void zsh_option(struct writer *w, const struct opt *o)
{
    const char *words = "", *more = o->kind == OPT_LIST ||
                                    o->kind == OPT_COUNT ? "*" : "";
    enum wants wants = wanted(o, w->presets.s, &words);

    strbuf_addstr(w->out, "        ");
    if (o->letter && *more)
        strbuf_addf(w->out, "'*'{-%c,--%s%s}'[", o->letter, o->name,
                    opt_takes_value(o) ? "=" : "");
    else if (o->letter)
        strbuf_addf(w->out, "'(-%c --%s)'{-%c,--%s%s}'[", o->letter, o->name,
                    o->letter, o->name, opt_takes_value(o) ? "=" : "");
    else
        strbuf_addf(w->out, "'%s--%s%s[", more, o->name,
                    opt_takes_value(o) ? "=" : "");
    zsh_text(w->out, o->help);
    strbuf_addch(w->out, ']');
    if (opt_takes_value(o)) {
        strbuf_addch(w->out, ':');
        zsh_text(w->out, o->arg);
        strbuf_addch(w->out, ':');
    }
    if (wants == WANTS_WORDS && opt_takes_value(o)) {
        strbuf_addch(w->out, '(');
        add_words(w->out, words);
        strbuf_addch(w->out, ')');
    } else if (opt_takes_value(o)) {
        strbuf_addstr(w->out, wants == WANTS_FILE ? "_files"
                              : wants == WANTS_MODEL ? "_mfm_models" : " ");
    }
    strbuf_addstr(w->out, "' \\\n");
}

static void zsh_command(void *ctx, const struct cmd_usage *usage,
                        const struct opt *const *tables)
{
    struct writer *w = ctx;

    strbuf_addf(w->out, "    %s)\n        _arguments -s -S \\\n", usage->name);
    for (const struct opt *const *t = tables; *t; t++)
        for (const struct opt *o = *t; o->kind != OPT_END; o++)
            zsh_option(w, o);
    if (!strcmp(usage->name, "help")) {
        strbuf_addstr(w->out, "        '1:command:(");
        add_commands(w->out);
        strbuf_addstr(w->out, "models mfm)'\n");
    } else if (*operands(usage->name)) {
        strbuf_addstr(w->out, "        '1:task:(");
        add_words(w->out, operands(usage->name));
        strbuf_addstr(w->out, ")' '*:file:_files'\n");
    } else {
        strbuf_addstr(w->out, "        '*:file:_files'\n");
    }
    strbuf_addstr(w->out, "        ;;\n");
}

static void write_zsh(struct writer *w)
{
    strbuf_addstr(w->out,
                  "#compdef mfm\n"
                  "# written by: mfm help --completion zsh\n"
                  "_mfm_models() {\n"
                  "    local -a names\n"
                  "    names=(${(f)\"$($_mfm_self help models 2>/dev/null |\n"
                  "        sed -n 's/^\\([A-Za-z0-9._+-]*\\) .*/\\1/p')\"})\n"
                  "    _alternative 'models:model:compadd -a names' "
                  "'files:file:_files'\n"
                  "}\n"
                  "_mfm() {\n"
                  "    local _mfm_self=$words[1]\n"
                  "    if ((CURRENT == 2)); then\n"
                  "        local -a commands=(\n");
    for (const struct cmd *c = cmd_table; c->name; c++) {
        strbuf_addf(w->out, "            '%s:", c->name);
        zsh_text(w->out, c->help);
        strbuf_addstr(w->out, "'\n");
    }
    strbuf_addstr(w->out,
                  "        )\n"
                  "        _describe command commands\n"
                  "        return\n"
                  "    fi\n"
                  "    shift words\n"
                  "    ((CURRENT--))\n"
                  "    case $words[1] in\n");
    cmd_each_options(zsh_command, w);
    strbuf_addstr(w->out, "    esac\n}\n_mfm \"$@\"\n");
}

void completion_write(struct strbuf *out, int zsh)
{
    struct writer w = { out, STRBUF_INIT };

    preset_list(add_preset, &w);
    if (zsh)
        write_zsh(&w);
    else
        write_bash(&w);
    strbuf_release(&w.presets);
}
