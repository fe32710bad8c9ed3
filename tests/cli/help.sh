#!/bin/sh
# The frame around the commands: mfm alone, -h, --version, help, bad commands.
. "$TOP_SRCDIR/tests/cli/lib.sh"

run
expect_exit 2
expect_no_stdout
expect_in_stderr "usage: mfm"

for opt in -h --help; do
    run $opt
    expect_exit 0
    expect_no_stderr
    expect_in_stdout "usage: mfm [--version] [-h] COMMAND [OPTIONS] [FILE...]"
done
run help
expect_exit 0
expect_no_stderr
# every command, in the order of commands.def
sed -n 's/^CMD(\([a-z]*\),.*/\1/p' "$TOP_SRCDIR/src/cmd/commands.def" >want
sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p' stdout >got
cmp -s want got || fail "the commands of commands.def expected"

run --version
expect_exit 0
expect_no_stderr
expect_in_stdout "mfm 0."
expect_in_stdout "oneDNN"
expect_in_stdout "CUDA "
expect_in_stdout "GPL-3.0-or-later"

# models by name: what they can do, and those that are broken
mkdir models
echo "no model" >models/broken.safetensors
cp "$TOP_SRCDIR/data/models/default.safetensors" models/mine.safetensors
MFM_MODELS=models:$MFM_MODELS
run help models
expect_exit 0
expect_no_stderr
grep -q '^mine .* MB, .*; beats chords structure key tag$' stdout ||
    fail "mine and its tasks expected"
grep -q '^broken .*cannot be used: models/broken.safetensors' stdout ||
    fail "broken expected"
grep -q '^default ' stdout || fail "default expected"

expect_usage hlep
expect_in_stderr "did you mean 'help'?"
expect_usage he
expect_in_stderr "did you mean 'help'?"
expect_usage xyzzy-and-more
if grep -q "did you mean" stderr; then
    fail "no suggestion expected"
fi
expect_usage ''
expect_usage --nonsense
expect_usage help hlep
expect_in_stderr "did you mean 'help'?"
expect_usage help help help
expect_usage help --nonsense

# every command has -h: usage on stdout, nothing on stderr, 79 columns
while read -r name; do
    run "$name" -h
    expect_exit 0
    expect_no_stderr
    expect_in_stdout "usage: mfm $name"
    if grep -q '.\{80\}' stdout; then
        fail "lines of at most 79 columns expected"
    fi
done <want

# the manual page where there is a program man, else -h; the page is found
# beside the program, wherever that was moved to
mkdir -p bin inst/bin inst/share/man/man1
cp "$MFM" inst/bin/mfm
cp "$TOP_SRCDIR/man/mfm-help.1" inst/share/man/man1
MFM=$TMP/inst/bin/mfm
# with_path PATH ARG...: run with another $PATH
with_path() {
    old=$PATH
    PATH=$1
    shift
    run "$@"
    PATH=$old
}
printf '#!/bin/sh\necho "man $1"\n' >bin/man
chmod +x bin/man
with_path "$TMP/bin:$PATH" help help
expect_exit 0
expect_in_stdout "share/man/man1/mfm-help.1"
# a build in another folder than the sources, as its Makefile says
mkdir build src src/man
cp "$MFM" build/mfm
cp "$TOP_SRCDIR/man/mfm-help.1" src/man
printf 'abs_top_srcdir = %s\n' "$PWD/src" >build/Makefile
cmd="build/mfm help help"
PATH=$PWD/bin:$PATH build/mfm help help >stdout 2>stderr
rc=$?
expect_exit 0
expect_in_stdout "$PWD/src/man/mfm-help.1"
printf '#!/bin/sh\nexit 16\n' >bin/man
with_path "$TMP/bin:$PATH" help help
expect_exit 0
expect_in_stdout "usage: mfm help"
rm bin/man
with_path "$TMP/bin" help help
expect_exit 0
expect_in_stdout "usage: mfm help"

# a result that cannot be written is a failure with one line
if [ -c /dev/full ]; then
    cmd="mfm help >/dev/full"
    "$MFM" help >/dev/full 2>stderr
    rc=$?
    expect_exit 1
    expect_one_line_stderr
    expect_in_stderr "stdout: cannot write"
fi
cmd="mfm help >&-"
"$MFM" help >&- 2>stderr
rc=$?
expect_exit 1
expect_one_line_stderr

# a reader that has gone: quiet
cmd="mfm help | true"
mkfifo gone
(exec 3<gone; exec 3<&-; : >closed) &
{
    while [ ! -e closed ]; do sleep 0.1; done
    "$MFM" help 2>stderr
    echo $? >rc
} >gone
rc=$(cat rc)
expect_exit 1
expect_no_stderr
