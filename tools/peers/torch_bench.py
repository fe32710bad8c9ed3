#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Time PyTorch on the work that tools/kbench gives to mfm; one JSON line.

  torch_bench.py mel SECONDS REPEAT [--threads N] [--chunk S]
  torch_bench.py encoder MODEL SECONDS REPEAT [--threads N] [--batch B]
                         [--layout default|channels_last] [--precision f32|bf16]
                         [--device cuda] [--compile]
  torch_bench.py train MODEL SECONDS REPEAT [the same options]
                       forward, masked-token loss, backward; bf16 is autocast
  torch_bench.py versions

Input is the same pseudo-random sequence as in kbench, so that `check` (mel: the
mean in dB; encoder: the mean of channel 0 of the last hidden state) must agree.
"""
import argparse
import json
import resource
import statistics
import sys
import time

import numpy as np
import torch

import torch_conformer


def noise(count):
    """The linear congruential sequence of kbench, in [-1, 1)."""
    out = np.empty(count, np.uint32)
    x = 1
    for i in range(count):
        x = (x * 1664525 + 1013904223) & 0xffffffff
        out[i] = x
    return torch.from_numpy((out >> 8).astype(np.float32) / 2 ** 23 - 1)


def report(what, runs, check, **more):
    print(json.dumps(dict(
        what=what, program=f"torch {torch.__version__}",
        seconds=statistics.median(runs), runs=len(runs),
        rss_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        check=check, **more)))


def timed(work, repeat, warm=1):
    """Result of the first, untimed calls and the seconds of the others. What
    is timed ends with its result on the host, so a device has done it all."""
    for _ in range(warm):
        result = work()
    runs = []
    for _ in range(repeat):
        start = time.perf_counter()
        work()
        runs.append(time.perf_counter() - start)
    return result, runs


def bench_mel(args):
    """Whole seconds of noise that repeats each second; cut in chunks."""
    wave = 0.1 * noise(24000).repeat(args.seconds)
    transform = torch_conformer.mel_transform()
    chunk = 24000 * (args.chunk or args.seconds)

    def work():
        return [transform(wave[i:i + chunk])[..., :-1]
                for i in range(0, len(wave), chunk)]
    parts, runs = timed(work, args.repeat)
    total = sum(p.double().sum() for p in parts)
    report("mel", runs, (total / sum(p.numel() for p in parts)).item(),
           chunk_s=args.chunk)


def sizes_of(tensors):
    """The configuration that the shapes of published tensors tell."""
    count = 1 + max(int(k.split(".")[2]) for k in tensors
                    if k.startswith("conformer.layers."))
    dim = len(tensors["conformer.layer_norm.weight"])
    freqs = len(tensors["conformer.embed_positions.inv_freq"])
    stack = tensors["quantizer_melspec_2048_0.random_projection"].shape[0] // 128
    first = "conformer.layers.0."
    return dict(
        dim=dim, layers=count, heads=dim // (2 * freqs),
        time_strides={1: (1, 1), 2: (2, 1), 4: (2, 2)}[stack],
        ffn=len(tensors[first + "ffn1.intermediate_dense.bias"]),
        kernel=tensors[first + "conv_module.depthwise_conv.weight"].shape[2],
        conv_dim=len(tensors["conv.conv.0.conv1.bias"]))


def placed(net, args):
    """net as the options want it."""
    net = net.to(args.device)
    if args.layout == "channels_last":
        net.conv = net.conv.to(memory_format=torch.channels_last)
    return torch.compile(net) if args.compile else net


def memory(args):
    if args.device == "cpu":
        return {}
    return dict(device_mb=torch.cuda.max_memory_allocated() / 2 ** 20)


def bench_encoder(args):
    tensors = torch_conformer.read_tensors(args.model)
    tensors = {k.removeprefix("model."): v for k, v in tensors.items()
               if not k.removeprefix("model.").startswith("linear.")}
    with torch.device("meta"):  # no memory for weights that are replaced
        net = torch_conformer.Conformer(**sizes_of(tensors)).eval()
    net.load(tensors, assign=True)
    del tensors
    x = noise(args.batch * args.seconds * 100 * 128).view(args.batch, -1, 128)
    x = x.transpose(1, 2).contiguous()
    kind = torch.bfloat16 if args.precision == "bf16" else torch.float32
    net = placed(net.to(kind), args)
    hidden, runs = timed(
        lambda: net(x.to(args.device, kind))[-1].float().cpu(), args.repeat,
        3 if args.compile else 1)
    report("encoder", runs, hidden[..., 0].double().mean().item(),
           layout=args.layout, precision=args.precision, **memory(args))


def bench_train(args):
    """Three of five tokens count, as in kbench."""
    tensors = {k: v for k, v in torch_conformer.read_tensors(
        args.model).items() if not k.startswith("head.")}
    codes = tensors["quantizer_melspec_2048_0.codebook"].shape[0]
    net = torch_conformer.Conformer(**sizes_of(tensors), codes=codes).train()
    if "linear.weight" not in tensors:
        tensors.update({f"linear.{k}": torch.zeros_like(v)
                        for k, v in net.linear.state_dict().items()})
    net.load(tensors)
    del tensors
    x = noise(args.batch * args.seconds * 100 * 128).view(args.batch, -1, 128)
    x = x.transpose(1, 2).contiguous()
    with torch.no_grad():
        frames = net.conv(x[:1, :, :400]).shape[1] * args.seconds // 4
    i = torch.arange(args.batch * frames)
    target = torch.where(i // 10 % 5 < 3, i * 7919 % codes, -100)
    target = target.to(args.device)
    whole = placed(net, args)

    def work():
        net.zero_grad(set_to_none=True)
        with torch.autocast(args.device, torch.bfloat16,
                            enabled=args.precision == "bf16"):
            logits = net.linear(whole(x.to(args.device))[-1])
            loss = torch.nn.functional.cross_entropy(
                logits.flatten(0, 1), target)
        loss.backward()
        if args.device != "cpu":
            torch.cuda.synchronize()
        return loss.item()
    loss, runs = timed(work, args.repeat, 3 if args.compile else 1)
    report("train", runs, loss, layout=args.layout, precision=args.precision,
           **memory(args))


def versions(_):
    import torchaudio
    print(f"torch {torch.__version__}, torchaudio {torchaudio.__version__}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--threads", type=int, default=2)
    sub = parser.add_subparsers(required=True)
    mel = sub.add_parser("mel")
    mel.add_argument("--chunk", type=int, default=30)
    mel.set_defaults(work=bench_mel)
    encoder = sub.add_parser("encoder")
    encoder.set_defaults(work=bench_encoder)
    train = sub.add_parser("train")
    train.set_defaults(work=bench_train)
    for p in (encoder, train):
        p.add_argument("model")
        p.add_argument("--batch", type=int, default=1)
        p.add_argument("--layout", default="default",
                       choices=["default", "channels_last"])
        p.add_argument("--precision", default="f32", choices=["f32", "bf16"])
        p.add_argument("--device", default="cpu")
        p.add_argument("--compile", action="store_true")
    for p in (mel, encoder, train):
        p.add_argument("seconds", type=int)
        p.add_argument("repeat", type=int)
    sub.add_parser("versions").set_defaults(work=versions)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    if args.work is bench_train:
        args.work(args)
        return
    with torch.inference_mode():
        args.work(args)


if __name__ == "__main__":
    sys.exit(main())
