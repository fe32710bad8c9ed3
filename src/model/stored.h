/* stored.h - a named tensor as it lies in a file: element type, shape, strides
 * and a pointer to its first element, little-endian. */
#ifndef MODEL_STORED_H
#define MODEL_STORED_H

#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

enum { STORED_MAX_DIMS = 8 };

/* In the order of the reference safetensors writer, which puts later ones
 * first. */
enum stored_type {
    STORED_BOOL, STORED_F4, STORED_F6_E2M3, STORED_F6_E3M2, STORED_U8,
    STORED_I8, STORED_F8_E5M2, STORED_F8_E4M3, STORED_F8_E8M0,
    STORED_F8_E4M3FNUZ, STORED_F8_E5M2FNUZ, STORED_I16, STORED_U16,
    STORED_F16, STORED_BF16, STORED_I32, STORED_U32, STORED_F32, STORED_C64,
    STORED_F64, STORED_I64, STORED_U64,
    STORED_TYPES
};

struct stored {
    char *name;                      /* owned by the list that holds it */
    enum stored_type type;
    int ndim;
    int64_t dim[STORED_MAX_DIMS];
    int64_t stride[STORED_MAX_DIMS]; /* in elements, >= 0 */
    const unsigned char *data;       /* element 0; NULL if not loaded */
};

const char *stored_type_name(enum stored_type t);  /* as safetensors: "F32" */
int stored_type_bits(enum stored_type t);
/* The class of a torch storage of this type ("FloatStorage"), or NULL. */
const char *stored_type_torch(enum stored_type t);
/* The type of that name; -1 if there is none. torch: also "UntypedStorage". */
int stored_type_by_name(const char *name);
int stored_type_by_torch(const char *name, size_t len);
/* Whether stored_emit and stored_floats can turn t into another float type. */
int stored_type_is_float(enum stored_type t);

/* Multiplies the dimensions; 0 if the product or the size in bits does not fit
 * in an int64_t, else 1 and *count. */
int stored_count_checked(const struct stored *t, int64_t *count);
int64_t stored_count(const struct stored *t); /* of a tensor checked so */
int64_t stored_bytes(const struct stored *t); /* row-major, packed */
void stored_set_strides(struct stored *t);    /* those of row-major order */
int stored_contiguous(const struct stored *t);

/* "[1024, 16384]" into buf (cut at its size); returns buf. */
char *stored_shape(const struct stored *t, char *buf, size_t size);

/* Gives the elements in row-major order as type as, in pieces, to put, which
 * returns nothing: its errors show in its stream. as is the tensor's own type,
 * or F32 or BF16 (rounded to nearest even) if both are floats. */
void stored_emit(const struct stored *t, enum stored_type as,
                 void (*put)(void *ctx, const void *data, size_t n),
                 void *ctx);

/* All elements in row-major order as floats: out holds stored_count(t).
 * ERR_UNSUPPORTED unless the type is F64, F32, F16, BF16 or an integer of 8 to
 * 64 bits. */
int stored_floats(const struct stored *t, float *out, struct err *err);

/* Order of names in bytes, for qsort and bsearch of arrays of struct stored. */
int stored_by_name(const void *a, const void *b);

#endif
