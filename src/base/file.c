/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/xalloc.h"

/* A size that is known is refused before anything is read. */
static int check_size(int fd, const char *name, size_t max, struct err *err)
{
    struct stat st;

    if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_size < 0 ||
        (uintmax_t)st.st_size <= max)
        return 0;
    return err_set(err, ERR_FORMAT, "%s: larger than %zu bytes; see LIMITS in "
                   "mfm(1)", name, max);
}

typedef void taker(void *ctx, const void *data, size_t n);

static int read_all(taker *take, void *ctx, int fd, const char *name,
                    size_t max, struct err *err)
{
    char buf[65536];
    size_t total = 0;

    TRY(check_size(fd, name, max, err));
    for (;;) {
        ssize_t n = read(fd, buf, sizeof(buf));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_sys(err, "%s: cannot read", name);
        if (n == 0)
            return 0;
        total += (size_t)n;
        if (total > max)
            return err_set(err, ERR_FORMAT, "%s: larger than %zu bytes; see "
                           "LIMITS in mfm(1)", name, max);
        take(ctx, buf, (size_t)n);
    }
}

static int open_and_read(taker *take, void *ctx, const char *path, size_t max,
                         struct err *err)
{
    int fd, rc;

    if (!strcmp(path, "-"))
        return read_all(take, ctx, STDIN_FILENO, "stdin", max, err);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_sys(err, "%s: cannot open", path);
    rc = read_all(take, ctx, fd, path, max, err);
    close(fd);
    return rc;
}

static void take_text(void *out, const void *data, size_t n)
{
    strbuf_add(out, data, n);
}

int file_read(struct strbuf *out, const char *path, size_t max,
              struct err *err)
{
    return open_and_read(take_text, out, path, max, err);
}

static void take_file(void *f, const void *data, size_t n)
{
    fwrite(data, 1, n, f);
}

int file_read_to(FILE *f, const char *path, size_t max, struct err *err)
{
    return open_and_read(take_file, f, path, max, err);
}

int file_map(struct file_map *m, const char *path, struct err *err)
{
    struct stat st;
    void *p = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int rc = 0;

    if (fd < 0)
        return err_sys(err, "%s: cannot open", path);
    if (fstat(fd, &st) < 0)
        rc = err_sys(err, "%s: cannot stat", path);
    else if (!S_ISREG(st.st_mode))
        rc = err_set(err, ERR_IO, "%s: not a regular file", path);
    else if (st.st_size > 0) {
        p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (p == MAP_FAILED)
            rc = err_sys(err, "%s: cannot map %lld bytes", path,
                         (long long)st.st_size);
    }
    close(fd);
    if (rc)
        return rc;
    m->data = p;
    m->size = (size_t)st.st_size;
    return 0;
}

void file_unmap(struct file_map *m)
{
    if (m->data)
        munmap((void *)m->data, m->size);
    m->data = NULL;
    m->size = 0;
}

void file_map_forget(const struct file_map *m, const void *data, size_t n)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t from = ((uintptr_t)data + page - 1) & ~(page - 1);
    uintptr_t to = ((uintptr_t)data + n) & ~(page - 1);

    if (m->data && from < to)
        madvise((void *)from, to - from, MADV_DONTNEED);
}

static int open_folder_of(const char *path, int flags)
{
    char *dir = xstrdup(path), *slash = strrchr(dir, '/');
    int fd;

    if (slash)
        slash[slash == dir] = '\0';
    fd = open(slash ? dir : ".", flags | O_CLOEXEC, 0666);
    free(dir);
    return fd;
}

/* A file that has no name yet: nothing is left of it if mfm is killed. Not all
 * file systems can do that: -1. */
static int open_nameless(const char *path)
{
    return open_folder_of(path, O_TMPFILE | O_RDWR);
}

static int open_named(struct file_out *o)
{
    mode_t mask = umask(0);
    int fd;

    umask(mask);
    o->tmp = xasprintf("%s.XXXXXX", o->path);
    fd = mkstemp(o->tmp);
    if (fd < 0) {
        free(o->tmp);
        o->tmp = NULL;
    } else {
        /* mkstemp gives 0600; a result has the mode that open would give */
        fchmod(fd, 0666 & ~mask);
    }
    return fd;
}

