#!/usr/bin/env python3
"""Weights as other programs write them: `pretext features` of the file against what PyTorch computes with it.

    compare_weights.py build/pretext

Models of torchvision and timm with random weights and statistics are saved in .safetensors and .pth under the prefixes that toolkits
put before names, and as the authors of methods save them, with heads and a second network. Features must agree with PyTorch's in
double to 2e-6 of the largest, or to 1.2 times what its own in float differ by (networks with SwiGLU: 2.2e-6). Ends with 77 where
torch or h5py is missing (meson then skips the test); cases whose package is missing are named.
"""
import os
import pathlib
import subprocess
import sys
import tempfile

PYTHON = os.environ.pop("TORCH_PYTHON", "")
if PYTHON:
    os.execv(PYTHON, [PYTHON, *sys.argv])
try:
    import h5py
    import numpy as np
    import torch
except ImportError as error:
    print(f"skipped: {error}; the environment variable TORCH_PYTHON can name an interpreter that has torch and h5py")
    sys.exit(77)

LIMIT = 2e-6
IMAGES = 3
PREFIXES = ["", "module.", "state_dict.backbone.", "module.encoder_q."]


def random_weights(net):
    """As after training: no weight is 0 or 1, also of norms and their statistics."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, value in net.state_dict().items():
            if not value.is_floating_point() or name.endswith("relative_coords_table"):  # Swin V2's places in a window
                continue
            noise = torch.rand(value.shape, generator=generator)
            if name.endswith("running_var") or (value.dim() == 1 and name.endswith(("weight", "gamma"))):
                value.copy_(0.75 + 0.5 * noise)
            elif value.dim() == 1:
                value.copy_(0.2 * noise - 0.1)
            else:
                value.copy_((2 * noise - 1) * (3 / max(1, value[0].numel())) ** 0.5)
    return net.eval()


def torchvision_model(name, head, **more):
    def make(size):
        import torchvision
        options = {"image_size": size} if name.startswith("vit") else more
        net = random_weights(getattr(torchvision.models, name)(weights=None, **options))
        state = dict(net.state_dict())
        owner, _, last = head.rpartition(".")
        setattr(net.get_submodule(owner), last, torch.nn.Identity())
        return net, state
    return make


def timm_model(name, **options):
    def make(size):
        import timm
        more = {"img_size": size} if "vit" in name or "deit" in name else {}
        net = random_weights(timm.create_model(name, pretrained=False, num_classes=0, **more, **options))
        return net, net.state_dict()
    return make


def swiglu_model(size):
    """As vit_giant_patch14_reg4_dinov2, but narrow."""
    from timm.layers import SwiGLUPacked
    return timm_model("vit_tiny_patch16_224", patch_size=14, reg_tokens=4, no_embed_class=True, init_values=1e-5,
                      mlp_layer=SwiGLUPacked, mlp_ratio=2.66667 * 2, act_layer=torch.nn.SiLU)(size)


def official_dinov2(name):
    """As facebookresearch/dinov2 saves them: other names, and the class token has a position, which timm adds to the token."""
    def make(size):
        net, state = timm_model(name)(size) if name else swiglu_model(size)
        spelled = [("reg_token", "register_tokens")] + ([] if name else [("mlp.fc1", "mlp.w12"), ("mlp.fc2", "mlp.w3")])
        state = dict(state)
        for ours, theirs in spelled:
            state = {k.replace(ours, theirs): v for k, v in state.items()}
        place = 0.1 * torch.ones_like(state["cls_token"])
        state["cls_token"] = state["cls_token"] - place
        state["pos_embed"] = torch.cat([place, state["pos_embed"]], dim=1)
        return net, state | {"mask_token": torch.zeros(1, place.shape[-1])}
    return make


def official_swin_v2(name):
    """As microsoft/Swin-Transformer saves it: what merges pixels belongs to the stage before, and constants are saved, too."""
    def make(size):
        import re
        net, state = timm_model(name)(size)
        state = {re.sub(r"^layers\.(\d)\.downsample", lambda m: f"layers.{int(m[1]) - 1}.downsample", k): v for k, v in state.items()}
        made = ("relative_coords_table", "relative_position_index", "attn_mask")
        return net, state | {k: v for k, v in net.named_buffers() if k.endswith(made)}
    return make


def beit_model(size):
    """With the positions of a ViT."""
    from timm.models.beit import Beit
    net = random_weights(Beit(img_size=size, patch_size=16, num_classes=0, global_pool="token", embed_dim=192, depth=12,
                              num_heads=3, use_abs_pos_emb=True, use_rel_pos_bias=False, init_values=0.1))
    return net, net.state_dict()


def wide_resnet(size):
    """In the names of xternalz/WideResNet-pytorch."""
    sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "golden"))
    import re
    from backbone_fixtures import WideResNet
    net = random_weights(WideResNet(28, 2))
    spelled = {re.sub(r"^layer(\d)\.(\d)\.", r"block\1.layer.\2.", k).replace("downsample.0.", "convShortcut."): v
               for k, v in net.state_dict().items()}
    return net, spelled | {"fc.weight": torch.ones(10, 128), "fc.bias": torch.ones(10)}


def solo_resnet(size):
    """solo-learn's ResNet-18 for CIFAR, which pads the images by 2."""
    import torchvision
    net = torchvision.models.resnet18(weights=None)
    net.conv1, net.maxpool, net.fc = torch.nn.Conv2d(3, 64, 3, 1, 2, bias=False), torch.nn.Identity(), torch.nn.Identity()
    return random_weights(net), dict(net.state_dict())


