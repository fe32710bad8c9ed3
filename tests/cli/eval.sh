#!/bin/sh
# mfm eval: pairs, folders, NDJSON, pipes, comparison, the paper's table, an
# annotated folder; formats, exit codes, messages.
. "$TOP_SRCDIR/tests/cli/lib.sh"

# field NAME: the numbers behind it in stdout, one line
field() {
    sed -n "s/^[[:space:]]*\"$1\":[[:space:]]*\(.*[^,]\),*\$/\1/p" stdout |
        tr '\n' ' '
}
expect_field() {
    [ "$(field "$1")" = "$2 " ] || fail "$1: $2 expected, not $(field "$1")"
}
expect_same() {
    cmp -s "$1" "$2" || fail "$1 and $2 differ"
}

# beats FILE SHIFT: 60 beats, half a second apart, in bars of 4
beats() {
    awk -v shift="$2" 'BEGIN { for (i = 0; i < 60; i++)
        printf "%.3f\t%d\n", i * 0.5 + shift, i % 4 + 1 }' >"$1"
}
mkdir ref est other
beats ref/a.beats 0
beats ref/b.beats 0
beats ref/c.beats 0
beats ref/lonely.beats 0
beats est/a.beats 0.01
beats est/b.beats 0.2
beats est/c.beats 0.08
beats est/spare.beats 0
beats other/a.beats 0.1
beats other/b.beats 0.2
beats other/c.beats 0.05

# one pair: mir_eval's names at the top
run eval beats ref/a.beats est/a.beats
expect_exit 0
expect_no_stderr
expect_field F-measure 1
expect_field "Downbeat F-measure" 1
expect_field trim 5
run eval beats ref/a.beats est/b.beats --format tsv
expect_exit 0
expect_in_stdout "F-measure	0.000000"
# 10 beats of ref lie before 5 s; est has only those behind
tail -n +11 ref/a.beats >late.beats
run eval beats ref/a.beats late.beats
expect_field F-measure 1
run eval beats --trim 0 ref/a.beats late.beats --format table
expect_in_stdout "F-measure                         0.9091"

# folders: what has no partner is named and counted; exit 0
run eval beats ref est
expect_exit 0
expect_in_stderr "lonely: in ref, not in est"
expect_in_stderr "spare: in est, not in ref"
[ "$(wc -l <stderr)" -eq 2 ] || fail "two lines of stderr expected"
expect_field files 3
expect_field failed 0
# the counts, then the names
expect_in_stdout '"reference":	1'
expect_in_stdout '"estimate":	1'
cp stdout all.json
for j in 1 2 7; do
    run eval beats ref est -q -j $j
    expect_exit 0
    expect_no_stderr
    expect_same stdout all.json
done
run eval beats ref est -q --format tsv --per-file
expect_exit 0
[ "$(wc -l <stdout)" -eq 10 ] || fail "10 lines expected"
grep -q "^a	1.000000	" stdout || fail "F-measure of a: 1"
grep -q "^b	0.000000	" stdout || fail "F-measure of b: 0"
grep -q "^mean	0.333333	" stdout || fail "mean of 1, 0, 0"
run eval beats ref est -q --format table --per-file
expect_exit 0
expect_in_stdout "  1.0000  a"

# the result in a file; what mfm wrote it may replace, nothing else
for out in new.json new.json; do
    run eval beats ref est -q -o "$out"
    expect_exit 0
    expect_no_stdout
    expect_same "$out" all.json
done
run eval beats ref est -q -o ref/a.beats
expect_exit 1
expect_one_line_stderr
grep -q time ref/a.beats && fail "ref/a.beats was overwritten"

