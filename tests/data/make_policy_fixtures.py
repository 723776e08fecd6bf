#!/usr/bin/env python3
"""Writes policy_fixtures.h: what torchvision's changes of RandAugment and TrivialAugment make of one small image, as bytes, and the
amounts of all magnitudes. The tests themselves need no Python.

    python3 tests/data/make_policy_fixtures.py > tests/data/policy_fixtures.h

Last written with torch 2.15 and torchvision 0.30. `_apply_op` and `_augmentation_space` are torchvision's own.
"""
import torch
from torchvision.transforms import InterpolationMode, RandAugment, TrivialAugmentWide
from torchvision.transforms.autoaugment import _apply_op

SIDE = 9
# test_policy.c fills its image by the same formula
image = torch.tensor([[[30 + (37 * y * y + 13 * x * y + 29 * x + 101 * c * (x + 2) + 64 * y) % 200 for x in range(SIDE)]
                       for y in range(SIDE)] for c in range(3)], dtype=torch.uint8)
# Amounts at which no pixel lies halfway between two.
CASES = [("ShearX", 0.23), ("ShearX", -0.91), ("ShearY", 0.37), ("ShearY", -0.11), ("TranslateX", 3.7), ("TranslateX", -2.0),
         ("TranslateY", 1.9), ("TranslateY", -4.0), ("Rotate", 27.0), ("Rotate", -101.0), ("Brightness", 0.6),
         ("Brightness", -0.45), ("Color", 0.9), ("Color", -0.99), ("Contrast", 0.7), ("Contrast", -0.8), ("Sharpness", 0.9),
         ("Sharpness", -0.6), ("Posterize", 4.0), ("Posterize", 2.0), ("Solarize", 120.0), ("AutoContrast", 0.0),
         ("Equalize", 0.0)]
WORDS = {"Identity": "NOTHING", "ShearX": "SHEAR_X", "ShearY": "SHEAR_Y", "TranslateX": "TRANSLATE_X",
         "TranslateY": "TRANSLATE_Y"}


def word(name):
    return "PX_CHANGE_" + WORDS.get(name, name.upper())


def real(v):
    text = "%.7g" % v
    return text + "f" if "." in text or "e" in text else text


def rows(numbers, each=24):
    return ",\n        ".join(", ".join(numbers[i:i + each]) for i in range(0, len(numbers), each))


print("/* policy_fixtures.h - made by make_policy_fixtures.py. */\n/* clang-format off */")
print("static const struct { px_change change; float amount; uint8_t pixels[3 * %d]; } changed[] = {" % SIDE ** 2)
for name, amount in CASES:
    made = _apply_op(image, name, amount, interpolation=InterpolationMode.NEAREST, fill=None)
    print("    {%s, %.2ff, {\n        %s}}," % (word(name), amount, rows([str(v) for v in made.flatten().tolist()])))
print("};")
for name, space in (("randaugment_224", RandAugment()._augmentation_space(31, (224, 224))),
                    ("trivialaugment", TrivialAugmentWide()._augmentation_space(31))):
    print("static const float %s[PX_CHANGES][PX_MAGNITUDES] = {" % name)
    for change, (amounts, _) in space.items():
        values = amounts.float().tolist() if amounts.ndim else [0.0] * 31
        print("    [%s] = {\n        %s}," % (word(change), rows([real(v) for v in values], 11)))
    print("};")
    signs = [word(change) for change, (_, signed) in space.items() if signed]
print("static const px_change with_sign[] = {\n        " + rows(signs, 5) + "};")