# What, of which size, and a setting that it needs.
CASES = {
    "torchvision resnet18": (torchvision_model("resnet18", "fc"), 96, None),
    "torchvision resnet50": (torchvision_model("resnet50", "fc"), 96, None),
    "torchvision vit_b_16": (torchvision_model("vit_b_16", "heads"), 64, None),
    "torchvision alexnet": (torchvision_model("alexnet", "classifier.6"), 96, None),
    "torchvision vgg11_bn": (torchvision_model("vgg11_bn", "classifier.6"), 96, None),
    "torchvision googlenet": (torchvision_model("googlenet", "fc", init_weights=False), 96, None),
    "torchvision googlenet, transform_input": (
        torchvision_model("googlenet", "fc", init_weights=False, transform_input=True), 96, "googlenet.transform=true"),
    "torchvision mobilenet_v2": (torchvision_model("mobilenet_v2", "classifier"), 96, None),
    "torchvision mobilenet_v3_large": (torchvision_model("mobilenet_v3_large", "classifier.3"), 96, None),
    "torchvision resnext50_32x4d": (torchvision_model("resnext50_32x4d", "fc"), 96, None),
    "torchvision convnext_tiny": (torchvision_model("convnext_tiny", "classifier.2"), 96, None),
    "torchvision swin_t": (torchvision_model("swin_t", "head"), 224, None),
    "solo-learn's resnet18": (solo_resnet, 32, "resnet.stem_padding=2"),
    "WideResNet-pytorch": (wide_resnet, 32, None),
    "torchvision swin_v2_t": (torchvision_model("swin_v2_t", "head"), 256, None),
    "timm mobilenetv1": (timm_model("mobilenetv1_100"), 96, None),
    "timm nasnetalarge": (timm_model("nasnetalarge"), 96, None),
    "timm seresnet50": (timm_model("seresnet50"), 96, None),
    "timm convnext_atto": (timm_model("convnext_atto"), 96, None),
    "timm swin_tiny": (timm_model("swin_tiny_patch4_window7_224"), 224, None),
    "timm swinv2_tiny": (timm_model("swinv2_tiny_window8_256"), 256, None),
    "Swin's authors' names, V2": (official_swin_v2("swinv2_tiny_window8_256"), 256, None),
    "timm vit_tiny_patch16": (timm_model("vit_tiny_patch16_224"), 64, None),
    "timm resnet34": (timm_model("resnet34"), 96, None),
    "timm fc_norm": (timm_model("vit_tiny_patch16_224", global_pool="avg"), 64, None),
    "timm DINOv2": (timm_model("vit_small_patch14_dinov2"), 56, None),
    "timm DINOv2 with registers": (timm_model("vit_small_patch14_reg4_dinov2"), 56, None),
    "timm DINOv2's SwiGLU": (swiglu_model, 56, None),
    "DINOv2's names, registers": (official_dinov2("vit_small_patch14_reg4_dinov2"), 56, None),
    "DINOv2's names, SwiGLU": (official_dinov2(None), 56, None),
    "timm DeiT, distilled": (timm_model("deit_tiny_distilled_patch16_224"), 64, None),
    "timm norms of queries": (timm_model("vit_tiny_patch16_224", qk_norm=True), 64, None),
    "timm without biases of queries": (timm_model("vit_tiny_patch16_224", qkv_bias=False), 64, None),
    "BEiT's biases": (beit_model, 64, None),
}
# What has parts that ours lack, and the word that the refusal has.
REFUSED = {
    "timm without a class token": (
        timm_model("vit_tiny_patch16_224", class_token=False, global_pool="avg", fc_norm=False), 64, "class token"),
    "timm ResNet-D": (timm_model("ecaresnet50t"), 96, "ResNet-D"),
    "Swin's authors' names, 12to16": (
        official_swin_v2("swinv2_base_window12to16_192to256"), 256, "swin.pretrained_windows=[12, 12, 12, 6] would fit"),
}


