# SPDX-License-Identifier: GPL-3.0-or-later
"""A chart becomes a performance: MMA plays the accompaniment, bars are cut to
other metres, a lead is added, and every note gets its time in seconds."""
import math
import os
import subprocess
from dataclasses import dataclass, field

import mido

from charts import NAMES, QUALITIES

DRUMS = 9       # the channel


@dataclass
class Note:
    start: float
    end: float
    pitch: int
    velocity: int
    channel: int


@dataclass
class Bar:
    """A bar as MMA plays it, of which beats first to first + keep sound."""
    chords: list            # one for each quarter that MMA plays
    places: list            # place in the bar of each quarter, 0: no beat
    first: int
    keep: int
    section: int


@dataclass
class Song:
    notes: list = field(default_factory=list)
    programs: dict = field(default_factory=dict)   # channel: program
    roles: dict = field(default_factory=dict)      # channel: drums, bass, ...
    beats: list = field(default_factory=list)      # (seconds, place)
    chords: list = field(default_factory=list)     # (start, end, label)
    sections: list = field(default_factory=list)   # (.., function, letter)
    keys: list = field(default_factory=list)       # (start, end, key)
    end: float = 0.0
    tags: set = field(default_factory=set)
    at: list = field(default_factory=list)         # seconds of each quarter


# ---- metre ----

