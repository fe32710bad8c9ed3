/* arena.h - memory of tensors. A training step takes and gives back the same
 * sizes again and again: neighbours that are free are one block, so what one
 * part gave back serves another part's larger tensors, and no step pays for new
 * pages. The lowest block that fits is taken: what was in use at most is about
 * what stays with the process. */
#ifndef TENSOR_CPU_ARENA_H
#define TENSOR_CPU_ARENA_H

#include <stddef.h>
#include <stdint.h>

/* A zeroed one is empty. */
struct arena {
    struct arena_block *block; /* all, by address, without gaps */
    size_t n, cap;
    void *base; /* of all, NULL: malloc's memory is used */
    size_t size;
    int tried; /* to get base */
};

/* size bytes aligned to 64, not cleared, or NULL. */
void *arena_take(struct arena *a, size_t size);
/* p of arena_take, or NULL. */
void arena_give(struct arena *a, void *p);
/* All of base. What came from malloc is to be given back first. */
void arena_release(struct arena *a);

#endif