# NDJSON of mfm, as a file and in a pipe; a failed input fails the pair
ndjson() {
    for song in b a c; do
        awk -v song="$song" '
            BEGIN { printf "{\"file\":\"x/%s.mp3\",\"mfm\":\"1\",\"beats\":[",
                song }
            { printf "%s{\"time\":%s,\"position\":%s}", (NR > 1) ? "," : "",
                $1, $2 }
            END { print "]}" }' "est/$song.beats"
    done
}
ndjson >est.ndjson
run eval beats ref est.ndjson
expect_exit 0
expect_in_stderr "lonely: in ref, not in est.ndjson"
expect_field files 3
run eval beats ref est.ndjson -q --format tsv --per-file
cp stdout lines.tsv
run eval beats ref est -q --format tsv --per-file
expect_same stdout lines.tsv
run eval beats ref - -q --format tsv --per-file <est.ndjson
expect_exit 0
expect_same stdout lines.tsv
cat est/a.beats >fifo.in
mkfifo fifo
cat fifo.in >fifo &
run eval beats ref/a.beats fifo --format tsv
expect_exit 0
expect_in_stdout "F-measure	1.000000"
printf '{"file":"lonely.wav","error":"cut off"}\n' >>est.ndjson
run eval beats ref est.ndjson -q
expect_exit 1
expect_one_line_stderr
expect_in_stderr "est.ndjson:4: has no result but an error: cut off"
expect_field files 3
expect_field failed 1
ndjson >>est.ndjson
run eval beats ref est.ndjson -q
expect_exit 1
expect_in_stderr "two results for 'a'"

# damaged files: one line each, the others are scored
mkdir bad
beats bad/a.beats 0
echo "1 x" >bad/b.beats
printf '2\n1\n' >bad/c.beats
run eval beats ref bad -q
expect_exit 1
expect_in_stderr "bad/b.beats:1:"
expect_in_stderr "bad/c.beats:2:"
[ "$(wc -l <stderr)" -eq 2 ] || fail "two lines of stderr expected"
expect_field files 1
# nothing to score: one line, no result
while read -r word call; do
    # shellcheck disable=SC2086
    run eval $call
    expect_exit 1
    expect_no_stdout
    expect_one_line_stderr
    expect_in_stderr "$word"
done <<END
bad/b.beats:1: beats ref/a.beats bad/b.beats
none.beats beats ref/a.beats none.beats
none beats none ref
chords chords ref est
keys.key key keys.key keys.key
tags.json tag tags.json tags.json
END
echo '{"bpm": 120}' >tags.json
run eval tag tags.json tags.json
expect_exit 1
expect_in_stderr "tags.json: this JSON is none that mfm wrote"

# the other tasks
printf '0\t10\tC:maj\n10\t20\tA:min\n' >ref/a.chords.lab
printf '0\t10\tC:maj7\n10\t20\tA:maj\n' >est/a.lab
run eval chords ref est -q
expect_exit 0
expect_in_stdout '"majmin":	0.5'
run eval chords ref/a.chords.lab est/a.lab
expect_in_stdout '"majmin":	0.5'
expect_field root 1
printf '0 10 verse A\n10 20 chorus B\n' >ref/a.seg
printf '0\t10.3\tverse\n10.3\t20\tchorus\n' >est/a.structure.lab
run eval structure ref est --per-file
expect_exit 0
expect_in_stdout '"F-measure@0.5":	1'
printf '0\t10\n10\t20\n' >bounds.lab
run eval structure ref/a.seg bounds.lab
expect_exit 0
expect_field "F-measure@0.5" 1
expect_field "V-measure" null
run eval structure ref/a.seg bounds.lab --format table
expect_in_stdout "V-measure                              -"
echo "C:maj" >ref/a.key
echo "A minor" >est/a.key
run eval key ref est
expect_exit 0
expect_in_stdout '"Weighted Score":	0.3'
printf '60\t120\t0.3\n' >ref/a.tempo
echo 121 >est/a.bpm
run eval tempo ref est
expect_exit 0
expect_in_stdout '"P-score":	0.7'
echo "rock slow" >ref/a.tags
echo "pop" >ref/b.tags
printf 'rock\t0.9\npop\t0.2\n' >est/a.tags
printf 'rock\t0.1\npop\t0.1\n' >est/b.tags
run eval tag ref est --per-file
expect_exit 0
expect_field files 2
expect_field tags 3
expect_in_stdout '"roc_auc":	0.5'
run eval tag ref est --format tsv --per-file
expect_in_stdout "rock	1.000000	1.000000"
expect_in_stdout "pop	0.500000	0.000000"

