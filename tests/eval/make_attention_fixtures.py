#!/usr/bin/env python3
"""Writes attention_fixtures.h: attention distance and entropy of small queries and keys, by NumPy as the ViT paper describes them.
The tests need no Python.

    python3 tests/eval/make_attention_fixtures.py > tests/eval/attention_fixtures.h
"""
import numpy as np


def rows(tokens, width):
    """test_attention.c makes the same numbers."""
    i, j = np.meshgrid(range(tokens), range(3 * width), indexing="ij")
    return (((i * 7919 + j * 104729 + i * j * 31) % 1009) / 252.0 - 2).astype(np.float32).astype(float)


def measure(grid, first, heads, width, patch):
    tokens = first + grid * grid
    q, k, _ = rows(tokens, width).reshape(tokens, 3, heads, width // heads).transpose(1, 2, 0, 3)
    logits = q @ k.transpose(0, 2, 1) / np.sqrt(width // heads)
    a = np.exp(logits - logits.max(-1, keepdims=True))
    a = (a / a.sum(-1, keepdims=True))[:, first:]
    entropy = -(a * np.log(a)).sum(-1).mean(-1)
    place = np.stack(np.divmod(np.arange(grid * grid), grid), 1)
    apart = np.linalg.norm(place[:, None] - place[None], axis=-1)
    a = a[:, :, first:]
    a = a / a.sum(-1, keepdims=True)
    return (a * apart).sum(-1).mean(-1) * patch, entropy


print("/* attention_fixtures.h - made by make_attention_fixtures.py. */\n/* clang-format off */")
for name, spec in (("with_class", (4, 1, 3, 12, 8)), ("without", (3, 0, 2, 8, 4))):
    for what, values in zip(("distance", "entropy"), measure(*spec)):
        print(f"static const double {name}_{what}[] = {{{', '.join(f'{v:.15g}' for v in values)}}};")
