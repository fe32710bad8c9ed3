#!/bin/sh
# mfm structure: parts from 0 to the end, with labels or without.
. "$TOP_SRCDIR/tests/cli/lib.sh"
music a.wav
run structure --progress never a.wav
expect_exit 0
expect_no_stderr
expect_match '^[0-9.]+	[0-9.]+	(intro|verse|chorus|bridge|inst|outro|silence)$'
[ "$(tail -n 1 stdout | cut -f 2)" = 4.000000 ] || fail "the end at 4 expected"
cut -f 1,2 stdout >want
run structure --boundaries-only a.wav
expect_exit 0
expect_same want stdout
run structure --boundaries-only --format json a.wav
expect_exit 0
expect_json
expect_in_stdout '"label":	null'
run structure --out-dir out a.wav
expect_exit 0
expect_only a.structure.lab
check_batch structure
