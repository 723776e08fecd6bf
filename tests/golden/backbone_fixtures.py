#!/usr/bin/env python3
"""Writes PyTorch's answers for one backbone of each family to this folder, with the formulas of make_fixtures.py.

    python3 tests/golden/backbone_fixtures.py            # or with names, to make only these

A fixture backbone_NAME has the features in evaluation and in training (with the batch's statistics) of torchvision's or timm's
model, and digests of all gradients and of the running statistics after that step. Computed in float64. Last made with
PyTorch 2.15, torchvision 0.29 and timm 1.0.31.
"""
import sys

import torch
import torch.nn.functional as F
import torchvision

from make_fixtures import digest, fill, images, parameter, write

TARGETS = [3, 17, 50]  # the features are used as logits of these classes
COLUMNS = 256  # about so many of the features are stored


def torchvision_model(name, head, **options):
    """Without the last linear layer, whose path is `head`, and without dropout."""
    net = getattr(torchvision.models, name)(weights=None, **options)
    for module in net.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0
    *path, last = head.split(".")
    owner = net
    for part in path:
        owner = getattr(owner, part)
    setattr(owner, last, torch.nn.Identity())
    return net


def vgg(name):
    """For small images: the mean over the map in place of the large linear layers."""
    net = torchvision_model(name, "classifier.6")
    net.avgpool, net.classifier = torch.nn.AdaptiveAvgPool2d(1), torch.nn.Identity()
    return net


def timm_model(name, **options):
    import timm
    return timm.create_model(name, pretrained=False, num_classes=0, **options)


class WideBlock(torch.nn.Module):
    def __init__(self, planes_in, planes, stride):
        super().__init__()
        self.bn1, self.bn2 = torch.nn.BatchNorm2d(planes_in), torch.nn.BatchNorm2d(planes)
        self.conv1 = torch.nn.Conv2d(planes_in, planes, 3, stride, 1, bias=False)
        self.conv2 = torch.nn.Conv2d(planes, planes, 3, 1, 1, bias=False)
        if stride > 1 or planes_in != planes:
            self.downsample = torch.nn.Sequential(torch.nn.Conv2d(planes_in, planes, 1, stride, bias=False))

    def forward(self, x):
        a = F.relu(self.bn1(x))
        y = self.conv2(F.relu(self.bn2(self.conv1(a))))
        return y + (self.downsample(a) if hasattr(self, "downsample") else x)


class WideResNet(torch.nn.Module):
    """WRN-depth-k as section 2 and table 1 of Zagoruyko & Komodakis 2016 (arXiv:1605.07146) have it. With 10 classes it has as many
    parameters as theirs (WRN-28-10: 36.5 M)."""

    def __init__(self, depth, k):
        super().__init__()
        blocks, planes = (depth - 4) // 6, [16, 16 * k, 32 * k, 64 * k]
        self.conv1 = torch.nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        for i in range(3):
            self.add_module(f"layer{i + 1}", torch.nn.Sequential(*(
                WideBlock(planes[i + (j > 0)], planes[i + 1], 2 if i > 0 and j == 0 else 1) for j in range(blocks))))
        self.bn1 = torch.nn.BatchNorm2d(planes[3])

    def forward(self, x):
        return F.relu(self.bn1(self.layer3(self.layer2(self.layer1(self.conv1(x)))))).mean((2, 3))


def dinov2():
    """DINOv2's largest one with registers, of another width; with norms of queries and keys."""
    from timm.layers import SwiGLUPacked
    return timm_model("vit_tiny_patch16_224", img_size=56, patch_size=14, reg_tokens=4, no_embed_class=True, init_values=1e-5,
                      mlp_layer=SwiGLUPacked, mlp_ratio=2.66667 * 2, act_layer=torch.nn.SiLU, qk_norm=True)