# what is no file of labels for the task
run eval beats "$SAMPLE.beats" "$SAMPLE.opus"
expect_exit 1
expect_one_line_stderr
expect_in_stderr "rock50s.opus: is audio: label files are wanted"
run eval beats "$SAMPLE.beats" "$SAMPLE.seg"
expect_exit 1
expect_one_line_stderr
expect_in_stderr "rock50s.seg: has labels of structure by its name, not of beats"
printf '0 1 C:maj\n1 2 C:foo\n' >bad.lab
for call in "$SAMPLE.lab bad.lab" "bad.lab $SAMPLE.lab" \
    "$SAMPLE.lab bad.lab --reliability"; do
    # shellcheck disable=SC2086
    run eval chords $call
    expect_exit 1
    expect_one_line_stderr
    expect_in_stderr "mfm: bad.lab:2: chord 'C:foo'"
done
mkdir many
cp "$SAMPLE.beats" many/a.beats
cp "$SAMPLE.beats" many/b.beats
: >nothing.beats
run eval beats many nothing.beats -q
expect_exit 1
expect_in_stderr "in nothing.beats: nothing.beats is empty"
run eval tempo bad.lab bad.lab
expect_exit 1
expect_in_stderr "bad.lab:1: no tempo: neither"

# trim CALL: all of it, where that is an option
trim() {
    case $1 in
    beats*) echo "--trim 0" ;;
    esac
}

# the formats of others, on either side; found by what is in them
ANNOT=$TOP_SRCDIR/tests/data/annot
while read -r value name call; do
    # shellcheck disable=SC2086
    run eval $call $(trim "$call") --format tsv
    expect_exit 0
    expect_no_stderr
    grep -q "^$name	$value\$" stdout || fail "$name: $value expected"
done <<END
1.000000 F-measure beats $ANNOT/audacity.txt $ANNOT/audacity.txt
1.000000 F-measure beats $ANNOT/minimal.jams $ANNOT/minimal.jamz
1.000000 F-measure@0.5 structure $ANNOT/audacity.txt $ANNOT/sv_regions.csv
1.000000 V-measure structure $ANNOT/audacity.txt $ANNOT/sv_regions.csv
END
printf '0.217\n0.695\t1\n' >gtzan.beats
run eval beats "$ANNOT/gtzan_rhythm_like.jams" gtzan.beats --trim 0 --format tsv
expect_in_stdout "Downbeat F-measure	1.000000"
run eval key "$ANNOT/gs.key" "$ANNOT/minimal.jams" --format tsv
expect_in_stdout "Weighted Score	0.000000"
# tables of many songs; those without a key have no score
run eval chords "$ANNOT/hooktheory_mini.json" "$ANNOT/hooktheory_mini.json.gz" -q
expect_in_stdout '"majmin":	1'
run eval tag "$ANNOT/annotations_mini.csv" "$ANNOT/annotations_mini.csv"
expect_exit 0
expect_in_stdout '"average_precision":	1'
# no key is a wrong one of an estimate, and nothing to score by of a reference
echo "C major" >some.key
echo N >none.key
run eval key some.key none.key --format tsv
expect_exit 0
expect_in_stdout "Accuracy	0.000000"
run eval key none.key some.key
expect_exit 1
expect_in_stderr "there is no reference key"
run eval key "$ANNOT/mtg_annotations.txt" "$ANNOT/mtg_annotations.txt"
expect_exit 1
expect_in_stderr "there is no reference key"
expect_in_stdout '"Weighted Score":	1'
mkdir jams jams/est
cp "$ANNOT/minimal.jams" jams/x.wav.jams
cp "$ANNOT/minimal.jamz" jams/est/x.jamz
run eval structure jams jams/est
expect_exit 0
expect_no_stderr
expect_field files 1
# what annotators write: the frame accuracy alone is of functions
printf '0 Verse 1\n10 prechorus\n20 Solo\n30 end\n' >harmonix.txt
printf '0\t20\tverse\n20\t32\tinst\n' >functions.lab
run eval structure harmonix.txt functions.lab --format tsv
expect_exit 0
expect_in_stdout "Frame accuracy	1.000000"
expect_in_stdout "Pairwise Recall	1.000000"
expect_in_stdout "F-measure@0.5	0.857143"
printf '0\t20\tA\n20\t30\tB\n' >letters.lab
run eval structure harmonix.txt letters.lab --format tsv
expect_in_stdout "Frame accuracy	-"
# without "end" the song lasts as long as the estimate says
printf '0 verse\n20 solo\n' >open.txt
printf '%s%s%s' '{"file":"x.wav","duration":30,"mfm":"1","structure":[' \
    '{"start":0,"end":20,"label":"verse"},' \
    '{"start":20,"end":30,"label":"inst"}]}' >open.json
