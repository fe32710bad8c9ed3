#!/bin/sh
# mfm key: one line, and over time.
. "$TOP_SRCDIR/tests/cli/lib.sh"
KEY='[A-G]b? (major|minor)'
music a.wav
run key --progress never a.wav
expect_exit 0
expect_no_stderr
expect_lines 1
expect_match "^$KEY\$"
run key --over-time a.wav
expect_exit 0
expect_match "^[0-9.]+	[0-9.]+	$KEY\$"
run key --over-time --format json a.wav
expect_exit 0
expect_json
expect_in_stdout '"over_time":'
run key --out-dir out a.wav
expect_exit 0
expect_only a.key
check_batch key
