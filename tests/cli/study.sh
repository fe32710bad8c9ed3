#!/bin/sh
# tools/study: from music to tables, and on from where it was cut off.
. "$TOP_SRCDIR/tests/cli/lib.sh"
mkdir -p apart songs
for i in 1 2; do
    sound "apart/s$i.wav" "aevalsrc=exprs='0.2*sin(2*PI*t*$((180 + 70 * i)))*\
lt(mod(t,0.5),0.3)+0.02*random($i)':d=31:s=24000"
    seq 0 61 | awk '{ printf "%.2f\t%d\n", $1 / 2, $1 % 4 + 1 }' \
        >"apart/s$i.beats"
    printf '0\t31\tC:maj\n' >"apart/s$i.lab"
    printf '0\t12\tverse\n12\t31\tchorus\n' >"apart/s$i.seg"
    printf 'C major\n' >"apart/s$i.key"
    printf 'piano\n' >"apart/s$i.tags"
done
printf 'piano\nfast\n' >apart/s2.tags
(cd songs && ln -s ../apart/* .) # music is often linked

# study ARG...
study() {
    cmd="tools/study $*"
    OMP_NUM_THREADS=1 "$TOP_SRCDIR/tools/study" -b "$(dirname "$MFM")" \
        -d songs -v songs -H 0.02 -P 2 -F 1 "$@" >stdout 2>stderr
    rc=$?
}

study -f "fm7 fm9" -o out
expect_exit 0
for name in fm7 fm9 fm7-finetune fm9-finetune; do
    [ "$(grep -cE "^\| $name (\| -?[0-9]+\.[0-9]{3} ){9}\|$" stdout)" -eq 1 ] ||
        fail "a row of nine scores for $name expected"
done
grep -qE '^\| data: other, all: fm9 - fm7 \| [+-]' stdout ||
    fail "a comparison expected"
# a second call has nothing to do; another seed gives intervals
cp stdout first
study -f "fm7 fm9" -o out
expect_exit 0
expect_no_stderr
expect_same first stdout
rm out/fm9-1-finetune.tsv
study -f "fm9" -s "1 2" -o out
expect_exit 0
[ "$(grep -c 'seed 1' stderr)" -eq 1 ] || fail "one step of seed 1 expected"
grep -qE '^\| fm9 (\| -?[0-9.]+ \+-[0-9.]+ ){9}\|$' stdout ||
    fail "intervals expected"
study -f fm7
expect_exit 2
study -o out -b nowhere
expect_exit 1
expect_one_line_stderr
exit 0
