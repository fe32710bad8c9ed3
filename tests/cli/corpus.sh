#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# tools/make-corpus: a generated song has a sound as long as its labels, labels
# that mfm reads, and is the same each time.
. "$TOP_SRCDIR/tests/cli/lib.sh"

need_shared corpus/charts.tar.xz
need mma
need fluidsynth
need ffmpeg
python=/usr/bin/python3
$python -c 'import mido, scipy' 2>/dev/null ||
    skip "no python3-mido and python3-scipy"
font=$(find /usr/share/sounds/sf2 -name TimGM6mb.sf2 2>/dev/null)
[ -n "$font" ] || skip "no timgm6mb-soundfont"

tar -xJf "$SHARED/corpus/charts.tar.xz"
mma -G >/dev/null 2>&1
make_songs() {
    "$python" "$TOP_SRCDIR/tools/make-corpus" -c charts -n 2 -s 3 -j 2 \
        --fonts "${font%/*}" "$@" || fail "make-corpus $*"
}
make_songs -o one
make_songs -o two --stage compose
make_songs -o two --stage render
for i in 00000 00001; do
    for kind in beats lab seg key tags opus; do
        [ -s "one/$i.$kind" ] || fail "no one/$i.$kind"
        cmp -s "one/$i.$kind" "two/$i.$kind" || [ $kind = opus ] ||
            fail "another $i.$kind the second time"
    done
    for task in beats chords structure key; do
        case $task in
        chords) kind=lab ;;
        structure) kind=seg ;;
        *) kind=$task ;;
        esac
        run eval $task "one/$i.$kind" "two/$i.$kind" --format tsv
        expect_exit 0
    done
    last=$(tail -n 1 "one/$i.lab" | cut -f2)
    ffprobe -v error -show_entries format=duration -of csv=p=0 \
        "one/$i.opus" >seconds
    awk -v last="$last" '{ exit !($1 >= last && $1 < last + 6) }' seconds ||
        fail "$i: $(cat seconds) s of sound, labels to $last"
done
[ ! -e one/00000.d ] || fail "one/00000.d is left"
