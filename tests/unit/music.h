/* music.h - a few recordings whose every sample tells where it is from. */
#ifndef TESTS_MUSIC_H
#define TESTS_MUSIC_H

#include <stdint.h>

#include "train/manifest.h"
#include "tree.h"

enum { MUSIC_RATE = 24000, MUSIC_FILES = 5 };
static const uint32_t music_length[MUSIC_FILES] = { 30000, 700, 90000, 24000,
                                                    48001 };

static inline int16_t music_sample(size_t file, int64_t at)
{
    uint32_t v = (uint32_t)(at + 1) * 2654435761u ^ (uint32_t)file * 40503u;

    return (int16_t)(uint16_t)(v >> 13);
}

/* Writes 0.wav ... and adds them to m. */
static inline void music_make(struct tree *t, struct manifest *m)
{
    struct err err = {0};

    tree_make(t);
    for (size_t i = 0; i < MUSIC_FILES; i++) {
        int16_t *x = xcalloc(music_length[i], sizeof(*x));
        char name[16];

        for (uint32_t j = 0; j < music_length[i]; j++)
            x[j] = music_sample(i, j);
        snprintf(name, sizeof(name), "%zu.wav", i);
        tree_wav16(t, name, x, music_length[i], MUSIC_RATE);
        free(x);
    }
    *m = (struct manifest){ .rate = MUSIC_RATE };
    ck_assert_msg(!manifest_add(m, t->root, &err), "%s", err.msg);
    ck_assert_msg(!manifest_probe(m, 2, NULL, &err), "%s", err.msg);
    ck_assert_uint_eq(m->n, MUSIC_FILES);
}

#endif