def under(prefix, state):
    return {prefix + k: v for k, v in state.items()}


def tensors(prefix, *shapes):
    """A head: linear layers and norms of these shapes, numbered."""
    return {f"{prefix}.{i}.weight": torch.full(shape, 0.1) for i, shape in enumerate(shapes)}


# As the authors' code saves it: w is the encoder that they evaluate, o the other one, both of a network with D features.
LAYOUTS = {
    "SwAV": ("resnet18", lambda w, o, d: {"epoch": 3, "state_dict": under("module.", w) | tensors("module.projection_head", (64, d), (64,))
                                          | {"module.prototypes.weight": torch.ones(30, 64)}}),
    "MoCo": ("resnet18", lambda w, o, d: {"arch": "resnet18", "state_dict": under("module.encoder_q.", w) | under("module.encoder_k.", o)
                                          | tensors("module.encoder_q.fc", (d, d)) | tensors("module.encoder_k.fc", (d, d))
                                          | {"module.queue": torch.ones(64, 8), "module.queue_ptr": torch.zeros(1, dtype=torch.long)}}),
    "SimSiam": ("resnet18", lambda w, o, d: {"state_dict": under("module.encoder.", w) | tensors("module.encoder.fc", (d, d))
                                             | tensors("module.predictor", (d, d))}),
    "Barlow Twins": ("resnet18", lambda w, o, d: {"epoch": 3, "model": under("module.backbone.", w) | tensors("module.projector", (64, d))
                                                  | {"module.bn.running_mean": torch.zeros(64), "module.bn.running_var": torch.ones(64)}}),
    "VICReg": ("resnet18", lambda w, o, d: {"model": under("module.backbone.", w) | tensors("module.projector", (64, d), (64,))}),
    "BYOL (lucidrains)": ("resnet18", lambda w, o, d: under("online_encoder.net.", w) | under("target_encoder.net.", o)
                          | tensors("online_encoder.projector", (64, d)) | tensors("target_encoder.projector", (64, d))
                          | tensors("online_predictor", (64, 64))),
    "solo-learn": ("resnet18", lambda w, o, d: {"epoch": 3, "pytorch-lightning_version": "2.0", "callbacks": {}, "state_dict":
                   under("backbone.", w) | under("momentum_backbone.", o) | tensors("projector", (64, d)) | tensors("momentum_projector", (64, d))
                   | {"classifier.weight": torch.ones(10, d), "classifier.bias": torch.ones(10)}}),
    "timm, averaged": ("resnet18", lambda w, o, d: {"arch": "resnet18", "state_dict": o, "state_dict_ema": w}),
    "DINO": ("vit", lambda w, o, d: {"teacher": under("backbone.", w) | tensors("head.mlp", (64, d)) | {"head.last_layer.weight_v": torch.ones(9, 64)},
                                     "student": under("module.backbone.", o) | tensors("module.head.mlp", (64, d)),
                                     "epoch": 3, "dino_loss": {"center": torch.zeros(1, 9)}}),
    "MAE": ("vit", lambda w, o, d: {"model": w | {"mask_token": torch.ones(1, 1, 64), "decoder_embed.weight": torch.ones(64, d),
                                                  "decoder_pos_embed": torch.ones(1, 17, 64), "decoder_pred.weight": torch.ones(768, 64)}}),
    "MSN": ("vit", lambda w, o, d: {"target_encoder": under("module.", w) | {"module.fc.fc1.weight": torch.ones(64, d)},
                                    "encoder": under("module.", o) | {"module.fc.fc1.weight": torch.ones(64, d)},
                                    "prototypes": torch.ones(16, 64)}),
    "MoCo v3": ("vit", lambda w, o, d: {"state_dict": under("module.base_encoder.", w) | under("module.momentum_encoder.", o)
                                        | tensors("module.base_encoder.head", (64, d)) | tensors("module.predictor", (64, 64))}),
}
LAYOUT_MODELS = {"resnet18": (torchvision_model("resnet18", "fc"), 32), "vit": (timm_model("vit_tiny_patch16_224"), 64)}


