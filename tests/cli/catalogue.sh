#!/bin/sh
# Many files in one run: names, --resume after the hardest of ends, processes.
. "$TOP_SRCDIR/tests/cli/lib.sh"
KEY="annotate --tasks key --threads 1 --progress never"

# 400 clips, which are links to two, one broken file among them
sound one.wav "sine=440:d=0.3"
sound two.wav "sine=330:d=0.4"
mkdir -p songs/sub
i=100
while [ $i -lt 500 ]; do
    [ $((i % 2)) -eq 0 ] && from=one || from=two
    [ $i -lt 300 ] && to=songs || to=songs/sub
    ln "$from.wav" "$to/$i.wav"
    i=$((i + 1))
done
rm songs/130.wav
echo "this is no sound" >songs/130.wav

# names: folders of a walk are kept, of operands with --keep-folders; any bytes
# shellcheck disable=SC2086 # words, here and below
run $KEY -r --out-dir out -j 2 songs
expect_exit 1
expect_lines 2 stderr
expect_in_stderr "1 of 400 inputs failed"
expect_file out/100.json
expect_file out/sub/469.json
expect_no_file out/130.json
[ "$(find out -type f ! -name '.*' | wc -l)" -eq 399 ] || fail "399 results expected"
run $KEY --out-dir kept --keep-folders songs/100.wav songs/sub/469.wav
expect_exit 0
expect_file kept/songs/sub/469.json
cp one.wav 'a
b "$x" \.wav'
printf 'one.wav\0a\nb "$x" \\.wav\0' >list0
run $KEY -0 --files-from list0 --out-dir odd
expect_exit 0
expect_file 'odd/a
b "$x" \.json'
# of two that would have one name the second fails
run $KEY --out-dir same songs/100.wav one.wav songs/sub/../100.wav
expect_exit 1
expect_in_stderr "songs/sub/../100.wav: would be written to same/100.*"
expect_file same/100.json
expect_file same/one.json

# what is done is left out; what failed is tried again
run $KEY -r --out-dir out --resume -v songs
expect_exit 1
expect_in_stderr "399 of 400 inputs are done"
rm out/101.json
cp one.wav songs/130.wav
run $KEY -r --out-dir out --resume songs
expect_exit 0
expect_no_stderr
expect_file out/101.json
expect_file out/130.json
echo "this is no sound" >songs/130.wav
run annotate --tasks key,beats --format text --out-dir text one.wav
expect_exit 0
rm text/one.key
run annotate --tasks key,beats --format text --out-dir text --resume one.wav
expect_exit 0
expect_file text/one.key
expect_usage annotate --resume one.wav
expect_usage annotate --keep-folders one.wav

# but not with other options
run key --out-dir opts one.wav
expect_exit 0
expect_usage key --out-dir opts --resume --to 0.2 one.wav
expect_in_stderr "opts holds results of \`mfm key model "
expect_in_stderr "this is \`mfm key --to=0.2 model"
run key --out-dir opts --resume --threads 1 -q one.wav
expect_exit 0
run key --out-dir opts --resume --format json one.wav # other files
expect_exit 0
expect_file opts/one.json
expect_usage annotate --out-dir opts --resume one.wav
run key --out-dir opts --resume --force --to 0.2 -v one.wav
expect_exit 0
expect_in_stderr "computing"
expect_usage key --out-dir opts --resume one.wav
# what two runs of different options wrote is not told apart
run key --out-dir opts two.wav
expect_exit 0
expect_usage key --out-dir opts --resume two.wav one.wav
expect_in_stderr "--to=0.2"

