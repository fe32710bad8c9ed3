#!/bin/sh
# mfm annotate: all tasks, all ways in and out.
. "$TOP_SRCDIR/tests/cli/lib.sh"
music a.wav

# one input: an object; the tasks in it
run annotate --progress never a.wav
expect_exit 0
expect_no_stderr
expect_json
for field in file duration model mfm tempo meter beats chords structure key \
    tags; do
    expect_in_stdout "\"$field\":"
done
cp stdout a.json
run annotate --tasks key,tag a.wav
expect_exit 0
expect_json
expect_in_stdout '"tags":'
if grep -q '"beats"\|"chords"\|"structure"' stdout; then
    fail "only key and tags expected"
fi
expect_usage annotate --tasks beats,bats a.wav
expect_in_stderr "'bats'"
for tasks in '' ,; do
    expect_usage annotate --tasks "$tasks" a.wav
    expect_in_stderr "no task named"
done
expect_usage annotate --format xml a.wav
grep -q "did you mean" stderr && fail "xml is near to nothing"
expect_usage annotate --format jsn a.wav
expect_in_stderr "(did you mean json?; see mfm annotate -h)"
expect_usage annotate --from -1 a.wav
expect_in_stderr "'-1' is not within 0..1000000000 s"
run annotate ''
expect_exit 1
expect_one_line_stderr
expect_in_stderr "mfm: '': an empty file name"
run annotate --tasks tags,key a.wav # as in JSON
expect_exit 0
expect_in_stdout '"tags":'
expect_usage annotate --window 5 --hop 10 a.wav
expect_usage annotate --hop 30 a.wav # of the model's 24
expect_usage annotate --device cpu --precision fp16 a.wav
expect_usage annotate --hop 0 a.wav
expect_usage annotate -o x --out-dir y a.wav

# text: a heading for each task
run annotate --format text a.wav
expect_exit 0
grep '^#' stdout >got
printf '# %s\n' beats chords structure key tag >want
expect_same want got

# pipes: a file on stdin, ffmpeg's endless header, and hidden states
sed 's/a\.wav/stdin/' a.json >want
for input in a.wav -; do
    cmd="mfm annotate - <a.wav"
    case $input in
    -) "$MFM" annotate - <a.wav >stdout 2>stderr ;;
    *) ffmpeg -v error -i a.wav -f wav - | "$MFM" annotate >stdout 2>stderr ;;
    esac
    rc=$?
    expect_exit 0
    expect_no_stderr
    expect_same want stdout
done

# several inputs, broken ones among them
check_batch annotate json
run annotate --format ndjson a.wav
expect_exit 0
expect_lines 1
expect_json
expect_usage annotate --format text a.wav b.wav
expect_in_stderr "--out-dir"
expect_usage annotate a.wav - -

# a failure is one line, whatever is in a name, and names it once
run annotate "$(printf 'a\nb\033[31m\302\233c.wav')"
expect_exit 1
expect_one_line_stderr
expect_in_stderr 'mfm: a\nb\x1b[31m\xc2\x9bc.wav: cannot open'
run annotate --format ndjson text.wav
expect_exit 1
expect_in_stdout '{"file":"text.wav","error":"not audio'
mkdir hollow
run annotate -r hollow
expect_exit 0
expect_one_line_stderr
printf 'a.wav\r\n\r\n' >crlf
run annotate --tasks key --files-from crlf
expect_exit 0
expect_in_stdout '"file":	"a.wav"'
run annotate --files-from empty.wav
expect_exit 0
expect_in_stderr "the list of files is empty"

# lists and folders
mkdir -p music/deep music/.hidden
cp a.wav music/2.wav
cp a.wav "music/deep/1 with space.wav"
cp a.wav music/.hidden/3.wav
echo "not audio" >music/readme.txt
run annotate --tasks key -r music
expect_exit 0
expect_lines 2
expect_json
sed 's/^{"file":"\([^"]*\)".*/\1/' stdout >got
printf '%s\n' music/2.wav "music/deep/1 with space.wav" >want
expect_same want got
cp stdout walked
run annotate --tasks key music
expect_exit 1
expect_in_stderr "-r"
run annotate --tasks key --files-from want
expect_exit 0
expect_same walked stdout
cmd="mfm annotate --files-from - -0"
tr '\n' '\0' <want | "$MFM" annotate --tasks key --files-from - -0 >stdout \
    2>stderr
