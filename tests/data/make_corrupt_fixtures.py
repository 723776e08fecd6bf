#!/usr/bin/env python3
"""Writes corrupt_fixtures.h: a small image, blurred by scikit-image, brightened in HSV by scikit-image, and sent through JPEG by
Pillow, as Hendrycks and Dietterich's scripts do it. The tests need no Python.

    python3 tests/data/make_corrupt_fixtures.py > tests/data/corrupt_fixtures.h     (scikit-image 0.25, Pillow 11)
"""
import io

import numpy as np
import PIL
import skimage
from PIL import Image
from skimage.color import hsv2rgb, rgb2hsv
from skimage.filters import gaussian

SIDE = 16


def scene():
    """test_corrupt.c fills its image by the same formula."""
    c, y, x = np.meshgrid(range(3), range(SIDE), range(SIDE), indexing="ij")
    return ((9 * y * y + 5 * x * y + 13 * x + 41 * c * (x + 2) + 7 * y) % 256).astype(np.uint8).transpose(1, 2, 0)


def cut(x):
    return np.uint8(np.clip(x, 0, 1) * 255 + 1e-4)


def blur(sigma):
    return cut(gaussian(scene() / 255.0, sigma=sigma, channel_axis=-1))


def brighten(more):
    x = rgb2hsv(scene() / 255.0)
    x[:, :, 2] = np.clip(x[:, :, 2] + more, 0, 1)
    return cut(hsv2rgb(x))


def jpeg(quality):
    file = io.BytesIO()
    Image.fromarray(scene()).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def array(name, image):
    numbers = [str(v) for v in image.transpose(2, 0, 1).ravel().tolist()]
    lines = [", ".join(numbers[i:i + 24]) for i in range(0, len(numbers), 24)]
    print(f"static const uint8_t {name}[] = {{\n    " + ",\n    ".join(lines) + "};")


print(f"/* corrupt_fixtures.h - made by make_corrupt_fixtures.py with scikit-image {skimage.__version__}, Pillow "
      f"{PIL.__version__}. */")
print("/* clang-format off */")
array("blur_cifar_1", blur(0.4))
array("blur_cifar_5", blur(1))
array("blur_imagenet_3", blur(3))
array("brightness_cifar_5", brighten(0.3))
array("brightness_imagenet_1", brighten(0.1))
array("jpeg_cifar_3", jpeg(58))
array("jpeg_imagenet_5", jpeg(7))
