#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""mir_eval on folders of labels, timed as a process beside mfm eval.

  mir_eval_bench.py make DIR SONGS [COPIES]   labels made from a seed: DIR/ref,
                                  DIR/est; of beats COPIES of each song
  mir_eval_bench.py mfm MFM TASK DIR JOBS [SONG]   one JSON line: seconds from
                                  start to end of the process, memory, a score
  mir_eval_bench.py peer TASK DIR [SONG]           the same of mir_eval
  mir_eval_bench.py score TASK DIR [SONG]          what `peer` runs
  mir_eval_bench.py version

TASK is beats, chords or structure; SONG alone is scored where it is given.
"""
import glob
import json
import os
import random
import resource
import subprocess
import sys
import time

KINDS = {"beats": ".beats", "chords": ".chords.lab",
         "structure": ".structure.lab"}
LEAD = {"beats": "F-measure", "chords": "majmin",
        "structure": "F-measure@0.5"}


# ---- labels ----

def write(path, rows):
    with open(path, "w", encoding="ascii") as f:
        for *numbers, label in rows:
            f.write("\t".join(f"{x:.6f}" for x in numbers) + f"\t{label}\n")


def beats(r, length):
    """Ref: a tempo that wavers; est: 20 ms of noise, 3 % missing."""
    step, t, ref = 60 / r.uniform(60, 180), r.uniform(0, 1), []
    while t < length:
        ref.append((t, len(ref) % 4 + 1))
        t += step * r.uniform(0.98, 1.02)
    est = [(max(0, t + r.gauss(0, 0.02)), p) for t, p in ref
           if r.random() > 0.03]
    return ref, sorted(est)


def spans(r, length, longest, labels, jitter):
    """Ref: stretches of random labels; est: boundaries moved by jitter, every
    fifth label the first of the list."""
    t, ref = 0, []
    while t < length:
        end = min(t + r.uniform(0.3, 1) * longest, length)
        ref.append((t, end, r.choice(labels)))
        t = end
    start, est = 0, []
    for _, end, label in ref:
        if end < length:
            end = min(end + r.gauss(0, jitter), length)
        if end > start:
            est.append((start, end, label if r.random() > 0.2 else labels[0]))
            start = end
    return ref, est


def make(folder, songs, copies=1):
    r = random.Random(1)
    chords = [n + k for n in "CDEFGAB" for k in ("", ":min", ":7", ":min7")]
    parts = ["verse", "chorus", "bridge", "intro", "outro", "inst"]
    for side in "ref", "est":
        os.makedirs(os.path.join(folder, side))
    for i in range(int(songs)):
        length = r.uniform(120, 300)
        labels = {".beats": beats(r, length),
                  ".chords.lab": spans(r, length, 4, chords, 0.05),
                  ".structure.lab": spans(r, length, 30, parts, 1)}
        for extension, sides in labels.items():
            for side, rows in zip(("ref", "est"), sides):
                for k in range(int(copies) if extension == ".beats" else 1):
                    write(f"{folder}/{side}/{i:05}-{k}{extension}", rows)


# ---- time ----

def report(program, command, mean):
    """Runs a command that prints JSON; mean takes the score out of it."""
    begin = time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    seconds = time.perf_counter() - begin
    rss = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(json.dumps({"program": program, "seconds": seconds, "rss_mb": rss,
                      "check": mean(json.loads(done.stdout))}))


def mfm(program, task, folder, jobs, song=""):
    suffix = "/" + song + KINDS[task] if song else ""
    report("mfm eval -j " + jobs,
           [program, "eval", task, f"{folder}/ref{suffix}",
            f"{folder}/est{suffix}", "-j", jobs, "--format", "json"],
           lambda out: out.get("mean", out)[LEAD[task]])


def peer(task, folder, song=""):
    import importlib.metadata
    report("mir_eval " + importlib.metadata.version("mir_eval"),
           [sys.executable, __file__, "score", task, folder] +
           ([song] if song else []), lambda out: out[LEAD[task]])


def score(task, folder, song="*"):
    import warnings
    import mir_eval
    warnings.simplefilter("ignore")
    scores = []
    for ref in sorted(glob.glob(f"{folder}/ref/{song}{KINDS[task]}")):
        est = f"{folder}/est/{os.path.basename(ref)}"
        if task == "beats":
            load = mir_eval.io.load_labeled_events
            scores.append(mir_eval.beat.evaluate(load(ref)[0], load(est)[0]))
        else:
            load = mir_eval.io.load_labeled_intervals
            module = mir_eval.chord if task == "chords" else mir_eval.segment
            scores.append(module.evaluate(*load(ref), *load(est)))
    print(json.dumps({name: float(sum(s[name] for s in scores) / len(scores))
                      for name in scores[0]}))


def version():
    import importlib.metadata
    print("mir_eval", importlib.metadata.version("mir_eval"))


if __name__ == "__main__":
    known = {"make": make, "mfm": mfm, "peer": peer, "score": score,
             "version": version}
    if len(sys.argv) < 2 or sys.argv[1] not in known:
        sys.exit(__doc__)
    known[sys.argv[1]](*sys.argv[2:])
