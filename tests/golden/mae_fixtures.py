#!/usr/bin/env python3
"""Writes PyTorch's answers for masked autoencoders to this folder, with the formulas of make_fixtures.py.

    python3 tests/golden/mae_fixtures.py

The model follows the paper (He et al. 2022, section 3) and uses vit_fixtures.py's transformer; parameters have the same
names as in C. test_mae.c has the same formula for which patches are hidden.
"""
import numpy as np
import torch
from torch import nn

from make_fixtures import digest, fill, groups, images, train, unit, write
from vit_fixtures import Block, ViT, fix_positions

# The settings of test_mae.c.
IMAGES, SIZE, PATCH, MASK_RATIO = 4, 32, 8, 0.7
DECODER_WIDTH, DECODER_DEPTH, DECODER_HEADS = 64, 2, 4


class MAE(ViT):
    def __init__(self):
        super().__init__(PATCH)
        self.visible = int(self.patches * (1 - MASK_RATIO))
        self.mask_token = nn.Parameter(torch.zeros(1, 1, DECODER_WIDTH))
        self.decoder_pos_embed = nn.Parameter(torch.zeros(1, 1 + self.patches, DECODER_WIDTH))
        self.decoder_embed = nn.Linear(self.norm.weight.numel(), DECODER_WIDTH)
        self.decoder_blocks = nn.Sequential(*(Block(DECODER_WIDTH, DECODER_HEADS) for _ in range(DECODER_DEPTH)))
        self.decoder_norm = nn.LayerNorm(DECODER_WIDTH, eps=1e-6)
        self.decoder_pred = nn.Linear(DECODER_WIDTH, 3 * PATCH**2)

    def encode(self, x, places):
        """Encodes the class token and the patches at `places` (N, K), each with its position."""
        x = self.embed(x) + self.pos_embed[:, 1:]
        x = torch.stack([tokens[p] for tokens, p in zip(x, places)])
        first = (self.cls_token + self.pos_embed[:, :1]).expand(len(x), -1, -1)
        return self.norm(self.blocks(torch.cat([first, x], dim=1)))

    def decode(self, tokens, places):
        """Inserts mask tokens for hidden patches and predicts the pixels of all."""
        tokens = self.decoder_embed(tokens)
        rows = []
        for image, p in zip(tokens, places):
            row = self.mask_token[0].repeat(1 + self.patches, 1)
            row[0], row[1 + p] = image[0], image[1:]
            rows.append(row)
        x = torch.stack(rows) + self.decoder_pos_embed
        return self.decoder_pred(self.decoder_norm(self.decoder_blocks(x)))[:, 1:]

    def targets(self, x):
        """Pixels of each patch, row by row, the channels of a pixel together; mean 0, variance 1 (unbiased)."""
        side = SIZE // PATCH
        x = x.reshape(len(x), 3, side, PATCH, side, PATCH).permute(0, 2, 4, 3, 5, 1).reshape(len(x), side**2, -1)
        return (x - x.mean(2, keepdim=True)) / (x.var(2, unbiased=True, keepdim=True) + 1e-6).sqrt()

    def loss(self, x, noise):
        """The patches with the smallest noise are visible; the loss is the mean squared error of the others."""
        places = noise.argsort(dim=1)[:, :self.visible]
        error = ((self.decode(self.encode(x, places), places) - self.targets(x)) ** 2).mean(2)
        hidden = torch.ones_like(noise).scatter(1, places, 0)
        return (error * hidden).sum() / hidden.sum()


def start():
    net = fill(MAE())
    fix_positions(net.pos_embed)
    fix_positions(net.decoder_pos_embed)
    x, noise = images(IMAGES, IMAGES, 3, SIZE), torch.from_numpy(unit("mask", np.arange(IMAGES * net.patches)))
    return net, lambda: net.loss(x, noise.reshape(IMAGES, -1))


def gradients():
    net, loss_of = start()
    loss = loss_of()
    loss.backward()
    out = {"loss": loss.item()}
    out.update({name: digest(p.grad) for name, p in net.named_parameters() if p.requires_grad})
    return out


def adamw():
    net, loss_of = start()
    return train(net, loss_of, torch.optim.AdamW(groups(net, 0.5), lr=5e-4, betas=(0.9, 0.95), eps=1e-8))


if __name__ == "__main__":
    write("mae_gradients", gradients())
    made = adamw()
    write("mae_adamw", made)
    print("mae_adamw", *(f"{x:.5f}" for x in made["loss"]))
