/* xalloc.h - small allocations that cannot fail (they end the process with one
 * line if memory is out), and growing arrays. Audio, tensors and whole files
 * use malloc and ERR_NOMEM instead. */
#ifndef BASE_XALLOC_H
#define BASE_XALLOC_H

#include <stddef.h>

void *xmalloc(size_t size);
void *xcalloc(size_t n, size_t size);         /* zeroed; n * size is checked */
void *xreallocarray(void *p, size_t n, size_t size); /* n * size is checked */
char *xstrdup(const char *s);
char *xstrndup(const char *s, size_t n);
char *xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Makes room for at least one more element in array p of n elements, capacity
 * cap (a size_t variable); doubles. */
#define ARRAY_GROW(p, n, cap)                                        \
    do {                                                             \
        if ((n) >= (cap)) {                                          \
            (cap) = (cap) ? 2 * (cap) : 16;                          \
            (p) = xreallocarray((p), (cap), sizeof(*(p)));           \
        }                                                            \
    } while (0)

#define ARRAY_LEN(a) (sizeof(a) / sizeof(*(a)))

#endif
