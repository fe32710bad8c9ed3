/* file.h - whole files in, and files that appear only when complete. */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stddef.h>
#include <stdio.h>
#include "base/err.h"
#include "base/strbuf.h"

/* Appends the whole of path ("-" is stdin) to *out. More than max bytes is
 * ERR_FORMAT, at once where the size is known; a directory, a missing file or a
 * failed read is ERR_IO. */
int file_read(struct strbuf *out, const char *path, size_t max,
              struct err *err);
/* The same into a file that is open; failed writes show in ferror(f). */
int file_read_to(FILE *f, const char *path, size_t max, struct err *err);

/* A file mapped read-only. A zeroed struct can be released. */
struct file_map {
    const unsigned char *data; /* NULL if size is 0 */
    size_t size;
};
int file_map(struct file_map *m, const char *path, struct err *err);
void file_unmap(struct file_map *m);

/* Gives the memory of the pages that lie wholly within n bytes at data (in the
 * map) back to the system; they are read again when needed. */
void file_map_forget(const struct file_map *m, const void *data, size_t n);

/* An output file that gets its name, or replaces the file of that name, by
 * commit; until then it has none, or a temporary one beside path where the file
 * system cannot do that. "-" is stdout, which is flushed and checked by commit;
 * a device or pipe (/dev/null) is written to as it is. Write to f with stdio.
 *
 *     struct file_out out = {0};
 *     TRY(file_out_open(&out, path, err));
 *     ...
 *     rc = file_out_commit(&out, err);
 *     file_out_abort(&out);  -- after commit it does nothing
 *
 * path is borrowed until commit or abort. */
struct file_out {
    FILE *f;
    char *tmp;        /* temporary name, if there is one */
    int direct;       /* a device or pipe */
    int sync;         /* set between open and commit: commit returns when data
                         and name are on the disk (fsync) */
    const char *path;
};
int file_out_open(struct file_out *o, const char *path, struct err *err);
int file_out_commit(struct file_out *o, struct err *err);
void file_out_abort(struct file_out *o);

/* A copy of a whole file, which gets its name when it is complete. ERR_IO. */
int file_copy(const char *from, const char *to, struct err *err);

/* dir and what is missing above it; nothing where it is there. ERR_IO. */
int file_make_folders(const char *dir, struct err *err);

#endif
