#!/bin/sh
# --format: each is written whole, by its names, and read back by mfm eval; and
# by the programs that it is for, where they are.
. "$TOP_SRCDIR/tests/cli/lib.sh"
music a.wav
cp a.wav "b 'x'.wav"
FORMATS="json ndjson text lab jams csv audacity html"

for format in $FORMATS; do
    run annotate --format "$format" --progress never --out-dir "$format" a.wav \
        "b 'x'.wav"
    expect_exit 0
    expect_no_stderr
    # again: its own files are replaced
    run annotate --format "$format" --progress never --out-dir "$format" a.wav
    expect_exit 0
    case $format in
    json | ndjson) want="json" ;;
    text | lab) want="beats chords.lab key structure.lab tags" ;;
    audacity) want="beats.txt chords.txt key.txt structure.txt tags.txt" ;;
    *) want=$format ;;
    esac
    for name in a "b 'x'"; do
        for suffix in $want; do
            expect_file "$format/$name.$suffix"
        done
    done
    # shellcheck disable=SC2086 # words
    set -- $want
    [ "$(find "$format" -type f ! -name '.*' | wc -l)" -eq $((2 * $#)) ] ||
        fail "$((2 * $#)) files expected"
done

# estimates in any format have the scores of the same estimates in JSON
score() {
    trim=
    [ "$1" = beats ] && trim="--trim 0"
    # shellcheck disable=SC2086
    run eval "$1" json "$2" $trim --format json --per-file
    expect_exit 0
    grep -vE '"(estimate|reference|mfm)"' stdout >"$3"
}
for task in beats chords structure key tag; do
    score $task json want
    grep -q '[^0-9.]1,\{0,1\}$' want || fail "scores of 1 expected"
    for format in text jams csv audacity; do
        [ "$task-$format" = tag-audacity ] && continue # has no scores
        score $task $format got
        expect_same want got
    done
done

# one input goes to stdout; several in one file are lines of JSON only
run annotate --format csv a.wav
expect_exit 0
expect_same csv/a.csv stdout
run chords --format audacity a.wav
expect_exit 0
expect_same audacity/a.chords.txt stdout
for format in csv jams audacity; do
    expect_usage annotate --format $format a.wav "b 'x'.wav"
    expect_in_stderr "--out-dir"
done
check_foreign annotate c.jams --format jams -o c.jams --tasks key
check_foreign annotate c.csv --format csv -o c.csv --tasks key
expect_usage annotate --format xml a.wav

# the programs: each import that fails says so
cat >load.py <<'PY'
import sys

def need(*names):
    for name in names:
        try:
            __import__(name)
        except ImportError:
            print("note: no", name, "for python3")
            return False
    return True

if need("mir_eval"):
    import mir_eval
    times, positions = mir_eval.io.load_labeled_events("text/a.beats")
    mir_eval.beat.validate(times, times)
    assert len(times) > 4 and set(positions) <= set("1234")
    for name in "chords", "structure":
        spans, labels = mir_eval.io.load_labeled_intervals(
            "text/a.%s.lab" % name)
        assert len(labels) == len(spans) > 0 and spans[0][0] == 0
        if name == "chords":
            mir_eval.chord.validate(labels, labels)
    mir_eval.key.validate_key(mir_eval.io.load_key("text/a.key"))
if need("jams"):
    import jams
    for name in "a", "b 'x'":
        j = jams.load("jams/%s.jams" % name, validate=True, strict=True)
        assert [a.namespace for a in j.annotations] == [
            "beat", "tempo", "chord", "segment_open", "key_mode", "tag_open"]
        assert j.file_metadata.duration == 4
if need("mirdata"):
    from mirdata.datasets import guitarset
    assert guitarset.load_chords("jams/a.jams", True).labels
import csv
rows = list(csv.DictReader(open("csv/a.csv", newline="")))
assert {r["task"] for r in rows} >= {"tempo", "beats", "chords", "tags"}
PY
if command -v python3 >/dev/null 2>&1; then
    cmd="python3 -I load.py"
    python3 -I load.py >stdout 2>stderr
    rc=$?
    cat stdout
    expect_exit 0
else
    echo "note: no python3"
fi
