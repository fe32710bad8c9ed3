/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "unit.h"

#include <math.h>
#include <string.h>

#include "decode/letters.h"

/* Parts of 8 s, each with the chords of two seconds that the words name. */
static char *letters(const char *labels, const char *chords)
{
    static char out[64];
    struct segments parts = {0}, c = {0};
    char copy[256], *save = NULL;
    int group[16];
    size_t n;
    double t = 0;

    snprintf(copy, sizeof(copy), "%s", labels);
    for (char *w = strtok_r(copy, " ", &save); w;
         w = strtok_r(NULL, " ", &save), t += 8)
        segments_append(&parts, t, t + 8, w, NAN);
    t = 0;
    snprintf(copy, sizeof(copy), "%s", chords);
    for (char *w = strtok_r(copy, " ", &save); w;
         w = strtok_r(NULL, " ", &save), t += 2)
        segments_append(&c, t, t + 2, w, NAN);
    letters_assign(group, &parts, *chords ? &c : NULL);
    for (n = 0; n < parts.n; n++)
        out[n] = (char)('A' - 1 + group[n]);
    out[n] = '\0';
    segments_release(&parts);
    segments_release(&c);
    return out;
}

START_TEST(letters_by_label)
{
    ck_assert_str_eq(letters("intro verse chorus verse chorus", ""), "ABCBC");
    ck_assert_str_eq(letters("", ""), "");
}
END_TEST

START_TEST(letters_by_chords)
{
    /* the same chords and label; the label alone does not make it so */
    ck_assert_str_eq(letters("verse chorus verse chorus verse",
                             "C F G C  A D E A  C F G C  A D E A  B B B B"),
                     "ABABC");
    /* the same chords under another name: what is there is alike */
    ck_assert_str_eq(letters("verse chorus", "C F G C  C F G C"), "AA");
    /* the same chords in another order are less so */
    ck_assert_str_eq(letters("verse chorus", "C F G C  G C C F"), "AB");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("decode_letters");
    TCase *t = tcase_create("letters");

    tcase_add_test(t, letters_by_label);
    tcase_add_test(t, letters_by_chords);
    suite_add_tcase(s, t);
    return unit_run(s);
}
