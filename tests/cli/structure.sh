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

# heads that help: the same parts as of all tasks; one that cannot is let alone
run annotate --tasks beats,chords,structure --format text --out-dir all a.wav
expect_exit 0
run structure a.wav
expect_same all/a.structure.lab stdout
LC_ALL=C sed 's/downbeat/downbeet/' "$MFM_MODELS/default.safetensors" \
    >other.safetensors
for task in structure chords key; do
    run $task -m other.safetensors a.wav
    expect_exit 0
    expect_no_stderr
done
run beats -m other.safetensors a.wav
expect_exit 1
expect_in_stderr "has no class 'downbeat'"
