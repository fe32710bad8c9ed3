#!/bin/sh
# What can be checked of the style without reading: the licence line, 80
# columns, no tabs, no white space at the end, no file of over 700 lines.
set -u
cd "${TOP_SRCDIR:-.}" || exit 99
bad=0
for file in $(find src tests tools -name '*.[ch]' -o -name '*.cu' \
    -o -name '*.cuh' -o -name '*.cc' | sort); do
    LC_ALL=C.UTF-8 awk -v file="$file" '
    function complain(what) { print file ":" NR ": " what; bad = 1 }
    NR == 1 && file ~ /\.c[cu]?$/ &&
        $0 != "/* SPDX-License-Identifier: GPL-3.0-or-later */" {
        complain("the first line is not the licence line")
    }
    length($0) > 80 { complain(length($0) " columns") }
    /\t/ { complain("tab") }
    /[ \r]$/ { complain("white space at the end") }
    END {
        if (NR > 700)
            complain(NR " lines")
        exit bad
    }' "$file" || bad=1
done
exit $bad
