/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tensor/cpu/arena.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/xalloc.h"

/* The sanitizers see what is done to malloc's memory only. */
#ifdef __SANITIZE_ADDRESS__
enum { USE_ARENA = 0 };
#else
enum { USE_ARENA = 1 };
#endif

enum {
    ALIGN = 64,
    SMALL = 1 << 16, /* bytes; below, malloc does as well and pins no hole */
    PAGE = 2 << 20   /* a huge one: fewer faults, fewer misses of the TLB */
};

struct arena_block {
    char *at;
    size_t size;
    int used;
};

static void insert(struct arena *a, size_t i, char *at, size_t size)
{
    ARRAY_GROW(a->block, a->n, a->cap);
    memmove(a->block + i + 1, a->block + i,
            (a->n - i) * sizeof(*a->block));
    a->block[i] = (struct arena_block){ at, size, 0 };
    a->n++;
}

/* Addresses for as much as the machine has memory; pages come when they are
 * written to. None where addresses are limited: malloc takes no more of them
 * than it needs. */
static void reserve(struct arena *a)
{
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    struct rlimit limit;
    char *p;

    a->tried = 1;
    if (!USE_ARENA || pages <= 0 || page <= 0 ||
        getrlimit(RLIMIT_AS, &limit) || limit.rlim_cur != RLIM_INFINITY)
        return;
    a->size = (size_t)pages * (size_t)page / PAGE * PAGE + PAGE;
    p = mmap(NULL, a->size, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED)
        return;
    a->base = p;
    p += -(uintptr_t)p % PAGE;
    madvise(p, a->size - PAGE, MADV_HUGEPAGE);
    insert(a, 0, p, a->size - PAGE);
}

/* The first block that is free and large enough, or a->n. */
static size_t first_fit(const struct arena *a, size_t size)
{
    size_t i = 0;

    while (i < a->n && (a->block[i].used || a->block[i].size < size))
        i++;
    return i;
}

void *arena_take(struct arena *a, size_t size)
{
    size_t whole = (size + ALIGN - 1) / ALIGN * ALIGN, i;
    void *p;

    if (!a->tried && size >= SMALL)
        reserve(a);
    i = size < SMALL || whole < size ? a->n : first_fit(a, whole);
    if (i == a->n)
        return posix_memalign(&p, ALIGN, size ? size : 1) ? NULL : p;
    if (a->block[i].size > whole) {
        insert(a, i + 1, a->block[i].at + whole, a->block[i].size - whole);
        a->block[i].size = whole;
    }
    a->block[i].used = 1;
    return a->block[i].at;
}

/* Makes one of block i and the next, where both are free. */
static void join(struct arena *a, size_t i)
{
    struct arena_block *b = a->block + i;

    if (i + 1 >= a->n || b[0].used || b[1].used)
        return;
    b[0].size += b[1].size;
    a->n--;
    memmove(b + 1, b + 2, (a->n - i - 1) * sizeof(*b));
}

void arena_give(struct arena *a, void *p)
{
    size_t i = 0;

    while (i < a->n && a->block[i].at != p)
        i++;
    if (i == a->n) {
        free(p);
        return;
    }
    a->block[i].used = 0;
    join(a, i);
    if (i > 0)
        join(a, i - 1);
}

void arena_release(struct arena *a)
{
    if (a->base)
        munmap(a->base, a->size);
    free(a->block);
    memset(a, 0, sizeof(*a));
}