rc=$?
expect_exit 0
expect_same walked stdout
: >none
run annotate --files-from none -o none.ndjson
expect_exit 0
expect_one_line_stderr
expect_in_stderr "nothing to do"

# files of their own
run annotate --out-dir out --format text a.wav
expect_exit 0
expect_no_stdout
expect_only a.beats a.chords.lab a.structure.lab a.key a.tags
rm -r out
run annotate --tasks key --out-dir out/deep a.wav text.wav music/2.wav
expect_exit 1
expect_no_stdout
expect_lines 2 stderr
expect_in_stderr "1 of 3 inputs failed"
mv out/deep/* out && rm -r out/deep
expect_only a.json 2.json
expect_json out/a.json
rm -r out
echo "a file" >out
run annotate --tasks key --out-dir out a.wav
expect_exit 1
expect_one_line_stderr
rm out

check_foreign annotate out.json -o out.json --tasks key
check_foreign annotate a.json --out-dir . --tasks key
check_unwritable annotate --tasks key
# with more inputs: before any work is done, once
run annotate -o nowhere/out.ndjson a.wav b.wav
expect_exit 1
expect_one_line_stderr

# a run that was ended leaves no result, whole or in part
mkfifo slow
cmd="mfm annotate -o killed.ndjson a.wav -, ended"
"$MFM" annotate --tasks key -o killed.ndjson a.wav slow >stdout 2>stderr &
pid=$!
exec 3>slow
kill "$pid"
wait "$pid"
rc=$?
exec 3>&-
[ $rc -gt 128 ] || fail "the end by a signal expected"
expect_no_file killed.ndjson

# -j: the same lines in the same order, and the same files
printf 'a.wav\nbad.wav\nb.wav\nmissing.wav\na.wav\n' >list
music b.wav
echo "this is no sound" >bad.wav
for jobs in 1 3; do
    run annotate --files-from list --progress never --threads $jobs -j $jobs
    expect_exit 1
    expect_lines 3 stderr
    expect_lines 5
    cp stdout jobs$jobs
    rm -rf out$jobs
    run annotate --format text --threads $jobs -j $jobs --out-dir out$jobs \
        a.wav b.wav
    expect_exit 0
done
expect_same jobs1 jobs3
for file in out1/*; do
    expect_same "$file" "out3/${file#out1/}"
done
if [ -c /dev/full ]; then
    cmd="mfm annotate -j 3 >/dev/full"
    "$MFM" annotate --tasks key --progress never -j 3 a.wav b.wav a.wav b.wav \
        >/dev/full 2>stderr
    rc=$?
    : >stdout
    expect_exit 1
    expect_one_line_stderr
fi
expect_usage annotate -j 0 a.wav

# what is hardly music
sound clip.wav "sine=440:d=0.3"
sound silence.wav "anullsrc=r=24000:cl=mono:d=5"
sound noise.wav "anoisesrc=d=5:seed=1"
sound one.wav "sine=440:d=1:r=24000" -af atrim=end_sample=1
run annotate --progress never clip.wav silence.wav noise.wav one.wav
expect_exit 0
expect_no_stderr
expect_lines 4
expect_json
sed -n 2p stdout >line
grep -q '"chords":\[{"start":0,"end":5,"label":"N",' line ||
    fail "no chord in silence expected"
# less than a frame has no labels
sed -n 4p stdout >line
for empty in '"beats":[]' '"chords":[]' '"structure":[]' '"tags":[]' \
    '"key":{"label":null,' '"bpm":null'; do
    grep -qF "$empty" line || fail "$empty expected of one sample"
done

# cut off in the middle: what is there, and a warning
ffmpeg -v error -f lavfi -i "sine=440:d=20" -c:a libmp3lame -b:a 64k cut.mp3 \
    2>/dev/null || skip "no mp3 encoder; all else passed"
head -c 40000 cut.mp3 >half.mp3
run annotate --tasks chords --progress never half.mp3
expect_exit 0
expect_json
expect_one_line_stderr
expect_in_stderr "half.mp3: "
