/* clones.h - loops for the processor that the program runs on. */
#ifndef BASE_CLONES_H
#define BASE_CLONES_H

/* Functions worth it are compiled for several instruction sets; the loader
 * picks. Not under the sanitizers, whose start-up code cannot run in the
 * resolver, and not with clang, whose clones of static functions do not
 * link. */
#if defined(__x86_64__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__)
#define CPU_CLONES \
    __attribute__((target_clones("arch=x86-64-v4", "avx2", "default")))
#else
#define CPU_CLONES
#endif

#endif
