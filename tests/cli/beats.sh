#!/bin/sh
# mfm beats: text, options, and activations against recorded results of madmom.
. "$TOP_SRCDIR/tests/cli/lib.sh"
DBN=$TOP_SRCDIR/tests/data/golden/dbn

# wanted N: the beats of case N of cases.json as text
wanted() {
    tr -d '\n' <"$DBN/cases.json" | sed 's/{"activations"/\n&/g' |
        sed -n "$(($1 + 2))p" >case
    sed -n 's/.*"beats": \[\[\(.*\)\]\].*/\1/p' case | sed 's/\], \[/\n/g' |
        awk -F', ' '{ printf "%.6f", $1
            if (NF > 1) printf "\t%d", $2
            printf "\n" }'
}
wanted 1 >want
grep -q '"music0_50"' case || fail "case 1 of cases.json has changed"
run beats --activations "$DBN/music0_50.npy" --fps 50
expect_exit 0
expect_no_stderr
expect_lines 101
expect_same want stdout
wanted 42 >want
grep -q '"waltz_50".*"beats_per_bar": \[4\]' case ||
    fail "case 42 of cases.json has changed"
run beats --activations "$DBN/waltz_50.npy" --fps 50 --beats-per-bar 4
expect_exit 0
expect_lines 103
expect_same want stdout
cp stdout plain
run beats --activations "$DBN/waltz_50.npy" --fps 50 --beats-per-bar 4 \
    --start-time 1.5
expect_exit 0
awk -F'\t' '{ printf "%.6f\t%s\n", $1 + 1.5, $2 }' plain >want
expect_same want stdout
cmd="mfm beats --activations - <waltz_50.npy"
"$MFM" beats --activations - --fps 50 --beats-per-bar 4 \
    <"$DBN/waltz_50.npy" >stdout 2>stderr
rc=$?
expect_exit 0
expect_same plain stdout
run beats --activations "$DBN/zeros_50.npy" --fps 50
expect_exit 0
expect_no_stdout
run beats --activations "$DBN/zeros_50.npy" --fps 50 --format json
expect_exit 0
expect_json
expect_in_stdout '"model":	null'

# npy SHAPE FLOAT...: floats 0 or 1 as octal bytes
npy() {
    printf '\223NUMPY\001\000v\000'
    printf '%-117s\n' \
        "{'descr': '<f4', 'fortran_order': False, 'shape': ($1), }"
    shift
    for v in "$@"; do
        case $v in
        0) printf '\000\000\000\000' ;;
        1) printf '\000\000\200\077' ;;
        2) printf '\000\000\000\100' ;;
        nan) printf '\000\000\300\177' ;;
        esac
    done
}
# (T,): a beat at each second frame of four a second: 120 a minute
npy 16, 1 0 1 0 1 0 1 0 1 0 1 0 1 0 1 0 >one.npy
run beats --activations one.npy --fps 4
expect_exit 0
expect_match '^[0-9]+\.[0-9]{6}$'
expect_lines 8
npy '4, 3' 0 0 0 0 0 0 0 0 0 0 0 0 >three.npy
npy '2, 2' 2 0 0 0 >two.npy
npy '2, 2' nan 0 0 0 >nan.npy
head -c 130 one.npy >cut.npy
echo hello >text.npy
: >empty.npy
for file in three two nan cut text empty missing; do
    run beats --activations $file.npy --fps 50
    expect_exit 1
    expect_no_stdout
    expect_one_line_stderr
    expect_in_stderr "$file.npy: "
done
expect_usage beats --activations one.npy
expect_in_stderr "--fps"
expect_usage beats --fps 50 a.wav
expect_usage beats --activations one.npy --fps 4 a.wav
expect_usage beats --activations one.npy --fps 4 --beats-per-bar 3,x
expect_usage beats --activations one.npy --fps 0
for option in "-m default" "--window 5" "--device cpu" "--rate 25" -r \
    "--to 3"; do
    # shellcheck disable=SC2086 # words
    expect_usage beats --activations one.npy --fps 4 $option
    expect_in_stderr "says nothing of --activations"
done
run beats --activations one.npy --fps 4 --beats-per-bar 3
expect_exit 0
expect_one_line_stderr
expect_in_stderr "warning: --beats-per-bar"
for bars in 3, 99; do
    expect_usage beats --beats-per-bar $bars a.wav
    expect_in_stderr "'$bars' is not a list"
done
run beats --activations one.npy --fps 4 --num-tempi 1
expect_exit 0
expect_in_stderr "warning: --num-tempi 1: only --max-bpm"
expect_usage beats --no-downbeats --beats-per-bar 3 a.wav
expect_usage beats --min-bpm 200 --max-bpm 100 --activations one.npy --fps 50

# audio
music a.wav
run beats --progress never a.wav
expect_exit 0
expect_no_stderr
expect_match '^[0-9]+\.[0-9]{6}	[1-4]$'
cp stdout text
run beats --no-downbeats a.wav
expect_exit 0
expect_match '^[0-9]+\.[0-9]{6}$'
run beats --save-activations act.npy a.wav
expect_exit 0
expect_same text stdout
run beats --activations act.npy --fps 50
expect_exit 0
expect_same text stdout

# how many beats a bar has is the model's to say, where no option does
sed 's/\\"bars\\":\[3,4,5,7\]/\\"bars\\":[5,5,5,5]/' \
    "$MFM_MODELS/default.safetensors" >five.safetensors
run beats -m five.safetensors a.wav
expect_exit 0
expect_in_stdout '	5'
run annotate --format ndjson -m five.safetensors a.wav
expect_in_stdout '"position":5'
run beats -m five.safetensors --beats-per-bar 3,4 a.wav
expect_exit 0
expect_same text stdout
check_foreign beats act.npy --save-activations act.npy
expect_usage beats --save-activations act.npy a.wav a.wav
expect_usage beats --save-activations act.npy -r .
run beats --format lab -o a.beats a.wav
expect_exit 0
expect_same text a.beats
run beats --out-dir out a.wav
expect_exit 0
expect_only a.beats
expect_same text out/a.beats
check_batch beats
check_foreign beats notes.txt -o notes.txt
check_unwritable beats
