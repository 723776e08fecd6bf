#!/usr/bin/env python3
"""Writes the files of torch.save that test_tensor_file.c reads: make_torch_fixtures.py FOLDER. Needs PyTorch >= 1.6."""
import collections
import os
import sys

import torch

folder = sys.argv[1]


def save(name, what, **options):
    torch.save(what, os.path.join(folder, name), **options)


whole = torch.arange(24, dtype=torch.float32).reshape(2, 3, 4)
tensors = collections.OrderedDict(
    conv=whole,
    view=whole[1, :, 1:3],                                      # neither at the start of its storage nor contiguous
    half=torch.tensor([1.5, -2, 0.25], dtype=torch.float16),
    brain=torch.tensor([1.5, -2, 0.25], dtype=torch.bfloat16),
    double=torch.tensor(3.25, dtype=torch.float64),
    count=torch.tensor(7),
    empty=torch.zeros(0, 5),
)
save("tensors.pth", tensors)
save("older.pth", tensors, _use_new_zipfile_serialization=False)
save("nested.ckpt", {"epoch": 3, "best": 71.5, "names": ["a", None, True], "optimizer": {"state": {0: {"step": torch.tensor(2.)}}},
                     "state_dict": {"module.w": torch.nn.Parameter(torch.ones(2)), "list": [torch.zeros(1), (torch.ones(1),)]}})
save("linear.pth", torch.nn.Linear(2, 2).state_dict())
save("module.pth", torch.nn.Linear(2, 2))
save("empty.pth", {"epoch": 3})
save("number.pth", 5)
torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), os.path.join(folder, "script.pt"))
