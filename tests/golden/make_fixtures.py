#!/usr/bin/env python3
"""Writes PyTorch's answers, with which the golden tests compare, to this folder.

    apt install python3-torch python3-torchvision
    python3 tests/golden/make_fixtures.py            # or with names of fixtures, to make only these

Weights and images are formulas (a hash of name and index), the same as in golden.c, so they need not be stored.
Everything is computed in float64. Of gradients and running statistics, the norm and a few elements are stored. Fixtures
are safetensors files. Last made with PyTorch 1.13 and torchvision 0.14.
"""
import json
import pathlib
import struct
import sys

import numpy as np
import torch
import torch.nn.functional as F
import torchvision

HERE = pathlib.Path(__file__).resolve().parent
SAMPLES = 4
STEPS = 10


# ---- formulas, as in golden.c ----

def unit(name, index):
    """Uniform in [-1, 1), exact in float32: the finalizer of MurmurHash3 on FNV-1a of the name and a counter."""
    seed = 2166136261
    for byte in name.encode():
        seed = (seed ^ byte) * 16777619 % 2**32
    with np.errstate(over="ignore"):
        h = np.uint32(seed) + np.asarray(index).astype(np.uint32) * np.uint32(0x9E3779B9)
        h = (h ^ (h >> np.uint32(16))) * np.uint32(0x85EBCA6B)
        h = (h ^ (h >> np.uint32(13))) * np.uint32(0xC2B2AE35)
        h = h ^ (h >> np.uint32(16))
    return (h >> np.uint32(8)).astype(np.float64) / 2**23 - 1


def parameter(name, shape):
    count = int(np.prod(shape))
    u = unit(name, np.arange(count))
    if len(shape) > 1:
        u = u * np.sqrt(6 * shape[0] / count)
    elif name.endswith("running_var"):
        u = 1 + 0.5 * u
    elif name.endswith("running_mean") or name.endswith("bias"):
        u = 0.1 * u
    else:
        u = 1 + 0.2 * u
    return torch.from_numpy(u.astype(np.float32).reshape(shape)).double()


