# SPDX-License-Identifier: GPL-3.0-or-later
"""A performance becomes sound: each instrument from a soundfont of its own, and
what rooms, mixing desks, tapes and encoders do to it."""
import os
import subprocess
import wave

import mido
import numpy as np
from scipy import signal

RATE = 24000
TICKS = 10000           # a quarter of half a second: 50 microseconds each


def write_stem(path, notes, programs, bends, rng):
    """A MIDI file of notes in seconds. One tempo: times are in the ticks."""
    events = []
    for n in notes:
        events.append((n.start, 1, mido.Message(
            "note_on", channel=n.channel, note=n.pitch % 128,
            velocity=n.velocity)))
        events.append((n.end, 0, mido.Message(
            "note_off", channel=n.channel, note=n.pitch % 128)))
        if n.channel in bends and n.end - n.start > 0.25:
            t, rate, depth = n.start + 0.15, rng.uniform(4.5, 6.5), \
                rng.uniform(300, 1100)
            while t < n.end:            # vibrato
                events.append((t, 0, mido.Message(
                    "pitchwheel", channel=n.channel, pitch=int(
                        depth * np.sin(2 * np.pi * rate * (t - n.start))))))
                t += 0.02
            events.append((n.end, 0, mido.Message(
                "pitchwheel", channel=n.channel, pitch=0)))
    events.sort(key=lambda e: (e[0], e[1]))
    track, at = mido.MidiTrack(), 0
    for channel, program in programs.items():
        track.append(mido.Message("program_change", channel=channel,
                                  program=program))
        track.append(mido.Message("control_change", channel=channel, control=7,
                                  value=rng.randrange(70, 118)))
    for when, _, message in events:
        tick = round(when * 2 * TICKS)
        track.append(message.copy(time=tick - at))
        at = tick
    song = mido.MidiFile(ticks_per_beat=TICKS)
    song.tracks.append(track)
    song.save(path)


def play(midi, font, length):
    """Mono f32 of a MIDI file."""
    out = midi + ".wav"
    subprocess.run(["fluidsynth", "-q", "-n", "-i", "-R", "0", "-C", "0", "-g",
                    "0.6", "-r", str(RATE), "-O", "s16", "-T", "wav", "-F", out,
                    font, midi], check=True, capture_output=True, timeout=300)
    with wave.open(out) as w:
        x = np.frombuffer(w.readframes(w.getnframes()), np.int16)
        x = x.reshape(-1, w.getnchannels()).mean(1, dtype=np.float32) / 32768
    os.remove(out)
    y = np.zeros(int(length * RATE), np.float32)
    y[:min(len(x), len(y))] = x[:len(y)]
    return y


# ---- what is done to sound; r is a numpy generator ----

def curve(r, deviation, points=7):
    """A smooth random equaliser: a filter of 255 taps, delay taken off."""
    at = np.concatenate([[0], np.geomspace(60, RATE / 2, points)])
    db = r.normal(0, deviation, points + 1)
    grid = np.linspace(0, RATE / 2, 129)
    gain = 10 ** (np.interp(np.log1p(grid), np.log1p(at), db) / 20)
    return signal.firwin2(255, grid, gain, fs=RATE)


def filtered(x, taps):
    return signal.oaconvolve(x, taps)[127:127 + len(x)].astype(np.float32)


def room(x, r, most=2.2):
    t60 = np.exp(r.uniform(np.log(0.2), np.log(most)))
    n = int(min(t60, 2) * RATE)
    t = np.arange(n) / RATE
    ir = r.normal(0, 1, n) * 10 ** (-3 * t / t60)
    ir = signal.lfilter(*signal.butter(1, r.uniform(2500, 8000), fs=RATE), ir)
    ir[:int(r.uniform(0.002, 0.03) * RATE)] = 0
    ir /= np.sqrt((ir ** 2).sum()) + 1e-9
    wet = 10 ** (r.uniform(-22, -7) / 20)
    return (x + wet * signal.oaconvolve(x, ir)[:len(x)]).astype(np.float32)


VOWELS = np.array([[730, 1090, 2440], [530, 1840, 2480], [270, 2290, 3010],
                   [570, 840, 2410], [300, 870, 2240], [440, 1020, 2240]])


