#!/usr/bin/env python3
"""Writes label_free_fixtures.h: alignment, uniformity, LiDAR and CKA of small features, by NumPy as the papers write them. The
tests need no Python.

    python3 tests/eval/make_label_free_fixtures.py > tests/eval/label_free_fixtures.h
"""
import numpy as np


def features(rows, width, salt):
    """test_label_free.c makes the same numbers."""
    i, j = np.meshgrid(range(rows), range(width), indexing="ij")
    return (((i * 7919 + j * 104729 + i * j * 31 + salt * 17 + i // 3 * 1299) % 1009) / 504.0 - 1).astype(np.float32).astype(float)


def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def alignment(views):
    return np.mean(np.sum((unit(views[:, 0]) - unit(views[:, 1])) ** 2, 1))


def uniformity(views):
    x = unit(views[:, 0])
    square = np.sum((x[:, None] - x[None]) ** 2, -1)
    return np.log(np.mean(np.exp(-2 * square[np.triu_indices(len(x), 1)])))


def lidar(views, delta):
    means = views.mean(1)
    between = np.cov(means.T, bias=True)
    around = (views - means[:, None]).reshape(-1, views.shape[2])
    within = around.T @ around / len(around) + delta * np.eye(views.shape[2])
    value, vector = np.linalg.eigh(within)
    root = vector @ np.diag(value ** -0.5) @ vector.T
    p = np.linalg.eigvalsh(root @ between @ root)
    p = p[p > 1e-12 * p.max()] / p.sum()
    return np.exp(-np.sum(p * np.log(p)))


def cka(x, y):
    x, y = x - x.mean(0), y - y.mean(0)
    return np.linalg.norm(y.T @ x) ** 2 / (np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y))


print("/* label_free_fixtures.h - made by make_label_free_fixtures.py. */\n/* clang-format off */")
for name, images, q, width in (("few", 9, 4, 5), ("wide", 300, 3, 24), ("long_rows", 5, 3, 24)):
    views = features(images * q, width, 1).reshape(images, q, width)
    print(f"static const double {name}[] = {{{alignment(views):.15g}, {uniformity(views):.15g}, {lidar(views, 1e-4):.15g}}};")
print(f"static const double cka_same_width = {cka(features(300, 24, 1), features(300, 24, 2)):.15g};")
print(f"static const double cka_other_width = {cka(features(300, 24, 1), features(300, 7, 3)):.15g};")
