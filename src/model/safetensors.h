/* safetensors.h - the safetensors container: a JSON header, then raw tensors.
 * Format: https://github.com/huggingface/safetensors (README, "Format"). */
#ifndef MODEL_SAFETENSORS_H
#define MODEL_SAFETENSORS_H

#include <stddef.h>
#include "base/err.h"
#include "base/file.h"
#include "model/stored.h"

struct safetensors_meta {
    char *key, *value;
};

/* A file read in place: tensors point into the map. A zeroed struct can be
 * released. Immutable once open: threads may share it. */
struct safetensors {
    struct file_map map;            /* empty if parsed from memory */
    struct stored *tensor;          /* n, sorted by name */
    size_t n;
    struct safetensors_meta *meta;  /* __metadata__, in the file's order */
    size_t n_meta;
};

/* Maps path and checks everything that the format demands: header length and
 * JSON, types, shapes against sizes, no holes, no overlap, no bytes left over,
 * no name twice. More than 8 dimensions are ERR_UNSUPPORTED; all else is
 * ERR_FORMAT with the file, the tensor and the fault; ERR_IO. Data need not be
 * aligned to its type. */
int safetensors_open(struct safetensors *st, const char *path,
                     struct err *err);
/* The same of bytes that the caller keeps until release; name is for
 * messages. */
int safetensors_parse(struct safetensors *st, const void *data, size_t size,
                      const char *name, struct err *err);
void safetensors_release(struct safetensors *st);

/* NULL if there is none of that name. */
const struct stored *safetensors_find(const struct safetensors *st,
                                      const char *name);
const char *safetensors_meta(const struct safetensors *st, const char *key);

/* A file being written. Tensors are announced with their shapes, then their
 * bytes follow one after another, so that no more than one need be in memory:
 *
 *     struct safetensors_out out = {0};
 *     TRY(safetensors_create(&out, path, tensor, n, meta, n_meta, err));
 *     for (size_t i = 0; i < n; i++) {
 *         const struct stored *t = out.tensor[i];   -- the order of the file
 *         safetensors_put(&out, bytes, count);     -- in as many pieces as fits
 *     }
 *     rc = safetensors_commit(&out, err);
 *     safetensors_abort(&out);     -- always; after commit it only frees
 *
 * The order is the reference writer's: by type, widest first, then by name;
 * the header is padded with spaces to a multiple of 8. The file appears under
 * its name when it is complete. */
struct safetensors_out {
    struct file_out file;
    const struct stored **tensor; /* into the caller's array */
    uint64_t want, put;           /* data bytes announced and given */
};

/* tensor (name, type, dim; data and stride are not looked at) and meta are
 * borrowed until abort. ERR_ARG if a name comes twice; ERR_IO. */
int safetensors_create(struct safetensors_out *out, const char *path,
                       const struct stored *tensor, size_t n,
                       const struct safetensors_meta *meta, size_t n_meta,
                       struct err *err);
/* Has the signature that stored_emit wants; write errors show in commit. */
void safetensors_put(void *out, const void *data, size_t n);
/* ERR_ARG if more or fewer bytes came than announced; ERR_IO. */
int safetensors_commit(struct safetensors_out *out, struct err *err);
void safetensors_abort(struct safetensors_out *out);

#endif