run eval structure open.txt open.json --format tsv
expect_exit 0
expect_in_stdout "F-measure@0.5	1.000000"
# scores of mir_eval 0.8.2 on the same files
if [ -d "$SHARED/fixtures/formats" ]; then
    harmonix=$SHARED/fixtures/formats/harmonixset
    pop=$SHARED/fixtures/formats/pop909/001
    while read -r value name call; do
        # shellcheck disable=SC2086
        run eval $call $(trim "$call") --format tsv
        expect_exit 0
        grep -q "^$name	$value\$" stdout || fail "$name: $value expected"
    done <<END
0.941176 F-measure@0.5 structure $harmonix/segments/0568_apologize.txt $harmonix/0568_apologize.jams
1.000000 F-measure beats $harmonix/beats_and_downbeats/0568_apologize.txt $harmonix/0568_apologize.jams
0.826272 majmin chords $pop/chord_audio.txt $pop/chord_midi.txt
0.955033 underseg chords $pop/chord_audio.txt $pop/chord_midi.txt
0.977470 F-measure beats $pop/beat_audio.txt $pop/beat_midi.txt
END
fi

# a name that is not UTF-8 still makes JSON
odd=$(printf 'odd\377')
beats "$odd.beats" 0
run eval beats "$odd.beats" ref/a.beats
expect_exit 0
expect_in_stdout "$(printf 'odd\357\277\275.beats')"

# comparison: F-measures 1 0 0 and 0 0 1 of a, b, c
run eval beats --compare ref est other -q --format tsv
expect_exit 0
expect_no_stderr
expect_in_stdout "F-measure	3	0.333333	0.333333	0	"
expect_in_stdout "	1	1	1.5	1"
run eval beats --compare ref est other -q --most 1
expect_exit 0
expect_field largest_by '"F-measure"'
[ "$(grep -c '"file":' stdout)" -eq 1 ] || fail "one file expected"
expect_in_stdout '"difference":	-1'
run eval beats ref --compare est other --format table
expect_exit 0
expect_in_stdout "   -1.0000  a"

# the paper: 13 rows
run eval paper
expect_exit 0
expect_no_stderr
expect_in_stdout "SpecTNT-TCN"
run eval paper --format tsv
[ "$(wc -l <stdout)" -eq 14 ] || fail "14 lines expected"
[ "$(tail -n +2 stdout | cut -f 8- | tr '\t' '\n' | wc -l)" -eq 104 ] ||
    fail "104 cells expected"
run eval paper --format md
expect_in_stdout "| FM7-finetune |"
run eval paper --root none
expect_exit 1
expect_one_line_stderr
run eval paper --format json
expect_in_stdout '"Tag ROC-AUC":	0.9235'

for call in '' beats 'beats ref' 'beats ref est other' 'drums ref est' \
    'beats --compare ref est' 'beats - -' 'paper ref' 'paper -m default' 'paper --root ref --split all' \
    'beats --dataset folder' 'beats --root ref' \
    'beats --dataset none --root ref' 'beats --dataset folder --root ref est' \
    'beats --split test ref est' 'beats --dataset gtzan --root ref --split x' \
    'key --dataset folder --root ref --check' '--check --dataset folder' \
    '--check --dataset none --root ref' \
    '--check --dataset folder --root ref --format tsv' \
    'beats --compare --dataset folder --root ref' 'beats ref est -j 0' \
    'beats ref est --format md' 'beats ref est --trim -1' \
    'beats ref est --most 3' \
    'beats ref est -m default' 'beats ref est --device cpu' \
    'beats ref est --threads 2 -j 2' 'paper --precision f32' \
    '--check --dataset folder --root ref --per-file' \
    'beats ref est --nonsense'; do
    # shellcheck disable=SC2086
    expect_usage eval $call