def images(count, of, channels, size):
    """Coloured blocks of 8 x 8, the same for images i and i + `of`, and different noise."""
    n, c, y, x = np.meshgrid(*(np.arange(k) for k in (count, channels, size, size)), indexing="ij")
    blocks = (size + 7) // 8
    coarse = unit("blocks", ((n % of * channels + c) * blocks + y // 8) * blocks + x // 8)
    fine = unit("noise", ((n * channels + c) * size + y) * size + x)
    return torch.from_numpy((0.5 + 0.35 * coarse + 0.15 * fine).astype(np.float32)).double()


# ---- files ----

def write(name, tensors):
    """float32 tensors as a safetensors file."""
    head, at, blobs = {}, 0, []
    for key, value in tensors.items():
        data = np.ascontiguousarray(np.asarray(value, dtype=np.float32))
        head[key] = {"dtype": "F32", "shape": list(data.shape), "data_offsets": [at, at + data.nbytes]}
        at += data.nbytes
        blobs.append(data.tobytes())
    text = json.dumps(head, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    (HERE / (name + ".safetensors")).write_bytes(struct.pack("<Q", len(text)) + text + b"".join(blobs))


def digest(tensor):
    """The norm, and a few elements."""
    flat = tensor.detach().reshape(-1)
    return [float(flat.norm())] + [float(flat[len(flat) * (2 * k + 1) // (2 * SAMPLES)]) for k in range(SAMPLES)]


# ---- models ----

def fill(net):
    net.double()
    with torch.no_grad():
        for name, value in net.state_dict().items():
            if value.is_floating_point():
                value.copy_(parameter(name, tuple(value.shape)))
    return net


def small_stem(net):
    """SimCLR's for 32 px: a 3x3 convolution and no max-pool."""
    net.conv1 = torch.nn.Conv2d(3, 64, 3, 1, 1, bias=False)
    net.maxpool = torch.nn.Identity()
    return net


class SimCLR(torch.nn.Module):
    """A ResNet-18 for small images and SimCLR's head, with the same names as in C."""

    def __init__(self):
        super().__init__()
        net = small_stem(torchvision.models.resnet18())
        del net.fc
        for name, child in net.named_children():
            self.add_module(name, child)
        head = torch.nn.Module()
        head.linear1, head.bn1 = torch.nn.Linear(512, 512, bias=False), torch.nn.BatchNorm1d(512)
        head.linear2, head.bn2 = torch.nn.Linear(512, 128, bias=False), torch.nn.BatchNorm1d(128)
        head.bn2.register_parameter("bias", None)  # only scaled, not shifted
        self.projector = head

    def forward(self, x):
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.avgpool(self.layer4(self.layer3(self.layer2(self.layer1(x))))).flatten(1)
        x = self.projector.linear1(x)
        x = torch.relu(self.projector.bn1(x))
        return self.projector.bn2(self.projector.linear2(x))

    def loss(self, views, temperature=0.5):
        """NT-Xent: row i's other view is row i + B; equation 1 of the paper, the mean over all rows."""
        z = F.normalize(self(views))
        rows = len(z)
        similarity = (z @ z.T / temperature).masked_fill(torch.eye(rows, dtype=torch.bool), float("-inf"))
        return F.cross_entropy(similarity, (torch.arange(rows) + rows // 2) % rows)


# ---- optimizers: the settings are those of test_training.c ----

class Lars:
    """SimCLR's lars_optimizer.py: the momentum includes the rate; norms and biases are neither decayed nor adapted."""

    def __init__(self, params, lr, momentum, weight_decay, eta):
        self.params, self.lr, self.momentum, self.decay, self.eta = list(params), lr, momentum, weight_decay, eta
        self.velocity = [torch.zeros_like(p) for p in self.params]

    @torch.no_grad()
    def step(self):
        for p, v in zip(self.params, self.velocity):
            if p.dim() > 1:
                d = p.grad + self.decay * p
                d = d * (self.eta * p.norm() / d.norm())
            else:
                d = p.grad
            v.mul_(self.momentum).add_(self.lr * d)
            p.sub_(v)


def groups(net, decay):
    """Norms and biases are not decayed; tokens are, as in the official code of MAE."""
    exempt = {name for name, p in net.named_parameters() if p.dim() == 1}
    parts = [[p for name, p in net.named_parameters() if p.requires_grad and (name in exempt) == is_exempt]
             for is_exempt in (False, True)]
    return [dict(params=parts[0], weight_decay=decay), dict(params=parts[1], weight_decay=0)]


OPTIMIZERS = {
    "sgd": lambda net: torch.optim.SGD(groups(net, 5e-4), lr=0.002, momentum=0.9),
    "adamw": lambda net: torch.optim.AdamW(groups(net, 0.05), lr=5e-5, betas=(0.9, 0.95), eps=1e-8),
    "lars": lambda net: Lars(net.parameters(), lr=0.003, momentum=0.9, weight_decay=1e-4, eta=0.1),
}


# ---- fixtures ----

@torch.no_grad()
def features(net, size):
    net.fc = torch.nn.Identity()
    return fill(net).eval()(images(2, 2, 3, size))


def resnet18_features():
    return {"features": features(small_stem(torchvision.models.resnet18()), 32)}


def resnet50_features():
    return {"features": features(torchvision.models.resnet50(), 96)}


def simclr_gradients():
    """3 images of 13 px: of the numbers and sizes tried, only with these is no ReLU's input so close to zero, relative to
    float32's error there, that rounding could flip it. One flip changes gradients by 1e-3."""
    net = fill(SimCLR()).train()
    loss = net.loss(images(6, 3, 3, 13))
    loss.backward()
    out = {"loss": loss.item()}
    out.update({name: digest(p.grad) for name, p in net.named_parameters()})
    out.update({name: digest(b) for name, b in net.named_buffers() if b.is_floating_point()})
    return out


def train(net, loss_of, optimizer):
    """Losses of ten steps on the same batch."""
    losses = []
    for _ in range(STEPS):
        loss = loss_of()
        net.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return {"loss": losses}


def simclr_training(optimizer):
    net, views = fill(SimCLR()).train(), images(16, 8, 3, 32)
    return train(net, lambda: net.loss(views), OPTIMIZERS[optimizer](net))


def supervised_sgd():
    net, x = small_stem(torchvision.models.resnet18(num_classes=10)), images(8, 8, 3, 32)
    fill(net).train()
    labels = torch.tensor([(7 * i + 3) % 10 for i in range(len(x))])
    optimizer = torch.optim.SGD(groups(net, 1), lr=1e-4, momentum=0.9)
    return train(net, lambda: F.cross_entropy(net(x), labels), optimizer)


FIXTURES = {
    "resnet18_features": resnet18_features,
    "resnet50_features": resnet50_features,
    "simclr_gradients": simclr_gradients,
    "simclr_sgd": lambda: simclr_training("sgd"),
    "simclr_adamw": lambda: simclr_training("adamw"),
    "simclr_lars": lambda: simclr_training("lars"),
    "supervised_sgd": supervised_sgd,
}

if __name__ == "__main__":
    for name in sys.argv[1:] or FIXTURES:
        made = FIXTURES[name]()
        write(name, made)
        print(name, *(f"{x:.5f}" for x in np.ravel(made.get("loss", []))))
