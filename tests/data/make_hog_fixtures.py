#!/usr/bin/env python3
"""Writes hog_fixtures.h: scikit-image's HOG of small images, and MaskFeat's HOG of one by PyTorch. The tests need no Python.

    python3 tests/data/make_hog_fixtures.py > tests/data/hog_fixtures.h     (scikit-image 0.25, torch 2)
"""
import math

import numpy as np
import skimage
import torch
import torch.nn.functional as F
from skimage.feature import hog


def scene(channels, side):
    """test_hog.c fills its image by the same formula."""
    c, y, x = np.meshgrid(range(channels), range(side), range(side), indexing="ij")
    return ((37 * y * y + 13 * x * y + 29 * x + 101 * c * (x + 2) + 64 * y) % 256).astype(np.float32) / 255


def array(name, values):
    numbers = [f"{value:.7f}f" for value in np.asarray(values).ravel().tolist()]
    lines = [", ".join(numbers[i:i + 9]) for i in range(0, len(numbers), 9)]
    print(f"static const float {name}[] = {{\n    " + ",\n    ".join(lines) + "};")


def of_image(channels, side, cell):
    return hog(scene(channels, side).transpose(1, 2, 0).astype(np.float64), orientations=9, pixels_per_cell=(cell, cell),
               cells_per_block=(2, 2), block_norm="L2-Hys", channel_axis=2)


def maskfeat(image, cell, bins=9):
    """(C, S, S) -> (cells, cells, C, bins): each direction is a map, which is pooled."""
    x = F.pad(torch.from_numpy(image).double()[:, None], (1, 1, 1, 1), mode="reflect")
    kernel = torch.tensor([[1.0, 0, -1], [2, 0, -2], [1, 0, -1]]).double()[None, None]
    gx, gy = F.conv2d(x, kernel)[:, 0], F.conv2d(x, kernel.transpose(2, 3))[:, 0]
    line = torch.arange(2 * cell).double()
    line = torch.exp(-0.5 * ((line - line.mean()) / cell) ** 2)
    window = (line[:, None] * line[None]).repeat(image.shape[1] // (2 * cell), image.shape[2] // (2 * cell))
    bin_of = torch.floor(torch.atan2(gx, gy) / math.pi * bins).long() % bins
    votes = F.one_hot(bin_of, bins).permute(0, 3, 1, 2) * (torch.hypot(gx, gy) * window)[:, None]
    cells = F.normalize(F.avg_pool2d(votes, cell), dim=1)
    return cells.permute(2, 3, 0, 1)


print(f"/* hog_fixtures.h - made by make_hog_fixtures.py with scikit-image {skimage.__version__}, torch {torch.__version__}. */")
print("/* clang-format off */")
array("hog_rgb_32_8", of_image(3, 32, 8))
array("hog_gray_28_7", of_image(1, 28, 7))
array("hog_two_19_6", of_image(2, 19, 6))
array("maskfeat_rgb_16_4", maskfeat(scene(3, 16), 4))
