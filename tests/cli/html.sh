#!/bin/sh
# --format html: a page that a browser draws and plays.
. "$TOP_SRCDIR/tests/cli/lib.sh"
music a.wav
run annotate --format html -o a.html a.wav
expect_exit 0
expect_no_stderr
head -c 512 a.html | grep -q '<meta name="generator" content="mfm ' ||
    fail "a page that says what made it expected"
# its own is replaced, others' are not
run annotate --format html -o a.html a.wav
expect_exit 0
check_foreign annotate b.html --format html -o b.html --tasks key
run annotate --format html --out-dir pages a.wav
expect_exit 0
expect_file pages/a.html
run embed -o a.npy a.wav
run beats --format html -o states.html a.npy
expect_exit 0
if grep -q 'id="sound"' states.html; then
    fail "no sound expected of hidden states"
fi
run annotate --from 1 --to 3 --format html -o part.html a.wav
expect_exit 0

for browser in chromium chromium-browser google-chrome; do
    command -v $browser >/dev/null 2>&1 && break
    browser=
done
[ "$browser" ] || { echo "note: no chromium, so that the page is not drawn"; exit 0; }

# drawn PAGE LANES [SECONDS]: the script ran to its end, and the sound is there
drawn() {
    cmd="$browser $1"
    timeout 120 "$browser" --headless --no-sandbox --disable-gpu \
        --user-data-dir="$TMP/browser" --virtual-time-budget=5000 --dump-dom \
        "file://$TMP/$1" >dom 2>stderr
    rc=$?
    : >stdout
    expect_exit 0
    grep -o '<html[^>]*>' dom >stdout
    expect_in_stdout "data-ready=\"$2\""
    [ -z "${3-}" ] || expect_in_stdout "data-sound=\"$3\""
}
drawn a.html 7 4.00
drawn part.html 7 2.00
drawn states.html 4
grep -q 'Open the recording' dom || fail "a way to open the recording expected"
