#!/bin/sh
# What goes from program to program: hidden states, PCM, parts of a recording.
. "$TOP_SRCDIR/tests/cli/lib.sh"
music a.wav

# the encoder once, then the tasks
run chords a.wav
cp stdout chords
run beats a.wav
cp stdout beats
cmd="mfm embed a.wav | mfm chords"
"$MFM" embed a.wav | "$MFM" chords >stdout 2>stderr
rc=$?
expect_exit 0
expect_same chords stdout
"$MFM" embed a.wav | "$MFM" beats - >stdout
expect_same beats stdout

# a pipe by name gives its first bytes once
mkfifo named
run chords --window 20 a.wav
cp stdout chords20
cat a.wav >named &
run chords --window 20 named
expect_exit 0
expect_same chords20 stdout

# what says nothing of an input: an error where all are such, else a warning
"$MFM" embed -o states.npy a.wav
expect_usage chords --rate 25 a.wav
expect_usage chords --rate 25 --raw s16le:24000:1 states.npy
expect_usage chords --window 3 states.npy
expect_usage chords --hop 3 states.npy states.npy
for call in "--rate 50 a.wav states.npy a.wav" \
    "--window 8 states.npy a.wav states.npy"; do
    # shellcheck disable=SC2086 # words
    run chords --format ndjson --progress never $call
    expect_exit 0
    expect_one_line_stderr
    expect_in_stderr "warning: ${call%% *}"
done
cmd="mfm chords --rate 25 <a.wav"
"$MFM" chords --rate 25 <a.wav >stdout 2>stderr
rc=$?
expect_exit 0
expect_one_line_stderr

# the layer that the heads do not read, where the file beside tells
run embed --layer 3 -o layer3.npy a.wav
expect_exit 0
run chords layer3.npy
expect_exit 1
expect_no_stdout
expect_one_line_stderr
expect_in_stderr "layer3.npy: holds layer 3, but the heads read 6"
run embed --layer all -o all.npy a.wav
run chords all.npy
expect_exit 0
expect_same chords stdout

# samples without a header
for type in s16le f32le; do
    ffmpeg -v error -i a.wav -f $type a.$type </dev/null
    cmd="mfm beats --raw $type:24000:1 <a.$type"
    "$MFM" beats --raw $type:24000:1 <a.$type >stdout 2>stderr
    rc=$?
    expect_exit 0
    expect_same beats stdout
    run beats --raw $type:24000:1 a.$type
    expect_exit 0
    expect_same beats stdout
done
cmd="ffmpeg | mfm beats --raw s16le:24000:2"
ffmpeg -v error -i a.wav -f s16le -ac 2 - </dev/null |
    "$MFM" beats --raw s16le:24000:2 >stdout
expect_lines "$(wc -l <beats)"
if command -v sox >/dev/null 2>&1; then
    cmd="sox a.wav -t raw | mfm beats --raw"
    sox a.wav -t raw -e signed -b 16 - | "$MFM" beats --raw s16le:24000:1 >stdout
    expect_same beats stdout
    sox a.wav -t wav - | "$MFM" beats - >stdout
    expect_same beats stdout
else
    echo "note: no sox"
fi
if command -v curl >/dev/null 2>&1; then
    cmd="curl | mfm beats"
    curl -s "file://$PWD/a.wav" | "$MFM" beats >stdout
    expect_same beats stdout
else
    echo "note: no curl"
fi
for bad in s16be:24000:1 s16le s16le:24000 s16le:0:1 s16le:24000:0 \
    s16le:24000:1x s16le:99999999999:1; do
    expect_usage beats --raw $bad a.s16le
    expect_in_stderr "--raw: '$bad'"
done

