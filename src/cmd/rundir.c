/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cmd/rundir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/xalloc.h"

static int is_empty(const char *dir)
{
    DIR *d = opendir(dir);
    const struct dirent *e;
    int n = 0;

    while (d && (e = readdir(d)) != NULL)
        n += strcmp(e->d_name, ".") && strcmp(e->d_name, "..");
    if (d)
        closedir(d);
    return d && !n;
}

/* Held until the process ends, however it does. */
static int lock(const char *dir, struct err *err)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK) {
        close(fd);
        return err_set(err, ERR_IO, "%s: another mfm is at work on this run",
                       dir);
    }
    return 0;
}

int rundir_make(const char *dir, int resume, struct err *err)
{
    char *config = xasprintf("%s/config.json", dir);
    int rc = 0;

    if (resume) {
        if (access(config, R_OK))
            rc = err_set(err, ERR_IO, "%s: no run to go on with (no "
                         "config.json)", dir);
    } else if (mkdir(dir, 0777) && errno != EEXIST) {
        rc = err_sys(err, "%s: cannot make the folder", dir);
    } else if (!is_empty(dir)) {
        rc = err_set(err, ERR_ARG, "%s: there is something in it; go on with "
                     "--resume, or give another folder", dir);
    }
    free(config);
    return rc ? rc : lock(dir, err);
}

void rundir_clear(const char *dir)
{
    static const char *const files[] = {
        "metrics.ndjson", "report.html", "model.safetensors",
        "best.safetensors", "encoder.safetensors", "states.tmp", "config.json"
    };
    char *path = xasprintf("%s/config.json", dir);
    char *below = xasprintf("%s/checkpoints", dir);
    DIR *d = access(path, F_OK) ? NULL : opendir(below);
    const struct dirent *e;
    int is_run = !access(path, F_OK);

    free(path);
    while (d && (e = readdir(d)) != NULL) {
        if (strncmp(e->d_name, "step-", 5))
            continue;
        path = xasprintf("%s/%s", below, e->d_name);
        unlink(path);
        free(path);
    }
    if (d)
        closedir(d);
    for (size_t i = 0; i < ARRAY_LEN(files) && is_run; i++) {
        path = xasprintf("%s/%s", dir, files[i]);
        unlink(path);
        free(path);
    }
    if (is_run)
        rmdir(below);
    free(below);
}

void rundir_remember(cJSON *run, const char *name, const struct opt_list *l)
{
    cJSON *a = cJSON_AddArrayToObject(run, name);

    for (int i = 0; i < l->n; i++) {
        char *real = realpath(l->item[i], NULL);

        cJSON_AddItemToArray(a, cJSON_CreateString(real ? real : l->item[i]));
        free(real);
    }
}

void rundir_recall(const cJSON *run, const char *name, struct opt_list *l)
{
    const cJSON *v;

    if (l->n)
        return; /* given anew: the music may have moved */
    cJSON_ArrayForEach(v, cJSON_GetObjectItemCaseSensitive(run, name)) {
        if (!cJSON_IsString(v))
            continue;
        l->item = xreallocarray(l->item, (size_t)l->n + 1, sizeof(*l->item));
        l->item[l->n++] = v->valuestring;
    }
}

int rundir_recordings(struct manifest *m, const struct opt_list *paths,
                      const char *dataset, const char *root, struct err *err)
{
    for (int i = 0; i < paths->n; i++)
        TRY(manifest_add(m, paths->item[i], err));
    if (dataset && strcmp(dataset, "fma"))
        return err_set(err, ERR_ARG, "--dataset %s: fma is the one that is "
                       "known here", dataset);
    if (dataset && !root)
        return err_set(err, ERR_ARG, "--dataset needs --root DIR");
    if (dataset)
        TRY(manifest_add_fma(m, root, err));
    return 0;
}

int rundir_corpus(struct manifest *m, const struct opt_list *paths,
                  const char *dataset, const char *root, double least,
                  int threads, struct err *err)
{
    int64_t samples = (int64_t)(least * m->rate);
    size_t dropped;

    TRY(rundir_recordings(m, paths, dataset, root, err));
    TRY(manifest_probe(m, threads, NULL, err));
    dropped = manifest_drop_short(m, samples);
    if (dropped)
        log_warn("%zu recordings are shorter than %g s and left out", dropped,
                 least);
    return m->n ? 0 : err_set(err, ERR_ARG, "no recordings of %g s or more",
                              least);
}

static uint64_t add_hash(uint64_t h, const void *data, size_t n)
{
    const unsigned char *p = data;

    while (n--)
        h = (h ^ *p++) * 0x100000001b3u; /* FNV-1a */
    return h;
}

char *rundir_fingerprint(const struct manifest *m)
{
    uint64_t h = 0xcbf29ce484222325u;

    for (size_t i = 0; i < m->n; i++) {
        const char *slash = strrchr(m->item[i].path, '/');
        const char *name = slash ? slash + 1 : m->item[i].path;

        h = add_hash(h, name, strlen(name) + 1);
        h = add_hash(h, &m->item[i].samples, sizeof(m->item[i].samples));
    }
    return xasprintf("%zu recordings, %.2f h, %016llx", m->n,
                     (double)manifest_samples(m) / m->rate / 3600,
                     (unsigned long long)h);
}

enum train_progress_mode rundir_progress(const struct cmd_common *c)
{
    if (c->quiet || !strcmp(c->progress, "never"))
        return TRAIN_SILENT;
    return !strcmp(c->progress, "always") || isatty(STDERR_FILENO)
               ? TRAIN_BAR : TRAIN_LINES;
}

static volatile sig_atomic_t caught;

static void on_signal(int number)
{
    signal(number, SIG_DFL);
    caught = 1;
}

const volatile sig_atomic_t *rundir_signals(void)
{
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    return &caught;
}
