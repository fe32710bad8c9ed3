#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Score a folder of results on the development songs with mir_eval.

  devscore.py RESULTS SONGS [EXPECTED.json] [--limit 0.01] [--per-song]

RESULTS holds NAME.beats, NAME.chords.lab, NAME.structure.lab, NAME.key and
NAME.tags (all tags with scores, as `mfm annotate` writes), or NAME.json of
`mfm annotate`. SONGS holds the labels: NAME.beats .lab .seg .key .tags, and is
what decides which songs are scored. Prints each figure beside the one in
EXPECTED.json; exit 1 where they differ by more than the limit or a result is
missing, 2 on wrong usage. Needs mir_eval.
"""
import argparse
import glob
import json
import os
import sys

import numpy as np
import mir_eval

FRAME_S = 0.2  # of the structure accuracy
PITCH = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
SPELLING = ["C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B"]

# ---- readers: each returns None where there is no result ----


def lines(path):
    if not os.path.exists(path):
        return None
    with open(path, encoding="utf-8") as f:
        return [line.rstrip("\n") for line in f if line.strip()]


def read_beats(path):
    """(N, 2): time, position in the bar."""
    rows = lines(path)
    return None if rows is None else np.array(
        [[float(x) for x in r.split()[:2]] for r in rows]).reshape(-1, 2)


def read_lab(path):
    """(intervals (N, 2), labels)."""
    rows = lines(path)
    if rows is None:
        return None
    rows = [r.split("\t") for r in rows]
    return (np.array([[float(r[0]), float(r[1])] for r in rows]),
            [r[2] for r in rows])


def plain_key(text):
    """`Gb:maj`, `F# minor` -> `Gb major`, as mir_eval wants it; no key: X."""
    if text[0] not in PITCH:
        return "X"
    tonic, mode = text.replace(":", " ").split()
    pitch = PITCH[tonic[0]] + tonic.count("#") - tonic.count("b")
    mode = "minor" if mode.startswith("min") else "major"
    return f"{SPELLING[pitch % 12]} {mode}"


def read_key(path):
    rows = lines(path)
    return None if not rows else plain_key(rows[0])


def read_scores(path):
    """Tag -> score."""
    rows = lines(path)
    return None if rows is None else {
        r.split("\t")[0]: float(r.split("\t")[1]) for r in rows}


def from_json(path):
    """The tasks found in a JSON result of mfm."""
    with open(path, encoding="utf-8") as f:
        data = json.load(f)
    out = {}
    if data.get("beats") is not None:
        out["beats"] = np.array([[b["time"], b["position"]]
                                 for b in data["beats"]]).reshape(-1, 2)
    for task in ("chords", "structure"):
        if data.get(task):
            out[task] = (np.array([[s["start"], s["end"]]
                                   for s in data[task]]),
                         [s["label"] for s in data[task]])
    if data.get("key"):
        out["key"] = plain_key(data["key"]["label"])
    if data.get("tags") is not None:
        out["tag"] = {t["label"]: t["score"] for t in data["tags"]}
    return out


def read_result(stem):
    if os.path.exists(stem + ".json"):
        return from_json(stem + ".json")
    found = dict(beats=read_beats(stem + ".beats"),
                 chords=read_lab(stem + ".chords.lab"),
                 structure=read_lab(stem + ".structure.lab"),
                 key=read_key(stem + ".key"), tag=read_scores(stem + ".tags"))
    return {k: v for k, v in found.items() if v is not None}


# ---- figures of one song ----


def score_beats(ref, est):
    f, trim = mir_eval.beat.f_measure, mir_eval.beat.trim_beats
    down = [b[b[:, 1] == 1, 0] for b in (ref, est)]
    return {"beats F": f(trim(ref[:, 0]), trim(est[:, 0])),
            "beats F (untrimmed)": f(ref[:, 0], est[:, 0]),
            "downbeats F": f(trim(down[0]), trim(down[1]))}


def score_chords(ref, est):
    scores = mir_eval.chord.evaluate(*ref, *est)
    return {"chords majmin": scores["majmin"], "chords root": scores["root"]}


def label_at(segments, times):
    """Label of each time, None outside all segments."""
    intervals, labels = segments
    index = np.searchsorted(intervals[:, 0], times, "right") - 1
    return [labels[i] if i >= 0 and t < intervals[i, 1] else None
            for i, t in zip(index, times)]


def score_structure(ref, est, functions):
    """Functions count only where they were annotated, not guessed."""
    hit = mir_eval.segment.detection
    out = {"structure HR.5F": hit(ref[0], est[0], window=0.5)[2],
           "structure HR3F": hit(ref[0], est[0], window=3.0)[2]}
    if functions:
        times = np.arange(FRAME_S / 2, ref[0][-1, 1], FRAME_S)
        same = [r == e for r, e in zip(label_at(ref, times),
                                       label_at(est, times))]
        out["structure accuracy (bb_* songs, 0.2 s)"] = np.mean(same)
    return out


def score_key(ref, est):
    return {"key weighted": mir_eval.key.weighted_score(ref, est),
            "key accuracy": float(ref == est)}


def score_song(labels, name, result):
    """Figure -> value, and the tasks without a result."""
    stem = os.path.join(labels, name)
    out = {}
    tasks = [
        ("beats", score_beats, read_beats(stem + ".beats"), ()),
        ("chords", score_chords, read_lab(stem + ".lab"), ()),
        ("structure", score_structure, read_lab(stem + ".seg"),
         ("_bb_" in name,)),
        ("key", score_key, read_key(stem + ".key"), ())]
    for task, score, ref, more in tasks:
        if task in result:
            out.update(score(ref, result[task], *more))
    return out, [t[0] for t in tasks if t[0] not in result]


# ---- the figure of all songs together ----


def roc_auc(truth, score):
    """Area under the ROC curve by ranks, ties half; None if undefined."""
    positive, negative = score[truth], score[~truth]
    if not len(positive) or not len(negative):
        return None
    more = (positive[:, None] > negative).sum()
    ties = (positive[:, None] == negative).sum()
    return (more + ties / 2) / (len(positive) * len(negative))


def score_tags(labels, results):
    """(macro ROC-AUC, tags counted) of the tags that have both classes."""
    names = sorted(set().union(*(r["tag"] for r in results.values())))
    truth = {n: set(" ".join(lines(os.path.join(labels, n + ".tags"))).split())
             for n in results}
    auc = []
    for tag in names:
        lacking = [n for n, r in results.items() if tag not in r["tag"]]
        if lacking:
            raise SystemExit(f"{lacking[0]}: no score for the tag {tag}; "
                             "all tags of the model are needed")
        auc.append(roc_auc(
            np.array([tag in truth[n] for n in results]),
            np.array([r["tag"][tag] for r in results.values()])))
    auc = [a for a in auc if a is not None]
    return float(np.mean(auc)), len(auc)


def print_table(figures, expected, limit):
    """Returns the number of figures that differ or lack."""
    bad = 0
    print(f"{'figure':40} {'reference':>9} {'ours':>7} {'difference':>10}")
    for name in list(expected) + [k for k in figures if k not in expected]:
        want, got = expected.get(name), figures.get(name)
        row = [f"{x:.4f}" if x is not None else "-" for x in (want, got)]
        off = None if want is None or got is None else got - want
        wrong = want is not None and (off is None or abs(off) > limit)
        bad += wrong
        print(f"{name:40} {row[0]:>9} {row[1]:>7} "
              f"{'-' if off is None else format(off, '+.4f'):>10}"
              f"{'  *' if wrong else ''}")
    return bad


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("results")
    parser.add_argument("songs")
    parser.add_argument("expected", nargs="?")
    parser.add_argument("--limit", type=float, default=0.01)
    parser.add_argument("--per-song", action="store_true")
    args = parser.parse_args()

    names = sorted(os.path.basename(p)[:-len(".beats")]
                   for p in glob.glob(os.path.join(args.songs, "*.beats")))
    if not names:
        parser.error(f"{args.songs}: no NAME.beats in it")
    expected = {}
    if args.expected:
        with open(args.expected) as f:
            expected = {k: v for k, v in json.load(f).items()
                        if isinstance(v, (int, float))}
    results = {n: read_result(os.path.join(args.results, n)) for n in names}
    table, lacking = {}, 0
    for name in names:
        scores, missing = score_song(args.songs, name, results[name])
        if missing:
            print(f"{name}: no {', '.join(missing)}", file=sys.stderr)
        lacking += len(missing)
        if args.per_song:
            print(name, json.dumps({k: round(float(v), 4)
                                    for k, v in scores.items()}))
        for key, value in scores.items():
            table.setdefault(key, []).append(value)
    figures = {k: float(np.mean(v)) for k, v in table.items()}
    tagged = {n: r for n, r in results.items() if "tag" in r}
    lacking += len(names) - len(tagged)
    if tagged:
        auc, count = score_tags(args.songs, tagged)
        figures[f"tag ROC-AUC ({count} tags)"] = auc
    bad = print_table(figures, expected, args.limit)
    print(f"{len(names)} songs, {lacking} results missing, {bad} figures "
          f"beyond {args.limit}")
    return 1 if bad or lacking else 0


if __name__ == "__main__":
    sys.exit(main())
