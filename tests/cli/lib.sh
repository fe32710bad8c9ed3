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

# the model of this tree, whatever else is installed
MFM_MODELS=$TOP_SRCDIR/data/models
# threads that wait spinning take the time of the other tests
OMP_WAIT_POLICY=passive
# containers run as root
OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export MFM_MODELS OMP_WAIT_POLICY
export OMPI_ALLOW_RUN_AS_ROOT OMPI_ALLOW_RUN_AS_ROOT_CONFIRM
SAMPLE=$TOP_SRCDIR/data/samples/rock50s

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

# ranks N ARG...: mfm ARG... in N processes
ranks() {
    n=$1
    shift
    cmd="mpirun -n $n mfm $*"
    timeout 120 mpirun -n "$n" --oversubscribe --bind-to none "$MFM" "$@" \
        >stdout 2>stderr
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

# sound FILE LAVFI [OPTION...]: FILE of ffmpeg's generated sound, mono, 24 kHz
sound() {
    need ffmpeg
    wave=$1 source=$2
    shift 2
    ffmpeg -v error -y -f lavfi -i "$source" -ac 1 -ar 24000 "$@" "$wave" \
        </dev/null || skip "ffmpeg cannot make $wave"
}

# four chords of a second each, with a click at each half second: a.wav, or the
# name given
music() {
    sound "${1:-a.wav}" "aevalsrc=exprs='0.1*(sin(2*PI*t*262*pow(1.1225,\
floor(t)))+sin(2*PI*t*330*pow(1.1225,floor(t)))+sin(2*PI*t*392*pow(1.1225,\
floor(t))))+0.4*lt(mod(t,0.5),0.02)*sin(2*PI*t*1500)':d=4:s=24000"
}

# broken files, and as many as there are names: empty.wav text.wav folder.wav
# missing.wav wide.npy
BROKEN="empty.wav text.wav folder.wav missing.wav wide.npy"
broken() {
    : >empty.wav
    echo "this is no sound" >text.wav
    mkdir -p folder.wav
    # (2, 3) floats: no model is so narrow
    { printf '\223NUMPY\001\000v\000'
      printf '%-117s\n' \
          "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }"
      printf '%24s' ''; } >wide.npy
}

# expect_json [FILE]: stdout, or FILE, is JSON, one object or one a line
expect_json() {
    if grep -qiE '[:[,] *-?(nan|inf)' "${1:-stdout}"; then
        fail "JSON without NaN and infinities expected"
    fi
    [ -s "${1:-stdout}" ] || fail "JSON expected"
    if ! command -v python3 >/dev/null 2>&1; then
        echo "note: no python3, so that JSON is not parsed"
        return
    fi
    python3 -c 'import json, sys
text = open(sys.argv[1], encoding="utf-8").read()
def no(x):
    raise ValueError(x)
try:
    json.loads(text, parse_constant=no)
except ValueError:
    for line in text.splitlines():
        json.loads(line, parse_constant=no)' "${1:-stdout}" 2>json.err ||
        fail "JSON expected: $(tail -n 1 json.err)"
}

# expect_lines N [FILE]
expect_lines() {
    [ "$(wc -l <"${2:-stdout}")" -eq "$1" ] || fail "$1 lines expected"
}

# expect_match REGEX [FILE]: every line fits, and there is one
expect_match() {
    if [ ! -s "${2:-stdout}" ] || grep -qvE "$1" "${2:-stdout}"; then
        fail "only lines like $1 expected"
    fi
}

# expect_same FILE FILE
expect_same() {
    cmp -s "$1" "$2" || fail "$1 and $2 differ: $(diff "$1" "$2" | head -n 4)"
}

# What all commands that read audio and write results have in common; $1 is the
# command. Several inputs, broken ones among them: lines of JSON in order, a
# line for each failure, exit 1.
check_batch() {
    format=${2:-ndjson}
    music a.wav
    music b.wav
    broken
    # shellcheck disable=SC2086 # a list of names
    run "$1" --format "$format" --progress never a.wav $BROKEN b.wav
    expect_exit 1
    expect_lines 7
    expect_json
    sed -n 's/^{"file":"\([^"]*\)".*/\1/p' stdout >got
    # shellcheck disable=SC2086
    printf '%s\n' a.wav $BROKEN b.wav >want
    expect_same want got
    grep '"error":' stdout | expect_lines_of 5
    expect_lines 6 stderr
    expect_in_stderr "mfm: warning: 5 of 7 inputs failed"
    for name in $BROKEN; do
        expect_in_stderr "mfm: $name: "
    done
    for name in $BROKEN; do
        run "$1" "$name"
        expect_exit 1
        expect_no_stdout
        expect_one_line_stderr
        run "$1" -o unmade "$name"
        expect_exit 1
        expect_one_line_stderr
        expect_no_file unmade
    done
    if [ "$(id -u)" -ne 0 ]; then
        cp a.wav locked.wav
        chmod 0 locked.wav
        run "$1" locked.wav
        expect_exit 1
        expect_one_line_stderr
        expect_in_stderr "locked.wav: cannot open"
    fi
}

# expect_lines_of N: of stdin
expect_lines_of() {
    cat >"$TMP/piped"
    expect_lines "$1" "$TMP/piped"
}

# expect_only NAME...: these are in folder out, and nothing half-written
expect_only() {
    ls -A out | grep -v '^\.mfm-options$' | sort >got
    printf '%s\n' "$@" | sort >want
    expect_same want got
}

# The results cannot be written: $1 is the command, the rest its options.
check_unwritable() {
    command=$1
    shift
    music a.wav
    run "$command" "$@" -o nowhere/out a.wav
    expect_exit 1
    expect_one_line_stderr
    expect_in_stderr "nowhere/out"
    [ -c /dev/full ] || return 0
    run "$command" "$@" -o /dev/full a.wav
    expect_exit 1
    expect_one_line_stderr
    cmd="mfm $command $* a.wav >/dev/full"
    "$MFM" "$command" "$@" a.wav >/dev/full 2>stderr
    rc=$?
    : >stdout
    expect_exit 1
    expect_one_line_stderr
}

# A file that somebody else wrote stays: command, file and options.
check_foreign() {
    command=$1 file=$2
    shift 2
    music a.wav
    echo "my notes" >"$file"
    run "$command" "$@" a.wav
    expect_exit 1
    expect_one_line_stderr
    expect_in_stderr "--force"
    [ "$(cat "$file")" = "my notes" ] || fail "$file overwritten"
    run "$command" "$@" --force a.wav
    expect_exit 0
    if [ "$(head -c 8 "$file" | tr -d '\000')" = "my notes" ]; then
        fail "$file not overwritten"
    fi
    # its own it may replace
    run "$command" "$@" a.wav
    expect_exit 0
    rm -f "$file"
}

# values RUN FIELD: of a field in the metrics of a run
values() {
    sed -n "s/.*\"$2\":\([^,}]*\).*/\1/p" "$1/metrics.ndjson"
}

# lines RUN: of the metrics, without times
lines() {
    sed 's/"hours_per_s":[^,]*,//' "$1/metrics.ndjson"
}
