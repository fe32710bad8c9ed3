/* dynlib.h - shared libraries loaded when they are first needed, because
 * linking them would cost every start of mfm tens of milliseconds. */
#ifndef BASE_DYNLIB_H
#define BASE_DYNLIB_H

#include <stddef.h>
#include "base/err.h"

struct dynlib_symbol {
    const char *name;
    void **address; /* set to the function */
};

/* Loads the library soname (as "libavutil.so.57") for the life of the process
 * and sets every symbol. ERR_UNSUPPORTED with the name of the library and of
 * the package to install if it, or one symbol, is not there. Threads: the
 * caller serialises (pthread_once). */
int dynlib_load(const char *soname, const char *package,
                const struct dynlib_symbol *symbols, size_t n,
                struct err *err);

#endif
