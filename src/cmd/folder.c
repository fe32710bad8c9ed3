/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cmd/folder.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "cmd/stem.h"
#include "cmd/task.h"

struct paths {
    char **v;
    size_t n, cap;
};

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void add_audio(struct paths *audio, const struct labelset *ref,
                      const char *root, const char *name)
{
    char *stem;

    if (*name == '.' || !stem_is_audio(name))
        return;
    stem = stem_of(name);
    if (labelset_has(ref, stem)) {
        ARRAY_GROW(audio->v, audio->n, audio->cap);
        audio->v[audio->n++] = xasprintf("%s/%s", root, name);
    } else {
        log_warn("%s/%s: no labels beside it", root, name);
    }
    free(stem);
}

static int find_audio(struct paths *audio, const struct labelset *ref,
                      const char *root, struct err *err)
{
    DIR *dir = opendir(root);
    struct dirent *entry;

    if (!dir)
        return err_sys(err, "%s: cannot open", root);
    while ((entry = readdir(dir)))
        if (entry->d_type != DT_DIR)
            add_audio(audio, ref, root, entry->d_name);
    closedir(dir);
    if (!audio->n)
        return err_set(err, ERR_FORMAT, "%s: no audio files with labels for "
                       "'%s' beside them", root,
                       score_names[ref->task].task);
    qsort(audio->v, audio->n, sizeof(*audio->v), by_bytes);
    return 0;
}

static int make_temporary(char **path, struct err *err)
{
    const char *dir = getenv("TMPDIR");
    char *name = xasprintf("%s/mfm-eval-XXXXXX.ndjson",
                           dir && *dir ? dir : P_tmpdir);
    int fd = mkstemps(name, 7);

    if (fd < 0) {
        err_sys(err, "%s: cannot create", name);
        free(name);
        return ERR_IO;
    }
    close(fd);
    *path = name;
    return 0;
}

int folder_annotate(char **path, int *failed, const struct labelset *ref,
                    const char *root, const struct cmd_common *c,
                    const struct cmd_usage *usage, struct err *err)
{
    static const enum task tasks[SCORE_TASKS] = {
        TASK_BEATS, TASK_CHORDS, TASK_STRUCTURE, TASK_KEY, TASK_BEATS, TASK_TAG
    };
    struct paths audio = { 0 };
    struct task_options o;
    struct stat st = { 0 };
    int rc;

    *path = NULL;
    if ((rc = find_audio(&audio, ref, root, err)) ||
        (rc = make_temporary(path, err)))
        goto out;
    task_options_init(&o);
    o.common = *c;
    o.common.format = "ndjson";
    o.common.output = *path;
    o.common.force = 1;
    o.wanted[tasks[ref->task]] = 1;
    *failed = task_run(usage, &o, (int)audio.n, audio.v);
    if (stat(*path, &st) || !st.st_size) { /* the model, say, is missing */
        unlink(*path);
        free(*path);
        *path = NULL;
    }
out:
    for (size_t i = 0; i < audio.n; i++)
        free(audio.v[i]);
    free(audio.v);
    return rc;
}