done

# confidences against what is right
cat >sure.json <<'EOF'
{"file":"x","mfm":"0","beats":[{"time":0.01,"position":1,"confidence":0.95},
{"time":0.3,"position":2,"confidence":0.15}]}
EOF
printf '0.0\n0.5\n' >sure.beats
run eval beats sure.beats sure.json --reliability --format tsv
expect_exit 0
expect_stdout "$(printf 'from\tto\tconfidence\tright\titems
0.1\t0.2\t0.1500\t0.0000\t1
0.9\t1.0\t0.9500\t1.0000\t1
calibration error\t\t0.1000')"
run eval beats sure.beats sure.json --reliability --format json
expect_exit 0
expect_json
expect_in_stdout '"calibration_error":	0.1,'
expect_usage eval tempo sure.beats sure.json --reliability
expect_usage eval tempo sure.beats sure.json --calibrate x.safetensors
expect_usage eval beats sure.beats sure.json --calibrate x.safetensors \
    -m default -o report
expect_usage eval beats sure.beats sure.json --calibrate x.safetensors \
    -m default -m other

# a model with other confidences, and else the same to the bit
run eval beats sure.beats sure.json --calibrate sure.safetensors -m default
expect_exit 0
expect_no_stdout
expect_lines 2 stderr
expect_in_stderr "sure.safetensors: beats of default with slope "
expect_in_stderr "fitted on 1 song, 2 items"
expect_in_stderr "warning: what is fitted on less than 10 songs"
head -c 20000 sure.safetensors | grep -aq 'confidence\\":\[[0-9.]*,[-0-9.]*\]' ||
    fail "no confidence in the model"
run eval beats sure.beats sure.json --calibrate sure.safetensors -m default
expect_exit 1
expect_in_stderr 'sure.safetensors exists; --force replaces it'
run eval beats sure.beats sure.json --calibrate sure.safetensors --force \
    -m sure.safetensors
expect_exit 0
run eval beats sure.beats sure.json --calibrate sure.safetensors --force \
    -m default --reliability --format tsv
expect_exit 0
[ "$(grep -c '^from' stdout)$(grep -c '^calibration error' stdout)" = 22 ] ||
    fail 'not one table before and one after'
run eval beats sure.beats sure.json --calibrate sure.safetensors --force \
    -m default --reliability --format json
expect_exit 0
expect_json
expect_in_stdout '"calibrated":'

run eval beats sure.beats sure.json --calibrate quiet.safetensors -m default -q
expect_exit 0
expect_no_stderr

# the estimates must be of this model, or of one with the same head
run annotate --format ndjson -o of.ndjson "$SAMPLE.opus"
expect_exit 0
calibrate() {
    task=$1 model=$2 ref=$3
    shift 3
    run eval "$task" "$@" --calibrate new.safetensors --force -m "$model" \
        "$ref" of.ndjson
}
calibrate beats default "$SAMPLE.beats"
expect_exit 0
cp new.safetensors beats.safetensors
calibrate beats ./beats.safetensors "$SAMPLE.beats"
expect_exit 1
expect_one_line_stderr
expect_in_stderr "of.ndjson: its estimates are not of this model"
cmp -s new.safetensors beats.safetensors || fail "a model was written"
calibrate chords ./beats.safetensors "$SAMPLE.lab"
expect_exit 0
mv new.safetensors both.safetensors
calibrate beats ./both.safetensors "$SAMPLE.beats"
expect_exit 1
calibrate chords ./both.safetensors "$SAMPLE.lab"
expect_exit 1
calibrate key ./both.safetensors "$SAMPLE.key"
expect_exit 0
run beats -m ./both.safetensors --format json -o of.ndjson "$SAMPLE.opus" --force
calibrate beats ./both.safetensors "$SAMPLE.beats"
expect_exit 0

