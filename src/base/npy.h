/* npy.h - numpy's .npy arrays (format 1.0 to 3.0). */
#ifndef BASE_NPY_H
#define BASE_NPY_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include "base/err.h"

enum { NPY_MAX_DIMS = 8 };

/* An array in memory. type and size as in the descr: 'f' 8 is '<f8'; text ('U',
 * 'S') and raw numbers alike are kept as they lie in the file, but in the
 * machine's byte order and C order. */
struct npy {
    char type;                /* f i u b c U S */
    int size;                 /* bytes of one element (4 * n for '<Un') */
    int ndim;
    int64_t dim[NPY_MAX_DIMS];
    int64_t count;            /* product of dim; 1 for a scalar */
    void *data;               /* count * size bytes, owned */
};

/* Reads a whole array from path ("-" is stdin). ERR_FORMAT for a bad header or
 * too few bytes (more are allowed, numpy appends), ERR_UNSUPPORTED for pickled
 * objects and structured types, ERR_NOMEM. */
int npy_read(struct npy *a, const char *path, struct err *err);

/* The same from an open stream; name is for messages. The magic's six bytes
 * may be read already (then magic_read is 1). Stops right behind the array. */
int npy_read_stream(struct npy *a, FILE *f, const char *name, int magic_read,
                    struct err *err);
void npy_release(struct npy *a);

/* Numbers of any type as float; the caller frees *out (count floats).
 * ERR_UNSUPPORTED for text and complex. */
int npy_floats(const struct npy *a, float **out, struct err *err);

/* An array of text: '<Un' as UTF-8, '|Sn' as it is. *out gets count strings,
 * each and *out itself freed by the caller; name is for messages. ERR_FORMAT
 * for numbers that are no Unicode character and for too many (limits.h),
 * ERR_UNSUPPORTED for other types, ERR_NOMEM. */
int npy_strings(const struct npy *a, char ***out, const char *name,
                struct err *err);

/* Writes a 1.0 header with the data aligned to 64 bytes; descr as "<f4". The
 * length depends on descr and ndim alone, so that it can be written over
 * when the first dimension is known at last (shape[0] may grow). Errors show in
 * ferror(f). */
void npy_write_header(FILE *f, const char *descr, const int64_t *shape,
                      int ndim);

#endif
