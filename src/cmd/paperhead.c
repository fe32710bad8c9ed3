/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cmd/paperhead.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/rng.h"
#include "base/xalloc.h"

/* ---- where it is kept ---- */

static int make_folder(char **out, struct err *err)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");

    if (cache && *cache)
        *out = xasprintf("%s/mfm/heads", cache);
    else if (home && *home)
        *out = xasprintf("%s/.cache/mfm/heads", home);
    else
        return err_set(err, ERR_IO, "nowhere to keep trained heads: set HOME "
                       "or XDG_CACHE_HOME");
    return file_make_folders(*out, err);
}

/* Two folders of datasets have heads of their own. */
static int name_file(char **out, const struct paperhead *h, struct model *m,
                     const char *data, struct err *err)
{
    char *folder = NULL, *real = realpath(data, NULL), steps[24] = "";
    uint32_t where = (uint32_t)rng_name(real ? real : data);
    int rc = make_folder(&folder, err);

    if (h->steps)
        snprintf(steps, sizeof(steps), "-%d", h->steps);
    if (!rc)
        *out = xasprintf("%s/%.16s-%s-%08x-%s%s.safetensors", folder,
                         model_sha256(m), h->task, where,
                         h->finetune ? "finetune" : "frozen", steps);
    free(real);
    free(folder);
    return rc;
}

/* ---- training ---- */

enum { MOST_ARGS = 24 };

/* mfm probe, in this process; the level of messages is put back. */
static int probe(const struct paperhead *h, const char *model,
                 const char *data, const char *out)
{
    const struct cmd_common *c = h->common;
    char *argv[MOST_ARGS + 1], steps[16], threads[16];
    char *config = xasprintf("%s.run/config.json", out);
    int n = 0, rc, level = log_level();

#define ARG(s) (argv[n++] = (char *)(s))
    ARG("probe");
    if (!access(config, F_OK)) {
        ARG("--resume");
    } else {
        ARG(h->task), ARG("-m"), ARG(model), ARG("--dataset"), ARG(h->dataset);
        ARG("--root"), ARG(data), ARG("--protocol"), ARG("paper");
        if (h->finetune)
            ARG("--finetune");
    }
    snprintf(steps, sizeof(steps), "%d", h->steps);
    snprintf(threads, sizeof(threads), "%d", c->threads);
    if (h->steps)
        ARG("--steps"), ARG(steps);
    if (c->threads)
        ARG("--threads"), ARG(threads);
    ARG("--device"), ARG(c->device);
    ARG("--precision"), ARG(c->precision);
    ARG("--progress"), ARG(c->progress);
    if (c->quiet)
        ARG("-q");
    ARG("-o"), ARG(out);
#undef ARG
    argv[n] = NULL;
    free(config);
    rc = h->probe(n, argv);
    log_set_level(level);
    return rc;
}

int paperhead_make(char **path, const struct paperhead *h, struct model *m,
                   const char *model, struct err *err)
{
    char *data = xasprintf("%s/%s", h->root, h->dataset);
    struct stat st;
    int rc = 0;

    *path = NULL;
    if (stat(data, &st) || !S_ISDIR(st.st_mode))
        rc = err_set(err, ERR_ARG, "%s, from which one would learn, is not "
                     "there", data);
    if (!rc)
        rc = name_file(path, h, m, data, err);
    if (!rc && access(*path, R_OK)) {
        log_warn("%s: a head for %s learns from %s first", h->task, model,
                 data);
        if (probe(h, model, data, *path))
            rc = err_set(err, ERR_FORMAT, "%s: the head could not be trained",
                         h->task);
    }
    free(data);
    if (rc) {
        free(*path);
        *path = NULL;
    }
    return rc;
}
