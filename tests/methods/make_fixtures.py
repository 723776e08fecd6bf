#!/usr/bin/env python3
"""Writes fixtures/METHOD.h5, PyTorch's training of each method in float64, with which mpi_fixtures.c compares ours.

    apt install python3-torch python3-torchvision python3-h5py
    python3 tests/methods/make_fixtures.py            # or with names of methods, to make only these

Each method has a function here, written after its paper and with PyTorch's own layers: a second formulation. A fixture
holds the settings, inputs of whole numbers, the loss and all gradients of the first step, the losses of ten steps of
gradient descent, and all parameters and states (running statistics, teacher, queue, prototypes) after them. Other inputs
and initial values are formulas of their names, the same as in C. Last made with PyTorch 1.13 and 2.15.

To add a method: a function with @fixture(...) whose `step(w, k)` returns the loss of step k; and `after(w, k)`, if
something besides the parameters changes after the step. w(name, *shape) is a parameter, with its name in C.
A second fixture of a method is called METHOD-WHAT, and is named in mpi_fixtures.c.
"""
import math
import pathlib
import sys

import h5py
import numpy as np
import torch
import torch.nn.functional as F

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "golden"))
from make_fixtures import parameter, unit  # noqa: E402
from vit_fixtures import fixed_positions  # noqa: E402

STEPS, PER_EPOCH, BATCH, SIZE = 10, 2, 8, 16
WHOLE = 256  # larger gradients and parameters are stored as their norm and SAMPLES elements, as in mpi_fixtures.c
SAMPLES = 32

METHODS = {}


def fixture(name, rate, settings=(), size=SIZE, classes=0):
    def add(make):
        METHODS[name] = (make, rate, list(settings), size, classes)
        return make
    return add


# ---- parameters and inputs ----

class Weights:
    """Parameters and states by name. What begins with "teacher." follows and gets no gradient."""

    def __init__(self):
        self.value, self.trained = {}, []

    def __call__(self, name, *shape):
        if name not in self.value:
            self.value[name] = parameter(name, shape)
            if not name.startswith("teacher."):
                self.value[name].requires_grad = True
                self.trained.append(name)
        return self.value[name]

    def state(self, name, value):
        """A state's tensor, which is `value` at first."""
        return self.value.setdefault(name, value)

    @torch.no_grad()
    def follow(self, momentum):
        for name, value in self.value.items():
            if name.startswith("teacher.") and ".running_" not in name:
                value.mul_(momentum).add_((1 - momentum) * self.value[name[len("teacher."):]])


def view(name, copies, *shape):
    """(copies B, ...): a pattern of the image, the same in all its copies, and one of the view."""
    count = int(np.prod(shape))
    same = np.tile(unit(name + ".image", np.arange(BATCH * count)), copies)
    own = unit(name, np.arange(copies * BATCH * count))
    x = (0.5 + 0.3 * same + 0.2 * own).astype(np.float32).astype(np.float64)
    return torch.from_numpy(x).reshape(copies * BATCH, *shape)


def two_views():
    return view("views", 2, 3, SIZE, SIZE)


# ---- layers, and the backbones of small_nets.h ----

def linear(w, name, x, out, bias=True):
    return F.linear(x, w(name + ".weight", out, x.shape[1]), w(name + ".bias", out) if bias else None)


def batch_norm(w, name, x, center=True, plain=False):
    n = x.shape[1]
    mean, var = (w.state(f"{name}.running_{s}", parameter(f"{name}.running_{s}", (n,))) for s in ("mean", "var"))
    if plain:
        return F.batch_norm(x, mean, var, training=True)
    return F.batch_norm(x, mean, var, w(name + ".weight", n), w(name + ".bias", n) if center else None, training=True)


def small_map(w, x, net=""):
    for name, out in (("1", 8), ("2", 12)):
        x = F.conv2d(x, w(f"{net}conv{name}.weight", out, x.shape[1], 3, 3), stride=2, padding=1)
        x = F.relu(batch_norm(w, f"{net}bn{name}", x))
    return x


def small_cnn(w, x, net=""):
    return small_map(w, x, net).mean((2, 3))


def head(w, name, x, hidden, out, norm=True):
    x = linear(w, name + ".linear1", x, hidden)
    x = F.relu(batch_norm(w, name + ".bn1", x) if norm else x)
    return linear(w, name + ".linear2", x, out)


def mlp(w, name, x, widths, bias=False, last_bias=False, norm=True, last_norm=lambda *_: _[2], act=F.relu):
    for i, out in enumerate(widths, 1):
        last = i == len(widths)
        x = linear(w, f"{name}.linear{i}", x, out, bias=last_bias if last else bias)
        if last:
            return last_norm(w, f"{name}.bn{i}", x)
        x = act(batch_norm(w, f"{name}.bn{i}", x) if norm else x)


def plain_norm(w, name, x):
    return batch_norm(w, name, x, plain=True)


def info_nce(q, k, temperature):
    """-log of the share of the own key, row by row."""
    e = (q @ k.T / temperature).exp()
    return -torch.log(e.diagonal() / e.sum(1)).mean()


