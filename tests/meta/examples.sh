#!/bin/sh
# Every call of mfm in the examples of the README and of the manual pages is one
# that its command understands: with -h behind it, which ends the command once
# the options have been read, it succeeds.
set -u
bad=0
n=0
tmp=$(mktemp -d) || exit 99
trap 'rm -rf "$tmp"' EXIT

{
    sed -n 's/^    //p' "$TOP_SRCDIR/README.md"
    for page in "$TOP_SRCDIR"/man/*.1; do
        sed -n '/^\.RS/,/^\.RE/{s/\\-/-/g; s/\\e/\\/g; p;}' "$page"
    done
} | tr '|' '\n' | sed -n 's/ *>.*//; s/ *#.*//; s/^ *mfm \([a-z].*\)/\1/p' \
    >"$tmp/calls"

set -f # the examples' patterns are not for this folder
while read -r call; do
    name=${call%% *}
    # those of commands that are not there yet
    grep -q "^CMD($name," "$TOP_SRCDIR/src/cmd/commands.def" || continue
    n=$((n + 1))
    eval "set -- $call"
    if ! "$MFM" "$@" -h >/dev/null 2>"$tmp/err" </dev/null; then
        echo "mfm $call"
        sed 's/^/    /' "$tmp/err"
        bad=1
    fi
done <"$tmp/calls"
if [ $n -eq 0 ]; then
    echo "no examples found"
    exit 1
fi
echo "$n examples"
exit $bad
