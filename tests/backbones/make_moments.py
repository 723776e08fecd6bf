#!/usr/bin/env python3
"""Writes moments.h beside it: the moments of initial values in torchvision's and timm's networks, and the largest.

    python3 tests/backbones/make_moments.py

Parameters of the same shape whose names differ in numbered children only (blocks.3, cell_3) are one row, unless children are numbered
through whose initial values differ ("exactly"). Last made with PyTorch 2.15,
torchvision 0.29.2 and timm 1.0.31.
"""
import pathlib
import re
import sys

import timm
import torch
import torchvision

HERE = pathlib.Path(__file__).resolve().parent
SEEDS = 3  # small tensors are known better by several


def torchvision_net(name, drop, **options):
    """Without what begins with `drop`: the classifier, which our backbones do not have."""
    return lambda: (getattr(torchvision.models, name)(weights=None, **options), drop)


def timm_net(name, **options):
    return lambda: (timm.create_model(name, pretrained=False, num_classes=0, **options), "no such")


def swin_v2():
    """With one bias of queries, keys and values, as torchvision's and ours; timm's, which begin as 0, lack that of keys."""
    net = timm.create_model("swinv2_tiny_window8_256", pretrained=False, num_classes=0)
    for module in list(net.modules()):
        if hasattr(module, "q_bias"):
            module.qkv.bias = torch.nn.Parameter(torch.cat([module.q_bias, module.k_bias, module.v_bias]).detach())
            module.q_bias = module.v_bias = None
    return net, "no such"


def nasnet_mobile():
    sys.path.append(str(HERE.parent / "golden"))
    import backbone_fixtures
    return backbone_fixtures.nasnet_mobile(), "no such"


# Our backbone, or what test_moments.c calls it, and theirs.
NETS = {
    "alexnet exactly": torchvision_net("alexnet", "classifier.6"),
    "convnext_atto": timm_net("convnext_atto"),
    "googlenet": torchvision_net("googlenet", "fc.", aux_logits=False, init_weights=True),
    "mobilenet_v1": timm_net("mobilenetv1_100"),
    "mobilenet_v2": torchvision_net("mobilenet_v2", "classifier"),
    "mobilenet_v3_small": torchvision_net("mobilenet_v3_small", "classifier.3"),
    "nasnet_mobile": nasnet_mobile,
    "resnet18": torchvision_net("resnet18", "fc."),
    "resnet50": torchvision_net("resnet50", "fc."),
    "seresnet18": timm_net("seresnet18"),
    "seresnext50_32x4d": timm_net("seresnext50_32x4d"),
    "swin_tiny": timm_net("swin_tiny_patch4_window7_224"),
    "swin_v2_tiny": swin_v2,
    "vgg11_bn": torchvision_net("vgg11_bn", "classifier.6"),
    "vit_tiny_16": timm_net("vit_tiny_patch16_224"),
    "vit with DeiT's token": timm_net("deit_tiny_distilled_patch16_224"),
    "vit with DINOv2's parts": timm_net("vit_tiny_patch16_224", reg_tokens=4, no_embed_class=True, init_values=1e-5, qk_norm=True),
}


def moments(make, exactly):
    """{(pattern, shape): (count, sum, sum of squares, least, largest)} of all numbers of parameters that look alike"""
    found = {}
    for seed in range(SEEDS):
        torch.manual_seed(seed)
        net, drop = make()
        for name, value in net.named_parameters():
            if name.startswith(drop):
                continue
            pattern = name if exactly else re.sub(r"(?<=[._])\d+(?=\.)", "#", name)
            key = pattern, "x".join(map(str, value.shape))
            v = value.detach().double()
            v = v[v.abs() != 2]  # trunc_normal_ cuts off at 2, and its inverse error function makes such a number now and then
            n, a, b, low, high = found.get(key, (0, 0.0, 0.0, float("inf"), -float("inf")))
            found[key] = n + v.numel(), a + v.sum().item(), b + (v * v).sum().item(), min(low, v.min().item()), max(high, v.max().item())
    return found


def row(name, key, found):
    count, total, squares, low, high = found
    mean = total / count
    deviation = 0 if low == high else max(squares / count - mean * mean, 0) ** 0.5
    numbers = f'"{key[1]}", {mean:.6g}, {deviation:.6g}, {max(abs(low), abs(high)):.6g}, {count}}},'
    line = f'    {{"{name}", "{key[0]}", {numbers}'
    return line if len(line) <= 132 else f'    {{"{name}", "{key[0]}",\n     {numbers}'


if __name__ == "__main__":
    rows = [row(name.removesuffix(" exactly"), key, found) for name, make in NETS.items()
            for key, found in moments(make, name.endswith(" exactly")).items()]
    (HERE / "moments.h").write_text(
        "/* moments.h - initial values of torchvision's and timm's networks, by make_moments.py: mean, standard deviation and the largest\n"
        " * magnitude of `count` numbers, of all parameters of a shape whose names differ in numbered children (#) only. */\n"
        "#ifndef PX_TESTS_BACKBONES_MOMENTS_H\n#define PX_TESTS_BACKBONES_MOMENTS_H\n\n#include <stdint.h>\n\n"
        "/* clang-format off */\n"
        "static const struct moments {\n    const char *backbone, *pattern, *shape;\n    double mean, deviation, largest;\n    int64_t count;\n"
        "} moments[] = {\n" + "\n".join(rows) + "\n};\n/* clang-format on */\n\n#endif\n")
