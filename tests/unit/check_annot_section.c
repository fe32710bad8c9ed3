/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "annot/section.h"

#include <math.h>
#include <string.h>

#include "base/xalloc.h"
#include "unit.h"

/* All 126 labels of the Harmonix Set by what the rule makes of them. */
static const struct {
    const char *function, *labels;
} harmonix[] = {
    { "chorus",
      "altchorus chorus chorus1 chorus2 chorus3 chorus_instrumental "
      "chorushalf chorusinst choruspart instchorus intchorus introchorus "
      "postchorus postchorus2 quietchorus refrain stutter" },
    { "verse",
      "build instrumentalverse introverse miniverse postverse prechorus "
      "prechorus2 prechorus3 prechorus5 preverse raps section section1 "
      "section10 section11 section12 section13 section14 section15 "
      "section16 section17 section2 section3 section4 section5 section6 "
      "section7 section8 section9 slow slow2 slowverse verse verse1 "
      "verse10 verse11 verse1a verse2 verse3 verse4 verse5 verse6 verse7 "
      "verse8 verse9 verse_slow verseinst versepart" },
    { "intro",
      "fadein instintro intro intro2 intro3 intro4 intro5 intro6 intro7 "
      "intro8 intropt2 opening rhythmlessintro" },
    { "bridge",
      "bridge bridge1 bridge2 bridge3 instbridge transition transition1 "
      "transition2 transition2a transition3" },
    { "inst",
      "bre break break1 break2 break3 breakdown breakdown2 drumroll fast "
      "gtr gtr2 gtrbreak guitar guitarsolo inst inst2 instrumental "
      "instrumental2 instrumental3 mainriff mainriff2 oddriff quiet "
      "saxobeat solo solo2 solo3 synth worstthingever" },
    { "outro",
      "bigoutro outro outro1 outro2 outro3 outroa vocaloutro" },
    { "silence",
      "silence" },
    { NULL,
      "end" },
};

static int check_labels(const char *function, const char *labels)
{
    char *copy = xstrdup(labels), *rest = copy, *label;
    int n = 0;

    while ((label = strsep(&rest, " "))) {
        const char *got = section_function(label);

        ck_assert_msg(function ? got && !strcmp(got, function) : !got,
                      "%s is %s", label, got ? got : "no segment");
        n++;
    }
    free(copy);
    return n;
}

START_TEST(section_function_maps_harmonix)
{
    int n = 0;

    for (size_t i = 0; i < ARRAY_LEN(harmonix); i++)
        n += check_labels(harmonix[i].function, harmonix[i].labels);
    ck_assert_int_eq(n, 126);
}
END_TEST

START_TEST(section_function_maps_others)
{
    check_labels(NULL, "end End END");
    check_labels("inst", "bend endx Z interlude impro");
    ck_assert_str_eq(section_function(""), "inst");
    check_labels("outro", "Coda ending fadeout OUTRO");
    check_labels("verse", "Pre-Chorus Verse rap dialog");
    check_labels("chorus", "theme Refrain");
    check_labels("bridge", "trans Transition");
    check_labels("silence", "Silence");
}
END_TEST

START_TEST(section_names_some)
{
    ck_assert(section_names("Verse 2") && section_names("solo") &&
              section_names("END"));
    ck_assert(!section_names("A") && !section_names("") &&
              !section_names("bend"));
}
END_TEST

START_TEST(section_map_merges)
{
    for (int merge = 0; merge < 2; merge++) {
        struct segments s = { 0 };

        segments_append(&s, 0, 1, "verse", 0.5);
        segments_append(&s, 1, 2, "prechorus", 0.25);
        segments_append(&s, 2, 3, "chorus", NAN);
        segments_append(&s, 3, 4, "end", NAN);
        segments_append(&s, 4, 5, "postchorus", NAN); /* behind a gap */
        section_map(&s, merge);
        ck_assert_uint_eq(s.n, merge ? 3 : 4);
        ck_assert_str_eq(s.v[0].label, "verse");
        ck_assert(s.v[0].end == (merge ? 2 : 1) && s.v[0].confidence == 0.5);
        ck_assert_str_eq(s.v[s.n - 1].label, "chorus");
        ck_assert(s.v[s.n - 1].start == 4);
        segments_release(&s);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("annot_section");
    TCase *t = tcase_create("section");

    tcase_add_test(t, section_function_maps_harmonix);
    tcase_add_test(t, section_function_maps_others);
    tcase_add_test(t, section_names_some);
    tcase_add_test(t, section_map_merges);
    suite_add_tcase(s, t);
    return unit_run(s);
}
