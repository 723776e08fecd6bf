#!/usr/bin/env python3
"""Writes PyTorch's weights after 1, 2 and 10 steps into test_optimizer.c, between its marks.

    python3 tests/optim/make_optim_fixtures.py tests/optim/test_optimizer.c

SGD, Adam and AdamW are torch.optim's and clipping is torch.nn.utils.clip_grad_norm_, in float32. torch has neither LARS nor
LAMB: their rows follow SimCLR's lars_optimizer.py, and You et al. 2020, algorithm 2, in float64. (timm 1.0.31's Lamb in float64, with
max_grad_norm=None, gives the latter to 1.2e-16.) Values, gradients and rates are the same formulas in the test, exact in
float32. Last written with PyTorch 2.15. Format the test with clang-format afterwards.
"""
import sys

import torch

STEPS = 10
CASES = [
    ("plain", dict(optimizer="sgd", lr=0.125)),
    ("momentum", dict(optimizer="sgd", lr=0.125, momentum=0.9, weight_decay=0.01)),
    ("nesterov", dict(optimizer="sgd", lr=0.125, momentum=0.9, weight_decay=0.01, nesterov=True)),
    ("clipped", dict(optimizer="sgd", lr=0.125, momentum=0.9, weight_decay=0.01, clip=0.5)),
    ("decay_all", dict(optimizer="sgd", lr=0.125, momentum=0.9, weight_decay=0.01, decay_all=True)),
    ("mae", dict(optimizer="adamw", lr=0.0625, beta1=0.9, beta2=0.95, eps=1e-8, weight_decay=0.05)),
    ("adamw clipped", dict(optimizer="adamw", lr=0.0625, beta1=0.9, beta2=0.999, eps=1e-3, weight_decay=0.05,
                           clip=0.5)),
    ("adam", dict(optimizer="adam", lr=0.0625, beta1=0.9, beta2=0.95, eps=1e-8, weight_decay=0.05)),
    ("lamb", dict(optimizer="lamb", lr=0.0625, beta1=0.9, beta2=0.999, eps=1e-6, weight_decay=0.05)),
    ("lamb clipped", dict(optimizer="lamb", lr=0.0625, beta1=0.8, beta2=0.95, eps=1e-3, weight_decay=0.01, clip=0.5)),
    ("lars", dict(optimizer="lars", lr=4.0, momentum=0.9, weight_decay=0.01, eta=0.02)),
    ("lars nesterov", dict(optimizer="lars", lr=4.0, momentum=0.9, weight_decay=0.01, eta=0.02, nesterov=True)),
    ("lars clipped", dict(optimizer="lars", lr=4.0, momentum=0.9, weight_decay=0.01, eta=0.02, clip=0.5)),
    ("lars clip_lr", dict(optimizer="lars", lr=0.25, momentum=0.9, weight_decay=0.01, eta=0.2, clip_lr=True)),
]


def initial(i):
    return ((i * 3) % 7 - 3) / 4


def gradient(step, i):
    return ((step * 7 + i * 5) % 16 - 8) / 16


def rate(lr, step):
    return lr * (1 + step % 3) / 2


def parameters(dtype):
    """A weight of 2x3, and a bias of 4 that is exempt."""
    values = torch.tensor([initial(i) for i in range(10)], dtype=dtype)
    return [values[:6].reshape(2, 3).clone().requires_grad_(), values[6:].clone().requires_grad_()]


def set_gradients(params, step):
    g = torch.tensor([gradient(step, i) for i in range(10)], dtype=params[0].dtype)
    params[0].grad, params[1].grad = g[:6].reshape(2, 3).clone(), g[6:].clone()


def make(cfg, params):
    decay = cfg.get("weight_decay", 0)
    groups = [dict(params=params[:1], weight_decay=decay),
              dict(params=params[1:], weight_decay=decay if cfg.get("decay_all") else 0)]
    if cfg["optimizer"] in ("adam", "adamw"):
        kind = torch.optim.AdamW if cfg["optimizer"] == "adamw" else torch.optim.Adam
        return kind(groups, lr=cfg["lr"], betas=(cfg["beta1"], cfg["beta2"]), eps=cfg["eps"])
    return torch.optim.SGD(groups, lr=cfg["lr"], momentum=cfg.get("momentum", 0), nesterov=cfg.get("nesterov", False))


def lars_step(cfg, params, velocity, lr):
    for k, (w, v) in enumerate(zip(params, velocity)):
        d, trust = w.grad, 1.0
        if k == 0:
            d = d + cfg["weight_decay"] * w
            trust = cfg["eta"] * w.norm() / d.norm()
            if cfg.get("clip_lr"):
                trust = min(trust, lr) / lr
        v.mul_(cfg["momentum"]).add_(lr * trust * d)
        w.sub_(cfg["momentum"] * v + lr * trust * d if cfg.get("nesterov") else v)


def lamb_step(cfg, params, first, second, lr, step):
    for k, (w, m, v) in enumerate(zip(params, first, second)):
        m.mul_(cfg["beta1"]).add_((1 - cfg["beta1"]) * w.grad)
        v.mul_(cfg["beta2"]).add_((1 - cfg["beta2"]) * w.grad ** 2)
        r = m / (1 - cfg["beta1"] ** (step + 1)) / ((v / (1 - cfg["beta2"] ** (step + 1))).sqrt() + cfg["eps"])
        if k == 0:
            r = r + cfg["weight_decay"] * w
            r = r * w.norm() / r.norm()
        w.sub_(lr * r)


def run(cfg):
    own = cfg["optimizer"] in ("lars", "lamb")
    params = parameters(torch.float64 if own else torch.float32)
    velocity, second = ([torch.zeros_like(p) for p in params] for _ in range(2))
    optimizer = None if own else make(cfg, params)
    rows, norms = [], []
    for step in range(STEPS):
        set_gradients(params, step)
        norms.append(float(torch.nn.utils.clip_grad_norm_(params, cfg.get("clip", 1e9))))
        if own:
            with torch.no_grad():
                if cfg["optimizer"] == "lars":
                    lars_step(cfg, params, velocity, rate(cfg["lr"], step))
                else:
                    lamb_step(cfg, params, velocity, second, rate(cfg["lr"], step), step)
        else:
            for group in optimizer.param_groups:
                group["lr"] = rate(cfg["lr"], step)
            optimizer.step()
        if step + 1 in (1, 2, STEPS):
            rows.append([float(x) for p in params for x in p.detach().flatten()])
    return rows, norms


def c_value(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value)


def numbers(values):
    return "{" + ", ".join("%.9g" % v for v in values) + "}"


def main():
    lines, norms = [], []
    for name, cfg in CASES:
        rows, norms = run(cfg)
        fields = ", ".join(".%s = %s" % (k, "PX_" + v.upper() if k == "optimizer" else c_value(v)) for k, v in cfg.items())
        lines.append('{"%s", {%s}, {%s}},' % (name, fields, ", ".join(map(numbers, rows))))
    text = ["static const double expected_norms[STEPS] = %s;" % numbers(norms),
            "static const struct fixture fixtures[] = {"] + lines + ["};"]
    path = sys.argv[1]
    with open(path) as f:
        before, rest = f.read().split("/* written by make_optim_fixtures.py */\n")
        after = rest.split("/* end */\n")[1]
    with open(path, "w") as f:
        f.write(before + "/* written by make_optim_fixtures.py */\n" + "\n".join(text) + "\n/* end */\n" + after)


if __name__ == "__main__":
    main()
