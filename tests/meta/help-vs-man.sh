#!/bin/sh
# The usage lines of each command's -h are the SYNOPSIS of its manual page, and
# every long option of -h is explained there.
set -u
bad=0
tmp=$(mktemp -d) || exit 99
trap 'rm -rf "$tmp"' EXIT

# compare NAME COMMAND...
compare() {
    page=$TOP_SRCDIR/man/$1.1
    shift
    "$@" -h >"$tmp/help" || { echo "$*: -h failed"; bad=1; }
    sed -n 's/^usage: //p; s/^   or: //p' "$tmp/help" >"$tmp/usage"
    # without fonts and escapes, from SYNOPSIS to the next section
    sed -e 's/\\f[BIRP]//g' -e 's/\\-/-/g' "$page" >"$tmp/plain"
    sed -n '/^\.SH SYNOPSIS/,/^\.SH DESCRIPTION/p' "$tmp/plain" |
        sed '/^\./d; /^$/d' >"$tmp/synopsis"
    if ! diff "$tmp/usage" "$tmp/synopsis"; then
        echo "$*: -h (<) and the SYNOPSIS of $page (>) differ"
        bad=1
    fi
    sed -n 's/^ .*\(--[a-z][a-z-]*\).*/\1/p' "$tmp/help" |
        grep -e -- >"$tmp/options"
    while read -r option; do
        if ! grep -q -e "$option\([^a-z-]\|\$\)" "$tmp/plain"; then
            echo "$*: $option is not in $page"
            bad=1
        fi
    done <"$tmp/options"
}

compare mfm "$MFM"
for name in $(sed -n 's/^CMD(\([a-z]*\),.*/\1/p' \
    "$TOP_SRCDIR/src/cmd/commands.def"); do
    compare "mfm-$name" "$MFM" "$name"
done
exit $bad
