#!/usr/bin/env python3
"""Writes PyTorch's answers for the vision transformer to this folder, with the formulas of make_fixtures.py.

    python3 tests/golden/vit_fixtures.py

The model is timm's VisionTransformer (names, order, layer norm eps 1e-6), written with torch.nn alone. It was compared
with timm 0.6.13 for tiny, small, base and large: features agree to 2e-6, all gradients to 4e-6.
"""
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from make_fixtures import digest, fill, images, write

SIZE, WIDTH, DEPTH, HEADS = 32, 192, 12, 3
TARGETS = [3, 77, 150]  # the features are used as logits of these classes


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x):
        b, t, d = x.shape
        q, k, v = self.qkv(x).reshape(b, t, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        p = (q @ k.transpose(-2, -1) * (d // self.heads) ** -0.5).softmax(-1)
        return self.proj((p @ v).transpose(1, 2).reshape(b, t, d))


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.norm1, self.attn = nn.LayerNorm(width, eps=1e-6), Attention(width, heads)
        self.norm2, self.mlp = nn.LayerNorm(width, eps=1e-6), nn.Module()
        self.mlp.fc1, self.mlp.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        x = x + self.attn(self.norm1(x))
        return x + self.mlp.fc2(F.gelu(self.mlp.fc1(self.norm2(x))))


class ViT(nn.Module):
    def __init__(self, patch):
        super().__init__()
        self.patch, self.patches = patch, (SIZE // patch) ** 2
        self.cls_token = nn.Parameter(torch.zeros(1, 1, WIDTH))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + self.patches, WIDTH))
        self.patch_embed = nn.Module()
        self.patch_embed.proj = nn.Conv2d(3, WIDTH, patch, patch)
        self.blocks = nn.Sequential(*(Block(WIDTH, HEADS) for _ in range(DEPTH)))
        self.norm = nn.LayerNorm(WIDTH, eps=1e-6)

    def embed(self, x):
        """Patches, without their positions: (N, T, D)."""
        return self.patch_embed.proj(x).flatten(2).transpose(1, 2)

    def forward(self, x):
        x = torch.cat([self.cls_token.expand(len(x), -1, -1), self.embed(x)], dim=1) + self.pos_embed
        return self.norm(self.blocks(x))


def fixed_positions(side, width):
    """MAE's get_2d_sincos_pos_embed: the first half of a row encodes the column, the second the row of the patch."""
    omega = 1 / 10000 ** (np.arange(width // 4) / (width / 4))
    row, column = np.divmod(np.arange(side * side), side)
    angles = [place[:, None] * omega for place in (column, row)]
    table = np.concatenate([f(a) for a in angles for f in (np.sin, np.cos)], axis=1)
    return torch.from_numpy(np.concatenate([np.zeros((1, width)), table])[None])


def fix_positions(embedding):
    """Sets a parameter (1, 1 + T, width) that is not trained."""
    _, tokens, width = embedding.shape
    embedding.data = fixed_positions(int((tokens - 1) ** 0.5), width)
    embedding.requires_grad = False


def one_step(pool, positions):
    net = fill(ViT(16))
    if positions == "sincos":
        fix_positions(net.pos_embed)
    tokens = net(images(len(TARGETS), len(TARGETS), 3, SIZE))
    features = tokens[:, 0] if pool == "cls" else tokens[:, 1:].mean(1)
    F.cross_entropy(features, torch.tensor(TARGETS)).backward()
    out = {"features": features.detach()}
    out.update({name: digest(p.grad) for name, p in net.named_parameters() if p.requires_grad})
    return out


if __name__ == "__main__":
    write("vit_class_token", one_step("cls", "learned"))
    write("vit_mean_sincos", one_step("mean", "sincos"))