def layout(program, folder, family, compose):
    """The difference of the features, or what was said."""
    make, size = LAYOUT_MODELS[family]
    x = write_set(folder / "d.h5", size)
    net, state = make(size)
    encoder = {k: v for k, v in state.items() if not k.startswith("fc.")}
    other = {k: v + 0.01 if v.is_floating_point() else v for k, v in encoder.items()}
    width = net.double()(x).shape[1]
    path = folder / "w.pth"
    torch.save(compose(encoder, other, width), path)
    got, said = features(program, path, folder / "d.h5", size)
    if got is None:
        return said
    want = net(x).detach().numpy()
    return apart(got, want)


def save(path, state, prefix):
    """In .pth the prefix's parts are dictionaries where it begins with state_dict."""
    state = {k: v.contiguous() for k, v in state.items()}
    if path.suffix == ".pth":
        inner = prefix.removeprefix("state_dict.")
        named = {inner + k: v for k, v in state.items()}
        torch.save({"state_dict": named, "epoch": 3} if inner != prefix else named, path)
        return
    import safetensors.torch
    safetensors.torch.save_file({prefix + k: v for k, v in state.items()}, path)


def write_set(path, size):
    rng = np.random.default_rng(2)
    images = rng.integers(0, 256, (IMAGES, size, size, 3), dtype=np.uint8)
    with h5py.File(path, "w") as f:
        f["images"] = images
        f.attrs["channels"] = np.int32(3)
        f.attrs["mean"] = np.full(3, 0.5, np.float32)
        f.attrs["std"] = np.full(3, 0.25, np.float32)
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    return torch.from_numpy(((images / 255 - mean) / std).transpose(0, 3, 1, 2).copy())


def features(program, weights, data, size, setting=None):
    out = weights.parent / "f.h5"
    out.unlink(missing_ok=True)
    done = subprocess.run([program, "features", str(weights), f"data.path={data}", f"out={out}", f"data.image_size={size}",
                           "data.normalize=imagenet"] + ([setting] if setting else []), capture_output=True, text=True)
    if done.returncode:
        return None, done.stderr.strip()
    with h5py.File(out) as f:
        return f["features"][:], done.stderr


def apart(got, want):
    return float(np.abs(got - want).max() / np.abs(want).max())


def compare(program, folder, name, make, size, setting):
    """The worst difference over prefixes and formats, and what is allowed; a text if something was refused."""
    x = write_set(folder / "d.h5", size)
    net, state = make(size)
    with torch.no_grad():
        single = net(x.float()).numpy()
        want = net.double()(x).numpy()
    allowed = max(LIMIT, 1.2 * apart(single, want))
    worst = 0
    large = sum(v.numel() for v in state.values()) > 20e6  # large files: once
    for prefix in [""] if large else PREFIXES if name.split()[0] == "torchvision" or "tiny" in name else PREFIXES[:2]:
        for ending in (".safetensors", ".pth"):
            path = folder / ("w" + ending)
            save(path, state, prefix)
            got, said = features(program, path, folder / "d.h5", size, setting)
            if got is None:
                return f"'{prefix}' {ending}: {said}", allowed
            worst = max(worst, apart(got, want))
    return worst, allowed


def refuse(program, folder, make, size, word):
    write_set(folder / "d.h5", size)
    path = folder / "w.pth"
    save(path, make(size)[1], "")
    got, said = features(program, path, folder / "d.h5", size)
    return "was not refused" if got is not None else None if word in said else said


def main(program):
    failed = 0
    for name, (family, compose) in LAYOUTS.items():
        with tempfile.TemporaryDirectory() as folder:
            try:
                error = layout(program, pathlib.Path(folder), family, compose)
            except ImportError as missing:
                print(f"{name}: skipped: {missing}")
                continue
        print(f"layout of {name}: {error if isinstance(error, str) else f'{error:.1e}'}", flush=True)
        failed += isinstance(error, str) or error > LIMIT
    for name, (make, size, last) in [*CASES.items(), *REFUSED.items()]:
        with tempfile.TemporaryDirectory() as folder:
            try:
                if name in REFUSED:
                    wrong = refuse(program, pathlib.Path(folder), make, size, last)
                    print(f"{name}: {wrong or 'refused by name'}")
                    failed += wrong is not None
                    continue
                error, allowed = compare(program, pathlib.Path(folder), name, make, size, last)
            except ImportError as missing:
                print(f"{name}: skipped: {missing}")
                continue
        print(f"{name}: {error if isinstance(error, str) else f'{error:.1e} of {allowed:.1e}'}", flush=True)
        failed += isinstance(error, str) or error > allowed
    return 1 if failed else 0


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "2")
    torch.set_num_threads(2)
    sys.exit(main(os.path.abspath(sys.argv[1])))