def fit(row, beats):
    """A bar's chords on so many beats."""
    return [row[min(i * len(row) // beats, len(row) - 1)] for i in range(beats)]


def lay_out(chart, time, metre, rng):
    """The bars that MMA plays. time: of the groove; metre: of the song."""
    bars = []
    for number, section in enumerate(chart.sections):
        rows = section.bars
        if metre == 2 and chart.metre == 4:
            rows = [h for r in rows for h in (r[:2], r[2:4] or r[:2])]
        for row in rows:
            odd = len(row) != chart.metre
            if time == 6:       # two beats of three quarters each
                pair = fit(row, 2)
                bars.append(Bar([pair[0]] * 3 + [pair[1]] * 3,
                                [1, 0, 0, 2, 0, 0], 0, 6, number))
                continue
            beats = len(row) if odd and metre == chart.metre else metre
            row, at = fit(row, beats), 0
            while at < beats:
                keep = min(time, beats - at)
                play = row[at:at + keep]
                bars.append(Bar(play + [play[-1]] * (time - keep),
                                list(range(at + 1, at + keep + 1)), 0, keep,
                                number))
                at += keep
    if rng.random() < 0.1 and bars[0].keep > 2:         # a pick-up
        cut = rng.randrange(1, bars[0].keep)
        bars[0].first, bars[0].keep = cut, bars[0].keep - cut
        bars[0].places = bars[0].places[cut:]
    return bars


def tempo_curve(bpm, quarters, free, rng):
    """Seconds of each quarter: drift, phrases, chance, a slower end."""
    base, out = 60 / bpm, []
    drift = rng.uniform(-1, 1) * (0.06 if free else 0.015)
    depth = rng.uniform(0.03, 0.13) if free else rng.uniform(0, 0.004)
    loose = rng.uniform(0.01, 0.04) if free else rng.uniform(0, 0.006)
    phrase, shift = rng.choice([8, 16, 16, 32]), rng.random()
    held = rng.random() < (0.6 if free else 0.2)
    for i in range(quarters):
        x = 1 + drift * math.sin(2 * math.pi * i / max(quarters, 1) + shift)
        x += depth * math.cos(2 * math.pi * (i / phrase + shift / 9))
        x += rng.gauss(0, loose)
        left = quarters - i
        if held and left <= 4:
            x *= 1 + 0.13 * (5 - left) * rng.uniform(0.6, 1.2)
        out.append(base * max(x, 0.5))
    return out


# ---- the accompaniment ----

def write_mma(path, bars, chart, family, bpm, rng):
    main = [family.pick(rng, "main") for _ in range(4)]
    use = dict(verse=main[0], chorus=main[1], bridge=main[2], inst=main[3])
    intro, outro = family.pick(rng, "intro"), family.pick(rng, "outro")
    fill = family.pick(rng, "fill")
    lines = [f"SeqRnd Off\nTime {family.time}\nTempo {bpm:.2f}"]
    now = None
    for i, bar in enumerate(bars):
        section = chart.sections[bar.section]
        ends = i + 1 == len(bars) or bars[i + 1].section != bar.section
        groove = use.get(section.function, main[0])
        if section.function == "intro" and intro and rng.random() < 0.7:
            groove = intro
        if section.function == "outro" and outro and rng.random() < 0.5:
            groove = outro
        if ends and fill and rng.random() < 0.7:
            groove = fill
        if groove != now:
            lines.append("Groove " + family.full(groove))
            now = groove
        words, last = [], None
        for chord in bar.chords:
            words.append("/" if chord == last else chord.mma())
            last = chord
        lines.append(f"{i + 1} " + " ".join(words))
    with open(path, "w", encoding="ascii") as f:
        f.write("\n".join(lines) + "\n")


def play_mma(path, midi):
    run = subprocess.run(["mma", path, "-f", midi], capture_output=True,
                         text=True, timeout=120, check=False)
    if run.returncode or not os.path.exists(midi):
        raise RuntimeError("mma: " + (run.stdout + run.stderr)[-300:])


ROLE_OF = dict(drum="drums", bass="bass", walk="bass", chord="chord",
               arpeggio="arpeggio", scale="arpeggio", aria="arpeggio",
               melody="arpeggio", solo="arpeggio", plectrum="chord")


def read_midi(midi):
    """[(start, end, pitch, velocity, channel)] in quarters, programs, roles."""
    song = mido.MidiFile(midi)
    notes, programs, roles = [], {}, {}
    for track in song.tracks:
        at, on, name = 0, {}, track.name.lower()
        role = next((r for w, r in ROLE_OF.items() if name.startswith(w)),
                    "chord")
        for m in track:
            at += m.time
            if m.type == "program_change":
                programs.setdefault(m.channel, m.program)
            elif m.type == "note_on" and m.velocity:
                on.setdefault((m.channel, m.note), []).append((at, m.velocity))
                roles[m.channel] = "drums" if m.channel == DRUMS else role
            elif m.type in ("note_off", "note_on") and \
                    on.get((m.channel, m.note)):
                start, velocity = on[m.channel, m.note].pop(0)
                notes.append((start / song.ticks_per_beat,
                              at / song.ticks_per_beat, m.note, velocity,
                              m.channel))
    return notes, programs, roles


def place_notes(notes, bars, time):
    """Notes of MMA's bars on the quarters that are kept."""
    starts, at = [], 0
    for bar in bars:
        starts.append(at)
        at += bar.keep
    out = []
    for start, end, pitch, velocity, channel in notes:
        i = int((start + 0.02) // time)
        if i >= len(bars):
            continue
        bar, inside = bars[i], start - i * time - bars[i].first
        if not -0.03 <= inside < bar.keep - 0.03:
            continue
        begin = starts[i] + max(inside, 0)
        length = end - start
        if inside + length > bar.keep and bar.keep + bar.first < time:
            length = bar.keep - inside
        out.append((begin, begin + length, pitch, velocity, channel))
    return out, at


# ---- the lead ----

LEADS = dict(
    band=[0, 4, 11, 22, 24, 25, 26, 27, 28, 29, 30, 56, 57, 61, 64, 65, 66, 73],
    voice=[52, 53, 54, 85, 91], synth=[80, 81, 82, 83, 84, 85, 86, 87, 88, 90],
    orchestra=[40, 41, 42, 46, 48, 52, 56, 57, 60, 68, 69, 70, 71, 73, 75, 9,
               11, 14])
RHYTHMS = [[1, 1, 1, 1], [0.5] * 8, [1, 0.5, 0.5, 1, 1], [1.5, 0.5, 1, 1],
           [2, 1, 1], [0.5, 0.5, 1, 0.5, 0.5, 1], [0.75, 0.75, 0.5, 1, 1],
           [-1, 1, 0.5, 0.5, 1], [-0.5, 0.5, 0.5, 0.5, 1, 1], [4], [2, 2],
           [-2, 1, 1], [0.25, 0.25, 0.5, 1, 2], [3, -1], [-4]]


def scale_of(chord, key):
    tonic, mode = key
    steps = (0, 2, 4, 5, 7, 9, 11) if mode == "maj" else (0, 2, 3, 5, 7, 8, 10)
    tones = {(tonic + s) % 12 for s in steps}
    if chord.root is not None:
        mine = {(chord.root + i) % 12 for i in QUALITIES[chord.quality][1]}
        tones = mine | {t for t in tones if not any(
            (t - c) % 12 in (1, 11) for c in mine)}
    return tones


def invent_lead(row, sections, keys, rng):
    """A melody over row, [(chord, section)] of each quarter: phrases of four
    quarters whose rhythm and contour come back with the section's letter."""
    out, pitch, themes = [], rng.randrange(60, 76), {}
    for at in range(0, len(row) - 3, 4):
        number = row[at][1]
        letter, bar = sections[number].letter, at // 4 % 4
        theme = themes.setdefault((letter, bar % 2 + 2 * (bar == 3)), (
            rng.choice(RHYTHMS), [rng.choice([-2, -1, -1, 0, 0, 1, 1, 2, 3])
                                  for _ in range(8)]))
        beat = at
        for length, step in zip(theme[0], theme[1]):
            if length > 0 and int(beat) < len(row):
                chord, _ = row[int(beat)]
                tones = scale_of(chord, keys[number])
                pitch += step * 2
                pitch += 12 * (pitch < 57) - 12 * (pitch > 82)
                while pitch % 12 not in tones:
                    pitch += 1
                if chord.root is not None and rng.random() < 0.95:
                    out.append((beat, beat + length * 0.95, pitch))
            beat += abs(length)
    return out


def chart_lead(chart, starts, by, shift):
    """The chart's own melody, where every bar has four quarters."""
    return [(b + shift, b + d * 0.97 + shift, p + by)
            for b, d, p in chart.melody if b + d + shift < starts]


# ---- the whole ----

def instrument_tags(tags, programs, roles):
    families = ["piano", "mallets", "organ", "guitar", "bass", "strings",
                "ensemble", "brass", "reed", "pipe", "synth-lead", "synth-pad",
                "synth-fx", "ethnic", None, None]
    for channel, program in programs.items():
        if roles.get(channel) == "drums":
            continue
        name = "voice" if program in (52, 53, 54) else families[program // 8]
        if name:
            tags.add(name)
    tags.add("drums" if "drums" in roles.values() else "no-drums")


def change_programs(song, style, rng):
    for channel, program in song.programs.items():
        role = song.roles.get(channel)
        if role == "drums":
            continue
        if style == "orchestra":
            pool = [43, 42, 32] if role == "bass" else LEADS["orchestra"] + \
                [44, 45, 46, 48, 49, 49, 50, 60, 61, 52]
            song.programs[channel] = rng.choice(pool)
        elif style == "synth":
            pool = [38, 39, 38, 87] if role == "bass" else \
                list(range(80, 96)) + [50, 51, 62, 63, 5, 11]
            song.programs[channel] = rng.choice(pool)
        elif style == "piano":
            song.programs[channel] = rng.choice([0, 0, 1, 2, 4])
        elif style == "rock" and role != "bass" and program // 8 in (3, 0):
            song.programs[channel] = rng.choice([29, 30, 30, 27, 28])
        elif rng.random() < 0.4:
            song.programs[channel] = program // 8 * 8 + rng.randrange(8) \
                if program // 8 < 12 else program


def thin_out(notes, song, sections, section_at, style, rng):
    """Who plays in which section; breaks before a section; how loud."""
    channels = sorted({n[4] for n in notes})
    silent, level, gaps = {}, {}, {}
    for number, s in enumerate(sections):
        key = (s.function, s.letter)
        if key not in level:
            level[key] = rng.uniform(0.75, 1) * dict(
                intro=0.85, verse=0.85, outro=0.85, bridge=0.9).get(
                    s.function, 1)
            odds = dict(intro=0.45, outro=0.3, verse=0.15, bridge=0.25,
                        inst=0.12).get(s.function, 0.04)
            quiet = {c for c in channels if rng.random() < odds}
            silent[key] = quiet if len(quiet) < len(channels) else set()
        gaps[number] = rng.choice([0] * 14 + [1, 2, 4]) if number else 0
    last = {}
    for at, number in enumerate(section_at):
        last[number] = at
    no_drums = style in ("piano", "orchestra") and rng.random() < 0.75 or \
        rng.random() < 0.06
    out = []
    for begin, end, pitch, velocity, channel in notes:
        number = section_at[min(int(begin), len(section_at) - 1)]
        key = (sections[number].function, sections[number].letter)
        drums = song.roles.get(channel) == "drums"
        left = last[number] + 1 - begin
        gap = gaps.get(number + 1, 0)
        if channel in silent[key] or drums and no_drums or \
                left <= gap and (drums or gap == 1):
            continue
        velocity = int(min(127, max(8, velocity * level[key]
                                    * rng.uniform(0.85, 1.1))))
        out.append((begin, end, pitch, velocity, channel))
    return out


def compose(chart, family, rng, folder):
    """The song of a chart, with everything drawn from rng."""
    style = rng.choices(["band", "rock", "synth", "orchestra", "piano"],
                        [50, 12, 13, 18, 7])[0]
    metre = chart.metre
    if family.time == 3 and metre == 4:
        metre = 3
    elif family.time == 4 and metre == 4:
        metre = rng.choices([4, 2, 3, 5, 6, 7], [84, 4, 4, 3, 2, 3])[0]
    bars = lay_out(chart, family.time, metre, rng)
    bpm = chart.bpm * rng.uniform(0.9, 1.12)
    bpm = min(max(bpm, 45), 215) * (3 if family.time == 6 else 1)
    longest = 300 * bpm / 60        # five minutes
    total = 0
    for i, bar in enumerate(bars):
        total += bar.keep
        if total > longest:
            bars = bars[:i + 1]
            break
    by, rise = rng.randrange(-6, 6), 0
    sections = chart.sections[:bars[-1].section + 1]
    if rng.random() < 0.15 and len(sections) > 3:   # up a step, near the end
        rise = rng.choice([1, 2, 2, 3])
    raised = rng.randrange(len(sections) * 2 // 3, len(sections)) if rise \
        else len(sections)
    for bar in bars:
        up = by + (rise if bar.section >= raised else 0)
        bar.chords = [c.moved(up) for c in bar.chords]
    keys = {i: ((s.key[0] + by + (rise if i >= raised else 0)) % 12, s.key[1])
            for i, s in enumerate(sections)}

    source, midi = os.path.join(folder, "a.mma"), os.path.join(folder, "a.mid")
    write_mma(source, bars, chart, family, bpm, rng)
    play_mma(source, midi)
    notes, programs, roles = read_midi(midi)
    notes, quarters = place_notes(notes, bars, family.time)
    song = Song(programs=programs, roles=roles)
    change_programs(song, style, rng)
    row = [(bar.chords[bar.first + i], bar.section)
           for bar in bars for i in range(bar.keep)]
    section_at = [s for _, s in row]
    notes = thin_out(notes, song, sections, section_at, style, rng)

    add_lead(song, notes, chart, row, sections, keys, by, bars, style, rng)
    free = style in ("piano", "orchestra") and rng.random() < 0.7
    time_it(song, notes, row, bars, bpm, free, rng)
    label(song, row, sections, keys)
    describe(song, family, bpm / (3 if family.time == 6 else 1))
    return song


def add_lead(song, notes, chart, row, sections, keys, by, bars, style, rng):
    if rng.random() < 0.14:
        return
    whole = all(b.keep == 4 and not b.first for b in bars)
    if chart.melody and whole and rng.random() < 0.75:
        up = 12 * (sum(p for _, _, p in chart.melody) / len(chart.melody) < 60)
        lead = chart_lead(chart, len(row), by + up, 0)
        # a melody does not know of the step up
        lead = [(b, e, p + (keys[row[int(b)][1]][0]
                            - sections[row[int(b)][1]].key[0] - by) % 12)
                for b, e, p in lead if int(b) < len(row)]
    else:
        lead = invent_lead(row, sections, keys, rng)
    free = [c for c in range(16) if c != DRUMS and c not in song.programs]
    if not free or not lead:
        return
    channel = free[0]
    kind = dict(orchestra="orchestra", synth="synth", piano="band").get(
        style, rng.choice(["band", "voice", "voice", "synth", "band"]))
    song.programs[channel] = 0 if style == "piano" else rng.choice(LEADS[kind])
    song.roles[channel] = "voice" if kind == "voice" else "lead"
    rests = {i for i, s in enumerate(sections)
             if s.function in ("intro", "outro", "inst") and rng.random() < 0.6}
    loud = rng.randrange(80, 120)
    double = rng.random() < 0.2         # in octaves
    for begin, end, pitch in lead:
        if row[int(begin)][1] in rests:
            continue
        notes.append((begin, end, pitch, loud + rng.randrange(-8, 8), channel))
        if double:
            notes.append((begin, end, pitch - 12, loud - 10, channel))


def time_it(song, notes, row, bars, bpm, free, rng):
    """Seconds for all: MMA's even quarters become the tempo curve."""
    lengths = tempo_curve(bpm, len(row), free, rng)
    at = [0.0]
    for x in lengths:
        at.append(at[-1] + x)
    swing = rng.uniform(0.1, 0.17) if rng.random() < 0.12 else 0

    def seconds(q):
        i = min(int(q), len(lengths) - 1)
        f = q - i
        if swing and 0 <= f <= 1:       # the half goes to 0.5 + swing
            h = 0.5 + swing
            f = f * 2 * h if f < 0.5 else h + (f - 0.5) * 2 * (1 - h)
        return at[i] + f * lengths[i]

    human = rng.uniform(0, 0.012 if not free else 0.018)
    for begin, end, pitch, velocity, channel in notes:
        late = rng.gauss(0, human) * (0.4 if channel == DRUMS else 1)
        start = max(0, seconds(begin) + late)
        stop = max(start + 0.03, seconds(end) + late)
        song.notes.append(Note(start, stop, pitch, velocity, channel))
    song.at, song.end = at, at[-1]
    places = [p for bar in bars for p in bar.places]
    song.beats = [(at[i], p) for i, p in enumerate(places) if p]


def label(song, row, sections, keys):
    at, start = song.at, 0
    for i in range(1, len(row) + 1):
        if i == len(row) or row[i][0] != row[start][0]:
            song.chords.append((at[start], at[i], row[start][0].label()))
            start = i
    start = 0
    for i in range(1, len(row) + 1):
        if i == len(row) or row[i][1] != row[start][1]:
            s = sections[row[start][1]]
            song.sections.append((at[start], at[i], s.function, s.letter))
            key = keys[row[start][1]]
            name = f"{NAMES[key[0]]}:{key[1]}"
            if song.keys and song.keys[-1][2] == name:
                song.keys[-1] = (song.keys[-1][0], at[i], name)
            else:
                song.keys.append((at[start], at[i], name))
            start = i


def describe(song, family, bpm):
    heard = {n.channel for n in song.notes}
    roles = {c: r for c, r in song.roles.items() if c in heard}
    instrument_tags(song.tags, {c: p for c, p in song.programs.items()
                                if c in heard}, roles)
    song.tags |= family.genres()
    song.tags.add("slow" if bpm < 85 else "fast" if bpm > 130 else "medium")
    longest = max(song.keys, key=lambda k: k[1] - k[0])[2]
    song.tags.add("minor" if longest.endswith("min") else "major")
