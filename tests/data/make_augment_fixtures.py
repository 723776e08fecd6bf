#!/usr/bin/env python3
"""Writes augment_fixtures.h: what torchvision makes of one small image. The tests themselves need no Python.

    python3 tests/data/make_augment_fixtures.py > tests/data/augment_fixtures.h     (torch 1.13 and torchvision 0.14 or later)
"""
import torch
import torchvision
from torchvision.transforms import InterpolationMode, RandomResizedCrop
from torchvision.transforms import functional as F

HEIGHT, WIDTH = 11, 13
# test_augment.c fills its image by the same formula
image = torch.tensor([[[(37 * y * y + 13 * x * y + 29 * x + 101 * c * (x + 2) + 64 * y) % 256 for x in range(WIDTH)]
                       for y in range(HEIGHT)] for c in range(3)], dtype=torch.uint8)


def array(name, tensor):
    numbers = [f"{value:.7f}f" for value in tensor.flatten().tolist()]
    lines = [", ".join(numbers[i:i + 9]) for i in range(0, len(numbers), 9)]
    print(f"static const float {name}[] = {{\n    " + ",\n    ".join(lines) + "};")


print("/* augment_fixtures.h - made by make_augment_fixtures.py with torch "
      f"{torch.__version__}, torchvision {torchvision.__version__}. */")
print("/* clang-format off */")
whole = image.float() / 255
for mode in (InterpolationMode.BILINEAR, InterpolationMode.BICUBIC):
    for what, (top, left, height, width), size in (("shrunk", (1, 1, 9, 11), 4), ("enlarged", (2, 3, 3, 4), 6)):
        view = F.resize(whole[:, top:top + height, left:left + width], [size, size], mode, antialias=True)
        array(f"{mode.value}_{what}", view.clamp(0, 1))

plane = whole[:, :4, :4]
array("plane", plane)
array("brighter", F.adjust_brightness(plane, 1.4))
array("flatter", F.adjust_contrast(plane, 0.6))
array("saturated", F.adjust_saturation(plane, 1.7))
array("hue_up", F.adjust_hue(plane, 0.2))
array("hue_down", F.adjust_hue(plane, -0.4))
array("gray", F.rgb_to_grayscale(plane, num_output_channels=3))

array("blur_source", whole[:1, :6, :6])
array("blurred_5", F.gaussian_blur(whole[:1, :6, :6], [5, 5], [0.8, 0.8]))
array("blurred_11", F.gaussian_blur(whole[:1, :6, :6], [11, 11], [2.0, 2.0]))

# No crop of at least 95% of this image has an allowed ratio, so torchvision falls back to a central one.
for name, (height, width) in (("fallback_wide", (10, 100)), ("fallback_high", (101, 10))):
    array(name, torch.tensor(RandomResizedCrop.get_params(torch.zeros(3, height, width), [0.95, 1], [3 / 4, 4 / 3])))
