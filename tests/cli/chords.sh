#!/bin/sh
# mfm chords: intervals without gaps, and hidden states in place of audio.
. "$TOP_SRCDIR/tests/cli/lib.sh"
music a.wav

# expect_intervals: stdout is start, end, label from 0 to 4 s without a gap
expect_intervals() {
    expect_match '^[0-9]+\.[0-9]{6}	[0-9]+\.[0-9]{6}	[^	]+$'
    awk -F'\t' '$1 != at || !($2 > $1) { exit 1 } { at = $2 }
        BEGIN { at = "0.000000" }
        END { if (at != "4.000000") exit 1 }' stdout ||
        fail "intervals from 0 to 4 without gaps expected"
}
run chords --progress never a.wav
expect_exit 0
expect_no_stderr
expect_intervals
cp stdout text

# hidden states: in a pipe, from a file, of another rate
cmd="mfm embed a.wav | mfm chords"
"$MFM" embed a.wav 2>stderr | "$MFM" chords >stdout 2>>stderr
rc=$?
expect_exit 0
expect_no_stderr
expect_same text stdout
run embed -o a.npy a.wav
expect_exit 0
run chords a.npy
expect_exit 0
expect_same text stdout
# the rate is known from the file beside it, else given
run embed --rate 25 -o slow.npy a.wav
expect_exit 0
run chords slow.npy
expect_exit 0
expect_intervals
cp stdout slow
rm slow.npy.json
run chords --rate 25 slow.npy
expect_exit 0
expect_same slow stdout
# and does not stay for the next input
run chords --rate 25 --format ndjson a.wav slow.npy a.wav
expect_exit 0
expect_lines 3
sed -n 1p stdout >first
sed -n 3p stdout >third
expect_same first third

run chords --format json a.wav
expect_exit 0
expect_json
expect_in_stdout '"confidence":'
run chords --out-dir out a.wav
expect_exit 0
expect_only a.chords.lab
expect_same text out/a.chords.lab
check_batch chords

# the model's chords are major and minor
run chords --vocab majmin a.wav
expect_exit 0
expect_same text stdout
expect_usage chords --vocab sevenths a.wav
expect_in_stderr "--vocab sevenths: the model knows no such chords"
expect_usage chords --vocab jazz a.wav
