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

/* For lists of functions, #define LIST(F) F(av_frame_alloc) F(av_frame_free):
 *
 *     static struct av { LIST(DYNLIB_FIELD) } av;
 *
 * has a pointer for each, and in a function without a result
 *
 *     DYNLIB_LOAD("libavutil", 57, LIST, &err);
 *
 * loads libavutil.so.57 (of the package libavutil57) into it, or sets err and
 * returns. */
#define DYNLIB_FIELD(name) __typeof__(name) *name;
#define DYNLIB_SYMBOL_(name) { #name, (void **)&av.name },
#define DYNLIB_TEXT_(n) #n
#define DYNLIB_TEXT(n) DYNLIB_TEXT_(n)
#define DYNLIB_LOAD(lib, major, list, err)                                  \
    do {                                                                    \
        static const struct dynlib_symbol symbols[] = {                     \
            list(DYNLIB_SYMBOL_)                                            \
        };                                                                  \
        if (dynlib_load(lib ".so." DYNLIB_TEXT(major),                      \
                        lib DYNLIB_TEXT(major), symbols,                    \
                        sizeof(symbols) / sizeof(*symbols), (err)))         \
            return;                                                         \
    } while (0)

#endif