# a run that is killed 50 times ends with what an undisturbed one gives, and
# with nothing half written in between
run $KEY -r -o whole.ndjson songs
expect_exit 1
expect_lines 400 whole.ndjson
# killed OPTION...: 50 times, at moments from the start of it on, or until it
# is done before
killed() {
    cmd="mfm annotate $*, killed"
    kills=0
    while [ $kills -lt 50 ]; do
        # shellcheck disable=SC2086
        "$MFM" $KEY -r --resume "$@" songs >/dev/null 2>&1 &
        pid=$!
        sleep "0.$(printf %03d $((80 + kills * 37 % 120)))"
        kill -9 $pid 2>/dev/null
        wait $pid 2>/dev/null
        [ $? -eq 137 ] || break
        kills=$((kills + 1))
    done
}
killed -j 2 -o killed.ndjson
echo "lines: killed $kills times, $(cat killed.ndjson* | wc -l) lines are there"
run $KEY -r --resume -o killed.ndjson songs
expect_exit 1
expect_same whole.ndjson killed.ndjson
expect_no_file killed.ndjson.part
mv out undisturbed
killed -j 2 --out-dir out
echo "files: killed $kills times, $(find out -type f ! -name '.*' | wc -l) are there"
run $KEY -r --resume --out-dir out songs
expect_exit 1
rm undisturbed/130.json
diff -r undisturbed out >stdout || fail "the same files expected"

# no room: what is there stays, and another run goes on
cmd="mfm annotate -o full.ndjson, files of 8 KiB at most"
# shellcheck disable=SC2086
(ulimit -f 8 2>/dev/null && "$MFM" $KEY -r -o full.ndjson songs) >stdout 2>stderr
rc=$?
expect_exit 1
expect_in_stderr "full.ndjson.part: cannot write (--resume goes on"
expect_no_file full.ndjson
[ "$(wc -l <full.ndjson.part)" -gt 5 ] || fail "some lines expected"
run $KEY -r --resume -o full.ndjson songs
expect_same whole.ndjson full.ndjson

# of lines, while there are parts
expect_no_file full.ndjson.part.options
head -n 5 whole.ndjson >opts.ndjson.part
printf 'lines\tannotate --to=3\n' >opts.ndjson.part.options
expect_usage annotate --tasks key --resume -o opts.ndjson -r songs
expect_in_stderr "opts.ndjson holds results of"
run annotate --tasks key --resume --force -o opts.ndjson one.wav two.wav
expect_exit 0
expect_lines 2 opts.ndjson
[ "$(echo opts.ndjson*)" = opts.ndjson ] || fail "no parts expected"

# a part that was left is not written over
cp whole.ndjson new.ndjson.part
run $KEY -o new.ndjson one.wav two.wav
expect_exit 1
expect_one_line_stderr
expect_in_stderr "--resume"
run $KEY --force -o new.ndjson one.wav two.wav
expect_exit 0
expect_lines 2 new.ndjson
# a longer list
run $KEY --resume -o new.ndjson one.wav songs/100.wav two.wav
expect_exit 0
expect_lines 3 new.ndjson
sed -n 2p new.ndjson | grep -q '"file":"songs/100.wav"' ||
    fail "the order of the list expected"

# processes
command -v mpirun >/dev/null 2>&1 || { echo "note: no mpirun"; exit 0; }
"$MFM" --version | grep -q 'MPI yes' || { echo "note: built without MPI"; exit 0; }
ranks 2 $KEY -r -o ranks.ndjson songs
expect_exit 1
expect_in_stderr "1 of 400 inputs failed"
expect_same whole.ndjson ranks.ndjson
[ "$(ls ranks.ndjson*)" = ranks.ndjson ] || fail "no parts expected"
ranks 2 $KEY -r --format text --out-dir ranks -v songs
expect_exit 1
[ "$(find ranks -type f ! -name '.*' | wc -l)" -eq 399 ] || fail "399 results expected"
ranks 2 $KEY -r songs
[ $rc -ne 0 ] || fail "failure expected"
expect_in_stderr "mix on stdout"
# two leave their parts, one goes on
head -n 5 whole.ndjson >more.ndjson.part
sed -n '8,20p' whole.ndjson >more.ndjson.part.1
printf '{"file":"songs/11' >>more.ndjson.part.1
run $KEY -r --resume -o more.ndjson songs
expect_exit 1
expect_same whole.ndjson more.ndjson
[ "$(ls more.ndjson*)" = more.ndjson ] || fail "no parts expected"