def block(w, name, x, heads, mlps=None):
    b, t, d = x.shape

    def norm(which):
        return F.layer_norm(x, (d,), w(f"{name}.{which}.weight", d), w(f"{name}.{which}.bias", d), eps=1e-6)

    def dense(layer, x, out):
        return F.linear(x, w(f"{name}.{layer}.weight", out, x.shape[2]), w(f"{name}.{layer}.bias", out))

    q, k, v = dense("attn.qkv", norm("norm1"), 3 * d).reshape(b, t, 3, heads, d // heads).permute(2, 0, 3, 1, 4)
    p = (q @ k.transpose(-2, -1) / math.sqrt(d // heads)).softmax(-1)
    x = x + dense("attn.proj", (p @ v).transpose(1, 2).reshape(b, t, d), d)
    y = dense("mlp.fc2", F.gelu(dense("mlp.fc1", norm("norm2"), 4 * d)), d)
    if mlps is not None:
        mlps.append(y)
    return x + y


def cosine(start, end, progress):
    return end - (end - start) * (1 + math.cos(math.pi * progress)) / 2


# ---- methods ----

@fixture("supervised", rate=0.2, classes=5)
def supervised():
    x, label = view("image", 1, 3, SIZE, SIZE), np.arange(BATCH) * 3 % 5

    def step(w, k):
        return F.cross_entropy(linear(w, "fc", small_cnn(w, x), 5), torch.from_numpy(label))
    return step, None, {"label": label}


@fixture("simclr", rate=0.5, settings=["projection_hidden=10", "projection_dim=7", "temperature=0.3"])
def simclr():
    """Chen et al. 2020, equation 1: for each row, all others but its own view are negatives."""
    x = two_views()

    def step(w, k):
        z = F.relu(batch_norm(w, "projector.bn1", linear(w, "projector.linear1", small_cnn(w, x), 10, bias=False)))
        z = batch_norm(w, "projector.bn2", linear(w, "projector.linear2", z, 7, bias=False), center=False)
        z, loss = F.normalize(z), 0
        for i in range(2 * BATCH):
            e = (z @ z[i] / 0.3).exp()
            loss = loss - torch.log(e[(i + BATCH) % (2 * BATCH)] / (e.sum() - e[i]))
        return loss / (2 * BATCH)
    return step, None, {}


@fixture("byol", rate=0.2, settings=["hidden=10", "dim=7", "momentum=0.8"])
def byol():
    """Grill et al. 2020, equation 2, made symmetric; the teacher's momentum goes from 0.8 to 1."""
    a, b = two_views().chunk(2)

    def step(w, k):
        p = [head(w, "predictor", head(w, "projector", small_cnn(w, x), 10, 7), 10, 7) for x in (a, b)]
        z = [head(w, "teacher.projector", small_cnn(w, x, "teacher."), 10, 7) for x in (a, b)]
        return sum(((F.normalize(p) - F.normalize(z).detach()) ** 2).sum(1).mean() for p, z in zip(p, z[::-1]))
    return step, lambda w, k: w.follow(cosine(0.8, 1, k / STEPS)), {}


@fixture("moco", rate=0.2, settings=["hidden=10", "dim=7", "queue=20", "momentum=0.8", "temperature=0.3"])
def moco():
    """He et al. 2020, algorithm 1. The queue of 20 keys gets 8 per step."""
    a, b = two_views().chunk(2)
    keys = None

    def step(w, k):
        nonlocal keys
        queue = w.state("queue", parameter("queue", (20, 7)))
        q = F.normalize(head(w, "head", small_cnn(w, a), 10, 7, norm=False))
        keys = F.normalize(head(w, "teacher.head", small_cnn(w, b, "teacher."), 10, 7, norm=False)).detach()
        logits = torch.cat([(q * keys).sum(1, keepdim=True), q @ queue.T.clone()], dim=1) / 0.3
        return F.cross_entropy(logits, torch.zeros(BATCH, dtype=torch.long))

    def after(w, k):
        w.follow(0.8)
        place = w.state("queue_ptr", torch.zeros(1, dtype=torch.float64))
        for key in keys:
            w.value["queue"][int(place)] = key
            place[0] = (place[0] + 1) % 20
    return step, after, {}


@fixture("swav", rate=0.2, settings=["prototypes=9", "hidden=10", "dim=7", "small_crops=2"])
def swav():
    """Caron et al. 2020, section 3 and algorithm 1 with two small crops; the prototypes have length 1."""
    large, small = two_views(), view("small", 2, 3, SIZE // 2, SIZE // 2)

    @torch.no_grad()
    def sinkhorn(scores):
        q = torch.exp(scores / 0.05).T
        q /= q.sum()
        for _ in range(3):
            q /= q.sum(1, keepdim=True) * len(q)
            q /= q.sum(0, keepdim=True) * q.shape[1]
        return (q * q.shape[1]).T

    @torch.no_grad()
    def unit_rows(w, k=0):
        w.value["prototypes.weight"].copy_(F.normalize(w("prototypes.weight", 9, 7)))

    def step(w, k):
        w("prototypes.weight", 9, 7)
        if k == 0:
            unit_rows(w)
        h = torch.cat([small_cnn(w, large), small_cnn(w, small)])
        scores = (F.normalize(head(w, "projector", h, 10, 7)) @ w("prototypes.weight", 9, 7).T).split(BATCH)
        terms = [-(sinkhorn(scores[s]) * F.log_softmax(scores[t] / 0.1, 1)).sum(1).mean()
                 for s in range(2) for t in range(4) if t != s]
        return sum(terms) / len(terms)
    return step, unit_rows, {}


@fixture("simsiam", rate=0.2, settings=["dim=7", "predictor_hidden=5"])
def simsiam():
    """Chen & He 2021, algorithm 1."""
    views = two_views().chunk(2)

    def step(w, k):
        z = [mlp(w, "projector", small_cnn(w, x), (7, 7, 7), last_norm=plain_norm) for x in views]
        p = [mlp(w, "predictor", x, (5, 7), last_bias=True) for x in z]
        return -sum(F.cosine_similarity(p, z.detach()).mean() for p, z in zip(p, z[::-1])) / 2
    return step, None, {}


@fixture("mocov3", rate=0.1, settings=["projector_layers=2", "hidden=10", "dim=7", "momentum=0.8", "temperature=0.3"])
def mocov3(net=small_cnn, widths=(10, 7), **predictor):
    """Chen et al. 2021, algorithm 1, with the heads of a ResNet."""
    views = two_views().chunk(2)

    def step(w, k):
        q = [mlp(w, "projector", net(w, x), widths, last_norm=plain_norm) for x in views]
        q = [F.normalize(mlp(w, "predictor", x, (10, 7), **predictor)) for x in q]
        keys = [mlp(w, "teacher.projector", net(w, x, "teacher."), widths, last_norm=plain_norm) for x in views]
        return sum(2 * 0.3 * info_nce(q, F.normalize(k).detach(), 0.3) for q, k in zip(q, keys[::-1]))
    return step, lambda w, k: w.follow(cosine(0.8, 1, k / STEPS)), {}


@fixture("nnclr", rate=0.2, settings=["hidden=10", "dim=7", "predictor_hidden=9", "queue=20", "temperature=0.3"])
def nnclr():
    """Dwibedi et al. 2021, section 3.2, symmetric. The queue of 20 projections gets 8 per step."""
    views = two_views().chunk(2)
    first = None

    def step(w, k):
        nonlocal first
        queue = w.state("queue", parameter("queue", (20, 7))).clone()
        raw = [mlp(w, "projector", small_cnn(w, x), (10, 10, 7), True, True, last_norm=batch_norm) for x in views]
        z = [F.normalize(x).detach() for x in raw]
        p = [F.normalize(mlp(w, "predictor", x, (9, 7), True, True)) for x in raw]
        near = [torch.stack([max(queue, key=lambda row: float(row @ one)) for one in x]) for x in z]
        first = z[0]
        return (info_nce(near[0], p[1], 0.3) + info_nce(near[1], p[0], 0.3)) / 2

    def after(w, k):
        place = w.state("queue_ptr", torch.zeros(1, dtype=torch.float64))
        for row in first:
            w.value["queue"][int(place)] = row
            place[0] = (place[0] + 1) % 20
    return step, after, {}


@fixture("barlow_twins", rate=0.2, settings=["dim=7", "lambda=0.01"])
def barlow_twins():
    """Zbontar et al. 2021, equations 1 and 2, times 0.1."""
    views = two_views().chunk(2)

    def step(w, k):
        a, b = (plain_norm(w, "norm.z", mlp(w, "projector", small_cnn(w, x), (7, 7, 7))) for x in views)
        c = a.T @ b / BATCH
        return 0.1 * sum((1 - c[i, j]) ** 2 if i == j else 0.01 * c[i, j] ** 2 for i in range(7) for j in range(7))
    return step, None, {}


@fixture("vicreg", rate=0.02, settings=["dim=7"])
def vicreg():
    """Bardes et al. 2022, equations 1 to 6, with the official code's mean of both variances."""
    views = two_views().chunk(2)

    def step(w, k):
        z = [mlp(w, "projector", small_cnn(w, x), (7, 7, 7), bias=True) for x in views]
        v = [F.relu(1 - (x.var(0) + 1e-4).sqrt()).mean() for x in z]
        c = [x.T.cov() for x in z]
        c = [(x ** 2).sum() / 7 - (x.diagonal() ** 2).sum() / 7 for x in c]
        return 25 * F.mse_loss(*z) + 25 * sum(v) / 2 + sum(c)
    return step, None, {}


@fixture("tico", rate=0.2, settings=["hidden=10", "dim=7", "momentum=0.8"])
def tico():
    """Zhu et al. 2022, algorithm 1."""
    a, b = two_views().chunk(2)
    now = None

    def step(w, k):
        nonlocal now
        before = w.state("covariance", parameter("covariance", (7, 7))).clone()
        z = F.normalize(mlp(w, "projector", small_cnn(w, a), (10, 7), last_bias=True))
        other = F.normalize(mlp(w, "teacher.projector", small_cnn(w, b, "teacher."), (10, 7), last_bias=True)).detach()
        now = 0.9 * before + 0.1 * sum(torch.outer(x, x) for x in z) / BATCH
        return 1 - (z * other).sum(1).mean() + 8 * torch.stack([x @ now @ x for x in z]).mean()

    def after(w, k):
        w.value["covariance"].copy_(now.detach())
        w.follow(cosine(0.8, 1, k / STEPS))
    return step, after, {}


@fixture("dino", rate=0.2, settings=["prototypes=9", "hidden=10", "dim=7", "momentum=0.8", "warmup_epochs=2",
                                     "head_norm=true", "freeze_epochs=0", "small_crops=2"])
def dino(norm=True):
    """Caron et al. 2021, algorithm 1 with two small crops; weights of the last layer have length 1."""
    large, small = two_views(), view("small", 2, 3, SIZE // 2, SIZE // 2)
    scores = None

    def scored(w, h, net=""):
        z = F.normalize(mlp(w, net + "head", h, (10, 10, 7), True, True, norm=norm, act=F.gelu))
        return z @ F.normalize(w(net + "head.last_layer.weight_v", 9, 7)).T

    def step(w, k):
        nonlocal scores
        center = w.state("center", parameter("center", (1, 9))).clone()
        s = scored(w, torch.cat([small_cnn(w, large), small_cnn(w, small)])).split(BATCH)
        scores = scored(w, small_cnn(w, large, "teacher."), "teacher.").detach()
        cool = 0.04 + 0.03 * min(1, k / PER_EPOCH / 2)
        t = [F.softmax((x - center) / cool, 1) for x in scores.split(BATCH)]
        terms = [-(t[i] * F.log_softmax(s[j] / 0.1, 1)).sum(1).mean() for i in range(2) for j in range(4) if i != j]
        return sum(terms) / len(terms)

    def after(w, k):
        w.value["center"].mul_(0.9).add_(0.1 * scores.mean(0, keepdim=True))
        w.follow(cosine(0.8, 1, k / STEPS))
    return step, after, {}


@fixture("dino-plain", rate=0.1, settings=["prototypes=9", "hidden=10", "dim=7", "momentum=0.8", "warmup_epochs=2",
                                           "freeze_epochs=0", "small_crops=2"])
def dino_plain():
    """The head of the paper, without batch norms."""
    return dino(norm=False)


@fixture("relative_location", rate=0.1, settings=["patch=8", "hidden=10", "dropout=0"], size=24)
def relative_location():
    """Doersch et al. 2015: eight neighbours, each beside the centre. Rows are neighbour by neighbour, then the centres."""
    x, label = view("patches", 9, 3, 8, 8), torch.arange(8).repeat_interleave(BATCH)

    def step(w, k):
        h = small_cnn(w, x)
        pair = torch.cat([h[:-BATCH], h[-BATCH:].repeat(8, 1)], dim=1)
        fc1 = torch.cat([w(f"head.fc1.{which}.weight", 10, 12) for which in ("neighbour", "centre")], dim=1)
        return F.cross_entropy(linear(w, "head.fc2", F.relu(batch_norm(w, "head.bn1", pair @ fc1.T)), 8), label)
    return step, None, {}


@fixture("rotation", rate=0.2)
def rotation():
    """Gidaris et al. 2018, equations 2 and 3: all four turns of each image."""
    x, label = view("turned", 4, 3, SIZE, SIZE), torch.arange(4).repeat_interleave(BATCH)
    return lambda w, k: F.cross_entropy(linear(w, "angle", small_cnn(w, x), 4), label), None, {}


@fixture("rotation-one", rate=0.2, settings=["turns=one"])
def rotation_one():
    """One turn of each image."""
    x, turn = view("turned", 1, 3, SIZE, SIZE), np.arange(BATCH) * 3 % 4
    label = torch.from_numpy(turn)
    return lambda w, k: F.cross_entropy(linear(w, "angle", small_cnn(w, x), 4), label), None, {"turn": turn}


@fixture("jigsaw", rate=0.2, settings=["patch=8", "hidden=10"], size=24)
def jigsaw():
    """Noroozi & Favaro 2016, figure 3, with one layer of norm and ReLU for each tile."""
    x, label = view("tiles", 9, 3, 8, 8), (252 + 252 * unit("permutation", np.arange(BATCH))).astype(np.int64)

    def step(w, k):
        tiles = linear(w, "head.fc1", small_cnn(w, x), 10, bias=False)
        tiles = F.relu(batch_norm(w, "head.bn1", tiles)).split(BATCH)
        return F.cross_entropy(linear(w, "head.fc2", torch.cat(tiles, dim=1), 504), torch.from_numpy(label))
    return step, None, {"permutation": label}


@fixture("colorization", rate=0.2, settings=["hidden=10", "memory=0.8", "uniform=0.3"])
def colorization():
    """Zhang et al. 2016, equations 2 to 4, with a running mean for the distribution of colours. The last image is gray."""
    x, N, Q = view("lightness", 1, 3, SIZE, SIZE), (SIZE // 4) ** 2, 313
    first = ((unit("bins", np.arange(BATCH * N)) + 1) * 150).astype(np.int64).reshape(BATCH, N)
    bins = first[:, :, None] + np.arange(10)
    shares = 2.0 ** -np.arange(10) / (2.0 ** -np.arange(10)).sum() * np.ones((BATCH, N, 1))
    shares[-1] = 0
    soft = torch.zeros(BATCH, N, Q, dtype=torch.float64)
    soft.scatter_(2, torch.from_numpy(bins), torch.from_numpy(shares))

    def step(w, k):
        h = F.conv2d(small_map(w, x), w("head.conv1.weight", 10, 12, 3, 3), padding=1)
        h = F.relu(batch_norm(w, "head.bn1", h))
        z = F.conv2d(h, w("head.conv2.weight", Q, 10, 1, 1), w("head.conv2.bias", Q)).flatten(2).transpose(1, 2)
        p = w.state("colours", parameter("colours", (Q,))).clone()
        p = p / p.sum()
        v = 1 / (0.7 * p + 0.3 / Q)
        v = v / (p * v).sum()
        each = -(soft * F.log_softmax(z, 2)).sum(2)
        return (v[torch.from_numpy(first)] * each).mean()

    def after(w, k):
        now, seen = soft.mean((0, 1)), w.value["colours"]
        seen.copy_(0.8 * seen + 0.2 * (now + (1 - now.sum()) * seen))
    return step, after, {"bins": bins, "shares": shares, "nearest": first, "colours": soft.mean(1)}


@fixture("mae", rate=0.05, settings=["mask_ratio=0.7", "decoder_width=8", "decoder_depth=1", "decoder_heads=2"])
def mae():
    """He et al. 2022, on small_nets.h's ViT: 4 of 16 patches are visible; the hidden ones' pixels are standardised."""
    x, D, E, T, K, P = view("image", 1, 3, SIZE, SIZE), 16, 8, 16, 4, 4
    order = unit("mask", np.arange(BATCH * T)).reshape(BATCH, T).argsort(1)
    visible, hidden, restore = order[:, :K], np.sort(order[:, K:], 1), np.zeros((BATCH, T + 1), np.int64)
    restore[:, 0] = 1
    np.put_along_axis(restore, visible + 1, np.arange(2, K + 2)[None].repeat(BATCH, 0), 1)
    rows = torch.arange(BATCH)[:, None]

    def positions(width):
        return fixed_positions(4, width).float().double()

    def layer(w, name, x, out):
        return F.linear(x, w(name + ".weight", out, x.shape[2]), w(name + ".bias", out))

    def norm(w, name, x):
        return F.layer_norm(x, x.shape[2:], w(name + ".weight", x.shape[2]), w(name + ".bias", x.shape[2]), eps=1e-6)

    def step(w, k):
        tokens = F.conv2d(x, w("patch_embed.proj.weight", D, 3, P, P), w("patch_embed.proj.bias", D), stride=P)
        tokens = (tokens.flatten(2).transpose(1, 2) + positions(D)[:, 1:])[rows, torch.from_numpy(visible)]
        tokens = torch.cat([(w("cls_token", 1, 1, D) + positions(D)[:, :1]).expand(BATCH, 1, D), tokens], dim=1)
        for i in range(2):
            tokens = block(w, f"blocks.{i}", tokens, heads=2)
        tokens = layer(w, "decoder_embed", norm(w, "norm", tokens), E)
        full = w("mask_token", 1, 1, E).expand(BATCH, T, E).clone()
        full[rows, torch.from_numpy(visible)] = tokens[:, 1:]
        full = block(w, "decoder_blocks.0", torch.cat([tokens[:, :1], full], dim=1) + positions(E), heads=2)
        pixels = layer(w, "decoder_pred", norm(w, "decoder_norm", full), 3 * P * P)[:, 1:]
        target = x.reshape(BATCH, 3, 4, P, 4, P).permute(0, 2, 4, 3, 5, 1).reshape(BATCH, T, -1)
        target = (target - target.mean(2, keepdim=True)) / (target.var(2, keepdim=True) + 1e-6).sqrt()
        return ((pixels - target)[rows, torch.from_numpy(hidden)] ** 2).mean()
    return step, None, {"visible": visible, "hidden": hidden, "restore": restore}


@fixture("simmim", rate=0.05, settings=["mask_size=8"])
def simmim():
    """Xie et al. 2022, section 3, on small_nets.h's ViT: squares of 2 by 2 patches are hidden, 3 of 4."""
    x, D, P, T = view("image", 1, 3, SIZE, SIZE), 16, 4, 16
    units = unit("mask", np.arange(BATCH * 4)).reshape(BATCH, 4).argsort(1).argsort(1).reshape(BATCH, 2, 2) < 3
    mask = units.repeat(2, 1).repeat(2, 2)
    hidden = np.stack([np.flatnonzero(m) for m in mask.reshape(BATCH, -1)])
    m = torch.from_numpy(mask).double()

    def step(w, k):
        tokens = F.conv2d(x, w("patch_embed.proj.weight", D, 3, P, P), w("patch_embed.proj.bias", D), stride=P)
        tokens = tokens.flatten(2).transpose(1, 2)
        flat = m.reshape(BATCH, T, 1)
        tokens = tokens * (1 - flat) + w("mask_token", 1, 1, D) * flat
        tokens = torch.cat([w("cls_token", 1, 1, D).expand(BATCH, 1, D), tokens], dim=1) + w("pos_embed", 1, T + 1, D)
        for i in range(2):
            tokens = block(w, f"blocks.{i}", tokens, heads=2)
        tokens = F.layer_norm(tokens, (D,), w("norm.weight", D), w("norm.bias", D), eps=1e-6)[:, 1:]
        pixels = F.linear(tokens, w("decoder.weight", 3 * P * P, D), w("decoder.bias", 3 * P * P))
        image = pixels.reshape(BATCH, 4, 4, P, P, 3).permute(0, 5, 1, 3, 2, 4).reshape(x.shape)
        at = m.repeat_interleave(P, 1).repeat_interleave(P, 2)[:, None]
        return ((image - x).abs() * at).sum() / at.sum() / 3
    return step, None, {"mask": mask, "hidden": hidden}


@fixture("maskfeat", rate=0.05)
def maskfeat():
    """Wei et al. 2022, section 3, on small_nets.h's ViT; what HOG is stands in tests/data/make_hog_fixtures.py."""
    x, target, M = view("image", 1, 3, SIZE, SIZE), view("hog", 1, 6, 27), 6
    order = unit("mask", np.arange(BATCH * 16)).reshape(BATCH, 16).argsort(1)
    hidden, mask = np.sort(order[:, :M], 1), np.zeros((BATCH, 16))
    np.put_along_axis(mask, hidden, 1, 1)
    at = torch.from_numpy(mask) > 0

    def step(w, k):
        tokens = vit(w, x, mask=torch.from_numpy(mask))[:, 1:]
        predicted = F.linear(tokens, w("decoder.weight", 27, 16), w("decoder.bias", 27))
        return ((predicted[at] - target.flatten(0, 1)) ** 2).mean(1).sum() / at.sum()
    return step, None, {"mask": mask, "hidden": hidden}


def philox(block, step, row, stream):
    """Four words each, for seed 0: Philox4x32-10 (Salmon et al. 2011), as src/base/rng.h uses it."""
    mask = np.uint64(0xFFFFFFFF)
    c = [block, np.full_like(block, step), row, np.full_like(block, stream)]
    key = [np.uint64(0), np.uint64(8 << 24)]
    for _ in range(10):
        a, b = c[0] * np.uint64(0xD2511F53), c[2] * np.uint64(0xCD9E8D57)
        c = [(b >> np.uint64(32)) ^ c[1] ^ key[0], b & mask, (a >> np.uint64(32)) ^ c[3] ^ key[1], a & mask]
        key = [(k + np.uint64(w)) & mask for k, w in zip(key, (0x9E3779B9, 0xBB67AE85))]
    return c


def normals(step, stream, rows, count):
    """px_random_normal's numbers, by Box-Muller."""
    block, row = np.meshgrid(np.arange((count + 1) // 2, dtype=np.uint64), np.arange(rows, dtype=np.uint64))
    c = philox(block, step, row, stream)
    u, v = (np.stack([c[i], c[j]], -1) >> np.uint64(8) for i, j in ((3, 1), (2, 0)))
    x = np.sqrt(-2 * np.log(1 - u * 2.0**-24)) * np.cos(2 * np.pi * (v * 2.0**-24))
    return torch.from_numpy(x.reshape(rows, -1)[:, :count])


@fixture("lejepa", rate=0.1, settings=["hidden=10", "dim=7", "weight=0.1", "directions=5", "views=3"])
def lejepa():
    """Balestriero & LeCun 2025, algorithm 1 with MINIMAL.md's numbers, but for the sizes."""
    x = view("views", 3, 3, SIZE, SIZE)
    t = torch.linspace(0, 3, 17, dtype=torch.float64)

    def step(w, k):
        z = mlp(w, "projector", small_cnn(w, x), (10, 10, 7), bias=True, last_bias=True).reshape(3, BATCH, 7)
        invariance = sum(F.mse_loss(one, z.mean(0)) for one in z) / 3
        slices = F.normalize(normals(k, 1, 5, 7))
        sigreg = 0
        for one in z:
            for a in slices:
                phi = torch.exp(1j * t * (one @ a)[:, None]).mean(0)
                apart = (phi - torch.exp(-t**2 / 2)).abs()**2 * torch.exp(-t**2 / 2)
                sigreg = sigreg + BATCH * 2 * torch.trapezoid(apart, t) / 15
        return 0.9 * invariance + 0.1 * sigreg
    return step, None, {}


@fixture("wmse", rate=0.02, settings=["hidden=10", "dim=2", "group=4", "views=3", "eps=0.01"])
def wmse():
    """Ermolov et al. 2021, section 3: two groups of four images, each view whitened by itself."""
    views = view("views", 3, 3, SIZE, SIZE).chunk(3)

    def whiten(z):
        factor = torch.linalg.cholesky(0.99 * z.T.cov() + 0.01 * torch.eye(2, dtype=torch.float64))
        return torch.linalg.solve_triangular(factor, (z - z.mean(0)).T, upper=False).T

    def step(w, k):
        z = head(w, "head", torch.cat([small_cnn(w, x) for x in views]), 10, 2).chunk(3)
        z = [F.normalize(torch.cat([whiten(x) for x in one.chunk(2)])) for one in z]
        pairs = [((z[i] - z[j]) ** 2).sum(1).mean() for i in range(3) for j in range(i)]
        return sum(pairs) / len(pairs)
    return step, None, {}


def coding_rate(dim):
    """Tong et al. 2023, equations 2 to 4."""
    x = view("views", 3, 3, SIZE, SIZE)

    def step(w, k):
        z = mlp(w, "head", small_cnn(w, x), (10, 10, dim), bias=True, last_bias=True)
        z = F.normalize(z).reshape(3, BATCH, dim)
        like = sum(F.cosine_similarity(one, z.mean(0)).mean() for one in z) / 3
        eye = torch.eye(dim, dtype=torch.float64)
        rates = [torch.logdet(eye + dim / (BATCH * 0.2) * one.T @ one) / 2 for one in z]
        return -200 * like - sum(rates) / 3
    return step, None, {}


@fixture("emp_ssl", rate=0.001, settings=["hidden=10", "dim=11", "views=3"])
def emp_ssl():
    return coding_rate(11)


@fixture("emp_ssl-narrow", rate=0.001, settings=["hidden=10", "dim=5", "views=3"])
def emp_ssl_narrow():
    """z is less wide than the batch."""
    return coding_rate(5)


def vit(w, x, net="", mask=None, visible=None, fixed=False, mlps=None):
    """small_nets.h's ViT; fixed positions or learned ones; mlps gets what the blocks' MLPs add; mask (B, 16): 1 where a patch becomes the mask token; visible (B, K): those that stay."""
    D, side = 16, x.shape[2] // 4
    tokens = F.conv2d(x, w(net + "patch_embed.proj.weight", D, 3, 4, 4), w(net + "patch_embed.proj.bias", D), stride=4)
    tokens = tokens.flatten(2).transpose(1, 2)
    if mask is not None:
        tokens = torch.where(mask[:, :, None] > 0, w(net + "mask_token", 1, 1, D), tokens)
    positions = fixed_positions(4, D).float().double() if fixed else w(net + "pos_embed", 1, 17, D)
    table = positions[:, 1:].reshape(1, 4, 4, D).permute(0, 3, 1, 2)
    if side != 4:
        table = F.interpolate(table, size=(side, side), mode="bicubic", antialias=True)
    tokens = tokens + table.flatten(2).transpose(1, 2)
    if visible is not None:
        tokens = tokens[torch.arange(len(x))[:, None], torch.from_numpy(visible)]
    tokens = torch.cat([(w(net + "cls_token", 1, 1, D) + positions[:, :1]).expand(len(x), 1, D), tokens], dim=1)
    for i in range(2):
        tokens = block(w, f"{net}blocks.{i}", tokens, heads=2, mlps=mlps)
    return F.layer_norm(tokens, (D,), w(net + "norm.weight", D), w(net + "norm.bias", D), eps=1e-6)


def block_masks(M, T=16):
    """Of two crops an image: 0 to M hidden patches, their places, padded by 0, and 1 / their number, padded by 0."""
    rows = 2 * BATCH
    count = ((unit("count", np.arange(rows)) + 1) / 2 * (M + 1)).astype(int)
    order = unit("mask", np.arange(rows * T)).reshape(rows, T).argsort(1)
    mask, hidden, share = np.zeros((rows, T)), np.zeros((rows, M), np.int64), np.zeros((rows, M))
    for i, n in enumerate(count):
        hidden[i, :n] = np.sort(order[i, :n])
        mask[i, order[i, :n]] = 1
        share[i, :n] = 1 / n if n else 0
    assert 0 in count and M in count
    return {"mask": mask, "hidden": hidden, "share": share}


def masked_distil(koleo=0.0):
    """Zhou et al. 2022, equations 2 and 3 with two small crops; each patch is weighted by the mask, as in the official code."""
    large, small = two_views(), view("small", 2, 3, SIZE // 2, SIZE // 2)
    inputs = block_masks(8)
    mask = torch.from_numpy(inputs["mask"])
    scores = None

    def scored(w, tokens, net=""):
        h = tokens.reshape(-1, 16)
        z = F.normalize(mlp(w, net + "head", h, (10, 10, 7), True, True, norm=False, act=F.gelu))
        return (z @ F.normalize(w(net + "head.last_layer.weight_v", 9, 7)).T).reshape(*tokens.shape[:-1], 9)

    def step(w, k):
        nonlocal scores
        center, center2 = (w.state(name, parameter(name, (1, 9))).clone() for name in ("center", "patch_center"))
        seen, scores = vit(w, large, mask=mask), scored(w, vit(w, large, "teacher."), "teacher.").detach()
        s, local = scored(w, seen), scored(w, vit(w, small)[:, 0])
        cool = 0.04 + 0.03 * min(1, k / PER_EPOCH / 2)
        t = F.softmax((scores[:, 0] - center) / cool, 1).chunk(2)
        crops = [*s[:, 0].chunk(2), *local.chunk(2)]
        terms = [-(t[i] * F.log_softmax(crops[j] / 0.1, 1)).sum(1).mean() for i in range(2) for j in range(4) if i != j]
        patches = -(F.softmax((scores[:, 1:] - center2) / cool, 2) * F.log_softmax(s[:, 1:] / 0.1, 2)).sum(2)
        loss = sum(terms) / len(terms) + ((patches * mask).sum(1) / mask.sum(1).clamp(min=1)).mean()
        for x in seen[:, 0].chunk(2) if koleo else ():
            x = F.normalize(x)
            nearest = (x @ x.T - 2 * torch.eye(BATCH)).argmax(1)
            loss = loss - koleo * torch.log(F.pairwise_distance(x, x[nearest], eps=1e-8) + 1e-8).mean()
        return loss

    def after(w, k):
        w.value["center"].mul_(0.9).add_(0.1 * scores[:, 0].mean(0))
        w.value["patch_center"].mul_(0.9).add_(0.1 * scores[:, 1:].mean((0, 1)))
        w.follow(cosine(0.8, 1, k / STEPS))
    return step, after, inputs


@fixture("mocov3-vit", rate=0.0005, settings=["backbone=vit_tiny_4", "hidden=10", "dim=7", "momentum=0.8", "temperature=0.3"])
def mocov3_vit():
    """The heads of a ViT: three layers, and a norm after the predictor's last one."""
    return mocov3(lambda *given: vit(*given)[:, 0], (10, 10, 7), last_norm=plain_norm)


MASKED_DISTIL = ["prototypes=9", "hidden=10", "dim=7", "momentum=0.8", "warmup_epochs=2", "freeze_epochs=0", "small_crops=2"]


@fixture("ibot", rate=0.05, settings=MASKED_DISTIL)
def ibot():
    return masked_distil()


@fixture("dinov2", rate=0.05, settings=MASKED_DISTIL)
def dinov2():
    """Oquab et al. 2024, section 4; KoLeo of Sablayrolles et al. 2019, equation 5."""
    return masked_distil(koleo=0.1)


@fixture("msn", rate=0.01, settings=["prototypes=9", "hidden=10", "dim=7", "momentum=0.8", "small_crops=2", "drop=0.3"])
def msn():
    """Assran et al. 2022, section 3, and the official losses.py: Q begins as the sharpened targets."""
    (a, b), small = two_views().chunk(2), view("small", 2, 3, SIZE // 2, SIZE // 2)
    order = unit("mask", np.arange(BATCH * 16)).reshape(BATCH, 16).argsort(1)
    visible, restore = order[:, :11], np.ones((BATCH, 17), np.int64)

    def encoded(w, x, net="", **masked):
        z = mlp(w, net + "head", vit(w, x, net, **masked)[:, 0], (10, 10, 7), True, True, act=F.gelu)
        return (F.normalize(z) @ F.normalize(w("prototypes.weight", 9, 7)).T / 0.1).softmax(1)

    @torch.no_grad()
    def target(p):
        q = p ** (1 / 0.25)
        q = (q / q.sum(1, keepdim=True)).T
        q = q / q.sum()
        for _ in range(3):
            q = q / q.sum(1, keepdim=True) / len(q)
            q = q / q.sum(0, keepdim=True) / q.shape[1]
        return (q * q.shape[1]).T

    def step(w, k):
        p = torch.cat([encoded(w, a, visible=visible), encoded(w, small)])
        q = target(encoded(w, b, "teacher.")).repeat(3, 1)
        mean = p.mean(0)
        return -(q * p.log()).sum(1).mean() + (mean * mean.log()).sum() + math.log(9)
    return step, lambda w, k: w.follow(0.8 + 0.1992 * k / STEPS), {"visible": visible, "hidden": order[:, 11:],
                                                                    "restore": restore}


@fixture("ijepa", rate=0.05, settings=["targets=2", "target_max=0.3", "context=4", "predictor_width=8", "predictor_depth=1",
                                       "predictor_heads=2", "momentum=0.8"])
def ijepa():
    """Assran et al. 2023, section 3, block by block: two of 1 to 4 patches for each image."""
    x, order = view("image", 1, 3, SIZE, SIZE), unit("mask", np.arange(BATCH * 16)).reshape(BATCH, 16).argsort(1)
    visible, targets, share = order[:, :4], order[:, 4:12].reshape(BATCH, 2, 4).copy(), np.zeros((BATCH, 2, 4))
    count = 1 + ((unit("count", np.arange(BATCH * 2)) + 1) / 2 * 4).astype(int).reshape(BATCH, 2)
    assert set(count.flat) == {1, 2, 3, 4}
    for i, t in np.ndindex(BATCH, 2):
        share[i, t, :count[i, t]] = 1 / count[i, t]
        targets[i, t, count[i, t]:] = targets[i, t, 0]

    def dense(w, name, x, out):
        return F.linear(x, w(f"predictor.{name}.weight", out, x.shape[2]), w(f"predictor.{name}.bias", out))

    def step(w, k):
        h, positions = vit(w, x, visible=visible, fixed=True)[:, 1:], fixed_positions(4, 8).float().double()[:, 1:]
        target = F.layer_norm(vit(w, x, "teacher.", fixed=True)[:, 1:].detach(), (16,))
        loss = 0
        for i, t in np.ndindex(BATCH, 2):
            places = torch.from_numpy(targets[i, t, :count[i, t]])
            seen = dense(w, "embed", h[i:i + 1], 8) + positions[:, torch.from_numpy(visible[i])]
            y = torch.cat([seen, w("predictor.mask_token", 1, 1, 8) + positions[:, places]], dim=1)
            y = block(w, "predictor.blocks.0", y, heads=2)
            y = F.layer_norm(y, (8,), w("predictor.norm.weight", 8), w("predictor.norm.bias", 8), eps=1e-6)[:, 4:]
            loss = loss + F.smooth_l1_loss(dense(w, "proj", y, 16), target[i:i + 1, places])
        return loss / (BATCH * 2)
    return step, lambda w, k: w.follow(0.8 + 0.2 * k / STEPS), {"visible": visible, "targets": targets, "share": share}


@fixture("data2vec2", rate=0.01, settings=["masks=2", "mask_ratio=0.7", "blocks=2", "decoder_width=12", "decoder_layers=2",
                                           "decoder_groups=4", "noise=0.3", "cls=0.5", "momentum=0.8", "momentum_end=0.9",
                                           "momentum_epochs=3"])
def data2vec2():
    """Baevski et al. 2022, section 3, image by image; two masks of each, 4 of 16 patches stay."""
    x, order = view("image", 1, 3, SIZE, SIZE), unit("mask", np.arange(2 * BATCH * 16)).reshape(-1, 16).argsort(1)
    visible, hidden = np.sort(order[:, :4]), np.sort(order[:, 4:])
    restore = np.concatenate([visible, hidden], axis=1).argsort(1)

    def decode(w, x):
        for i in range(2):
            y = F.conv2d(x, w(f"decoder.blocks.{i}.weight", 12, len(x[0]) // 4, 3, 3), w(f"decoder.blocks.{i}.bias", 12),
                         padding=1, groups=4)
            y = F.gelu(F.layer_norm(y.movedim(1, 3), (12,))).movedim(3, 1)
            x = x + y if i else y
        return F.linear(x.flatten(2).transpose(1, 2), w("decoder.proj.weight", 16, 12), w("decoder.proj.bias", 16))

    def step(w, k):
        added, noise = [], 0.3 * normals(k, 1, 2, 12 * 16).reshape(2, 12, 16)
        vit(w, x, "teacher.", fixed=True, mlps=added)
        target = sum(F.instance_norm(y.detach()[:, 1:].transpose(1, 2)).transpose(1, 2) for y in added) / 2
        target = F.layer_norm(target, (16,))
        patches = whole = 0
        for i in range(2 * BATCH):
            m, image = i // BATCH, i % BATCH
            tokens = vit(w, x[image:image + 1], visible=visible[i:i + 1], fixed=True)[0]
            grid = torch.zeros(16, 16, dtype=torch.float64)
            grid[visible[i]], grid[hidden[i]] = tokens[1:], noise[m]
            apart = (decode(w, grid.T.reshape(1, 16, 4, 4))[0] - target[image])[hidden[i]]
            patches = patches + (apart ** 2).sum() / math.sqrt(16) / 12
            whole = whole + ((tokens[0] - target[image].mean(0)) ** 2).sum() / math.sqrt(16)
        return (patches + 0.5 * whole) / (2 * BATCH)
    return step, lambda w, k: w.follow(0.8 + 0.1 * min(1, k / PER_EPOCH / 3)), {"visible": visible, "hidden": hidden,
                                                                                "restore": restore}


@fixture("deepcluster", rate=0.05, settings=["prototypes=3", "heads=3", "rounds=4", "hidden=10", "dim=7", "small_crops=2"])
def deepcluster():
    """main_deepclusterv2.py of SwAV's repository, with an epoch of one step: k-means after each."""
    large, small, K, D = two_views(), view("small", 2, 3, SIZE // 2, SIZE // 2), 3, 7
    index = np.array([3, 0, 6, 1, 7, 5, 2, 4])
    z = None

    def states(w):
        memory = w.state("memory", parameter("memory", (BATCH, 2 * D)))
        return memory, [w.state(f"centroids.{i}", parameter(f"centroids.{i}", (K, D))) for i in range(3)]

    def kmeans(rows, step, stream):
        n = np.arange(BATCH, dtype=np.uint64)
        first = (philox(np.zeros_like(n), step, n, stream)[3] >> np.uint64(8)).argsort(kind="stable")[:K]
        centers = rows[torch.from_numpy(first.copy())]
        for _ in range(4):
            nearest = (rows @ centers.T).argmax(1)
            means = [rows[nearest == c].mean(0) if (nearest == c).any() else centers[c] for c in range(K)]
            centers = F.normalize(torch.stack(means))
        return centers

    def step(w, k):
        nonlocal z
        z = F.normalize(head(w, "projector", torch.cat([small_cnn(w, large), small_cnn(w, small)]), 10, D))
        memory, centroids = states(w)
        losses = []
        for i, c in enumerate(centroids):
            old = memory[torch.from_numpy(index)][:, i % 2 * D:][:, :D]
            losses.append(F.cross_entropy(z @ c.T.clone() / 0.1, (old @ c.T).argmax(1).repeat(4)))
        return sum(losses) / 3

    @torch.no_grad()
    def after(w, k):
        memory, centroids = states(w)
        memory[torch.from_numpy(index)] = torch.cat([z[:BATCH], z[BATCH:2 * BATCH]], 1)
        w.state("seen", torch.zeros(1, dtype=torch.float64)).fill_(BATCH)
        for i, c in enumerate(centroids):
            c.copy_(kmeans(memory[:, i % 2 * D:][:, :D], k, 1 + i))
    return step, after, {"index": index}


# ---- training, and files ----

def digest(tensor):
    flat = tensor.detach().reshape(-1)
    if len(flat) <= WHOLE:
        return flat.numpy().copy()
    at = (2 * np.arange(SAMPLES) + 1) * len(flat) // (2 * SAMPLES)
    return np.concatenate([[float(flat.norm())], flat.numpy()[at]])


def train(step, after, rate):
    w, losses, gradients = Weights(), [], {}
    for k in range(STEPS):
        loss = step(w, k)
        trained = [w.value[name] for name in w.trained]
        grads = torch.autograd.grad(loss, trained)
        if k == 0:
            gradients = {name: digest(g) for name, g in zip(w.trained, grads)}
        with torch.no_grad():
            for p, g in zip(trained, grads):
                p.sub_(rate * g)
        if after:
            after(w, k)
        losses.append(loss.item())
    return losses, gradients, {name: digest(p) for name, p in w.value.items()}


def main(names):
    (HERE / "fixtures").mkdir(exist_ok=True)
    for name in names:
        make, rate, settings, size, classes = METHODS[name]
        step, after, inputs = make()
        losses, gradients, end = train(step, after, rate)
        with h5py.File(HERE / "fixtures" / (name + ".h5"), "w", libver="latest") as f:
            method = name.split("-")[0]
            f["settings"] = [f"method={method}"] + [s if s.startswith("backbone") else f"{method}.{s}" for s in settings]
            f["task"] = np.array([BATCH, size, classes, rate])
            f["loss"] = np.array(losses)
            for group, tensors in (("inputs", inputs), ("gradients", gradients), ("end", end)):
                f.create_group(group)
                for key, value in tensors.items():
                    f[group][key] = np.asarray(value, dtype=np.float64).reshape(-1)
        print(name, *(f"{x:.5f}" for x in losses))


if __name__ == "__main__":
    main(sys.argv[1:] or METHODS)
