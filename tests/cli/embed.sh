#!/bin/sh
# mfm embed: shapes, layers, rates, pooling; arrays and lines.
. "$TOP_SRCDIR/tests/cli/lib.sh"
music a.wav

# expect_shape SHAPE [FILE]: of the array
expect_shape() {
    head -c 128 "${2:-stdout}" | tr -d '\000' |
        grep -aqF "'descr': '<f4', 'fortran_order': False, 'shape': ($1)" ||
        fail "an array ($1) expected"
}
# expect_bytes N [FILE]: floats behind a header of 128 bytes
expect_bytes() {
    [ "$(wc -c <"${2:-stdout}")" -eq $((128 + 4 * $1)) ] ||
        fail "$1 floats expected"
}
run embed --progress never a.wav
expect_exit 0
expect_no_stderr
expect_shape "200, 192"
expect_bytes $((200 * 192))
cp stdout a.npy
run embed --layer all a.wav
expect_exit 0
expect_shape "7, 200, 192"
expect_bytes $((7 * 200 * 192))
# the last of them is the one that the heads of this model read
tail -c $((4 * 200 * 192)) stdout >last
tail -c $((4 * 200 * 192)) a.npy >want
expect_same want last
run embed --layer last a.wav
expect_same a.npy stdout
run embed --layer 0 --rate 10 a.wav
expect_exit 0
expect_shape "40, 192"
expect_bytes $((40 * 192))
run embed --layer mel a.wav
expect_exit 0
expect_shape "400, 128"
run embed --pool mean a.wav
expect_exit 0
expect_shape "192,"
expect_bytes 192
expect_usage embed --layer 7 a.wav
expect_usage embed --layer best a.wav
expect_usage embed --pool mean --rate 5 a.wav
expect_usage embed a.wav a.wav
run embed a.npy
expect_exit 1
expect_one_line_stderr
expect_in_stderr "a.npy: "

# lines of JSON: numbers as in the array
run embed --format ndjson --pool mean a.wav
expect_exit 0
expect_lines 1
expect_json
expect_in_stdout '"shape":[192],"embedding":['
run embed --format ndjson --rate 1 --layer all a.wav
expect_exit 0
expect_json
expect_in_stdout '"shape":[7,4,192],"embedding":[[['

# files, with what is known of them beside
run embed -o b.npy a.wav
expect_exit 0
expect_no_stdout
expect_same a.npy b.npy
expect_json b.npy.json
grep -q '"rate":50,"shape":\[200,192\]' b.npy.json || fail "rate 50 expected"
run embed --out-dir out --pool mean a.wav
expect_exit 0
expect_only a.npy a.npy.json
rm b.npy b.npy.json
check_foreign embed b.npy -o b.npy
check_batch embed
check_unwritable embed

# less than a frame
sound one.wav "sine=440:d=1:r=24000" -af atrim=end_sample=1
run embed one.wav
expect_exit 0
expect_shape "0, 192"
expect_bytes 0
run embed --pool mean --format ndjson one.wav
expect_exit 0
expect_json
expect_in_stdout '"embedding":[null,null,'

# an array is not for a terminal, which script(1) makes where it can
if script -qec true /dev/null </dev/null >/dev/null 2>&1; then
    cmd="mfm embed a.wav on a terminal"
    script -qec "'$MFM' embed a.wav" /dev/null </dev/null >stdout 2>&1
    rc=$?
    expect_exit 2
    expect_in_stdout "not for a terminal"
fi