# confidences that are not there, and songs that cannot be read, fit nothing
printf '0.0 1\n0.5 2\n' >unsure.beats
run eval beats sure.beats unsure.beats --calibrate none.safetensors -m default
expect_exit 1
expect_in_stderr 'unsure.beats: no confidence in it that labels of sure.beats'
printf 'x\n' >broken.beats
run eval beats broken.beats sure.json --calibrate none.safetensors -m default
expect_exit 1
expect_in_stderr 'broken.beats:1:'
[ ! -e none.safetensors ] || fail 'a model without a fit'
for format in text json; do
    for m in default sure.safetensors; do
        run beats -m $m --format $format \
            "$TOP_SRCDIR/data/samples/rock50s.opus"
        expect_exit 0
        cp stdout $format.$m
    done
done
cmp -s text.default text.sure.safetensors ||
    fail "other beats after calibration"
grep confidence json.default >a
grep confidence json.sure.safetensors >b
cmp -s a b && fail "confidences did not change"

# annotate, then score: a folder without audio, a file that is none, a model
# that is missing
run eval beats --dataset folder --root ref
expect_exit 1
expect_one_line_stderr
expect_in_stderr "ref: no audio files"
echo "not audio" >ref/a.wav
echo "not audio" >ref/z.wav
run eval beats --dataset folder --root ref -m no-such-model
expect_exit 1
expect_in_stderr "ref/z.wav: no labels for 'beats'"
expect_in_stderr "ref: 3 of 4 songs have no audio"
expect_in_stderr "no-such-model"
# datasets in their own layouts: what is there, without audio or a model
mkdir -p gtzan/annotations/beats giant/annotations/key harmonix/segments
beats gtzan/annotations/beats/gtzan_blues_00000.beats 0
beats gtzan/annotations/beats/gtzan_rock_00001.beats 0
echo "A minor" >giant/annotations/key/10.LOFI.key
echo "C major" >giant/annotations/key/11.LOFI.key
echo File,Title,Artist,Duration >harmonix/metadata.csv
for i in 1 2 3 4 5 6; do
    printf '0 intro\n2 Verse 1\n4 end\n' >harmonix/segments/000${i}_x$i.txt
    echo "000${i}_x$i,x$i,someone,4" >>harmonix/metadata.csv
