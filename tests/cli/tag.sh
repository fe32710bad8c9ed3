#!/bin/sh
# mfm tag: the best first, and how many.
. "$TOP_SRCDIR/tests/cli/lib.sh"
music a.wav
run tag --progress never a.wav
expect_exit 0
expect_no_stderr
expect_lines 10
expect_match '^[a-z-]+	[01]\.[0-9]{6}$'
sort -t '	' -k 2,2nr -s stdout >want
expect_same want stdout
head -n 3 stdout >want
run tag --top 3 a.wav
expect_exit 0
expect_same want stdout
run tag --all a.wav
expect_exit 0
[ "$(wc -l <stdout)" -gt 10 ] || fail "more than 10 tags expected"
awk -F'\t' '$2 >= 0.5' stdout >want
run tag --threshold 0.5 a.wav
expect_exit 0
expect_same want stdout
run tag --threshold 1 a.wav
expect_exit 0
expect_no_stdout
expect_usage tag --all --top 3 a.wav
expect_usage tag --top 0 a.wav
expect_usage tag --threshold 2 a.wav
run tag --format json a.wav
expect_exit 0
expect_json
run tag --out-dir out a.wav
expect_exit 0
expect_only a.tags
check_batch tag
