#!/bin/sh
# mfm tokenize: ids as JSON and as arrays.
. "$TOP_SRCDIR/tests/cli/lib.sh"
music a.wav
run tokenize --progress never a.wav
expect_exit 0
expect_no_stderr
expect_lines 1
expect_json
expect_in_stdout '"rate":50,"codes":[1024],"usage":[{"used":'
sed 's/.*"tokens":\[\(.*\)\]}/\1/' stdout | tr ',' '\n' >ids
expect_lines 200 ids
expect_match '^[0-9]+$' ids
awk '$1 > 1023 { exit 1 }' ids || fail "ids below 1024 expected"
run tokenize --format npy a.wav
expect_exit 0
head -c 128 stdout | tr -d '\000' | grep -aqF "'descr': '<i4'" ||
    fail "an array of integers expected"
tail -c 800 stdout | od -An -v -t d4 -w4 | tr -d ' ' >got
expect_same ids got
expect_usage tokenize --format npy a.wav a.wav
run tokenize --format npy --out-dir out a.wav
expect_exit 0
expect_only a.npy a.npy.json
expect_json out/a.npy.json
check_batch tokenize json
check_foreign tokenize ids.json -o ids.json
check_unwritable tokenize

# --fit: the same file for any number of jobs and threads, no results on
# stdout, a line of the corpus and one for each stream on stderr
music one.wav
sound two.wav "aevalsrc=exprs='0.2*sin(2*PI*t*220)+0.1*random(0)':d=6:s=24000"
printf '%s\n' one.wav two.wav >list
for kind in random kmeans rvq; do
    case $kind in
    random) set -- --codes 256 --codebooks 2 streams=2 ;;
    kmeans) set -- --codes 12,7 streams=2 ;;
    rvq) set -- --codes 16 --stages 3 streams=3 ;;
    esac
    streams=0
    for last; do streams=${last#streams=}; done
    options=$(echo "$*" | sed 's/ *streams=.*//')
    # shellcheck disable=SC2086 # words
    run tokenize --fit $kind $options -j 1 --threads 1 --progress never \
        --files-from list -o $kind.1
    expect_exit 0
    expect_no_stdout
    expect_lines $((1 + streams)) stderr
    expect_in_stderr "2 of 2 files"
    expect_in_stderr "stream $((streams - 1)): "
    # shellcheck disable=SC2086
    run tokenize --fit $kind $options -j 2 -q one.wav two.wav -o $kind.2
    expect_exit 0
    expect_no_stderr
    expect_same $kind.1 $kind.2
    # shellcheck disable=SC2086
    run tokenize --fit $kind $options --seed 1 -q one.wav two.wav -o $kind.3
    expect_exit 0
    if cmp -s $kind.1 $kind.3; then
        fail "another seed gives the same file"
    fi
    # it is a model of tokens
    run tokenize -m ./$kind.1 one.wav
    expect_exit 0
    expect_json
    expect_in_stdout "\"name\":\"tokens-$kind\""
    expect_in_stdout '"tokens":[['
    run tokenize -m ./$kind.1 --format npy --force -o $kind.npy one.wav
    expect_exit 0
    head -c 128 $kind.npy | tr -d '\000' | grep -aqF ", $streams)" ||
        fail "$streams streams expected"
    # and no more than that
    run embed -m ./$kind.1 -o states.npy one.wav
    expect_exit 1
    expect_one_line_stderr
    expect_in_stderr "no encoder"
    run beats -m ./$kind.1 one.wav
    expect_exit 2
    expect_one_line_stderr
done
# kmeans: one token each 320 samples
run tokenize -m ./kmeans.1 one.wav
expect_in_stdout '"rate":75,"codes":[12,7],'
[ "$(tr ']' '\n' <stdout | grep -c '^,\[')" -eq 299 ] ||
    fail "300 tokens of 4 s expected"

# bad files are reported and left out; the result is that of the others
broken
run tokenize --fit rvq --codes 16 --stages 3 --progress never one.wav two.wav \
    $BROKEN -o bad.st
expect_exit 1
expect_no_stdout
for name in $BROKEN; do
    expect_in_stderr "mfm: $name: "
done
expect_in_stderr "2 of 6 files" # the folder is not even tried
run tokenize -m ./bad.st one.wav
expect_exit 0
run tokenize --fit random -o none.st empty.wav text.wav
expect_exit 1
expect_in_stderr "none of the 2 recordings"
expect_no_file none.st
run tokenize --fit kmeans -o none.st --codes 500,500 one.wav
expect_exit 1
expect_one_line_stderr
expect_in_stderr "--codes"
expect_no_file none.st
sound silence.wav "aevalsrc=0:d=2:s=24000"
run tokenize --fit random -o none.st silence.wav
expect_exit 1
expect_one_line_stderr
expect_in_stderr "silent"

# what cannot be meant; a file that is there stays
expect_usage tokenize --fit random one.wav
expect_usage tokenize --fit hmm -o x one.wav
expect_usage tokenize --fit random -m default.safetensors -o x one.wav
expect_usage tokenize --fit random --format npy -o x one.wav
expect_usage tokenize --fit random --out-dir x one.wav
expect_usage tokenize --fit random --stages 2 -o x one.wav
expect_usage tokenize --fit rvq --dim 4 -o x one.wav
expect_usage tokenize --fit kmeans --codes 300 -o x one.wav
expect_usage tokenize --fit kmeans --codes 300,1 -o x one.wav
expect_usage tokenize --fit random --codes 3x -o x one.wav
expect_usage tokenize --fit random --rate 30 -o x one.wav
expect_usage tokenize --codes 5 one.wav
expect_usage tokenize --fit random -o random.1 one.wav
run tokenize --fit random --codes 64 --force -q -o random.1 one.wav
expect_exit 0
run tokenize --fit random --codes 64 -q -o nowhere/x one.wav
expect_exit 1
expect_one_line_stderr

# an array is not for a terminal, which script(1) makes where it can
if script -qec true /dev/null </dev/null >/dev/null 2>&1; then
    cmd="mfm tokenize --format npy a.wav on a terminal"
    script -qec "'$MFM' tokenize --format npy a.wav" /dev/null </dev/null >stdout 2>&1
    rc=$?
    expect_exit 2
    expect_in_stdout "not for a terminal"
fi

# -j: the same lines in the same order
music jobs1.wav
music jobs2.wav
run tokenize jobs1.wav jobs2.wav jobs1.wav
expect_exit 0
expect_lines 3
cp stdout one
run tokenize -j 2 jobs1.wav jobs2.wav jobs1.wav
expect_exit 0
expect_same one stdout
