#!/bin/sh
# mfm tokenize: ids as JSON and as arrays.
. "$TOP_SRCDIR/tests/cli/lib.sh"
music a.wav
run tokenize --progress never a.wav
expect_exit 0
expect_no_stderr
expect_lines 1
expect_json
expect_in_stdout '"rate":50,"codes":[1024],"usage":[{"used":'
sed 's/.*"tokens":\[\(.*\)\]}/\1/' stdout | tr ',' '\n' >ids
expect_lines 200 ids
expect_match '^[0-9]+$' ids
awk '$1 > 1023 { exit 1 }' ids || fail "ids below 1024 expected"
run tokenize --format npy a.wav
expect_exit 0
head -c 128 stdout | tr -d '\000' | grep -aqF "'descr': '<i4'" ||
    fail "an array of integers expected"
tail -c 800 stdout | od -An -v -t d4 -w4 | tr -d ' ' >got
expect_same ids got
expect_usage tokenize --format npy a.wav a.wav
run tokenize --format npy --out-dir out a.wav
expect_exit 0
expect_only a.npy a.npy.json
expect_json out/a.npy.json
check_batch tokenize json
check_foreign tokenize ids.json -o ids.json
check_unwritable tokenize

# an array is not for a terminal, which script(1) makes where it can
if script -qec true /dev/null </dev/null >/dev/null 2>&1; then
    cmd="mfm tokenize --format npy a.wav on a terminal"
    script -qec "'$MFM' tokenize --format npy a.wav" /dev/null </dev/null >stdout 2>&1
    rc=$?
    expect_exit 2
    expect_in_stdout "not for a terminal"
fi
