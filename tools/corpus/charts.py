# SPDX-License-Identifier: GPL-3.0-or-later
"""Chord charts: McGill Billboard's salami_chords.txt and POP909's folders."""
import os
import re
from dataclasses import dataclass, field, replace

NAMES = ["C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B"]
LETTERS = dict(C=0, D=2, E=4, F=5, G=7, A=9, B=11)

# quality as the labels have it: (what MMA calls it, intervals)
QUALITIES = {
    "maj": ("", (0, 4, 7)), "min": ("m", (0, 3, 7)), "7": ("7", (0, 4, 7, 10)),
    "min7": ("m7", (0, 3, 7, 10)), "maj7": ("M7", (0, 4, 7, 11)),
    "5": ("5", (0, 7)), "sus4": ("sus4", (0, 5, 7)),
    "sus2": ("sus2", (0, 2, 7)),
    "maj(9)": ("add9", (0, 4, 7, 2)), "maj6": ("6", (0, 4, 7, 9)),
    "sus4(b7)": ("7sus", (0, 5, 7, 10)), "min9": ("m9", (0, 3, 7, 10, 2)),
    "7(#9)": ("7#9", (0, 4, 7, 10, 3)), "maj9": ("M9", (0, 4, 7, 11, 2)),
    "11": ("11", (0, 4, 7, 10, 2, 5)), "9": ("9", (0, 4, 7, 10, 2)),
    "dim": ("dim3", (0, 3, 6)), "13": ("13", (0, 4, 7, 10, 2, 9)),
    "hdim7": ("m7b5", (0, 3, 6, 10)), "min6": ("m6", (0, 3, 7, 9)),
    "aug": ("aug", (0, 4, 8)), "minmaj7": ("m(maj7)", (0, 3, 7, 11)),
    "dim7": ("dim7", (0, 3, 6, 9)), "7(b9)": ("7b9", (0, 4, 7, 10, 1)),
}
ALIASES = {"1": "5", "sus4(b7,9)": "sus4(b7)", "min11": "min9", "maj13": "maj9",
           "aug(b7)": "aug", "min(9)": "min", "": "maj", "m": "min",
           "min13": "min9", "sus": "sus4"}


@dataclass(frozen=True)
class Chord:
    root: int | None  # pitch class; None: no chord
    quality: str = "maj"
    bass: int = 0     # semitones above the root

    def moved(self, by):
        return self if self.root is None else \
            replace(self, root=(self.root + by) % 12)

    def label(self):
        if self.root is None:
            return "N"
        over = BASSES[self.bass]
        return f"{NAMES[self.root]}:{self.quality}" + (over and "/" + over)

    def mma(self):
        if self.root is None:
            return "z"
        over = NAMES[(self.root + self.bass) % 12] if self.bass else ""
        return NAMES[self.root] + QUALITIES[self.quality][0] + \
            (over and "/" + over)


BASSES = ["", "b2", "2", "b3", "3", "4", "b5", "5", "b6", "6", "b7", "7"]
NO_CHORD = Chord(None)


@dataclass
class Section:
    function: str
    letter: str
    bars: list = field(default_factory=list)  # of [chord for each beat]
    key: tuple = (0, "maj")


@dataclass
class Chart:
    name: str
    metre: int          # beats of a bar
    bpm: float
    sections: list
    melody: list = field(default_factory=list)  # (beat, beats, MIDI pitch)


def pitch_class(name):
    return (LETTERS[name[0]] + name.count("#") - name.count("b")) % 12


def chord_of(text):
    """None where the text is no chord."""
    m = re.fullmatch(r"([A-G][b#]*)(?::([^/]*))?(?:/([b#]*)(\d+))?", text)
    if text in ("N", "X"):
        return NO_CHORD
    if not m:
        return None
    quality = m[2] if m[2] is not None else "maj"
    quality = ALIASES.get(quality, quality)
    if quality not in QUALITIES:
        quality = quality.split("(")[0]
        quality = ALIASES.get(quality, quality)
    if quality not in QUALITIES:
        quality = "maj"
    bass = 0
    if m[4]:
        degree = (int(m[4]) - 1) % 7
        bass = ([0, 2, 4, 5, 7, 9, 11][degree] + m[3].count("#")
                - m[3].count("b")) % 12
    return Chord(pitch_class(m[1]), quality, bass)


FUNCTIONS = [("pre-chorus", "verse"), ("prechorus", "verse"),
             ("refrain", "chorus"), ("chorus", "chorus"), ("theme", "chorus"),
             ("verse", "verse"), ("intro", "intro"), ("fadein", "intro"),
             ("bridge", "bridge"), ("trans", "bridge"), ("out", "outro"),
             ("coda", "outro"), ("ending", "outro"), ("break", "inst"),
             ("inst", "inst"), ("interlude", "inst"), ("solo", "inst")]


def function_of(word):
    for key, function in FUNCTIONS:
        if key in word:
            return function
    return None


