#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""madmom's DBN downbeat tracker on stored activations: to time, to decode.

  madmom_dbn.py time FILE.npy|noise FPS REPEAT [SECONDS]   one JSON line, as
                                            kbench dbn; tiled to SECONDS
  madmom_dbn.py check FOLDER                recorded cases (cases.json)
  madmom_dbn.py decode FPS IN.npy OUT.beats ...   pairs of files
  madmom_dbn.py version

None of madmom's trained models is needed. Activations are (frames, 2): beat
that is no downbeat, downbeat; bars have 3 or 4 beats.
"""
import json
import os
import resource
import statistics
import sys
import time
import types

import numpy as np

# The package imports its (separately licensed) trained models: not needed here,
# so an empty module stands in where they are not installed.
sys.modules.setdefault("madmom.models", types.ModuleType("madmom.models"))


def tracker(fps, bars=(3, 4), **options):
    from madmom.features.downbeats import DBNDownBeatTrackingProcessor
    return DBNDownBeatTrackingProcessor(
        **dict(options, beats_per_bar=list(bars), fps=fps))


def activations(source, fps, seconds):
    """(frames, 2): a file repeated to seconds (0: as it is), or dense noise in
    [0, 0.5) by the generator of kbench."""
    frames = int(seconds * fps)
    if source != "noise":
        act = np.load(source)
        frames = frames or len(act)
        return np.tile(act, (-(-frames // len(act)), 1))[:frames]
    x, out = 1, []
    for _ in range(2 * frames):
        x = (x * 1664525 + 1013904223) & 0xffffffff
        out.append((x >> 8) / 2 ** 25)
    return np.array(out, np.float32).reshape(-1, 2)


def cmd_time(source, fps, repeat, seconds="0"):
    import madmom
    act = activations(source, int(fps), int(seconds)).astype(np.float64)
    dbn = tracker(int(fps))
    beats = dbn(act)
    runs = []
    for _ in range(int(repeat)):
        start = time.perf_counter()
        dbn(act)
        runs.append(time.perf_counter() - start)
    print(json.dumps(dict(
        what="dbn", program=f"madmom {madmom.__version__}",
        seconds=statistics.median(runs), runs=len(runs),
        rss_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        check=len(beats))))


def cmd_check(folder):
    with open(os.path.join(folder, "cases.json")) as f:
        cases = [c for c in json.load(f) if c["kind"] == "downbeat"]
    wrong = 0
    for case in cases:
        act = np.load(os.path.join(folder, case["activations"] + ".npy"))
        options = dict(case["options"])
        bars = options.pop("beats_per_bar", [3, 4])
        got = np.asarray(tracker(case["fps"], bars, **options)(act))
        want = np.asarray(case["beats"]).reshape(-1, 2)
        # recorded times are rounded; a frame is at least 0.01 s
        if got.reshape(-1, 2).shape != want.shape or \
                np.abs(got.reshape(-1, 2) - want).max(initial=0) > 2e-3:
            wrong += 1
            print("differs:", case["activations"], case["options"])
    print(f"{len(cases) - wrong} of {len(cases)} downbeat cases agree")
    return wrong > 0


def cmd_decode(fps, *pairs):
    dbn = tracker(int(fps))
    for source, target in zip(pairs[::2], pairs[1::2]):
        with open(target, "w") as f:
            for at, position in np.reshape(dbn(np.load(source)), (-1, 2)):
                f.write(f"{at:.6f}\t{int(position)}\n")


def cmd_version():
    import madmom
    print(f"madmom {madmom.__version__}")


def main(argv):
    commands = dict(time=cmd_time, check=cmd_check, decode=cmd_decode,
                    version=cmd_version)
    if len(argv) < 2 or argv[1] not in commands:
        sys.exit(__doc__)
    return commands[argv[1]](*argv[2:])


if __name__ == "__main__":
    sys.exit(main(sys.argv))
