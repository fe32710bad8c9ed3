/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "unit.h"

#include <string.h>

#include "audio/walk.h"
#include "base/strbuf.h"
#include "tree.h"

static struct strbuf seen = STRBUF_INIT;

static void note(void *ctx, char *path, char *error)
{
    const struct tree *t = ctx;

    strbuf_addf(&seen, "%s%s ", path + strlen(t->root) + 1, error ? "!" : "");
    free(path);
    free(error);
}

START_TEST(walk_audio_in_the_order_of_bytes)
{
    struct tree t;

    tree_make(&t);
    tree_put(&t, "b.MP3", "");
    tree_put(&t, "a/z.flac", "");
    tree_put(&t, "a/.hidden.wav", "");
    tree_put(&t, "a/notes.txt", "");
    tree_put(&t, "a/b/1.wav", "");
    tree_put(&t, ".git/2.wav", "");
    tree_put(&t, "Z.ogg", "");
    ck_assert(!symlink("..", tree_path(&t, "a/up")));
    walk_audio(t.root, note, &t);
    ck_assert_str_eq(seen.s, "Z.ogg a/b/1.wav a/z.flac b.MP3 ");
    strbuf_release(&seen);
    tree_remove(&t);
}
END_TEST

START_TEST(walk_audio_says_what_cannot_be_read)
{
    struct tree t;

    tree_make(&t);
    walk_audio(tree_path(&t, "none"), note, &t);
    ck_assert_str_eq(seen.s, "none! ");
    strbuf_release(&seen);
    tree_remove(&t);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("audio_walk");
    TCase *t = tcase_create("walk");

    tcase_add_test(t, walk_audio_in_the_order_of_bytes);
    tcase_add_test(t, walk_audio_says_what_cannot_be_read);
    suite_add_tcase(s, t);
    return unit_run(s);
}
