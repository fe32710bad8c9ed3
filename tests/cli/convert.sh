#!/bin/sh
# mfm convert: a checkpoint to a model file and back, exit codes, messages,
# nothing half-written.
set -u
: "${MFM:?the tests are run by make check}" "${TOP_SRCDIR:?}"
make=${TOP_BUILDDIR:-.}/tests/tools/make_musicfm
tmp=$(mktemp -d "${TMPDIR:-/tmp}/mfm-test.XXXXXX") || exit 99
trap 'rm -rf "$tmp"' EXIT
cd "$tmp" || exit 99

fail() {
    echo "FAILED: mfm convert $args: $1"
    sed 's/^/    /' stdout stderr
    exit 1
}

# run CODE ARG...
run() {
    want=$1
    shift
    args=$*
    "$MFM" convert "$@" >stdout 2>stderr </dev/null
    code=$?
    [ $code -eq "$want" ] || fail "exit code $code, not $want"
    [ "$want" -eq 0 ] || [ "$(wc -l <stderr)" -eq 1 ] ||
        fail "one line of stderr expected"
}

says() {
    grep -qF -e "$1" stderr || fail "stderr with '$1' expected"
}

small='--dim 32 --layers 2 --heads 2 --ffn 48 --kernel 7 --conv-dim 4 --codes 32'
# shellcheck disable=SC2086
"$make" $small a.pt >/dev/null || exit 99
# shellcheck disable=SC2086
"$make" $small --plain --stack 2 b.pt >/dev/null || exit 99
echo '{"melspec_2048_mean": 6.75, "melspec_2048_std": 18.5}' >stats.json
echo '{"hop": 160, "name": "seventy-five", "window": 12.5}' >config.json

# there and back gives the same bytes, because both sides are ours
run 0 a.pt --stats stats.json
[ -s a.safetensors ] && [ ! -s stderr ] && [ ! -s stdout ] || fail "no model"
grep -q '"name\\":\\"a\\"' a.safetensors || fail "not named after the file"
grep -q '"mean\\":6.75,\\"std\\":18.5' a.safetensors || fail "no statistics"
run 0 a.safetensors --to-pt -o back.pt
echo '{"name": "a"}' >name.json
run 0 back.pt --stats stats.json --config name.json
cmp -s a.safetensors back.safetensors || fail "the way back is not exact"

# what exists is not overwritten; nothing is left of what failed
run 1 a.pt --stats stats.json
says "a.safetensors: exists"
run 0 a.pt --stats stats.json --force
cmp -s a.safetensors back.safetensors || fail "not written again"
rm a.safetensors
run 1 a.pt
says "--stats"
run 1 a.pt --stats missing.json
says "missing.json"
head -c 3000 a.pt >cut.pt
run 1 cut.pt --stats stats.json
says "cut.pt: damaged zip archive"
run 1 stats.json
says "stats.json: not a PyTorch file"
run 1 a.pt --stats stats.json -o no/such/folder/x
echo '{"dim": 64}' >wrong.json
run 1 a.pt --stats stats.json --config wrong.json
says "dim is 64"
set -- *.safetensors*
[ "$*" = back.safetensors ] || fail "left behind: $*"

# rates, names, precision, stdout
run 0 b.pt --stats stats.json --config config.json --precision bf16 -o - -q
cp stdout b.safetensors
grep -q '"name\\":\\"seventy-five\\"' b.safetensors || fail "name"
grep -q '"hop\\":160' b.safetensors || fail "hop"
grep -q '"rate\\":75' b.safetensors || fail "rate"
grep -q '"window\\":12.5' b.safetensors || fail "window"
grep -q '"dtype":"BF16"' b.safetensors || fail "precision"
run 0 b.safetensors --precision f32 -o c.safetensors -v
says "c.safetensors: written"
grep -q '"dtype":"BF16"' c.safetensors && fail "still BF16"

# use
for line in '' 'a b' '-' '--precision f16 a.pt' '--stat' '--bogus a.pt'; do
    # shellcheck disable=SC2086
    run 2 $line
    says "(see mfm convert -h)"
done
run 0 -h
grep -q '^usage: mfm convert \[OPTIONS\] FILE$' stdout || fail "usage"
exit 0
