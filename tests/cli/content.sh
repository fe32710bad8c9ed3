#!/bin/sh
# What is hardly music: empty or sensible results in every task and format.
. "$TOP_SRCDIR/tests/cli/lib.sh"
sound silence.wav "anullsrc=r=24000:cl=mono:d=5"
sound faint.wav "sine=440:d=5" -af volume=-90dB
sound organ.wav "aevalsrc=exprs='0.1*(sin(2*PI*t*262)+sin(2*PI*t*330)+\
sin(2*PI*t*392))':d=12:s=24000"
sound noise.wav "anoisesrc=d=5:seed=1"
sound clip.wav "sine=440:d=0.3"
sound one.wav "sine=440:d=1:r=24000" -af atrim=end_sample=1
# an Ogg file that was cut off; whole and chained ones, and garbage behind
head -c 100000 "$SAMPLE.opus" >cut.opus
run key cut.opus
expect_exit 0
expect_one_line_stderr
expect_in_stderr "cut.opus: 1 damaged place, the first at "
expect_in_stderr "cut off"
run key --to 5 cut.opus
expect_exit 0
expect_no_stderr
sound whole.ogg "sine=440:d=3" -c:a libvorbis
sound whole.opus "sine=440:d=3" -c:a libopus
cat whole.ogg whole.ogg >chained.ogg
for file in whole.ogg whole.opus chained.ogg; do
    run key $file
    expect_exit 0
    expect_no_stderr
done
head -c "$(($(stat -c %s chained.ogg) - 100))" chained.ogg >cut.ogg
run key cut.ogg
expect_exit 0
expect_one_line_stderr

ffmpeg -v error -i "$SAMPLE.opus" -ac 1 -ar 4000 -c:a pcm_u8 -t 20 low.wav \
    </dev/null || skip "ffmpeg cannot make low.wav"

# silence: no beats, no chord, no key, no tags
for file in silence.wav faint.wav; do
    run annotate --progress never --format ndjson --tasks beats,chords,structure,key,tag $file
    expect_exit 0
    expect_no_stderr
    for part in '"tempo":{"bpm":null,"confidence":null},"meter":null,"beats":[]' \
        '"chords":[{"start":0,"end":5,"label":"N",' \
        '"structure":[{"start":0,"end":5,"label":"silence",' \
        '"key":{"label":null,"confidence":null}' '"tags":[]'; do
        expect_in_stdout "$part"
    done
done
# the sound counts, not what is left out
run beats --format ndjson --from 1 --to 3 silence.wav
expect_in_stdout '"start":1,"duration":2,'
expect_in_stdout '"beats":[]'
run key --over-time silence.wav
expect_stdout "$(printf '0.000000\t5.000000\tN')"
run structure --boundaries-only silence.wav
expect_stdout "$(printf '0.000000\t5.000000')"

# a held chord has no beats, unless they are asked for
run beats organ.wav
expect_exit 0
expect_no_stdout
run beats --threshold 0 organ.wav
expect_exit 0
[ -s stdout ] || fail "beats expected"

# nothing fails, whatever the format
for file in silence.wav organ.wav noise.wav clip.wav one.wav low.wav; do
    for format in json text jams csv audacity html; do
        run annotate --progress never --format $format $file
        expect_exit 0
        expect_no_stderr
    done
    run embed --pool mean --format ndjson $file
    expect_exit 0
    run tokenize $file
    expect_exit 0
done
# and music is music at 4 kHz and 8 bits
run beats low.wav
expect_exit 0
[ "$(wc -l <stdout)" -gt 30 ] || fail "beats of music expected"
