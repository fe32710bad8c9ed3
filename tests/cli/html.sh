#!/bin/sh
# --format html: one file that needs no other, with the sound in it; and in a
# browser, where there is one, what its script makes of the result.
. "$TOP_SRCDIR/tests/cli/lib.sh"
need ffmpeg
ffmpeg -v error -i "$SAMPLE.opus" -ac 1 -ar 24000 -t 4 "a <i>&.wav" ||
    skip "ffmpeg cannot make a.wav"

# show FILE: as a browser has it when the script has run, in FILE.dom
show() {
    cmd="chromium $1"
    rc=0
    timeout 120 "$browser" --headless --no-sandbox --disable-gpu \
        --user-data-dir="$TMP/browser" --virtual-time-budget=5000 \
        --enable-logging=stderr --dump-dom "file://$TMP/$1" \
        >"$1.dom" 2>"$1.log" || fail "$1 does not open"
    grep -a ':CONSOLE' "$1.log" >stderr
    expect_no_stderr
    # without the script and what it was given
    sed '/<style/,/<\/style>/d; /<script/,/<\/script>/d' "$1.dom" >stdout
}

run annotate --format html --progress never -o page.html "a <i>&.wav"
expect_exit 0
expect_no_stderr
head -c 512 page.html | grep -q '<meta name="generator" content="mfm [0-9]' ||
    fail "the generator expected in the first 512 bytes"
if grep -oE '(src|href)="[^"]{0,20}|url\(|@import|https?:' page.html |
    grep -v '^src="data:audio/flac;'; then
    fail "nothing from elsewhere expected"
fi
# the sound is what was heard
sed -n 's/.*src="data:audio\/flac;base64,\([^"]*\)".*/\1/p' page.html |
    base64 -d >sound.flac
run beats sound.flac
expect_exit 0
cp stdout sound.beats
run beats "a <i>&.wav"
expect_same sound.beats stdout

# embeddings have no sound
"$MFM" embed --progress never -o a.npy "a <i>&.wav" ||
    fail "embeddings expected"
run annotate --format html --progress never -o silent.html a.npy
expect_exit 0
if grep -q 'src="data:' silent.html; then
    fail "no sound expected"
fi
run key --format html --progress never -o key.html "a <i>&.wav"
expect_exit 0
check_foreign key c.html --format html -o c.html

for browser in chromium chromium-browser google-chrome; do
    command -v "$browser" >/dev/null 2>&1 && break
    browser=
done
if [ -z "$browser" ]; then
    echo "note: no chromium, so that no page is shown"
    exit 0
fi

show page.html
expect_in_stdout '>a &lt;i&gt;&amp;.wav</h1>'
for fact in Duration Tempo Metre Key Model; do
    expect_in_stdout "<dt>$fact</dt>"
done
expect_in_stdout '<dd>0:04'
for name in Section Sound Beats Chords Key Tempo; do
    grep -qE "<span style=\"top: [0-9.]+px;\">$name</span>" stdout ||
        fail "lane $name expected"
done
grep -qE 'id="summary".*[1-9][0-9]* beats, [1-9]' stdout ||
    fail "what was found expected"
grep -q '<li><span title="' stdout || fail "tags expected"
grep -qE '<p id="now"><span[^>]*>[a-z]+ A</span>' stdout ||
    fail "a section and its letter expected"
grep -qE '<audio[^>]* src="blob:' page.html.dom || fail "a sound expected"
grep -qE '<label id="open"[^>]* hidden=""' stdout || fail "no chooser expected"

show silent.html
grep -qE '<button id="play"[^>]* hidden=""' stdout || fail "no player expected"
if grep -qE '<label id="open"[^>]* hidden=""|>Sound</span>' stdout; then
    fail "a chooser and no waveform expected"
fi
expect_in_stdout ">Chords</span>"

show key.html
expect_in_stdout ">Key</span>"
if grep -qE '>(Beats|Chords|Section)</span>|<dt>Tempo' stdout; then
    fail "only the key expected"
fi

# hands: a click in the middle of four seconds, five seconds on, a bar from the
# start, the wheel, out again, the other theme, two fingers, the keys
sed '$d' page.html | sed '$d' >hands.html
cat >>hands.html <<'EOF'
<script>
const see = [], $ = id => document.getElementById(id);
const press = (key, shiftKey) => document.body.dispatchEvent(
  new KeyboardEvent("keydown", { key, shiftKey, bubbles: true }));
const box = $("view").getBoundingClientRect();
const middle = { clientX: box.left + box.width / 2, clientY: box.top + 30,
  bubbles: true };
const look = () => see.push($("time").textContent + " " +
  Math.round(4000 / parseFloat($("song").style.width) * box.width));
$("view").dispatchEvent(new MouseEvent("click", middle));
look();
press("ArrowRight");
look();
press("Home");
press("ArrowRight", true);
see.push(parseFloat($("time").textContent.slice(2)) < 4 ? "bar" : "none");
$("view").dispatchEvent(new MouseEvent("click", middle));
$("view").dispatchEvent(new WheelEvent("wheel", { ...middle, deltaY: -100,
  cancelable: true }));
look();
$("view").dispatchEvent(new MouseEvent("click", middle));
look(); /* the time under the cursor stays there */
press("-");
look();
const theme = document.documentElement.dataset.theme;
press("d");
see.push(theme !== document.documentElement.dataset.theme);
const touch = (name, ...apart) => $("view").dispatchEvent(
  new TouchEvent(name, { bubbles: true, cancelable: true,
    touches: apart.map((x, i) => new Touch({ identifier: i, target: $("view"),
      clientX: middle.clientX + x, clientY: middle.clientY })) }));
touch("touchstart", -50, 50);
touch("touchmove", -100, 100);
touch("touchend");
look();
press("?");
see.push($("keys").open);
press("?");
see.push($("keys").open);
document.title = see.join();
</script>
</body>
</html>
EOF
show hands.html
expect_in_stdout "<title>0:02.0 4000,0:04.0 4000,bar,0:02.0 2963,\
0:02.0 2963,0:02.0 4000,true,0:02.0 2000,true,false</title>"
