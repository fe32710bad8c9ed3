#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# tools/: what -h says, and what is said to a use that cannot be meant, before
# anything is made.
. "$TOP_SRCDIR/tests/cli/lib.sh"

# tool NAME ARG...
tool() {
    cmd="tools/$*"
    name=$1
    shift
    "$TOP_SRCDIR/tools/$name" "$@" >stdout 2>stderr
    rc=$?
}
for name in make-noise fetch-music train-default study; do
    tool $name -h
    expect_exit 0
    expect_no_stderr
    expect_in_stdout "tools/$name"
    tool $name
    expect_exit 2
    expect_no_stdout
done
for name in make-noise fetch-music; do
    tool $name --help
    expect_exit 0
    expect_in_stdout "tools/$name"
done

# refused TEXT NAME ARG...
refused() {
    text=$1
    shift
    tool "$@"
    expect_exit 2
    expect_no_stdout
    expect_one_line_stderr
    expect_in_stderr "$text"
    expect_no_file made
}
refused "no option -x" make-noise -x
refused "'abc' is not a number" make-noise made abc
refused "none: no such list" fetch-music none made
refused "-c: none: no such folder" train-default -c none -o made
mkdir empty
refused "empty has no charts.tar.xz" train-default -c empty -o made
[ -x /usr/bin/python3 ] || exit 0
/usr/bin/python3 -c 'import mido, numpy, scipy' 2>/dev/null || exit 0
command -v mma >/dev/null && command -v fluidsynth >/dev/null || exit 0
tool make-corpus -c empty -o made
expect_exit 2
expect_in_stderr "empty has no splits.tsv"
expect_no_file made
exit 0