def spread(chords, beats):
    """One chord for each beat of a bar, or None if they do not fit."""
    n = len(chords)
    if n == 0 or n > beats:
        return None
    if beats % n == 0:
        return [c for c in chords for _ in range(beats // n)]
    return chords + [chords[-1]] * (beats - n) if n > 2 else \
        [chords[0]] * (beats - beats // 2) + [chords[1]] * (beats // 2)


def bars_of(text, metre, last):
    """The bars between the first and last | of a line; the last chord."""
    out = []
    for bar in text.split("|")[1:-1]:
        beats, chords = metre, []
        for word in bar.split():
            sign = re.fullmatch(r"\((\d+)/(\d+)\)", word)
            chord = chord_of(word)
            if sign:
                beats = int(sign[1]) if sign[2] == "4" else metre
            elif word == "." and (chords or last):
                chords.append(chords[-1] if chords else last)
            elif chord:
                chords.append(chord)
        if not chords:
            chords = [last or NO_CHORD]
        row = spread(chords, beats)
        if row is None:
            return None, last
        out.append(row)
        last = chords[-1]
    times = re.search(r"\|[^|]*x(\d+)[^|]*$", text)
    return out * (min(int(times[1]), 8) if times else 1), last


def key_of(sections, tonic):
    """(tonic, mode): minor where chords on the tonic are minor for longer."""
    minor = major = 0
    for section in sections:
        for bar in section.bars:
            for c in bar:
                if c.root == tonic:
                    third = QUALITIES[c.quality][1]
                    minor += 3 in third and 4 not in third
                    major += 4 in third
    return tonic, "min" if minor > major else "maj"


def read_billboard(path):
    """A chart, or None where it cannot be played."""
    metre, tonic, sections, last, clock = 4, 0, [], None, []
    function, name = None, os.path.basename(os.path.dirname(path))
    with open(path, encoding="utf-8") as f:
        for line in f:
            m = re.match(r"# (metre|tonic): (\S+)", line)
            if m and m[1] == "metre":
                num, den = map(int, m[2].split("/"))
                now = num // 3 if den == 8 and num % 3 == 0 else num
                if sections and now != metre:
                    return None
                metre = now
            elif m:
                tonic = pitch_class(m[2])
            m = re.match(r"([\d.]+)\t(.*)", line)
            if not m or "|" not in m[2]:
                if m and sections and m[2].startswith(("silence", "end")):
                    clock.append(float(m[1]))
                    break
                continue
            clock.append(float(m[1]))
            head = m[2].split("|")[0]
            words = [w.strip() for w in head.split(",") if w.strip()]
            letter = next((w for w in words if re.fullmatch(r"[A-Z]'*", w)),
                          None)
            said = next((f for f in map(function_of, words) if f), None)
            if letter or said or not sections:
                function = said or function or "verse"
                sections.append(Section(function, letter or "-",
                                        key=(tonic, None)))
            bars, last = bars_of(m[2], metre, last)
            if bars is None:
                return None
            sections[-1].bars += bars
    sections = [s for s in sections if s.bars]
    beats = sum(len(b) for s in sections for b in s.bars)
    if beats < 64 or len(clock) < 2 or clock[-1] <= clock[0]:
        return None
    bpm = 60 * beats / (clock[-1] - clock[0])
    modes = {}
    for s in sections:
        t = s.key[0]
        if t not in modes:
            modes[t] = key_of([x for x in sections if x.key[0] == t], t)
        s.key = modes[t]
    if not 40 < bpm < 240 or metre not in (2, 3, 4):
        return None
    return Chart("bb_" + name, metre, bpm, sections)


POP909_LETTERS = dict(A="verse", B="chorus", C="bridge", D="bridge", i="intro",
                      o="outro", X="bridge", x="inst")


def read_pop909(folder):
    def text(name):
        with open(os.path.join(folder, name), encoding="utf-8") as f:
            return f.read()
    row = []
    for line in text("finalized_chord.txt").splitlines():
        if line.strip():
            word = line.split()
            chord = chord_of(word[0]) or NO_CHORD
            if len(word) > 2 and chord.root is not None:
                bass = re.search(r"\] (\d+) ", line)
                over = (int(bass[1]) - chord.root) % 12 if bass else 0
                chord = replace(chord, bass=over)
            row += [chord] * int(word[-1])
    key = text("analyzed_key.txt").strip().split(":")
    if len(key) < 2:
        return None
    key = (pitch_class(key[0]), key[1][:3])
    sections, at = [], 0
    for letter, n in re.findall(r"([A-Za-z])(\d+)",
                                text("human_label1.txt").split("\n")[0]):
        function = POP909_LETTERS.get(
            letter, "inst" if letter.islower() else "bridge")
        bars = [row[i:i + 4] for i in range(at, at + 4 * int(n), 4)]
        at += 4 * int(n)
        bars = [b for b in bars if len(b) == 4]
        if bars:
            sections.append(Section(function, letter, bars, key))
    bpm = float(text("tempo.txt"))
    if len(sections) < 3 or not 30 < bpm < 240:
        return None
    melody, beat = [], 0.0
    for line in text("melody.txt").splitlines():
        word = line.split()
        if len(word) == 2:
            if int(word[0]):
                melody.append((beat, int(word[1]) / 4, int(word[0])))
            beat += int(word[1]) / 4
    return Chart("pop909_" + os.path.basename(folder), 4,
                 bpm * 2 if bpm < 60 else bpm, sections, melody)


def read_all(root, split):
    """The charts of a split that can be played, by name."""
    out = []
    with open(os.path.join(root, "splits.tsv"), encoding="utf-8") as f:
        for line in f:
            name, where = line.split()
            path = os.path.join(root, name)
            if where != split:
                continue
            if name.startswith("billboard"):
                chart = read_billboard(os.path.join(path, "salami_chords.txt"))
            else:
                chart = read_pop909(path)
            if chart:
                out.append(chart)
    return out
