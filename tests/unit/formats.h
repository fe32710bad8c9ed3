/* formats.h - what the tests of formats share: a result with everything in it,
 * and the way back through mfm's own readers. */
#ifndef TESTS_FORMATS_H
#define TESTS_FORMATS_H

#include "annot.h"
#include "write/result.h"

struct whole {
    struct beats beats;
    struct segments chords, structure, key_over_time;
    struct key key;
    struct tags tags;
    struct result r;
};

static inline void whole_init(struct whole *w)
{
    *w = (struct whole){0};
    beats_append(&w->beats, 10.5, 1, 0.5);
    beats_append(&w->beats, 11, 0, NAN);
    segments_append(&w->chords, 10, 11.5, "C:maj", 0.25);
    segments_append(&w->chords, 11.5, 14, "N", NAN);
    segments_append(&w->structure, 10, 14, "say, \"hi\"", 1);
    segments_append(&w->key_over_time, 10, 14, "F# minor", 0.75);
    key_set(&w->key, "F# minor", 0.75);
    tags_append(&w->tags, "\xff</script>", 0.125);
    w->r = (struct result){
        .file = "music/a \xe4.mp3", .start = 10, .duration = 4,
        .model_name = "small", .model_sha256 = "00ff", .version = "0.1",
        .beats = &w->beats, .tempo = { 120.25, 0.5 }, .meter = 3,
        .chords = &w->chords, .structure = &w->structure, .key = &w->key,
        .key_over_time = &w->key_over_time, .tags = &w->tags
    };
}

static inline void whole_release(struct whole *w)
{
    beats_release(&w->beats);
    segments_release(&w->chords);
    segments_release(&w->structure);
    segments_release(&w->key_over_time);
    key_release(&w->key);
    tags_release(&w->tags);
}

/* What is read back from text is what whole_init made. */
static inline void expect_spans(const struct segments *got,
                                const struct segments *want)
{
    ck_assert_uint_eq(got->n, want->n);
    for (size_t i = 0; i < got->n; i++) {
        ck_assert_double_eq(got->v[i].start, want->v[i].start);
        ck_assert_double_eq(got->v[i].end, want->v[i].end);
        ck_assert_str_eq(got->v[i].label, want->v[i].label);
    }
}

static inline void expect_whole(const char *text, const char *ext)
{
    struct annotation a;
    struct whole w;

    whole_init(&w);
    annot_good(&a, text, ext, ANNOT_BEATS);
    ck_assert_uint_eq(a.beats.n, 2);
    ck_assert_double_eq(a.beats.v[0].time, 10.5);
    ck_assert_int_eq(a.beats.v[0].position, 1);
    ck_assert_double_eq(a.beats.v[0].confidence, 0.5);
    ck_assert_int_eq(a.beats.v[1].position, 0);
    ck_assert_double_nan(a.beats.v[1].confidence);
    annotation_release(&a);
    annot_good(&a, text, ext, ANNOT_CHORDS);
    expect_spans(&a.spans, &w.chords);
    annotation_release(&a);
    annot_good(&a, text, ext, ANNOT_STRUCTURE);
    expect_spans(&a.spans, &w.structure);
    annotation_release(&a);
    annot_good(&a, text, ext, ANNOT_KEY);
    ck_assert_str_eq(a.key.label, "F# minor");
    annotation_release(&a);
    annot_good(&a, text, ext, ANNOT_TEMPO);
    ck_assert_double_eq(a.tempo.bpm[0], 120.25);
    annotation_release(&a);
    annot_good(&a, text, ext, ANNOT_TAGS);
    ck_assert_uint_eq(a.tags.n, 1);
    ck_assert_str_eq(a.tags.v[0].label, "\xef\xbf\xbd</script>");
    ck_assert_double_eq(a.tags.v[0].score, 0.125);
    annotation_release(&a);
    whole_release(&w);
}

#endif
