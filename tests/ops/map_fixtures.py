#!/usr/bin/env python3
"""Writes map_fixtures.h: what PyTorch makes of a small map by resizing, pooling, normalising, convolving; and the gradient
of the sum of (output * position). Needs torch. python3 tests/ops/map_fixtures.py > tests/ops/map_fixtures.h"""
import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)


def line(name, numbers):
    text = ", ".join(f"{v:.9g}" for v in numbers.flatten().tolist())
    return f"static const double {name}[] = {{{text}}};"


def case(name, x, f, *weights):
    """x and weights: the numbers (i * 7 % 11 - 4) / 2, (i * 5 % 7 - 3) / 4; the loss weighs output i with (i * 3 % 5 - 1)."""
    x = x.clone().requires_grad_(True)
    weights = [w.clone().requires_grad_(True) for w in weights]
    y = f(x, *weights)
    w = torch.arange(y.numel()).mul(3).remainder(5).sub(1).double().reshape(y.shape)
    (y * w).sum().backward()
    print(line(name + "_y", y.detach()))
    print(line(name + "_dx", x.grad))
    for v in weights:
        print(line(name + "_dw", v.grad))


def numbers(*shape):
    n = torch.Size(shape).numel()
    return ((torch.arange(n) * 7 % 11).double() - 4).reshape(shape) / 2


def weights(*shape):
    n = torch.Size(shape).numel()
    return ((torch.arange(n) * 5 % 7).double() - 3).reshape(shape) / 4


print("/* map_fixtures.h - PyTorch's outputs and gradients of maps, written by map_fixtures.py. */")
print("#ifndef PX_TESTS_MAP_FIXTURES_H\n#define PX_TESTS_MAP_FIXTURES_H\n\n/* clang-format off */")
x = numbers(1, 2, 5, 4)
for name, size, how in (
    ("nearest", (7, 3), dict(mode="nearest")),
    ("linear", (7, 3), dict(mode="bilinear", align_corners=False)),
    ("linear_corners", (7, 3), dict(mode="bilinear", align_corners=True)),
    ("linear_antialias", (2, 6), dict(mode="bilinear", align_corners=False, antialias=True)),
    ("cubic", (7, 3), dict(mode="bicubic", align_corners=False)),
    ("cubic_corners", (3, 9), dict(mode="bicubic", align_corners=True)),
    ("cubic_antialias", (2, 6), dict(mode="bicubic", align_corners=False, antialias=True)),
):
    case(name, x, lambda v: F.interpolate(v, size, **how))
x = numbers(1, 2, 7, 6)
case("max_pooled", x, lambda v: F.max_pool2d(v, (3, 2), (2, 1), (1, 0), (1, 2)))
case("max_pooled_ceil", x, lambda v: F.max_pool2d(v, 3, 2, 0, ceil_mode=True))
case("avg_pooled", x, lambda v: F.avg_pool2d(v, (3, 2), (2, 3), (1, 1)))
case("avg_pooled_ceil", x, lambda v: F.avg_pool2d(v, 3, 2, 1, ceil_mode=True))
case("avg_pooled_without_pad", x, lambda v: F.avg_pool2d(v, 5, 2, 2, count_include_pad=False))
case("adaptive", x, lambda v: F.adaptive_avg_pool2d(v, (3, 4)))
case("adaptive_larger", x, lambda v: F.adaptive_avg_pool2d(v, (9, 2)))
case("adaptive_one", x, lambda v: F.adaptive_avg_pool2d(v, 1))
x = numbers(1, 7, 2, 3)
case("response_norm", x, lambda v: F.local_response_norm(v, 5, 0.3, 0.75, 2.0))
case("response_norm_even", x, lambda v: F.local_response_norm(v, 4, 1.5, 0.5, 1.0))
x = numbers(2, 4, 6, 7)
case("convolved", x, lambda v, w: F.conv2d(v, w, None, (2, 1), (1, 2), (1, 2)), weights(3, 4, 3, 2))
case("depthwise", x, lambda v, w: F.conv2d(v, w, None, (2, 2), (2, 2), 1, 4), weights(4, 1, 5, 5))
case("depthwise_twice", x, lambda v, w: F.conv2d(v, w, None, 1, 1, 1, 4), weights(8, 1, 3, 3))
case("in_groups", x, lambda v, w: F.conv2d(F.pad(v, (0, 1, 0, 1)), w, None, 2, 0, 2, 2), weights(4, 2, 2, 3))
print("/* clang-format on */\n\n#endif")