def beit():
    """With the positions of a ViT."""
    from timm.models.beit import Beit
    return Beit(img_size=32, patch_size=16, num_classes=0, global_pool="token", embed_dim=192, depth=12, num_heads=3,
                use_abs_pos_emb=True, use_rel_pos_bias=False, init_values=None)


def swin_v2():
    """swin_v2_t with windows that divide all maps of small images. Coordinates of places are made again in double."""
    from torchvision.models.swin_transformer import PatchMergingV2, ShiftedWindowAttentionV2, SwinTransformer, SwinTransformerBlockV2
    net = SwinTransformer(patch_size=[4, 4], embed_dim=96, depths=[2, 2, 6, 2], num_heads=[3, 6, 12, 24], window_size=[3, 3],
                          stochastic_depth_prob=0, block=SwinTransformerBlockV2, downsample_layer=PatchMergingV2).double()
    net.head = torch.nn.Identity()
    for module in net.modules():
        if isinstance(module, ShiftedWindowAttentionV2):
            x = 8 * torch.arange(-2, 3, dtype=torch.float64) / 2
            x = x.sign() * torch.log2(x.abs() + 1) / 3
            module.relative_coords_table = torch.stack(torch.meshgrid(x, x, indexing="ij"), dim=-1)[None]
    return net


class Apart(torch.nn.Linear):
    """Queries, keys and values with one bias, of which that of keys is not used: torchvision's layout, and ours."""

    def forward(self, x):
        used = torch.tensor([1, 0, 1], dtype=x.dtype)[:, None]
        return F.linear(x, self.weight, (self.bias.view(3, -1) * used).flatten())


def swin_v2_pretrained():
    """timm's Swin V2 whose distances are scaled by other windows than those in use, in each stage another one."""
    from timm.models.swin_transformer_v2 import SwinTransformerV2, WindowAttention
    windows = (2, 4, 5, 1)
    net = SwinTransformerV2(img_size=96, embed_dim=96, depths=(2, 2, 6, 2), num_heads=(3, 6, 12, 24), window_size=3, num_classes=0,
                            drop_path_rate=0, pretrained_window_sizes=windows).double()
    for stage, window in zip(net.layers, windows):
        for module in stage.modules():
            if isinstance(module, WindowAttention):
                x = 8 * torch.arange(-2, 3, dtype=torch.float64) / max(window - 1, 1)
                x = x.sign() * torch.log2(x.abs() + 1) / 3
                table = torch.stack(torch.meshgrid(x, x, indexing="ij"), dim=-1)[None]
                assert torch.allclose(table, module.relative_coords_table, atol=1e-6)  # theirs, made in float
                module.relative_coords_table = table
                module.qkv, module.q_bias = Apart(module.dim, 3 * module.dim).double(), None
                del module.v_bias
    return net


def swin_name(name):
    """timm's name of torchvision's parameter."""
    name = name.replace("features.0.0.", "patch_embed.proj.").replace("features.0.2.", "patch_embed.norm.")
    for stage in range(4):
        name = name.replace(f"features.{2 * stage}.", f"layers.{stage}.downsample.")
        name = name.replace(f"features.{2 * stage + 1}.", f"layers.{stage}.blocks.")
    return name.replace("mlp.0.", "mlp.fc1.").replace("mlp.3.", "mlp.fc2.").replace("cpb_mlp.fc1.", "cpb_mlp.0.")