def sung(x, r):
    """Formants that change from syllable to syllable."""
    y, at = np.zeros_like(x), 0
    fade = int(0.03 * RATE)
    while at < len(x):
        n = int(r.uniform(0.15, 0.6) * RATE)
        part = x[at:at + n + fade]
        if len(part) < fade * 2:
            break
        out = 0.15 * part
        for f, g in zip(VOWELS[r.integers(len(VOWELS))] * r.uniform(0.9, 1.2),
                        (1, 0.6, 0.35)):
            b, a = signal.iirpeak(f, 7, fs=RATE)
            out = out + g * 2 * signal.lfilter(b, a, part)
        if r.random() < 0.3:            # a consonant
            m = int(r.uniform(0.02, 0.07) * RATE)
            out[:m] += r.normal(0, 0.6, m) * np.sqrt((part ** 2).mean() + 1e-9)
        w = np.ones(len(out))
        w[:fade] *= np.linspace(0, 1, fade)
        w[-fade:] *= np.linspace(1, 0, fade)
        y[at:at + len(out)] += out * w
        at += n
    return y.astype(np.float32)


def squeezed(x, r, ratio):
    """A compressor on the level of every 10 ms."""
    hop = RATE // 100
    n = len(x) // hop + 1
    level = np.sqrt(np.add.reduceat(np.pad(x, (0, n * hop - len(x))) ** 2,
                                    np.arange(0, n * hop, hop)) / hop + 1e-9)
    slow = np.empty_like(level)
    up, down, v = r.uniform(0.3, 0.9), r.uniform(0.03, 0.2), level[0]
    for i, e in enumerate(level):
        v += (e - v) * (up if e > v else down)
        slow[i] = v
    over = np.maximum(slow / (np.sqrt((level ** 2).mean()) * 0.5), 1)
    gain = over ** (1 / ratio - 1)
    return x * np.interp(np.arange(len(x)), np.arange(n) * hop, gain).astype(
        np.float32)


def noise(n, r):
    """Hiss, or a crowd: noise whose level wanders."""
    x = r.normal(0, 1, n)
    if r.random() < 0.3:
        x = signal.lfilter(*signal.butter(2, [300, 2500], "band", fs=RATE), x)
        level = np.interp(np.arange(n), np.linspace(0, n, n // RATE + 2),
                          np.exp(r.normal(0, 0.5, n // RATE + 2)))
        return x * level, r.uniform(-45, -24)
    return x, r.uniform(-75, -40)


def scaled(x, db):
    """x with this level (rms)."""
    return x * (10 ** (db / 20) / (np.sqrt((x ** 2).mean()) + 1e-7))


LEVELS = dict(drums=-20, bass=-22, chord=-23, arpeggio=-25, lead=-20, voice=-19)


def mix(stems, r):
    """[(role, sound)] as one sound, with the desk's faults."""
    out = np.zeros(len(stems[0][1]), np.float32)
    for role, x in stems:
        if not x.any():
            continue
        x = filtered(x, curve(r, 3.5))
        if role == "voice" and r.random() < 0.7:
            x = sung(x, r)
        if role in ("chord", "lead", "bass") and r.random() < 0.12:
            drive = 10 ** (r.uniform(0.2, 1.2))
            x = np.tanh(scaled(x, -18) * drive * 3)
        if r.random() < 0.35:
            x = squeezed(x, r, r.uniform(1.5, 4))
        if r.random() < 0.5 and role != "bass":
            x = room(x, r, 1.5)
        out += scaled(x, LEVELS[role] + r.normal(0, 3)).astype(np.float32)
    if r.random() < 0.5:
        out = room(out, r)
    return out


def master(x, r):
    """The mix as a record: loud or not, worn, coded. Its length stays."""
    x = filtered(x, curve(r, 4.5))
    if r.random() < 0.75:
        x = squeezed(x, r, r.uniform(1.3, 5))
    if r.random() < 0.25:
        x = filtered(x, signal.firwin(255, r.uniform(5000, 11000), fs=RATE))
    if r.random() < 0.25:
        x = signal.lfilter(*signal.butter(2, r.uniform(40, 160), "high",
                                          fs=RATE), x)
    if r.random() < 0.35:
        n, db = noise(len(x), r)
        x = x + scaled(n, db) * np.sqrt((x ** 2).mean())
    loud = r.uniform(-36, -10)
    x = scaled(x, loud)
    return (np.tanh(x * 1.2) / 1.2 if loud > -18 else x).astype(np.float32)


def resampled(x, r):
    """Another speed, as of a tape; (sound, by how much times grow)."""
    if r.random() < 0.4:
        return x, 1.0
    most = 30 if r.random() < 0.25 else 10
    down = int(r.integers(-most, most + 1)) + 1000
    y = signal.resample_poly(x, 1000, down).astype(np.float32)
    return y, 1000 / down


def write_wav(path, x):
    peak = np.abs(x).max()
    if peak > 0.99:
        x = x * (0.99 / peak)
    with wave.open(path, "wb") as w:
        w.setnchannels(1)
        w.setsampwidth(2)
        w.setframerate(RATE)
        w.writeframes((x * 32767).astype(np.int16).tobytes())
