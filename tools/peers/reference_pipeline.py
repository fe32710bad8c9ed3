#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole annotation pipeline in PyTorch and numpy, with madmom's DBN.

  reference_pipeline.py --model FILE --madmom PYTHON -o FOLDER SONG...

Writes NAME.beats, .chords.lab, .structure.lab, .key and .tags for each song, as
`mfm annotate --format text --out-dir` does, so that tools/devscore.py can score
both; also NAME.act.npy (beat activations) and NAME.logits.npz. PYTHON is an
interpreter that can import madmom. Needs ffmpeg, torch, torchaudio and
safetensors.

Windows of config.window seconds overlap by half; a hidden state comes from the
window whose middle half it lies in (edges: from the first and last window).
"""
import argparse
import json
import os
import subprocess
import sys

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import safe_open

import torch_conformer

HERE = os.path.dirname(os.path.abspath(__file__))


def decode(path, rate=24000):
    """Any audio file -> mono float32 samples at `rate`."""
    raw = subprocess.run(
        ["ffmpeg", "-v", "error", "-i", path, "-f", "f32le", "-ac", "1",
         "-ar", str(rate), "-"], stdout=subprocess.PIPE, check=True).stdout
    return torch.from_numpy(np.frombuffer(raw, np.float32).copy())


class Model:
    def __init__(self, path):
        with safe_open(path, "pt") as f:
            self.config = json.loads(f.metadata()["mfm"])
        self.net = torch_conformer.Conformer(**self.config["encoder"]).eval()
        self.tensors = self.net.load(torch_conformer.read_tensors(path))

    def hidden(self, mel):
        """(T, 128) normalised mel -> (T', D) last hidden states, stitched."""
        encoder = self.config["encoder"]
        per_s = 24000 // self.config["mel"]["hop"]
        ratio = per_s // encoder["rate"]
        size = int(self.config["window"] * per_s)
        total = len(mel) // ratio
        if len(mel) <= size:
            return self.net(mel.T[None])[-1][0]
        last = (len(mel) - size) // ratio * ratio
        starts = list(range(0, last, size // 2)) + [last]
        out = torch.zeros(total, encoder["dim"])
        for start in starts:
            h = self.net(mel[start:start + size].T[None])[-1][0]
            first = 0 if start == 0 else len(h) // 4
            end = len(h) if start == last else len(h) * 3 // 4
            at = start // ratio
            end = min(end, total - at)
            out[at + first:at + end] = h[first:end]
        return out

    def head(self, task, x):
        w = {n: self.tensors[f"head.{task}.{n}"] for n in (
            "hidden.weight", "hidden.bias", "output.weight", "output.bias")}
        x = F.relu(F.linear(x, w["hidden.weight"], w["hidden.bias"]))
        return F.linear(x, w["output.weight"], w["output.bias"])

    def logits(self, mel):
        """Task name -> (frames, outputs) at the task's rate, whole song."""
        h = self.hidden(mel)
        out = {}
        for task, head in self.config["heads"].items():
            rate = head["rate"]
            n = 1 if rate == "clip" else max(1, round(
                len(h) * rate / self.config["encoder"]["rate"]))
            x = h if n == len(h) else F.adaptive_avg_pool1d(h.T[None], n)[0].T
            out[task] = self.head(task, x)
        return out


def viterbi(log_p, stay=0.9):
    """Most likely path of (T, K) log-probabilities; uniform start."""
    count, k = log_p.shape
    other, same = np.log((1 - stay) / (k - 1)), np.log(stay)
    back = np.zeros((count, k), int)
    score = log_p[0].copy()
    for t in range(1, count):
        best = int(score.argmax())
        jump = score[best] + other
        back[t] = np.where(score + same >= jump, np.arange(k), best)
        score = np.maximum(score + same, jump) + log_p[t]
    path = [int(score.argmax())]
    for t in range(count - 1, 0, -1):
        path.append(back[t][path[-1]])
    return np.array(path[::-1])


def segments_of(labels, rate, duration):
    """Runs of equal labels -> [(start, end, label)], contiguous to duration."""
    cut = [0] + [i for i in range(1, len(labels))
                 if labels[i] != labels[i - 1]]
    ends = [c / rate for c in cut[1:]] + [duration]
    return [(c / rate, e, labels[c]) for c, e in zip(cut, ends)
            if c / rate < e]


def boundaries(prob, rate, reach_s=6.0, least=0.3, edge_s=2.0):
    """Frames that are the maximum within +-reach_s and at least `least`; none
    within edge_s of the ends, where the recorded figures have none."""
    reach, edge = round(reach_s * rate), round(edge_s * rate)
    return [i for i in range(edge, len(prob) - edge + 1) if prob[i] >= least
            and prob[i] == prob[max(0, i - reach):i + reach + 1].max()]


def structure(logits, classes, rate, duration):
    prob = torch.softmax(logits[:, :len(classes)], -1).numpy()
    cut = [0] + boundaries(torch.sigmoid(logits[:, -1]).numpy(), rate)
    ends = cut[1:] + [len(prob)]
    return [(a / rate, duration if b == len(prob) else b / rate,
             classes[prob[a:b].mean(0).argmax()]) for a, b in zip(cut, ends)]


def write_lab(path, segments):
    with open(path, "w") as f:
        for start, end, label in segments:
            f.write(f"{start:.6f}\t{end:.6f}\t{label}\n")


def annotate(model, song, stem):
    """Everything but the beats, which the DBN makes from NAME.act.npy."""
    wave = decode(song)
    duration = len(wave) / 24000
    cfg = model.config["mel"]
    mel = (torch_conformer.mel(wave, cfg["hop"]).T - cfg["mean"]) / cfg["std"]
    logits = model.logits(mel)
    heads = model.config["heads"]
    np.savez(stem + ".logits.npz", **{k: v.numpy() for k, v in logits.items()})
    np.save(stem + ".act.npy",
            torch.softmax(logits["beats"], -1)[:, :2].numpy())
    names = heads["chords"]["classes"]
    path = viterbi(torch.log_softmax(logits["chords"], -1).double().numpy())
    # pooled over the whole song: the frames share its duration evenly
    write_lab(stem + ".chords.lab", segments_of(
        [names[i] for i in path], len(path) / duration, duration))
    write_lab(stem + ".structure.lab", structure(
        logits["structure"], heads["structure"]["classes"],
        heads["structure"]["rate"], duration))
    key = torch.softmax(logits["key"], -1).mean(0)[:24].argmax()
    with open(stem + ".key", "w") as f:
        f.write(heads["key"]["classes"][key] + "\n")
    with open(stem + ".tags", "w") as f:
        for name, p in zip(heads["tag"]["classes"],
                           torch.sigmoid(logits["tag"][0]).tolist()):
            f.write(f"{name}\t{p:.6f}\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", required=True)
    parser.add_argument("--madmom", required=True, metavar="PYTHON")
    parser.add_argument("-o", "--out", required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("songs", nargs="+")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    os.makedirs(args.out, exist_ok=True)
    model = Model(args.model)
    pairs = []
    with torch.inference_mode():
        for song in args.songs:
            name = os.path.splitext(os.path.basename(song))[0]
            stem = os.path.join(args.out, name)
            annotate(model, song, stem)
            pairs += [stem + ".act.npy", stem + ".beats"]
            print(name, file=sys.stderr)
    rate = str(model.config["heads"]["beats"]["rate"])
    subprocess.run([args.madmom, os.path.join(HERE, "madmom_dbn.py"),
                    "decode", rate] + pairs, check=True)


if __name__ == "__main__":
    main()
