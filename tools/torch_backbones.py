#!/usr/bin/env python3
"""Training steps of PyTorch for tools/bench: SimCLR on torchvision's MobileNetV3-L, ConvNeXt-T and Swin-T.

    python3 tools/torch_backbones.py [--threads 2] [--cases simclr_swin_tiny_224,...] [--modes fp32,...] [--seconds 20]

A step is forward, loss (NT-Xent), backward and SGD with momentum on random images in memory, of which each counts once
though it is encoded as two views. The network ends as ours does: features, a linear layer as wide, batch norm, ReLU, 128
outputs; nothing is dropped out. Modes: fp32 and bf16 (autocast), with -cl in the channels-last format, with -compile by
torch.compile, whose compiling does not count. Prints a JSON line for each case and mode.
"""
import argparse
import json
import time

import torch
import torchvision
from torch import nn
from torch.nn import functional


def nt_xent(z, temperature=0.5):
    """Chen et al. 2020; the views of an image are z[i] and z[i + n]."""
    z = functional.normalize(z.float(), dim=1)
    n = len(z) // 2
    likeness = (z @ z.T / temperature).fill_diagonal_(float("-inf"))
    return functional.cross_entropy(likeness, torch.arange(2 * n).roll(n))


def head(width):
    return nn.Sequential(nn.Linear(width, width, bias=False), nn.BatchNorm1d(width), nn.ReLU(), nn.Linear(width, 128, bias=False))


def mobilenet_v3_large():
    net = torchvision.models.mobilenet_v3_large(weights=None)
    net.classifier[2] = nn.Identity()  # dropout
    net.classifier[3] = head(1280)
    return net


def convnext_tiny():
    net = torchvision.models.convnext_tiny(weights=None, stochastic_depth_prob=0.0)
    net.classifier[2] = head(768)
    return net


def swin_tiny():
    net = torchvision.models.swin_t(weights=None)
    for part in net.modules():
        if isinstance(part, torchvision.ops.StochasticDepth):
            part.p = 0.0
    net.head = head(768)
    return net


CASES = {  # the network, images of a batch, side
    "simclr_mobilenet_v3_large_224": (mobilenet_v3_large, 16, 224),
    "simclr_convnext_tiny_224": (convnext_tiny, 8, 224),
    "simclr_swin_tiny_224": (swin_tiny, 8, 224),
}


def steps(net, x, bf16, seconds):
    """The seconds of steps: at least three, else as many as there is time for, up to 50."""
    optimizer = torch.optim.SGD(net.parameters(), 0.01, momentum=0.9)
    taken, start = [], time.time()
    while len(taken) < 4 or (time.time() - start < seconds and len(taken) < 50):
        begin = time.time()
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
            loss = nt_xent(net(x))
        loss.backward()
        optimizer.step()
        taken.append(time.time() - begin)
    return taken[1:]


def measure(case, mode, threads, seconds):
    make, batch, side = CASES[case]
    torch.manual_seed(0)
    net, x = make(), torch.randn(2 * batch, 3, side, side)
    if "-cl" in mode:
        net, x = net.to(memory_format=torch.channels_last), x.contiguous(memory_format=torch.channels_last)
    if mode.endswith("-compile"):
        net = torch.compile(net)
        steps(net, x, mode.startswith("bf16"), 0)
    taken = sorted(steps(net, x, mode.startswith("bf16"), seconds))
    middle = taken[len(taken) // 2]
    print(json.dumps({"case": case, "mode": mode, "torch": torch.__version__, "threads": threads, "batch": batch,
                      "step_ms": round(1e3 * middle, 1), "images_per_s": round(batch / middle, 2), "steps": len(taken)}), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--cases", default=",".join(CASES), help="of " + ", ".join(CASES))
    parser.add_argument("--modes", default="fp32,fp32-cl,fp32-compile,fp32-cl-compile")
    parser.add_argument("--seconds", type=float, default=20)
    options = parser.parse_args()
    wrong = set(options.cases.split(",")) - set(CASES)
    if wrong:
        parser.error(f"unknown case {', '.join(sorted(wrong))}; there are {', '.join(CASES)}")
    torch.set_num_threads(options.threads)
    for case in options.cases.split(","):
        for mode in options.modes.split(","):
            measure(case, mode, options.threads, options.seconds)


if __name__ == "__main__":
    main()