def nasnet_mobile():
    """timm's cells in the wiring of the mobile network (Cadene's pretrained-models.pytorch; TF-slim's build_nasnet_mobile), in which the
    cell behind a reduction cell sees that one's input."""
    from timm.layers import ConvNormAct
    from timm.models import nasnet
    c, same = 44, {"pad_type": "same"}
    net = torch.nn.Module()
    net.conv0 = ConvNormAct(3, 32, 3, stride=2, padding=0, apply_act=False,
                            norm_layer=lambda n, **o: torch.nn.BatchNorm2d(n, eps=0.001))
    net.cell_stem_0 = nasnet.CellStem0(32, num_channels=c // 4, **same)
    net.cell_stem_1 = nasnet.CellStem1(32, num_channels=c // 2, **same)
    before, now = c, 2 * c
    for group in range(3):
        width = c << group
        if group:
            cell = (nasnet.ReductionCell0, nasnet.ReductionCell1)[group - 1](before, width, now, width, **same)
            net.add_module(f"reduction_cell_{group - 1}", cell)
            before, now = now, 4 * width
        for k in range(4):
            first = k == 0
            cell = (nasnet.FirstCell if first else nasnet.NormalCell)(before, width // 2 if first else width, now, width, **same)
            net.add_module(f"cell_{6 * group + k}", cell)
            before, now = now, 6 * width

    def forward(x):
        first = net.conv0(x)
        one = net.cell_stem_0(first)
        now, before = net.cell_stem_1(first, one), one
        for group in range(3):
            if group:
                now, before = getattr(net, f"reduction_cell_{group - 1}")(now, before), now
            for k in range(4):
                now, before = getattr(net, f"cell_{6 * group + k}")(now, before), now
        return F.relu(now).mean((2, 3))

    net.forward = forward
    return net


# What, the side of its images, and what our names of its parameters are.
CASES = {
    "alexnet": (lambda: torchvision_model("alexnet", "classifier.6"), 64),
    "convnext": (lambda: timm_model("convnext_atto"), 64),
    "googlenet": (lambda: torchvision_model("googlenet", "fc", aux_logits=False, init_weights=False), 64),
    "mobilenet_v1": (lambda: timm_model("mobilenetv1_100"), 96),
    "mobilenet_v2": (lambda: torchvision_model("mobilenet_v2", "classifier"), 96),
    "mobilenet_v3": (lambda: torchvision_model("mobilenet_v3_small", "classifier.3"), 96),
    "nasnet": (nasnet_mobile, 64),
    "seresnext50": (lambda: timm_model("seresnext50_32x4d"), 64),
    "swin_v2": (swin_v2, 96, swin_name),
    "swin_v2_pretrained": (swin_v2_pretrained, 96, str),
    "swin": (lambda: timm_model("swin_tiny_patch4_window7_224", img_size=64, window_size=4, drop_path_rate=0.0), 64),
    "vgg11_bn": (lambda: vgg("vgg11_bn"), 64),
    "wrn_28_2": (lambda: WideResNet(28, 2), 32),
    "vit_biases": (beit, 32),
    "vit_distilled": (lambda: timm_model("deit_tiny_distilled_patch16_224", img_size=32), 32),
    "vit_registers": (dinov2, 56),
}


def some(features):
    return features.detach()[:, ::max(1, features.shape[1] // COLUMNS)]


def known(gradient):
    """A bias before a batch norm has none but for rounding."""
    return digest(gradient if gradient.norm() > 1e-12 else torch.zeros_like(gradient))


def fill_parameters(net, spell):
    """Parameters alone, as those of our names."""
    with torch.no_grad():
        for name, value in net.named_parameters():
            value.copy_(parameter(spell(name), tuple(value.shape)))
    return net


def fixture(make, size, spell=None):
    net, x = fill_parameters(make(), spell) if spell else fill(make()), images(len(TARGETS), len(TARGETS), 3, size)
    spell = spell or str
    with torch.no_grad():
        out = {"features": some(net.eval()(x))}
    features = net.train()(x)
    F.cross_entropy(features, torch.tensor(TARGETS)).backward()
    out["training"] = some(features)
    out.update({spell(name): known(p.grad) for name, p in net.named_parameters()})
    out.update({name: digest(b) for name, b in net.named_buffers() if "running_" in name})
    return out


if __name__ == "__main__":
    for name in sys.argv[1:] or CASES:
        write("backbone_" + name, fixture(*CASES[name]))
