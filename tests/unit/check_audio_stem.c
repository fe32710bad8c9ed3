/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "unit.h"

#include "audio/stem.h"

static const struct {
    const char *path, *stem;
} stems[] = {
    { "a/song.mp3", "song" },
    { "song.FLAC", "song" },
    { "b/song.chords.lab", "song" },
    { "song.structure.lab", "song" },
    { "song.lab", "song" },
    { "song.seg", "song" },
    { "song.beats", "song" },
    { "song.key", "song" },
    { "song.tags", "song" },
    { "song.bpm", "song" },
    { "song.json", "song" },
    { "song.jams", "song" },
    { "song.jamz", "song" },
    { "song.tempo", "song" },
    { "blues.00000.wav.jams", "blues.00000" },
    { "song.txt", "song" },
    { "song.csv", "song" },
    { "song.npy", "song" },
    { "01. Intro.opus", "01. Intro" },
    { "v1.2", "v1.2" },
    { "v1.2.wav", "v1.2" },
    { "song.mp3.json", "song.mp3" },
    { "x.mp3/song", "song" },
    { ".mp3", ".mp3" },
    { "-", "stdin" },
    { "", "" },
};

START_TEST(stem_of_each)
{
    char *stem = stem_of(stems[_i].path);

    ck_assert_str_eq(stem, stems[_i].stem);
    free(stem);
}
END_TEST

START_TEST(stem_is_audio_by_extension)
{
    ck_assert(stem_is_audio("x.mp3"));
    ck_assert(stem_is_audio("x.WebM"));
    ck_assert(!stem_is_audio("x.json"));
    ck_assert(!stem_is_audio("x.npy"));
    ck_assert(!stem_is_audio("mp3"));
    ck_assert(!stem_is_audio(".mp3"));
    ck_assert(!stem_is_audio(""));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("audio_stem");
    TCase *t = tcase_create("stem");

    tcase_add_loop_test(t, stem_of_each, 0, sizeof(stems) / sizeof(*stems));
    tcase_add_test(t, stem_is_audio_by_extension);
    suite_add_tcase(s, t);
    return unit_run(s);
}
