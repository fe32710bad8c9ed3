# lib.sh - what the tests of the commands share; read by ". $TOP_SRCDIR/tests/cli/lib.sh".
#
# Each test runs in a folder of its own, $TMP, removed at the end. A test is a
# sequence of `run` and `expect_*`; the first expectation that fails says which
# command it was, what it printed, and ends the test with 1.
# shellcheck shell=sh

set -u
: "${MFM:?the tests are run by make check}" "${TOP_SRCDIR:?}"
LC_ALL=C
export LC_ALL
TMP=$(mktemp -d "${TMPDIR:-/tmp}/mfm-test.XXXXXX") || exit 99
trap 'rm -rf "$TMP"' EXIT
trap 'exit 99' HUP INT TERM
cd "$TMP" || exit 99
exec </dev/null

# what the checkout does not hold; see need_shared
SHARED=${MFM_SHARED:-$TOP_SRCDIR/../shared}

need_shared() {
    [ -e "$SHARED/$1" ] || skip "no ../shared/$1"
}

# need PROGRAM: skips the test where it is not installed
need() {
    command -v "$1" >/dev/null 2>&1 || skip "no $1"
}

skip() {
    echo "skipped: $1"
    exit 77
}

# run ARG...: $MFM ARG...; its results are $rc, the files stdout and stderr.
# stdin is empty unless the call says otherwise (<FILE).
run() {
    cmd="mfm $*"
    "$MFM" "$@" >"$TMP/stdout" 2>"$TMP/stderr"
    rc=$?
}

fail() {
    echo "FAILED: $cmd"
    echo "  $1"
    echo "  exit code $rc; stdout:"
    sed -n '1,20s/^/    /p' "$TMP/stdout"
    echo "  stderr:"
    sed -n '1,20s/^/    /p' "$TMP/stderr"
    exit 1
}

expect_exit() {
    [ "$rc" -eq "$1" ] || fail "exit code $1 expected"
}

# expect_stdout TEXT: exactly this (a newline at the end is added)
expect_stdout() {
    printf '%s\n' "$1" | cmp -s - "$TMP/stdout" || fail "stdout expected: $1"
}

expect_no_stdout() {
    [ ! -s "$TMP/stdout" ] || fail "no stdout expected"
}

expect_no_stderr() {
    [ ! -s "$TMP/stderr" ] || fail "no stderr expected"
}

# expect_in_stdout TEXT: a line has it
expect_in_stdout() {
    grep -qF -e "$1" "$TMP/stdout" || fail "stdout with '$1' expected"
}

expect_in_stderr() {
    grep -qF -e "$1" "$TMP/stderr" || fail "stderr with '$1' expected"
}

# one line, nothing more: what every error is
expect_one_line_stderr() {
    [ "$(wc -l <"$TMP/stderr")" -eq 1 ] || fail "one line of stderr expected"
}

# expect_usage ARG...: refused, with one line, before anything is done
expect_usage() {
    run "$@"
    expect_exit 2
    expect_no_stdout
    expect_one_line_stderr
    expect_in_stderr " -h)"
}

expect_file() {
    [ -f "$1" ] || fail "file $1 expected"
}

expect_no_file() {
    [ ! -e "$1" ] || fail "no file $1 expected"
}