# a part: times are those of the file
run chords --from 1 --to 3 a.wav
expect_exit 0
head -n 1 stdout | grep -q '^1\.000000	' || fail "a start at 1 s expected"
tail -n 1 stdout | grep -q '^[0-9.]*	3\.000000	' || fail "an end at 3 s expected"
run beats --from 2 a.wav
expect_exit 0
[ "$(awk '$1 < 2' stdout | wc -l)" -eq 0 ] || fail "no beats before 2 s expected"
expect_match '^[23]\.'
run key --format json --from 1.5 a.wav
expect_in_stdout '"start":	1.5,'
expect_in_stdout '"duration":	2.5,'
run key --from 5 a.wav
expect_exit 1
expect_one_line_stderr
expect_in_stderr "a.wav: --from 5 is past its end, at 4 s"
expect_usage key --from 3 --to 3 a.wav
cmd="mfm beats --to 2 of an endless pipe"
ffmpeg -v quiet -re -f lavfi -i sine -ac 1 -f s16le - </dev/null |
    timeout 60 "$MFM" beats --raw s16le:44100:1 --to 1 >stdout 2>stderr
rc=$?
expect_exit 0
# and the states of a part know where they are from
run embed --from 1 --to 3 -o part.npy a.wav
expect_exit 0
run chords part.npy
cp stdout part
run chords --from 1 --to 3 a.wav
expect_same part stdout
run chords --from 2 part.npy
expect_exit 0
head -n 1 stdout | grep -q '^2\.000000	' || fail "a start at 2 s expected"
run chords --from 3 part.npy
expect_exit 1
expect_in_stderr "part.npy: holds 1 to 3 s"
expect_usage tokenize --fit random --from 1 -o tokens a.wav

# all in one archive
run embed --format npz -o a.npz a.wav
expect_exit 0
expect_no_file a.npz.json
run embed --format npz --pool mean -o a.npz a.wav
expect_exit 0
check_foreign embed b.npz --format npz -o b.npz
if python3 -c 'import numpy' 2>/dev/null; then
    python3 -c 'import json, numpy
a = numpy.load("a.npz")
about = json.loads(a["mfm"].item())
assert a["embedding"].shape == tuple(about["shape"]) == (192,), about
assert about["file"] == "a.wav"' || fail "an archive that numpy loads expected"
else
    echo "note: no numpy, so that the archive is not loaded"
fi

# something to listen to
run beats --click out.wav a.wav
expect_exit 0
expect_same beats stdout
run embed --layer mel -o mel.npy out.wav
expect_exit 0
cmd="mfm beats --click - -o out.beats"
"$MFM" beats --click - -o out.beats a.wav >piped.wav 2>stderr
rc=$?
expect_exit 0
expect_same out.wav piped.wav
check_foreign beats notes.wav --click notes.wav
check_foreign beats notes.txt --click notes.txt
# what would be lost is the input
cp a.wav mine.wav
ln -s mine.wav other.wav
for to in "-o other.wav" "--click mine.wav -o x.beats" \
    "--save-activations other.wav" "--format ndjson -o mine.wav"; do
    # shellcheck disable=SC2086 # words
    run beats --force $to mine.wav
    expect_exit 1
    expect_in_stderr "is the input itself"
    cmp -s a.wav mine.wav || fail "the input is lost by $to"
done
run beats --click none.wav part.npy
expect_exit 1
expect_in_stderr "no sound"
expect_no_file none.wav
cp part.npy nan.npy # and a NaN for its last value
printf '\000\000\300\177' | dd of=nan.npy bs=1 conv=notrunc \
    seek=$(($(stat -c %s nan.npy) - 4)) 2>/dev/null
run chords nan.npy
expect_exit 1
expect_in_stderr "is not a finite number"
expect_usage beats --click - a.wav
expect_usage beats --click out.wav -o out.wav a.wav
expect_usage beats --click out.wav a.wav a.wav

# a reader that has enough
cmd="mfm annotate | head"
{ "$MFM" annotate --format ndjson --tasks key a.wav a.wav a.wav a.wav \
    2>stderr; echo $? >code; } | head -c 10 >/dev/null
rc=$(cat code)
[ "$rc" -le 1 ] || fail "exit code 0 or 1 expected"
expect_no_stderr
