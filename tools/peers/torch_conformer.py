#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The MusicFM Conformer in plain PyTorch, to check and to time mfm against.

Written from the description of the network (Won, Hung, Le, ICASSP 2024; Gulati
et al. 2020 for the blocks); parameter names are those of the published
checkpoints without their `model.` prefix, so those files load as they are.

  torch_conformer.py --check FOLDER...   compare with recorded hidden states
                                         and tokens; exit 1 where they differ
  torch_conformer.py --make FILE         write a model of the published shape,
                                         random weights (.safetensors or .pt)

Needs torch; torchaudio for mel(), safetensors to read and write that format.
"""
import argparse
import json
import os
import sys

import torch
import torch.nn.functional as F
from torch import nn

PUBLISHED = dict(dim=1024, layers=12, heads=16, ffn=4096, kernel=31,
                 conv_dim=512, time_strides=(2, 2), stack=4, codes=4096,
                 hop=240)

# In the published files, but no part of the forward pass.
UNUSED = ("cls_token", "preprocessor_melspec", "conformer.pos_conv_embed",
          "quantizer_melspec", "head.", "conformer.embed_positions")


class ConvModule(nn.Module):
    """Residual pair of 3x3 convolutions; the first halves the bands."""

    def __init__(self, cin, cout, time_stride):
        super().__init__()
        stride = (2, time_stride)
        self.conv1 = nn.Conv2d(cin, cout, 3, stride, 1)
        self.bn1 = nn.BatchNorm2d(cout)
        self.conv2 = nn.Conv2d(cout, cout, 3, 1, 1)
        self.bn2 = nn.BatchNorm2d(cout)
        self.conv3 = nn.Conv2d(cin, cout, 3, stride, 1)
        self.bn3 = nn.BatchNorm2d(cout)

    def forward(self, x):
        main = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(self.bn3(self.conv3(x)) + main)


class FrontEnd(nn.Module):
    """(B, 128, T) mel -> (B, T / strides, dim)."""

    def __init__(self, width, dim, strides, bands=128):
        super().__init__()
        self.conv = nn.ModuleList([ConvModule(1, width, strides[0]),
                                   ConvModule(width, width, strides[1])])
        self.linear = nn.Linear(width * bands // 4, dim)

    def forward(self, x):
        x = x.unsqueeze(1)
        for module in self.conv:
            x = module(x)
        # channel-major: index = channel * 32 + band
        return self.linear(x.permute(0, 3, 1, 2).flatten(2))


class FeedForward(nn.Module):
    def __init__(self, dim, inner):
        super().__init__()
        self.intermediate_dense = nn.Linear(dim, inner)
        self.output_dense = nn.Linear(inner, dim)

    def forward(self, x):
        return self.output_dense(F.silu(self.intermediate_dense(x)))


class Attention(nn.Module):
    """Self-attention whose rotary embedding acts before the Q and K linears."""

    def __init__(self, dim, heads):
        super().__init__()
        self.heads = heads
        self.linear_q = nn.Linear(dim, dim)
        self.linear_k = nn.Linear(dim, dim)
        self.linear_v = nn.Linear(dim, dim)
        self.linear_out = nn.Linear(dim, dim)

    def split(self, x):
        b, t, _ = x.shape
        return x.view(b, t, self.heads, -1).transpose(1, 2)

    def forward(self, x, cos, sin):
        b, t, d = x.shape
        first, second = x.view(b, t, self.heads, -1).chunk(2, -1)
        turned = torch.cat((first * cos - second * sin,
                            second * cos + first * sin), -1).view(b, t, d)
        q = self.split(self.linear_q(turned))
        k = self.split(self.linear_k(turned))
        v = self.split(self.linear_v(x))
        y = F.scaled_dot_product_attention(q, k, v)
        return self.linear_out(y.transpose(1, 2).reshape(b, t, d))


class ConvolutionModule(nn.Module):
    def __init__(self, dim, kernel):
        super().__init__()
        self.layer_norm = nn.LayerNorm(dim)
        self.pointwise_conv1 = nn.Conv1d(dim, 2 * dim, 1, bias=False)
        self.depthwise_conv = nn.Conv1d(dim, dim, kernel, groups=dim,
                                        padding=kernel // 2, bias=False)
        self.batch_norm = nn.BatchNorm1d(dim)
        self.pointwise_conv2 = nn.Conv1d(dim, dim, 1, bias=False)

    def forward(self, x):
        x = self.layer_norm(x).transpose(1, 2)
        x = F.glu(self.pointwise_conv1(x), 1)
        x = F.silu(self.batch_norm(self.depthwise_conv(x)))
        return self.pointwise_conv2(x).transpose(1, 2)


class Block(nn.Module):
    def __init__(self, dim, heads, ffn, kernel):
        super().__init__()
        self.ffn1_layer_norm = nn.LayerNorm(dim)
        self.ffn1 = FeedForward(dim, ffn)
        self.self_attn_layer_norm = nn.LayerNorm(dim)
        self.self_attn = Attention(dim, heads)
        self.conv_module = ConvolutionModule(dim, kernel)
        self.ffn2_layer_norm = nn.LayerNorm(dim)
        self.ffn2 = FeedForward(dim, ffn)
        self.final_layer_norm = nn.LayerNorm(dim)

    def forward(self, x, cos, sin):
        x = x + 0.5 * self.ffn1(self.ffn1_layer_norm(x))
        x = x + self.self_attn(self.self_attn_layer_norm(x), cos, sin)
        x = x + self.conv_module(x)
        x = x + 0.5 * self.ffn2(self.ffn2_layer_norm(x))
        return self.final_layer_norm(x)


class Stack(nn.Module):
    def __init__(self, dim, layers, heads, ffn, kernel):
        super().__init__()
        self.head_dim = dim // heads
        self.layers = nn.ModuleList(Block(dim, heads, ffn, kernel)
                                    for _ in range(layers))
        self.layer_norm = nn.LayerNorm(dim)

    def rotation(self, t, like):
        """cos and sin, (t, 1, head_dim / 2), base 10000."""
        half = self.head_dim // 2
        freq = 10000.0 ** (-torch.arange(half, dtype=torch.float64) / half)
        angle = torch.arange(t, dtype=torch.float64)[:, None, None] * freq
        return angle.cos().to(like), angle.sin().to(like)

    def forward(self, x):
        """The hidden states 0..layers; the last one is normalised."""
        cos, sin = self.rotation(x.shape[1], x)
        hidden = [x]
        for layer in self.layers:
            hidden.append(layer(hidden[-1], cos, sin))
        hidden[-1] = self.layer_norm(hidden[-1])
        return hidden


class Conformer(nn.Module):
    def __init__(self, dim, layers, heads, ffn, kernel, conv_dim,
                 time_strides, codes=0, **_):
        super().__init__()
        self.conv = FrontEnd(conv_dim, dim, time_strides)
        self.conformer = Stack(dim, layers, heads, ffn, kernel)
        self.linear = nn.Linear(dim, codes) if codes else None

    def forward(self, mel):
        """(B, 128, T) normalised mel -> list of (B, T', dim)."""
        return self.conformer(self.conv(mel))

    def load(self, tensors, assign=False):
        """Take the weights out of `tensors`; other names must be known.
        With assign they are not copied."""
        tensors = {k.removeprefix("model."): v for k, v in tensors.items()}
        missing, extra = self.load_state_dict(
            {k: v for k, v in tensors.items() if not k.startswith(UNUSED)},
            strict=False, assign=assign)
        missing = [k for k in missing if "num_batches_tracked" not in k]
        if missing or extra:
            raise SystemExit(f"missing {missing}, unexpected {extra}")
        return tensors


def mel_transform(hop=240):
    """torchaudio's: 2048-point power spectra, 128 HTK bands to 12 kHz."""
    import torchaudio
    return nn.Sequential(
        torchaudio.transforms.MelSpectrogram(
            sample_rate=24000, n_fft=2048, hop_length=hop, n_mels=128,
            f_min=0.0, f_max=12000.0, power=2.0, norm=None,
            mel_scale="htk"),
        torchaudio.transforms.AmplitudeToDB("power", top_db=None))


def mel(wave, hop=240):
    """(.., N) samples -> (.., 128, N // hop) dB; the last frame is dropped."""
    return mel_transform(hop)(wave)[..., :-1]


def tokens(mel_bt, projection, codebook, stack):
    """(B, T, 128) normalised mel -> (B, T / stack) ids, random projection."""
    b, t, bands = mel_bt.shape
    x = mel_bt[:, :t - t % stack].reshape(b, t // stack, stack * bands)
    x = F.normalize(x @ projection, dim=-1)
    return (x @ F.normalize(codebook, dim=-1).T).argmax(-1)


def read_tensors(path):
    if path.endswith(".safetensors"):
        from safetensors.torch import load_file
        return {k: v.float() if v.is_floating_point() else v
                for k, v in load_file(path).items()}
    loaded = torch.load(path, weights_only=True, map_location="cpu")
    return loaded.get("state_dict", loaded)


def golden_config(path):
    with open(path) as f:
        c = json.load(f)
    return dict(PUBLISHED, dim=c["dim"], layers=c["depth"], heads=c["heads"],
                ffn=c["ffn"], kernel=c["kernel"], conv_dim=c["conv_dim"],
                time_strides=tuple(c["time_strides"]), stack=c["stack"],
                codes=c["codebook_size"], hop=c.get("hop", 240))


def check(folder, limit=1e-5):
    """Prints the relative L2 errors of one golden folder; True if all pass."""
    cfg = golden_config(os.path.join(folder, "config.json"))
    want = read_tensors(os.path.join(folder, "forward.safetensors"))
    net = Conformer(**cfg).eval()
    weights = net.load(read_tensors(os.path.join(folder, "model.pt")))
    mel_bt = want["mel_normalised"]
    with torch.inference_mode():
        got = {f"hidden.{i}": h
               for i, h in enumerate(net(mel_bt.transpose(1, 2)))}
        got["logits"] = net.linear(got[f"hidden.{cfg['layers']}"])
        ids = tokens(mel_bt,
                     weights["quantizer_melspec_2048_0.random_projection"],
                     weights["quantizer_melspec_2048_0.codebook"],
                     cfg["stack"])
    good = True
    for name in sorted(k for k in want if k == "logits" or "hidden" in k):
        error = ((got[name] - want[name]).norm() / want[name].norm()).item()
        good &= error <= limit
        print(f"{folder} {name}: relative L2 {error:.2e}")
    differ = (ids != want["tokens"]).sum().item()
    print(f"{folder} tokens: {differ} of {ids.numel()} differ")
    return good and differ == 0


def random_model(cfg, seed=0):
    """A network with plausible activations: unit-scale statistics."""
    torch.manual_seed(seed)
    return Conformer(**cfg).eval()


def make(path, cfg):
    """Write a random model: weights, token tables, mfm's configuration."""
    net = random_model(cfg)
    out = {k: v for k, v in net.state_dict().items()
           if "num_batches" not in k}
    width = cfg["stack"] * 128
    out["quantizer_melspec_2048_0.random_projection"] = (
        torch.randn(width, 16) * (2 / (width + 16)) ** 0.5)
    out["quantizer_melspec_2048_0.codebook"] = F.normalize(
        torch.randn(cfg["codes"], 16), dim=-1)
    half = cfg["dim"] // cfg["heads"] // 2
    out["conformer.embed_positions.inv_freq"] = (
        10000.0 ** (-torch.arange(half) / half))
    if not path.endswith(".safetensors"):
        torch.save({"state_dict": {f"model.{k}": v
                                   for k, v in out.items()}}, path)
        return
    from safetensors.torch import save_file
    rate = 24000 // cfg["hop"] // (cfg["time_strides"][0]
                                   * cfg["time_strides"][1])
    config = dict(
        format=1, name="random", sample_rate=24000,
        mel=dict(n_fft=2048, hop=cfg["hop"], bands=128, mean=0.0, std=20.0),
        encoder=dict(type="conformer", rate=rate, dim=cfg["dim"],
                     layers=cfg["layers"], heads=cfg["heads"],
                     ffn=cfg["ffn"], kernel=cfg["kernel"],
                     conv_dim=cfg["conv_dim"],
                     time_strides=list(cfg["time_strides"])),
        tokens=[dict(type="random", stack=cfg["stack"], dim=16,
                     codes=cfg["codes"])],
        window=30.0, heads={}, provenance="random weights, for timing only",
        license="CC0-1.0")
    save_file(out, path, {"mfm": json.dumps(config)})


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--check", nargs="+", metavar="FOLDER", default=[])
    parser.add_argument("--make", metavar="FILE")
    args = parser.parse_args()
    if not args.check and not args.make:
        parser.error("give --check FOLDER... or --make FILE")
    results = [check(folder) for folder in args.check]
    if args.make:
        make(args.make, PUBLISHED)
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
