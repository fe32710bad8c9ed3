#!/bin/sh
# --format html: one file that needs no other, with the sound in it; and in a
# browser, where there is one, what its script makes of the result.
. "$TOP_SRCDIR/tests/cli/lib.sh"
music "a <i>&.wav"

run annotate --format html --progress never -o page.html "a <i>&.wav"
expect_exit 0
expect_no_stderr
expect_file page.html