done
run eval --dataset gtzan --root gtzan --check
expect_exit 0
expect_no_stderr
expect_in_stdout "beats: 2 usable (0 with audio)"
expect_in_stdout "2 (published: 999)"
run eval --dataset harmonix --root harmonix --check --format json
expect_exit 0
expect_json
expect_in_stdout '"splits":{"train":5,"valid":0,"test":1,"none":0}'
run eval --dataset harmonix --root harmonix --check -o check.txt
expect_no_stdout
grep -q "^structure: 6 usable" check.txt || fail "a report in check.txt"
echo H major >giant/annotations/key/12.LOFI.key
run eval --dataset giantsteps --root giant --check
expect_exit 1
expect_one_line_stderr
expect_in_stdout "key: 2 usable (0 with audio), 0 excluded, 0 missing, 1 broken"
expect_in_stdout "12.LOFI.key:1:"
rm giant/annotations/key/12.LOFI.key
run eval --dataset gtzan --root none --check
expect_exit 1
expect_no_stdout
expect_in_stderr "none: no such folder; GTZAN"
run eval key --dataset gtzan --root gtzan
expect_exit 2
expect_in_stderr "gtzan has no labels for 'key'"
run eval beats --dataset gtzan --root gtzan --split train
expect_exit 1
expect_in_stderr "in the split 'train'"
run eval beats --dataset gtzan --root gtzan
expect_exit 1
expect_in_stderr "gtzan: no audio files of the 2 songs"
left() {
    mkdir -p tmp
    set -- tmp/*
    [ "$*" = 'tmp/*' ] || fail "left behind: $*"
}
TMPDIR=$TMP/tmp
export TMPDIR
left
if [ -f "$TOP_SRCDIR/data/models/default.safetensors" ]; then
    need ffmpeg
    MFM_MODELS=$TOP_SRCDIR/data/models
    export MFM_MODELS
    ffmpeg -v error -f lavfi -i \
        'sine=880:d=4,volume=volume=gt(0.05\,mod(t\,0.5)):eval=frame' \
        -ar 24000 -y ref/b.wav </dev/null || exit 99
    run eval beats --dataset folder --root ref -q --per-file --trim 0
    expect_exit 1 # a.wav
    expect_one_line_stderr
    expect_in_stderr "ref/a.wav"
    expect_field files 1
    expect_field failed 1
    expect_field file '"b"'
    rm ref/a.wav ref/z.wav
    run eval key --dataset folder --root ref -q
    expect_exit 1 # b has no key
    expect_in_stderr "no audio files"
    # below a dataset's own names, in folders of its own; the split by itself
    mkdir -p gtzan/genres/blues giant/audio harmonix/audio
    music gtzan/genres/blues/blues.00000.wav
    cp gtzan/genres/blues/blues.00000.wav giant/audio/10.LOFI.wav
    echo "not audio" >giant/audio/11.LOFI.wav
    for i in 1 2 3 4 5 6; do
        cp gtzan/genres/blues/blues.00000.wav harmonix/audio/000${i}_x$i.wav
    done
    run eval beats --dataset gtzan --root gtzan --trim 0 --per-file
    expect_exit 0
    expect_one_line_stderr
    expect_in_stderr "gtzan: 1 of 2 songs have no audio and are left out: "
    expect_field split '"test"'
    expect_field songs 2
    expect_field without_audio 1
    expect_field file '"blues.00000"'
    run eval key --dataset giantsteps --root giant --format tsv --per-file
    expect_exit 1
    expect_lines 2 stderr
    expect_in_stderr "giant/audio/11.LOFI.wav"
    expect_in_stderr "1 of 2 inputs failed"
    grep -q "^10	" stdout || fail "a score of song 10 expected"
    run eval structure --dataset harmonix --root harmonix
    expect_exit 0
    expect_no_stderr
    expect_field files 1
    expect_in_stdout "own split"
    run eval structure --dataset harmonix --root harmonix --split train
    expect_field files 5
    run eval structure --dataset harmonix --root harmonix --split all -j 2
    expect_field files 6
    # the other datasets: labels in tables, or a folder for each song
    mkdir -p hook/audio tagged/mp3/f mtg/annotations mtg/audio \
        fma/fma_metadata fma/fma_small/000 pop/POP909/001 pop/audio bb/0003
    cp "$ANNOT/hooktheory_mini.json" hook/Hooktheory.json
    cp gtzan/genres/blues/blues.00000.wav hook/audio/00000000000.wav
    cp "$ANNOT/annotations_mini.csv" tagged/annotations_final.csv
    cp hook/audio/*.wav tagged/mp3/f/artist-album-01-track-30-59.mp3
    sed '2s/,title$/,genre_top/' "$ANNOT/fma_tracks_mini.csv" \
        >fma/fma_metadata/tracks.csv
    cp hook/audio/*.wav fma/fma_small/000/000002.mp3
    printf 'ID\tMANUAL KEY\tC\n7\tC major\t2\n8\tC major\t1\n' \
        >mtg/annotations/annotations.txt
    cp hook/audio/*.wav mtg/audio/7.LOFI.wav
    printf '0.5 1.0\n1.0 2.0\n' >pop/POP909/001/beat_audio.txt
    printf '0.0\t4.0\tC:maj\n' >pop/POP909/001/chord_audio.txt
    cp hook/audio/*.wav pop/audio/001.wav
    printf '0.0\t4.0\tC:maj\n' >bb/0003/full.lab
    cp hook/audio/*.wav bb/0003/audio.wav
    while read -r songs call; do
        # shellcheck disable=SC2086
        run eval $call $(trim "$call")
        expect_exit 0
        expect_field files "$songs"
    done <<END
1 chords --dataset hooktheory --root hook --split train
1 key --dataset hooktheory --root hook --split train
1 tag --dataset magnatagatune --root tagged
1 tag --dataset fma --root fma --split train
1 key --dataset mtg-keys --root mtg
1 beats --dataset pop909 --root pop
1 chords --dataset pop909 --root pop
1 chords --dataset billboard --root bb
END
    expect_field split '"all"'
    run eval key --dataset mtg-keys --root mtg
    expect_field excluded 1
    # a row for each model; what is not there is named
    mkdir paper
    mv gtzan harmonix paper
    mv giant paper/giantsteps
    rm paper/giantsteps/audio/11.LOFI.wav
    run eval paper --root paper -m default -m default -q --format tsv
    expect_exit 0
    expect_no_stderr
    expect_lines 16
    [ "$(grep -cE "^default	Conformer	([^	]+	){5}[01]\.[0-9]{3}	" \
        stdout)" -eq 2 ] || fail "two rows with a beat F1 expected"
    tail -n 1 stdout | cut -f 8- | tr '\t' '\n' | grep -c '^-$' >dashes
    [ "$(cat dashes)" -eq 3 ] || fail "chords and tags without a score"
    run eval paper --root paper -m default -m none -q
    expect_exit 1
    expect_one_line_stderr
    expect_in_stderr '"none"'
    expect_in_stdout "chords: HookTheory (SheetSage) is not in paper/hooktheory"
    expect_in_stdout "structure: harmonix, test (own split), songs: 1 ("
    left
    # heads that an encoder lacks are trained, as by mfm probe, and kept
    rm -r paper/gtzan
    mv hook paper/hooktheory
    MFM_PRESETS=$TOP_SRCDIR/data/presets XDG_CACHE_HOME=$TMP/cache
    export MFM_PRESETS XDG_CACHE_HOME
    run pretrain --preset tiny --set encoder.dim=16 --set encoder.layers=1 \
        --set encoder.ffn=32 --set encoder.conv_dim=4 --set mel.bands=16 \
        --set tokens.0.codes=32 --set train.crop=1.2 --steps 1 --threads 1 \
        --set window=3 --data paper/harmonix/audio -o enc
    expect_exit 0
    run eval paper --root paper -m ./enc/model.safetensors --steps 3 -q \
        --trim 0 --threads 1 --format tsv
    expect_exit 1 # this hooktheory has no test songs for the chords
    expect_one_line_stderr
    expect_in_stderr "no songs with labels for 'chords' in the split 'test'"
    cp stdout row
    grep -q "^tiny	Conformer	" row || fail "a row for the encoder expected"
    rm -r cache/mfm/heads/*.run
    run eval paper --root paper -m ./enc/model.safetensors --steps 3 -q \
        --trim 0 --threads 1 --format tsv
    expect_same row stdout
    set -- cache/mfm/heads/*.safetensors
    [ $# -eq 3 ] || fail "three heads expected: $*"
    ls -d cache/mfm/heads/*.run 2>/dev/null && fail "no training expected"
    run probe structure -m ./enc/model.safetensors --dataset harmonix \
        --root paper/harmonix --protocol paper --steps 3 --threads 1 -q \
        -o own.safetensors
    expect_exit 0
    run eval structure --dataset harmonix --root paper/harmonix --split test \
        -m ./own.safetensors --threads 1 --format tsv
    score=$(awk -F '\t' 'NR == 1 { for (i = 1; i <= NF; i++)
        if ($i == "Frame accuracy") at = i }
        $1 == "mean" { printf "%.3f", $at }' stdout)
    grep -q "^tiny	.*	$score	" row || fail "$score of structure in row"
    run eval paper --root paper -m ./enc/model.safetensors --steps 3 -q \
        --trim 0 --threads 1 --finetune --format tsv
    expect_exit 1
    expect_one_line_stderr
    grep -q "^tiny-finetune	" stdout || fail "a fine-tuned row expected"
    expect_usage eval beats --dataset folder --root ref --finetune
fi
exit 0