int file_out_open(struct file_out *o, const char *path, struct err *err)
{
    struct stat st;
    int fd;

    o->path = path;
    o->tmp = NULL;
    o->direct = 0;
    o->sync = 0;
    if (!strcmp(path, "-")) {
        o->f = stdout;
        return 0;
    }
    /* a rename would put a file in the place of /dev/null */
    if (!stat(path, &st) && !S_ISREG(st.st_mode)) {
        o->f = fopen(path, "wb");
        o->direct = 1;
        return o->f ? 0 : err_sys(err, "%s: cannot write", path);
    }
    fd = open_nameless(path);
    if (fd < 0)
        fd = open_named(o);
    o->f = fd < 0 ? NULL : fdopen(fd, "w+b");
    if (!o->f) {
        err_sys(err, "%s: cannot create", path);
        if (fd >= 0)
            close(fd);
        file_out_abort(o);
        return ERR_IO;
    }
    return 0;
}

static int give_this_name(struct file_out *o, const char *name)
{
    char fd_path[64];

    snprintf(fd_path, sizeof(fd_path), "/proc/self/fd/%d", fileno(o->f));
    return linkat(AT_FDCWD, fd_path, AT_FDCWD, name, AT_SYMLINK_FOLLOW);
}

/* Gives a file without a name its own; where that is taken, one beside it, from
 * which a rename replaces the other. A file that is new never has a name that
 * a killed process could leave behind. */
static int give_name(struct file_out *o)
{
    if (!give_this_name(o, o->path))
        return 0;
    if (errno != EEXIST)
        return -1;
    for (unsigned i = 0; i < 1000; i++) {
        o->tmp = xasprintf("%s.%d.%u", o->path, (int)getpid(), i);
        if (!give_this_name(o, o->tmp))
            return 0;
        free(o->tmp);
        o->tmp = NULL;
        if (errno != EEXIST)
            break;
    }
    return -1;
}

/* The name that a rename gave. Folders that cannot be synced (some network file
 * systems) are no failure: the data are safe. */
static void sync_folder(const char *path)
{
    int fd = open_folder_of(path, O_RDONLY | O_DIRECTORY);

    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
}

int file_out_commit(struct file_out *o, struct err *err)
{
    int failed = ferror(o->f) | fflush(o->f);

    if (o->f == stdout) {
        o->f = NULL;
        return failed ? err_sys(err, "stdout: cannot write") : 0;
    }
    if (!failed && o->sync && !o->direct)
        failed = fsync(fileno(o->f));
    if (!failed && !o->direct && !o->tmp)
        failed = give_name(o);
    if (fclose(o->f))
        failed = 1;
    o->f = NULL;
    if (failed || (o->tmp && rename(o->tmp, o->path))) {
        err_sys(err, "%s: cannot write", o->path);
        file_out_abort(o);
        return ERR_IO;
    }
    if (o->sync && !o->direct)
        sync_folder(o->path);
    free(o->tmp);
    o->tmp = NULL;
    return 0;
}

void file_out_abort(struct file_out *o)
{
    if (o->f && o->f != stdout)
        fclose(o->f);
    if (o->tmp) {
        unlink(o->tmp);
        free(o->tmp);
    }
    o->f = NULL;
    o->tmp = NULL;
}

int file_copy(const char *from, const char *to, struct err *err)
{
    struct file_map map = {0};
    struct file_out out = {0};
    int rc = file_map(&map, from, err);

    if (!rc)
        rc = file_out_open(&out, to, err);
    if (!rc) {
        fwrite(map.data, 1, map.size, out.f);
        rc = file_out_commit(&out, err);
    }
    file_out_abort(&out);
    file_unmap(&map);
    return rc;
}

int file_make_folders(const char *dir, struct err *err)
{
    char *path = xstrdup(dir);
    struct stat st;
    int rc = 0;

    for (char *p = path + 1; *p; p++)
        if (*p == '/') {
            *p = '\0';
            mkdir(path, 0777); /* a failure shows at the last one */
            *p = '/';
        }
    if (mkdir(path, 0777) && errno != EEXIST)
        rc = err_sys(err, "%s: cannot make the folder", dir);
    else if (stat(path, &st) || !S_ISDIR(st.st_mode))
        rc = err_set(err, ERR_IO, "%s: is not a folder", dir);
    free(path);
    return rc;
}
